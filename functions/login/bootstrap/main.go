// Command bootstrap is the login function as Lambda runs it.
package main

import (
	"portcullis.example/functions/login"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) { login.New(g, api).Routes() }, key.Part, stack.Passwords, stack.Cursors)
}
