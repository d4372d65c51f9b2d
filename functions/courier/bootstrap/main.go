// Command bootstrap is the courier as Lambda runs it, on the table's stream and
// on a schedule.
package main

import (
	"portcullis.example/functions/courier"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/stack/post"
)

func main() {
	stack.Run(func(g *ground.Ground) any { return stack.Stream(courier.New(g), g.Log) }, key.Part, post.Part)
}
