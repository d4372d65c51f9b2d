//go:build rehearsal

package rehearsal

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// gateOf is a phone system's gate, with what it sends.
type gateOf struct {
	w      *world
	header http.Header
}

func (w *world) gate(by *visitor, host string) (gateOf, string) {
	w.t.Helper()
	made := by.ask(201, "POST", "/v1/phone-systems", map[string]any{"name": "PBX", "host": host})
	return gateOf{w, http.Header{
		"Authorization": {"Bearer " + fmt.Sprint(made["gate_key"])}, "Portcullis-Method": {"GET"}, "Portcullis-Url": {"https://" + host + "/webclient/"}, "Portcullis-Client": {"198.51.100.7"},
	}}, fmt.Sprint(made["id"])
}

func (g gateOf) decide(change func(http.Header)) (status int, reason string) {
	g.w.t.Helper()
	r, err := http.NewRequest("GET", portal+"/v1/gate/decision", http.NoBody)
	g.w.must(err)
	r.RemoteAddr, r.Header = "192.0.2.9:1", g.header.Clone()
	change(r.Header)
	res, err := g.w.Do(r)
	g.w.must(err)
	return res.StatusCode, res.Header.Get("Portcullis-Reason")
}

// ATTACKS.md 24 and 25: behind API Gateway, which joins what is sent twice, what
// is malformed, doubled or forged denies all the same.
func attackHeaders(t *testing.T, w *world) {
	gate, _ := w.gate(w.administrator(), "pbx.acme.example")
	if status, reason := gate.decide(func(http.Header) {}); status != 204 || reason != "unrestricted" {
		t.Fatalf("a sound question: %d %s", status, reason)
	}
	add := func(name, value string) func(http.Header) { return func(h http.Header) { h.Add(name, value) } }
	set := func(name string, values ...string) func(http.Header) { return func(h http.Header) { h[name] = values } }
	for what, change := range map[string]func(http.Header){
		"two URLs":        add("Portcullis-Url", "https://pbx.acme.example/webclient/x"),
		"two addresses":   add("Portcullis-Client", "203.0.113.9"),
		"two methods":     add("Portcullis-Method", "POST"),
		"joined URLs":     set("Portcullis-Url", "https://pbx.acme.example/webclient/,https://pbx.acme.example/xapi/"),
		"joined adresses": set("Portcullis-Client", "198.51.100.7, 203.0.113.9"),
		"no URL":          set("Portcullis-Url"), "no address": set("Portcullis-Client"), "no method": set("Portcullis-Method"),
		"an odd URL": set("Portcullis-Url", "https://pbx.acme.example/webclient/%zz"), "no scheme": set("Portcullis-Url", "pbx.acme.example/webclient/"),
		"dots":              set("Portcullis-Url", "https://pbx.acme.example/webclient/%2e%2e/xapi/v1/Users"),
		"a slash":           set("Portcullis-Url", "https://pbx.acme.example/webclient/..%2fxapi/"),
		"a NUL":             set("Portcullis-Url", "https://pbx.acme.example/webclient/%00"),
		"a long URL":        set("Portcullis-Url", "https://pbx.acme.example/webclient/"+strings.Repeat("a", 60<<10)),
		"user-info":         set("Portcullis-Url", "https://a@pbx.acme.example/webclient/"),
		"a host":            set("Portcullis-Url", "https://evil.example/webclient/"),
		"no address at all": set("Portcullis-Client", "localhost"),
	} {
		if status, reason := gate.decide(change); status != 403 {
			t.Errorf("%s: %d %s", what, status, reason)
		}
	}
	for what, change := range map[string]func(http.Header){
		"two keys": add("Authorization", "Bearer x"), "no key": set("Authorization"), "another's kind": set("Authorization", "Basic x"),
	} {
		if status, _ := gate.decide(change); status != 401 {
			t.Errorf("%s: %d", what, status)
		}
	}
	// What a client claims of itself is not heard.
	if status, _ := gate.decide(func(h http.Header) {
		h.Set("X-Forwarded-For", "203.0.113.9")
		h.Set("X-Forwarded-Host", "evil.example")
		h.Set("Remote-User", "somebody")
	}); status != 204 {
		t.Errorf("forwarding headers changed the decision: %d", status)
	}
}

