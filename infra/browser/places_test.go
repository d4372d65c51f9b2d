package browser

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// texts are the portal's own, by key, in English and German.
type texts map[string][2]string

func readTexts(t *testing.T) texts {
	t.Helper()
	source, err := os.ReadFile("../../functions/portal/page/texts.js")
	if err != nil {
		t.Fatal(err)
	}
	source = source[bytes.Index(source, []byte("= {"))+2:]
	all := texts{}
	if err := json.Unmarshal(source[:bytes.LastIndexByte(source, '}')+1], &all); err != nil || len(all) < 100 {
		t.Fatalf("%d texts: %v", len(all), err)
	}
	return all
}

// in is a text in a language; {name} in it is replaced.
func (all texts) in(language, key, name string) string {
	said := all[key][0]
	if language == "de" {
		said = all[key][1]
	}
	return strings.ReplaceAll(said, "{name}", name)
}

// place is a page, or a dialog on it, as a reader of any language gets there.
type place struct {
	name, path string
	presses    []string // keys of the texts on what leads there, in order
	about      string   // whom or what {name} in these is
	shows      string   // the key of a text that stands there
}

// everybodys are the places without a session.
func everybodys() []place {
	return []place{
		{name: "signin", path: "/", shows: "signin.lead"},
		{name: "forgot", path: "/#forgot", shows: "forgot.lead"},
		{name: "reset-lost", path: "/#reset", shows: "reset.lost"},
		{name: "accept-lost", path: "/#accept", shows: "accept.lost"},
		{name: "accept", path: "/#accept?token=made-up", shows: "accept.lead"},
		{name: "reset", path: "/#reset?token=made-up", shows: "reset.lead"},
		{name: "unsuspend", path: "/#unsuspend?token=made-up", shows: "unsuspend.what"},
		{name: "cancel-recovery", path: "/#cancel-recovery?token=made-up", shows: "cancel_recovery.what"},
	}
}

// inhabited is a partner with something on every page, and the places of its
// administrator.
func (s *stage) inhabited() (*localtest.Person, []place) {
	s.t.Helper()
	alice := s.Administrator("acme", "alice@acme.example")
	busy, quiet := alice.PhoneSystem("office.acme.example", nil), alice.PhoneSystem(pbxHost, nil)
	bob := s.User(alice, "bob@acme.example", access.Technician)
	s.Invite(alice, "carol.with.a.very.long.address.indeed@subsidiary.acme.example", access.Auditor)
	alice.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{"name": "Support, north", "permissions": []string{"unlock", "view_unlocks"}, "phone_systems": []string{quiet.ID}, "max_unlock_seconds": 1800})
	alice.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "Ticket system", "permissions": []string{"view_unlocks"}})
	bob.Unlock(busy, 3600)
	alice.Unlock(busy, 3600)
	busy.Decide("GET", "/xapi/v1/Users", "")
	s.Tick()
	system, person := "/#phone-systems/"+busy.ID, "/#users/"+bob.ID
	return alice, []place{
		{name: "home", path: "/#", shows: "home.open"},
		{name: "unlock", path: "/#", presses: []string{"unlock.submit"}, shows: "unlock.length"},
		{name: "extend", path: "/#", presses: []string{"extend.submit"}, shows: "extend.by"},
		{name: "lock-all", path: system, presses: []string{"lock.all"}, shows: "lock.all_after"},
		{name: "system-new", path: "/#phone-systems/new", presses: []string{"system.policy_more"}, shows: "policy.cache_hint"},
		{name: "system-import", path: "/#phone-systems/import", shows: "import.columns.systems"},
		{name: "system", path: system, shows: "gate.seen"},
		{name: "system-guide", path: system, presses: []string{"gate.install"}, shows: "gate.step2_how"},
		{name: "system-key", path: system, presses: []string{"gate.replace"}, shows: "gate.replace_what"},
		{name: "system-edit", path: system, presses: []string{"system.edit"}, shows: "policy.told"},
		{name: "system-probe", path: system, presses: []string{"probe.paths"}, shows: "probe.paths_hint"},
		{name: "system-log", path: system, presses: []string{"probe.log"}, shows: "probe.log_how"},
		{name: "system-who", path: system, presses: []string{"probe.who"}, shows: "probe.who_how"},
		{name: "system-remove", path: system, presses: []string{"system.remove"}, shows: "system.remove_what"},
		{name: "users", path: "/#users", shows: "users.lead"},
		{name: "users-invite", path: "/#users", presses: []string{"users.invite"}, shows: "users.invite_what"},
		{name: "users-import", path: "/#users/import", shows: "import.columns.users"},
		{name: "user", path: person, shows: "users.may"},
		{name: "user-edit", path: person, presses: []string{"system.edit"}, shows: "users.admin_what"},
		{name: "user-reset", path: person, presses: []string{"users.reset"}, shows: "users.reset_what"},
		{name: "user-deactivate", path: person, presses: []string{"sure.deactivate.do"}, shows: "users.ends_sessions"},
		{name: "roles", path: "/#roles", shows: "roles.lead"},
		{name: "role-new", path: "/#roles", presses: []string{"roles.new"}, shows: "roles.name_hint"},
		{name: "api-keys", path: "/#api-keys", shows: "keys.lead"},
		{name: "api-key-new", path: "/#api-keys", presses: []string{"keys.new"}, shows: "keys.new_what"},
		{name: "audit", path: "/#audit", shows: "audit.lead"},
		{name: "profile", path: "/#profile", shows: "profile.sessions"},
		{name: "password", path: "/#profile", presses: []string{"password.change"}, shows: "password.current"},
		{name: "passkey", path: "/#profile", presses: []string{"profile.passkey_add"}, shows: "profile.passkey_name"},
		{name: "codes", path: "/#profile", presses: []string{"profile.codes_new"}, shows: "profile.codes_void"},
		{name: "end-elsewhere", path: "/#profile", presses: []string{"profile.end"}, shows: "profile.end_what"},
	}
}

// operators are the places of an operator, with one partner.
func operators() []place {
	return []place{
		{name: "partners", path: "/#", shows: "partners.lead"},
		{name: "partner-new", path: "/#", presses: []string{"partners.add"}, shows: "partners.add_how"},
		{name: "recovery", path: "/#", presses: []string{"recovery.open"}, shows: "recovery.check"},
		{name: "exceptions", path: "/#exceptions", shows: "exceptions.lead"},
		{name: "exception-new", path: "/#exceptions", presses: []string{"exceptions.add"}, shows: "exceptions.add_how"},
	}
}
