package stack_test

import (
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/config"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/stack/key"
	"portcullis.example/shared/stack/post"
)

func environment() map[string]string {
	return map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
		"PORTCULLIS_BASE_URL": "https://portal.example.com", "PORTCULLIS_TABLE": "portcullis", "PORTCULLIS_KEY": "arn:aws:kms:eu-central-1:1:key/x",
		"PORTCULLIS_CURSOR_KEY": strings.Repeat("k", 32), "PORTCULLIS_MAIL_FROM": "portcullis@example.com",
		"PORTCULLIS_SESSION_IDLE": "10m", "PORTCULLIS_RESTORED_AT": "2027-03-01T09:30:00Z",
	}
}

func lookup(in map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := in[name]; return value, ok }
}

func parts() []stack.Part {
	return []stack.Part{key.Part, stack.Cursors, stack.Passwords, post.Part}
}

func TestOpen(t *testing.T) {
	g, err := stack.Open(lookup(environment()), slog.New(slog.DiscardHandler), parts()...)
	if err != nil {
		t.Fatal(err)
	}
	if g.Table == nil || g.Sealer == nil || g.Hasher == nil || g.Sender == nil || len(g.CursorKey) != 32 || g.BaseURL != "https://portal.example.com" {
		t.Errorf("%+v", g.Options)
	}
	if g.Sessions.Idle != 10*time.Minute || g.Sessions.Longest != 12*time.Hour || !g.RestoredAt.Equal(time.Date(2027, 3, 1, 9, 30, 0, 0, time.UTC)) {
		t.Errorf("%+v %s", g.Sessions, g.RestoredAt)
	}
	alone, err := stack.Open(lookup(environment()), slog.New(slog.DiscardHandler))
	if err != nil || alone.Sealer != nil || alone.Sender != nil || alone.CursorKey != nil {
		t.Errorf("what was not asked for is there: %+v %v", alone, err)
	}
}

// What is missing or malformed is one line that names it and shows no value.
func TestOpenNamesWhatIsWrong(t *testing.T) {
	for name, values := range map[string][]string{
		"AWS_REGION": {""}, "AWS_ACCESS_KEY_ID": {""}, "AWS_SECRET_ACCESS_KEY": {""}, "PORTCULLIS_TABLE": {""}, "PORTCULLIS_KEY": {""},
		"PORTCULLIS_BASE_URL":   {"", "http://portal.example.com", "portal.example.com", "https://portal.example.com/x"},
		"PORTCULLIS_CURSOR_KEY": {"", "too-short"}, "PORTCULLIS_MAIL_FROM": {"", "nobody"},
		"PORTCULLIS_SESSION_IDLE": {"2h", "x"}, "PORTCULLIS_SESSION_LONGEST": {"48h"}, "PORTCULLIS_RESTORED_AT": {"yesterday"},
	} {
		for _, value := range values {
			in := maps.Clone(environment())
			in[name] = value
			_, err := stack.Open(lookup(in), slog.New(slog.DiscardHandler), parts()...)
			if !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%q: %v", name, value, err)
			}
			if value == "too-short" && strings.Contains(err.Error(), value) {
				t.Errorf("%s is shown: %v", name, err)
			}
		}
	}
}