// ATTACKS.md 31: every object of a partner's is nobody's to another.
func attackTenants(t *testing.T, w *world) {
	alice := w.administrator()
	_, system := w.gate(alice, "pbx.acme.example")
	unlock := fmt.Sprint(alice.ask(201, "POST", "/v1/phone-systems/"+system+"/unlocks", map[string]any{"reason": "x"})["id"])
	w.must(w.Partner("other", "eve@other.example"))
	eve := w.joins("eve@other.example")
	nobody := &visitor{w: w}
	for _, route := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/v1/phone-systems/" + system, nil}, {"PATCH", "/v1/phone-systems/" + system, map[string]any{"name": "x"}}, {"DELETE", "/v1/phone-systems/" + system, nil},
		{"POST", "/v1/phone-systems/" + system + "/gate-key", nil}, {"POST", "/v1/phone-systems/" + system + "/lock", nil},
		{"POST", "/v1/phone-systems/" + system + "/unlocks", map[string]any{"reason": "x"}},
		{"GET", "/v1/unlocks/" + unlock, nil}, {"DELETE", "/v1/unlocks/" + unlock, nil}, {"POST", "/v1/unlocks/" + unlock + "/extend", map[string]any{"seconds": 60}}, {"POST", "/v1/unlocks/" + unlock + "/pass", nil},
	} {
		eve.ask(404, route.method, route.path, route.body)
		nobody.ask(401, route.method, route.path, route.body)
	}
	for _, path := range []string{"/v1/phone-systems", "/v1/unlocks"} {
		if items, _ := eve.ask(200, "GET", path, nil)["items"].([]any); len(items) != 0 {
			t.Errorf("%s shows another's", path)
		}
	}
	alice.ask(200, "GET", "/v1/unlocks/"+unlock, nil)
}

// ATTACKS.md 46: the functions started anew on a table restored from a backup
// void what it brings back.
func attackRestored(t *testing.T, w *world, restored func(table string, at time.Time) *world) {
	alice := w.administrator()
	gate, system := w.gate(alice, "pbx.acme.example")
	opened := alice.ask(201, "POST", "/v1/phone-systems/"+system+"/unlocks", map[string]any{"reason": "x"})
	pass := w.pass(gate, fmt.Sprint(get(opened, "pass", "ticket")))
	console := func(h http.Header) {
		h.Set("Portcullis-Url", "https://pbx.acme.example/xapi/v1/Users")
		h.Set("Cookie", pass)
	}
	if status, reason := gate.decide(console); status != 204 {
		t.Fatalf("before: %d %s", status, reason)
	}
	w.must(w.Advance(2 * time.Second))
	after := restored(w.template.parameters["Table"], w.Now())
	alice.w, gate.w = after, after
	alice.ask(401, "GET", "/v1/session", nil)
	if status, reason := gate.decide(console); status != 403 || reason != "revoked" {
		t.Errorf("the window lives on: %d %s", status, reason)
	}
	if status, _ := gate.decide(func(http.Header) {}); status != 204 {
		t.Errorf("extension users are disturbed: %d", status)
	}
}

// pass spends a ticket.
func (w *world) pass(gate gateOf, ticket string) string {
	w.t.Helper()
	r, err := http.NewRequest("POST", portal+"/v1/gate/pass", strings.NewReader("ticket="+ticket))
	w.must(err)
	r.RemoteAddr, r.Header = "192.0.2.9:1", http.Header{
		"Authorization": gate.header["Authorization"], "Portcullis-Client": gate.header["Portcullis-Client"],
		"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {portal},
	}
	res, err := w.Do(r)
	w.must(err)
	if res.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("the ticket is refused: %d", res.StatusCode)
	}
	cookie, _, _ := strings.Cut(res.Header.Get("Set-Cookie"), ";")
	return cookie
}
