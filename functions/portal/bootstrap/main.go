// Command bootstrap is the portal function as Lambda runs it.
package main

import (
	"portcullis.example/functions/portal"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) {
		f := portal.New(g, api)
		f.Routes()
		f.Elsewhere()
	})
}
