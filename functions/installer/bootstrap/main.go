// Command bootstrap is the installer as Lambda runs it, for CloudFormation and
// for whoever may invoke it.
package main

import (
	"portcullis.example/functions/installer"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/stack"
)

func main() {
	stack.Run(func(g *ground.Ground) any { return stack.Install(installer.New(g)) }, stack.Key, stack.Mail)
}
