// Command bootstrap is the phonesystems function as Lambda runs it.
package main

import (
	"portcullis.example/functions/phonesystems"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) { phonesystems.New(g, api).Routes() }, stack.Cursors, key.Part)
}
