package browser

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// The matrix is read, a role is made of the template, narrowed and removed; what
// narrowing does is said before.
func TestRolesAreMadeAndNarrowed(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem(pbxHost, nil)
	alice.PhoneSystem("office.acme.example", nil)
	p := s.tab()
	p.signIn(alice)
	p.press("Roles")
	p.see("a template: grants nothing by itself")
	p.press("Copy Limited access")
	p.enter("Name", "Support, north")
	p.press("Make the role")
	p.see("Tick at least one phone system")
	p.tick("PBX " + pbxHost)
	p.tick("See windows")
	p.shot("role-new")
	p.press("Make the role")
	p.see("Saved.")
	p.shot("roles")
	var role string
	for _, r := range alice.Must(http.StatusOK, "GET", "/v1/roles", nil).Items() {
		if r.Text("name") == "Support, north" {
			role = r.Text("id")
		}
	}
	bob := s.User(alice, "bob@acme.example", role)
	cookie := gate.Pass(bob.Unlock(gate, 600))
	p.press("Change Support, north")
	p.tick("Unlock")
	p.see("One person has this role.")
	p.see("Open windows that rest on what is taken away are closed at once.")
	p.shot("role-edit")
	p.press("Save")
	p.until(`document.querySelectorAll('dialog').length === 0`)
	if got := gate.Reason(cookie); got == "open_window" {
		t.Error("the window is open")
	}
	p.press("Remove Support, north")
	p.see("One person has it, and loses at once what it allows")
	p.press("Remove")
	p.see("The role Support, north is removed.")
	p.quiet()
}

// A key for a program is made, shown once, works, and is removed.
func TestAPIKeysAreMade(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("API keys")
	p.see("No API keys yet")
	p.press("New API key")
	p.enter("Name", "Ticket system")
	p.tick("See windows")
	p.shot("key-new")
	p.press("Make the key")
	p.see("The key for Ticket system")
	p.shot("key-made")
	key := evaluate[string](p, "document.querySelector('code.secret').textContent")
	ask := localtest.Request{Method: "GET", Path: "/v1/unlocks", Header: http.Header{"Authorization": {"Bearer " + key}}}
	s.Must(http.StatusOK, ask)
	p.press("I have kept it")
	p.see("see windows")
	p.shot("keys")
	if text := evaluate[string](p, "document.body.textContent"); strings.Contains(text, key) {
		t.Error("the key is still shown")
	}
	p.press("Remove Ticket system")
	p.press("Remove")
	p.see("is removed.")
	s.Must(http.StatusUnauthorized, ask)
	p.quiet()
}
