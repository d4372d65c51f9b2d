// Command bootstrap is the gate function as Lambda runs it.
package main

import (
	"portcullis.example/functions/gate"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) error {
		gate.New(g, api, g.Keeper()).Routes()
		return nil
	})
}
