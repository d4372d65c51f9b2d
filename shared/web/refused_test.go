package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// refused are the calls that the log has as refused to somebody, in their order.
func refused(t *testing.T, w *localtest.World, by string) (calls []string) {
	t.Helper()
	for line := range strings.Lines(w.Log.String()) {
		var entry struct{ Msg, Call, By, Partner, From, Instance string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg != "a request was refused" {
			continue
		}
		if entry.By != by || entry.Partner == "" || entry.From == "" || entry.Instance == "" {
			t.Errorf("%s", line)
		}
		calls = append(calls, entry.Call)
	}
	return calls
}

// What a person or a program may not do is refused and stands in the log, by its
// route and never as it was sent; what is only not fresh does not, nor what nobody
// known asks for.
func TestRefusalsAreLogged(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	bob := w.User(alice, "bob@acme.example")
	for _, path := range []string{"/v1/audit", "/v1/reports/mfa?customer=some-secret"} {
		bob.Must(http.StatusForbidden, "GET", path, nil)
	}
	cookie := cookieOf(w, bob)
	w.Must(http.StatusForbidden, localtest.Request{Method: "DELETE", Path: "/v1/session", Header: http.Header{"Cookie": {cookie}, "Origin": {"https://evil.example"}}})
	w.Must(http.StatusForbidden, localtest.Request{Method: "POST", Path: "/v1/login", Header: http.Header{"Origin": {"https://evil.example"}}, Body: map[string]any{"email": bob.Email, "password": localtest.Password, "delivery": "cookie"}})
	w.Clock.Add(access.FreshFor + time.Second)
	bob.Must(http.StatusForbidden, "POST", "/v1/mfa/recovery-codes", nil)
	if got := strings.Join(refused(t, w, bob.ID), ", "); got != "GET /v1/audit, GET /v1/reports/mfa" || strings.Contains(w.Log.String(), "some-secret") {
		t.Errorf("logged as refused: %s", got)
	}
	w = localtest.New(t)
	alice = w.Administrator("acme", "alice@acme.example")
	made := alice.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "program", "permissions": []string{}})
	w.Must(http.StatusForbidden, localtest.Request{Method: "GET", Path: "/v1/users", Header: http.Header{"Authorization": {"Bearer " + made.Text("api_key")}}})
	if got := strings.Join(refused(t, w, made.Text("id")), ", "); got != "GET /v1/users" {
		t.Errorf("logged as refused to a program: %s", got)
	}
}
