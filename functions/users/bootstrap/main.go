// Command bootstrap is the users function as Lambda runs it.
package main

import (
	"portcullis.example/functions/users"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) { users.New(g, api).Routes() }, stack.Cursors, key.Part)
}
