// Command bootstrap is the phonesystems function as Lambda runs it.
package main

import (
	"portcullis.example/functions/phonesystems"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) error {
		phonesystems.New(g, api).Routes()
		return nil
	}, stack.Cursors, stack.Key)
}
