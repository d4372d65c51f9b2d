// Command openapi writes the OpenAPI document of all functions, as the code
// declares them: what functions/portal embeds.
package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"portcullis.example/functions/portal"
	"portcullis.example/infra/local"
	"portcullis.example/shared/ground"
)

func main() {
	system := local.New(ground.Options{Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), BaseURL: portal.DocumentURL})
	document, err := system.Document()
	if err == nil {
		_, err = os.Stdout.Write(document)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "openapi:", err)
		os.Exit(1)
	}
}
