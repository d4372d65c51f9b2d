// Command bootstrap is the gate function as Lambda runs it.
package main

import (
	"portcullis.example/functions/gate"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.ServeThen(func(g *ground.Ground, api *web.API) stack.After {
		keeper := g.Keeper()
		gate.New(g, api, keeper).Routes()
		return stack.After{Minute: keeper.Flush, Answer: keeper.FlushNews}
	})
}
