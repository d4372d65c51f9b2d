// Command bootstrap is the auditor as Lambda runs it, on a schedule.
package main

import (
	"portcullis.example/functions/auditor"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
)

func main() {
	stack.Run(func(g *ground.Ground) any { return auditor.New(g).Run }, key.Part)
}
