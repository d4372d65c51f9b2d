// Command bootstrap is the portal function as Lambda runs it.
package main

import (
	"portcullis.example/functions/portal"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) error {
		f := portal.New(g, api)
		f.Routes()
		return f.Elsewhere()
	})
}
