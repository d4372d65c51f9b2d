package localtest_test

import (
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// The main job, from an invitation to the lock being back.
func TestMainJob(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	if got := gate.Reason(""); got != "locked" {
		t.Fatalf("before: %q", got)
	}
	if a := gate.Decide("GET", "/webclient/", ""); a.Status != http.StatusNoContent {
		t.Fatalf("extension users are affected: %d", a.Status)
	}
	unlock := alice.Unlock(gate, 60)
	cookie := gate.Pass(unlock)
	if got := gate.Reason(cookie); got != "open_window" {
		t.Fatalf("with a pass: %q", got)
	}
	if got := gate.Reason(""); got != "no_pass" {
		t.Fatalf("another browser: %q", got)
	}
	w.Clock.Add(60 * time.Second)
	if got := gate.Reason(cookie); got != "expired" {
		t.Fatalf("at the end: %q", got)
	}
	w.Tick()
	w.Tick()
	ended := alice.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.expired", nil).Items()
	if len(ended) != 1 {
		t.Fatalf("%d entries of the end", len(ended))
	}
}
