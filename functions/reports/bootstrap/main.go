// Command bootstrap is the reports function as Lambda runs it.
package main

import (
	"portcullis.example/functions/reports"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/web"
)

func main() {
	stack.Serve(func(g *ground.Ground, api *web.API) { reports.New(g, api).Routes() }, stack.Cursors)
}
