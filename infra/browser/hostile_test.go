package browser

import (
	"fmt"
	"net/http"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// hostile is a text that would say pwned if any page took it for markup.
const hostile = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>"'>{{x}}`

// inert demands that no stored text became markup.
func (p *page) inert(where string) {
	p.t.Helper()
	p.see("<img src=x")
	if evaluate[bool](p, `'pwned' in window || document.querySelector('img[src=x], main script, dialog script') !== null`) {
		p.t.Errorf("%s: a stored text became markup", where)
	}
	p.quiet()
}

// vandal puts the hostile text wherever the API stores a person's words.
func (s *stage) vandal() (alice *localtest.Person, system, bob string) {
	s.t.Helper()
	alice = s.Administrator(hostile, "alice@acme.example")
	made := func(path string, body map[string]any) string {
		s.t.Helper()
		return alice.Must(http.StatusCreated, "POST", path, body).Text("id")
	}
	system = made("/v1/phone-systems", map[string]any{"name": hostile, "host": pbxHost, "customer": hostile, "restricted_paths": []string{"/<img src=x"}})
	role := made("/v1/roles", map[string]any{"name": hostile, "permissions": []string{"unlock"}, "phone_systems": []string{system}, "max_unlock_seconds": 600})
	bob = made("/v1/users", map[string]any{"email": "bob@acme.example", "name": hostile, "roles": []string{role}})
	made("/v1/api-keys", map[string]any{"name": hostile, "permissions": []string{"manage_phone_systems"}})
	made("/v1/phone-systems/"+system+"/unlocks", map[string]any{"duration_seconds": 600, "reason": hostile, "ticket": hostile})
	alice.Must(http.StatusOK, "PATCH", "/v1/users/"+alice.ID, map[string]any{"name": hostile})
	return alice, system, bob
}

// A stored text like <img src=x onerror=…> is inert on every page, and the
// Content-Security-Policy has nothing to report.
func TestAttack39StoredTextsAreInertOnEveryPage(t *testing.T) {
	s := newStage(t)
	alice, system, bob := s.vandal()
	p := s.tab()
	p.signIn(alice)
	alice.Passkey(hostile) // after signing in: a browser would be asked for it
	p.inert("home")
	for _, view := range []string{"audit", "profile", "users", "roles", "api-keys", "users/" + bob} {
		p.open("/help") // the fragment alone would leave the page before on the screen
		p.open("/#" + view)
		p.inert(view)
	}
	p.press("Change")
	p.see("Change <img")
	p.inert("change of a user")
	p.open("/help")
	p.open("/#phone-systems/" + system)
	p.see(pbxHost)
	p.inert("phone system")
	p.press("Change")
	p.see("Change <img")
	p.inert("change of a phone system")
}

// An operator's pages show partners' names, and exceptions', as they are, too.
func TestAttack39PartnersNamesAreInert(t *testing.T) {
	s := newStage(t)
	_, system, _ := s.vandal()
	operator := s.Operator()
	operator.Must(http.StatusCreated, "POST", "/v1/exceptions", map[string]any{"phone_system_id": system, "host": pbxHost, "name": hostile, "reason": hostile, "paths": []string{"/xapi/v1/Contacts"}})
	p := s.tab()
	p.signInAs(operator, "Partners")
	p.press("Exceptions")
	p.see("/xapi/v1/Contacts")
	p.inert("exceptions")
	p.press("Partners")
	p.see("Add a partner")
	p.inert("partners")
	p.press(fmt.Sprintf("Change %s", hostile))
	p.inert("change of a partner")
}
