// Command bootstrap is the unlocks function as Lambda runs it.
package main

import (
	"portcullis.example/functions/unlocks"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) { unlocks.New(g, api).Routes() }, stack.Cursors)
}
