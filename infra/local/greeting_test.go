package local

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"portcullis.example/shared/config"
	"portcullis.example/shared/session"
)

// The links that a start prints lie in the outbox as mails by then: whoever
// reads them there does not race the first tick.
func TestMailsLieInTheOutboxWhenTheStartIsDone(t *testing.T) {
	c := config.Config{
		Addr: "127.0.0.1:0", Data: t.TempDir(), BaseURL: "http://localhost:8080", OperatorEmail: "operator@example.com",
		Sessions: session.Lifetimes{Idle: 15 * time.Minute, Longest: 12 * time.Hour},
	}
	server, greeting, err := Start(context.Background(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	letters, err := filepath.Glob(filepath.Join(greeting.Outbox, "*.eml"))
	if err != nil || len(letters) != len(greeting.Links) || len(letters) != 1 {
		t.Errorf("%d letters for %d links (%v)", len(letters), len(greeting.Links), err)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}
