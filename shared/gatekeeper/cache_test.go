package gatekeeper_test

import (
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// What a proxy keeps must not outlast the window by a part of a second.
func TestCachedAnswerEndsWithTheWindow(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", map[string]any{"decision_cache_seconds": 30})
	cookie := gate.Pass(alice.Unlock(gate, 60))
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "max-age=30"}, {40 * time.Second, "max-age=20"}, {900 * time.Millisecond, "max-age=19"}, {18200 * time.Millisecond, "no-store"}} {
		w.Clock.Add(c.after)
		if a := gate.Decide("GET", restricted, cookie); a.Status != 204 || a.Header.Get("Cache-Control") != c.want {
			t.Errorf("%v later: %d %q, want %q", c.after, a.Status, a.Header.Get("Cache-Control"), c.want)
		}
	}
}
