package phonesystems_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
)

const path = "/v1/phone-systems"

// body is what a phone system is made of at least, with more.
func body(host string, more ...any) map[string]any {
	b := map[string]any{"name": "PBX", "host": host}
	for i := 0; i < len(more); i += 2 {
		b[more[i].(string)] = more[i+1]
	}
	return b
}

func policy(fields ...any) map[string]any {
	p := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		p[fields[i].(string)] = fields[i+1]
	}
	return map[string]any{"policy": p}
}

func world(t testing.TB) (*localtest.World, *localtest.Person) {
	t.Helper()
	w := localtest.New(t)
	return w, w.Administrator("acme", "alice@acme.example")
}

// parallel does something n times at once and answers what each was told.
func parallel(n int, do func(i int) localtest.Answer) []localtest.Answer {
	answers := make([]localtest.Answer, n)
	localtest.Parallel(n, func(i int) { answers[i] = do(i) })
	return answers
}

func TestHostIsUniqueUnderParallelCreates(t *testing.T) {
	_, alice := world(t)
	spelled := []string{"pbx.acme.example", "PBX.acme.example", "pbx.acme.example.", "pbx.acme.example:443", "pbx.acme.example:0443"}
	created := 0
	for _, a := range parallel(20, func(i int) localtest.Answer { return alice.Do("POST", path, body(spelled[i%len(spelled)])) }) {
		switch {
		case a.Status == http.StatusCreated && a.Text("host") == "pbx.acme.example":
			created++
		case a.Status != http.StatusConflict || a.Text("code") != "conflict":
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := len(alice.Must(200, "GET", path, nil).Items()); created != 1 || n != 1 {
		t.Errorf("%d created, %d listed", created, n)
	}
}

// A host that was given up is free, one that is held is not, and another
// partner's host is nobody's business.
func TestHostChangeFreesTheOldHost(t *testing.T) {
	w, alice := world(t)
	first := alice.PhoneSystem("one.acme.example", nil)
	second := alice.PhoneSystem("two.acme.example", nil)
	rename := func(g *localtest.Gate, host string, want int) {
		t.Helper()
		if a := alice.Do("PATCH", path+"/"+g.ID, map[string]any{"host": host}); a.Status != want || want == 200 && a.Text("host") != strings.ToLower(host) {
			t.Errorf("to %s: %d %s", host, a.Status, a.Body)
		}
	}
	rename(first, "two.acme.example", 409)
	rename(first, "ONE.acme.example", 200)
	rename(first, "three.acme.example", 200)
	rename(second, "one.acme.example", 200)
	rename(first, "two.acme.example", 200)
	alice.Must(204, "DELETE", path+"/"+first.ID, nil)
	rename(second, "two.acme.example", 200)
	w.Administrator("evil", "mallory@evil.example").Must(201, "POST", path, body("two.acme.example"))
	taken := 0
	third, fourth := alice.PhoneSystem("four.acme.example", nil), alice.PhoneSystem("five.acme.example", nil)
	for _, a := range parallel(10, func(i int) localtest.Answer {
		return alice.Do("PATCH", path+"/"+[]*localtest.Gate{third, fourth}[i%2].ID, map[string]any{"host": "six.acme.example"})
	}) {
		switch a.Status {
		case 200:
			taken = taken | 1
		case 409, 503:
		default:
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	hosts := map[string]int{}
	for _, p := range alice.Must(200, "GET", path, nil).Items() {
		hosts[p.Text("host")]++
	}
	if taken != 1 || hosts["six.acme.example"] != 1 || len(hosts) != 3 {
		t.Errorf("%v", hosts)
	}
}

func TestPatchMergesPolicy(t *testing.T) {
	_, alice := world(t)
	g := alice.PhoneSystem("pbx.acme.example", map[string]any{"max_seconds": 7200})
	at := path + "/" + g.ID
	want := map[string]any{"default_seconds": 1800.0, "max_seconds": 7200.0, "max_extensions": 2.0, "binding": "pass", "reason": "required", "decision_cache_seconds": 0.0}
	holds := func(a localtest.Answer) {
		t.Helper()
		if got, _ := a.JSON["policy"].(map[string]any); !maps.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	holds(alice.Must(200, "GET", at, nil))
	for _, step := range []struct {
		field string
		value any
	}{{"default_seconds", 60.0}, {"max_seconds", 86400.0}, {"max_extensions", 0.0}, {"binding", "pass+ip"}, {"reason", "optional"}, {"decision_cache_seconds", 30.0}} {
		want[step.field] = step.value
		holds(alice.Must(200, "PATCH", at, policy(step.field, step.value)))
	}
	holds(alice.Must(200, "PATCH", at, map[string]any{"name": "new", "customer": "Bakery"}))
	a := alice.Must(200, "GET", at, nil)
	holds(a)
	if a.Text("name") != "new" || a.Text("customer") != "Bakery" || a.Text("host") != "pbx.acme.example" || a.Text("state") != "locked" || a.Text("gate_key") != "" {
		t.Errorf("%s", a.Body)
	}
	// Neither half of a contradiction is taken.
	alice.Must(422, "PATCH", at, policy("max_seconds", 59))
	alice.Must(200, "PATCH", at, policy("default_seconds", 600))
	alice.Must(422, "PATCH", at, policy("max_seconds", 599))
	want["default_seconds"] = 600.0
	holds(alice.Must(200, "GET", at, nil))
}

func TestLimitsOfEveryField(t *testing.T) {
	_, alice := world(t)
	long := strings.Repeat("é", 200)
	labels := strings.Repeat("a.", 126) + "a" // 253 characters
	paths := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("/p%d", i))
		}
		return list
	}
	for _, c := range []struct {
		name string
		body map[string]any
		at   string // of the only error; empty: created
	}{
		{"no name", map[string]any{"host": "a.example"}, "body"},
		{"no host", map[string]any{"name": "PBX"}, "body"},
		{"an empty name", body("a.example", "name", " "), "body.name"},
		{"the longest name", body("longest.example", "name", long, "customer", long), ""},
		{"too long a name", body("a.example", "name", long+"x"), "body.name"},
		{"a name of two lines", body("a.example", "name", "a\nb"), "body.name"},
		{"too long a customer", body("a.example", "customer", long+"x"), "body.customer"},
		{"a customer with a bell", body("a.example", "customer", "\a"), "body.customer"},
		{"an empty host", body(""), "body.host"},
		{"a URL for a host", body("https://a.example"), "body.host"},
		{"a host with a path", body("a.example/x"), "body.host"},
		{"a host with user info", body("a@a.example"), "body.host"},
		{"a host with a space", body("a .example"), "body.host"},
		{"an empty label", body("a..example"), "body.host"},
		{"only a dot", body("."), "body.host"},
		{"a label with a hyphen at its end", body("a-.example"), "body.host"},
		{"an underscore", body("a_b.example"), "body.host"},
		{"letters beyond ASCII", body("pbx.exämple"), "body.host"},
		{"IPv6", body("[2001:db8::1]"), "body.host"},
		{"port 0", body("a.example:0"), "body.host"},
		{"port 65536", body("a.example:65536"), "body.host"},
		{"a signed port", body("a.example:+443"), "body.host"},
		{"no port after a colon", body("a.example:"), "body.host"},
		{"the last port", body("a.example:65535"), ""},
		{"the longest host", body(labels), ""},
		{"too long a host", body("a" + labels), "body.host"},
		{"too long a label", body(strings.Repeat("a", 64) + ".example"), "body.host"},
		{"the longest label", body(strings.Repeat("a", 63) + ".example"), ""},
		{"an unknown profile", body("a.example", "profile", "pbx"), "body.profile"},
		{"100 paths", body("paths.example", "restricted_paths", paths(100)), ""},
		{"101 paths", body("a.example", "restricted_paths", paths(101)), "body.restricted_paths"},
		{"a relative path", body("a.example", "restricted_paths", []string{"admin"}), "body.restricted_paths"},
		{"a path with dots", body("a.example", "restricted_paths", []string{"/a/../b"}), "body.restricted_paths"},
		{"an encoded path", body("a.example", "restricted_paths", []string{"/%61"}), "body.restricted_paths"},
		{"default 59", body("a.example", "policy", map[string]any{"default_seconds": 59}), "body.policy.default_seconds"},
		{"default 60", body("d60.example", "policy", map[string]any{"default_seconds": 60}), ""},
		{"default above max", body("a.example", "policy", map[string]any{"default_seconds": 14401}), "body.policy.default_seconds"},
		{"max 86400", body("m.example", "policy", map[string]any{"max_seconds": 86400, "default_seconds": 86400}), ""},
		{"max 86401", body("a.example", "policy", map[string]any{"max_seconds": 86401}), "body.policy.max_seconds"},
		{"extensions -1", body("a.example", "policy", map[string]any{"max_extensions": -1}), "body.policy.max_extensions"},
		{"extensions 100", body("e.example", "policy", map[string]any{"max_extensions": 100}), ""},
		{"extensions 101", body("a.example", "policy", map[string]any{"max_extensions": 101}), "body.policy.max_extensions"},
		{"cache 30", body("c.example", "policy", map[string]any{"decision_cache_seconds": 30}), ""},
		{"cache 31", body("a.example", "policy", map[string]any{"decision_cache_seconds": 31}), "body.policy.decision_cache_seconds"},
		{"cache -1", body("a.example", "policy", map[string]any{"decision_cache_seconds": -1}), "body.policy.decision_cache_seconds"},
		{"an unknown binding", body("a.example", "policy", map[string]any{"binding": "none"}), "body.policy.binding"},
		{"an empty binding", body("a.example", "policy", map[string]any{"binding": ""}), "body.policy.binding"},
		{"an unknown reason", body("a.example", "policy", map[string]any{"reason": "never"}), "body.policy.reason"},
		{"an unknown field of the policy", body("a.example", "policy", map[string]any{"off": true}), "body.policy.off"},
		{"an unknown field", body("a.example", "enabled", false), "body.enabled"},
		{"a text for a number", body("a.example", "policy", map[string]any{"max_seconds": "3600"}), "body.policy.max_seconds"},
		{"half a second", body("a.example", "policy", map[string]any{"max_seconds": 3600.5}), "body.policy.max_seconds"},
	} {
		a := alice.Do("POST", path, c.body)
		if c.at == "" {
			if a.Status != http.StatusCreated || a.Text("gate_key") == "" {
				t.Errorf("%s: %d %s", c.name, a.Status, a.Body)
			}
			continue
		}
		if a.Status != http.StatusUnprocessableEntity || a.Text("code") != "invalid" || !slices.Contains(locations(a), c.at) || len(locations(a)) != 1 {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Body)
		}
	}
	if n := len(alice.Must(200, "GET", path+"?q=a.example:1", nil).Items()); n != 0 {
		t.Errorf("%d left behind", n)
	}
}

func locations(a localtest.Answer) []string {
	var all []string
	list, _ := a.JSON["errors"].([]any)
	for _, e := range list {
		field, _ := e.(map[string]any)
		at, _ := field["location"].(string)
		all = append(all, at)
	}
	return all
}

func TestRestrictedPathsAreOnlyAdded(t *testing.T) {
	_, alice := world(t)
	g := alice.PhoneSystem("pbx.acme.example", nil)
	at := path + "/" + g.ID
	change := func(want int, paths ...string) {
		t.Helper()
		if paths == nil {
			paths = []string{}
		}
		a := alice.Do("PATCH", at, map[string]any{"restricted_paths": paths})
		if a.Status != want || want == 422 && !slices.Equal(locations(a), []string{"body.restricted_paths"}) {
			t.Errorf("%v: %d %s", paths, a.Status, a.Body)
		}
	}
	decided := func(request, want string) {
		t.Helper()
		if got := g.Decide("GET", request, "").Header.Get("Portcullis-Reason"); got != want {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	decided("/webclient/kiss", "unrestricted")
	change(200, "/webclient/kiss")
	decided("/webclient/kiss", "locked")
	decided("/webclient/", "unrestricted")
	change(200, "/callus", "/webclient/kiss")
	change(422)
	change(422, "/callus")
	change(422, "/callus", "/webclient/kis", "/other")
	decided("/webclient/kiss/x", "locked")
	decided("/callus/x", "locked")
	// A path that a profile opens is closed for good, whatever is sent for it.
	change(200, "/callus", "/webclient/kiss", "/xapi/v1/MyUser")
	decided("/xapi/v1/MyUser", "locked")
	alice.Must(422, "PATCH", at, map[string]any{"exceptions": []string{"/xapi"}})
}

// letters lists the subjects of what came to an address since the last call.
func letters(w *localtest.World, to string, read map[string]int) []string {
	w.Tick()
	var subjects []string
	for _, letter := range w.Mail.To(to)[read[to]:] {
		subjects = append(subjects, letter.Subject)
		read[to]++
	}
	return subjects
}

func secondAdministrator(w *localtest.World, by *localtest.Person) *localtest.Person {
	invited, err := w.Directory.Invite(context.Background(), by.Caller(), account.Person{Email: "second@acme.example", Administrator: true})
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Join(invited)
}

func TestWideningAndKeysAreToldToAllAdministrators(t *testing.T) {
	w, alice := world(t)
	second := secondAdministrator(w, alice)
	w.Role(alice.PartnerID, access.Role{ID: "RT", Permissions: access.Permissions(), PhoneSystems: []string{access.EveryPhoneSystem}, MaxUnlockSeconds: 600})
	bob := w.User(alice, "bob@acme.example", "RT")
	mallory := w.Administrator("evil", "mallory@evil.example")
	alice.SignIn()
	g := bob.PhoneSystem("pbx.acme.example", nil)
	at, read := path+"/"+g.ID, map[string]int{}
	for _, p := range []*localtest.Person{alice, second, bob, mallory} {
		letters(w, p.Email, read)
	}
	for _, c := range []struct {
		name string
		call func()
		told string
	}{
		{"longer", func() { bob.Must(200, "PATCH", at, policy("max_seconds", 14401)) }, "policy"},
		{"shorter", func() { bob.Must(200, "PATCH", at, policy("max_seconds", 7200, "default_seconds", 600)) }, ""},
		{"more extensions", func() { bob.Must(200, "PATCH", at, policy("max_extensions", 3)) }, "policy"},
		{"fewer extensions", func() { bob.Must(200, "PATCH", at, policy("max_extensions", 1)) }, ""},
		{"more cache", func() { bob.Must(200, "PATCH", at, policy("decision_cache_seconds", 1)) }, "policy"},
		{"less cache", func() { bob.Must(200, "PATCH", at, policy("decision_cache_seconds", 0)) }, ""},
		{"no reason", func() { bob.Must(200, "PATCH", at, policy("reason", "optional")) }, "policy"},
		{"a reason", func() { bob.Must(200, "PATCH", at, policy("reason", "required")) }, ""},
		{"by address alone", func() { bob.Must(200, "PATCH", at, policy("binding", "ip")) }, "policy"},
		{"both", func() { bob.Must(200, "PATCH", at, policy("binding", "pass+ip")) }, ""},
		{"by pass alone", func() { bob.Must(200, "PATCH", at, policy("binding", "pass")) }, "policy"},
		{"another profile", func() { bob.Must(200, "PATCH", at, map[string]any{"profile": "custom"}) }, "profile"},
		{"the same again", func() { bob.Must(200, "PATCH", at, map[string]any{"profile": "custom", "name": "PBX"}) }, ""},
		{"refused", func() { bob.Must(422, "PATCH", at, policy("max_seconds", 1e9)) }, ""},
		{"the key", func() { bob.Must(200, "POST", at+"/gate-key", nil) }, "gate key"},
		{"the key, revoked", func() { bob.Must(200, "POST", at+"/gate-key", map[string]any{"revoke_previous": true}) }, "gate key"},
	} {
		c.call()
		for _, administrator := range []string{alice.Email, second.Email} {
			got := letters(w, administrator, read)
			if (c.told == "") != (len(got) == 0) || c.told != "" && (len(got) != 1 || !strings.Contains(got[0], c.told)) {
				t.Errorf("%s: %s was told %q", c.name, administrator, got)
			}
		}
		if got := append(letters(w, bob.Email, read), letters(w, mallory.Email, read)...); len(got) != 0 {
			t.Errorf("%s: others were told %q", c.name, got)
		}
	}
	if got := w.Mail.To(alice.Email); !strings.Contains(got[len(got)-1].Text, bob.Email) || strings.Contains(got[len(got)-1].Text, "pcg_") {
		t.Errorf("%+v", got[len(got)-1])
	}
}

// Every verb finds another partner's phone system as little as one that there
// is not, and leaves it as it was.
func TestAnotherPartnersPhoneSystemDoesNotExist(t *testing.T) {
	w, alice := world(t)
	g := alice.PhoneSystem("pbx.acme.example", nil)
	alice.Unlock(g, 600)
	mallory := w.Administrator("evil", "mallory@evil.example")
	before := alice.Must(200, "GET", path+"/"+g.ID, nil)
	for _, id := range []string{g.ID, "01JNQXXXXXXXXXXXXXXXXXXXXX", "x", strings.ToLower(g.ID), "%2e%2e", "a%2fb"} {
		for _, c := range []struct {
			method, path string
			body         any
		}{
			{"GET", "", nil}, {"PATCH", "", map[string]any{"name": "mine"}}, {"DELETE", "", nil}, {"POST", "/gate-key", nil},
			{"POST", "/unlocks", map[string]any{"reason": "x"}}, {"POST", "/lock", nil},
		} {
			if a := mallory.Do(c.method, path+"/"+id+c.path, c.body); a.Status != 404 || a.Text("code") != "not_found" {
				t.Errorf("%s %s%s: %d %s", c.method, id, c.path, a.Status, a.Body)
			}
		}
	}
	if n := len(mallory.Must(200, "GET", path, nil).Items()); n != 0 {
		t.Errorf("%d listed", n)
	}
	if after := alice.Must(200, "GET", path+"/"+g.ID, nil); after.Body != before.Body || after.Number("open_unlocks") != 1 {
		t.Errorf("%s\n%s", before.Body, after.Body)
	}
	if a := g.Decide("GET", "/webclient/", ""); a.Status != 204 {
		t.Errorf("the gate: %d", a.Status)
	}
}
