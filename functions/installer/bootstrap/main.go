// Command bootstrap is the installer as Lambda runs it, for CloudFormation and
// for whoever may invoke it.
package main

import (
	"portcullis.example/functions/installer"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/stack/post"
)

func main() {
	stack.Run(func(g *ground.Ground) any { return stack.Install(installer.New(g)) }, key.Part, post.Part)
}
