package unlocks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// A browser drops its pass at the end that it was given with, so extending
// answers a new one: whoever works on is not locked out in the middle.
func TestExtendingAnswersAPassUntilTheNewEnd(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	opened := alice.Unlock(gate, 60)
	first := gate.Pass(opened)
	extended := alice.Must(http.StatusOK, "POST", "/v1/unlocks/"+opened.Text("id")+"/extend", map[string]any{"seconds": 300})
	a := gate.Post(extended.Text("pass.ticket"), localtest.BaseURL, first)
	if a.Status != http.StatusSeeOther {
		t.Fatalf("the ticket of the extension: %d %s", a.Status, a.Body)
	}
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil || !cookie.Expires.Equal(w.Clock.Now().Add(6*time.Minute)) {
		t.Errorf("the pass ends %v (%v)", cookie.Expires, err)
	}
	w.Clock.Add(2 * time.Minute)
	second, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	if got := gate.Reason(second); got != "open_window" {
		t.Errorf("after the first end: %q", got)
	}
	if got := gate.Reason(first); got != "open_window" {
		t.Errorf("a program that kept the first pass: %q", got)
	}
}
