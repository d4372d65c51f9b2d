package gatekeeper_test

import (
	"fmt"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// at decides as if asked from an address.
func (s *scene) at(client, cookie string) localtest.Answer {
	s.T.Helper()
	g := *s.gate
	g.Client = client
	return g.Decide("GET", restricted, cookie)
}

// admittedAt opens a window whose pass is fetched from an address.
func (s *scene) admittedAt(client string, p *localtest.Person) (id, cookie string) {
	s.T.Helper()
	g := *s.gate
	g.Client = client
	opened := p.Unlock(&g, 600)
	return opened.Text("id"), g.Pass(opened)
}

func TestBindings(t *testing.T) {
	const own, mapped, other = "203.0.113.9", "::ffff:203.0.113.9", "203.0.113.10"
	const six, neighbour, stranger = "2001:db8:1:2::7", "2001:db8:1:2:ffff::1", "2001:db8:1:3::7"
	for _, c := range []struct {
		binding, fetched, asked string
		cookie                  bool
		want                    string
	}{
		{"pass", own, own, true, "open_window"},
		{"pass", own, other, true, "open_window"},
		{"pass", own, six, true, "open_window"},
		{"pass", own, own, false, "no_pass"},
		{"pass", own, other, false, "no_pass"},

		{"ip", own, own, true, "open_window"},
		{"ip", own, own, false, "open_window"},
		{"ip", own, mapped, false, "open_window"},
		{"ip", mapped, own, false, "open_window"},
		{"ip", own, other, false, "wrong_address"},
		{"ip", own, other, true, "wrong_address"},
		{"ip", six, six, false, "open_window"},
		{"ip", six, neighbour, false, "open_window"},
		{"ip", six, stranger, false, "wrong_address"},
		{"ip", six, stranger, true, "wrong_address"},
		// Where the window was opened from counts as well: localtest's peer.
		{"ip", own, "192.0.2.1", false, "open_window"},

		{"pass+ip", own, own, true, "open_window"},
		{"pass+ip", own, mapped, true, "open_window"},
		{"pass+ip", own, own, false, "no_pass"},
		{"pass+ip", own, other, true, "wrong_address"},
		{"pass+ip", own, other, false, "no_pass"},
		{"pass+ip", six, neighbour, true, "open_window"},
		{"pass+ip", six, stranger, true, "wrong_address"},
		{"pass+ip", own, "192.0.2.1", true, "wrong_address"},
	} {
		s := newScene(t, map[string]any{"binding": c.binding})
		_, cookie := s.admittedAt(c.fetched, s.alice)
		if !c.cookie {
			cookie = ""
		}
		a := s.at(c.asked, cookie)
		if got := a.Header.Get("Portcullis-Reason"); got != c.want {
			t.Errorf("%s, fetched from %s, asked from %s, cookie %t: %q, want %q", c.binding, c.fetched, c.asked, c.cookie, got, c.want)
		}
		if who := a.Header.Get("Remote-User"); (who == s.alice.ID) != (c.want == "open_window") {
			t.Errorf("%s from %s: identity %q", c.binding, c.asked, who)
		}
		s.Clock.Add(10 * time.Minute)
		if got := s.at(c.asked, cookie); got.Status != 403 {
			t.Errorf("%s from %s after the end: %d", c.binding, c.asked, got.Status)
		}
	}
}

// Each browser of a window bound by pass and address is held to its own source.
func TestPassAndAddressOfTwoBrowsers(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "pass+ip"})
	const office, home = "203.0.113.9", "198.51.100.20"
	id, first := s.admittedAt(office, s.alice)
	g := *s.gate
	g.Client = home
	second := g.Pass(s.alice.Must(200, "POST", "/v1/unlocks/"+id+"/pass", nil))
	reads(t, s.at(office, first), "open_window")
	reads(t, s.at(home, second), "open_window")
	reads(t, s.at(home, first), "wrong_address")
	reads(t, s.at(office, second), "wrong_address")
}

// Of several people behind one address nobody can tell who it is; one's end
// does not touch the other.
func TestTwoUsersBehindOneAddress(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip", "decision_cache_seconds": 30})
	bob, _ := s.technician("bob@acme.example")
	const office = "203.0.113.9"
	first, _ := s.admittedAt(office, s.alice)
	s.Clock.Add(10 * time.Second)
	second, _ := s.admittedAt(office, bob)
	both := s.at(office, "")
	reads(t, both, "open_window")
	until := fmt.Sprint(localtest.Start.Add(10 * time.Minute).Unix())
	if h := both.Header; h.Get("Remote-User") != "" || h.Get("Remote-Email") != "" || h.Get("Portcullis-Expires") > until {
		t.Errorf("both: %v", h)
	}
	ends := both.Header.Get("Portcullis-Expires")
	s.alice.Must(200, "DELETE", "/v1/unlocks/"+first, nil)
	one := s.at(office, "")
	reads(t, one, "open_window")
	if h := one.Header; h.Get("Remote-User") != bob.ID || h.Get("Remote-Email") != bob.Email || h.Get("Portcullis-Expires") <= ends {
		t.Errorf("one is left: %v", h)
	}
	bob.Must(200, "DELETE", "/v1/unlocks/"+second, nil)
	reads(t, s.at(office, ""), "locked")
}

// The smallest of their times is promised, whoever opened first.
func TestManyUsersBehindOneAddress(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	const office = "203.0.113.9"
	people := []*localtest.Person{s.alice}
	for i := range 9 {
		p, _ := s.technician(fmt.Sprintf("u%dx@acme.example", i))
		people = append(people, p)
	}
	s.alice.SignIn()
	ids := map[*localtest.Person]string{}
	for _, p := range people {
		p.StepUp()
		ids[p], _ = s.admittedAt(office, p)
	}
	reads(t, s.at(office, ""), "open_window")
	last := people[len(people)-1]
	for _, p := range people[:len(people)-1] {
		p.Must(200, "DELETE", "/v1/unlocks/"+ids[p], nil)
		reads(t, s.at(office, ""), "open_window")
	}
	if who := s.at(office, "").Header.Get("Remote-User"); who != last.ID {
		t.Errorf("identity %q of the last one", who)
	}
	last.Must(200, "DELETE", "/v1/unlocks/"+ids[last], nil)
	reads(t, s.at(office, ""), "locked")
}

// A source that an earlier window was bound to is not bound to the next.
func TestAddressOfAnEarlierWindow(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	const office = "203.0.113.9"
	first, _ := s.admittedAt(office, s.alice)
	s.alice.Must(200, "DELETE", "/v1/unlocks/"+first, nil)
	s.alice.Unlock(s.gate, 300)
	reads(t, s.at("192.0.2.1", ""), "open_window")
	reads(t, s.at(office, ""), "wrong_address")
}

// An extension keeps every bound source findable until the new end.
func TestExtensionKeepsAddresses(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	const office, home = "203.0.113.9", "2001:db8:1:2::7"
	id, _ := s.admittedAt(office, s.alice)
	g := *s.gate
	g.Client = home
	g.Pass(s.alice.Must(200, "POST", "/v1/unlocks/"+id+"/pass", nil))
	s.alice.Must(200, "POST", "/v1/unlocks/"+id+"/extend", map[string]any{"seconds": 300})
	s.Clock.Add(15*time.Minute - time.Second)
	for _, client := range []string{office, home, "192.0.2.1"} {
		reads(t, s.at(client, ""), "open_window")
	}
	s.Clock.Add(time.Second)
	for _, client := range []string{office, home, "192.0.2.1"} {
		if a := s.at(client, ""); a.Status != 403 {
			t.Errorf("%s after the new end: %d", client, a.Status)
		}
	}
}

// An answer is kept no longer than its window lasts.
func TestCacheEndsWithTheWindow(t *testing.T) {
	s := newScene(t, map[string]any{"decision_cache_seconds": 30})
	cookie := s.gate.Pass(s.alice.Unlock(s.gate, 60))
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, "max-age=30"}, {30 * time.Second, "max-age=30"}, {28 * time.Second, "max-age=2"}} {
		s.Clock.Add(c.after)
		if got := s.gate.Decide("GET", restricted, cookie).Header.Get("Cache-Control"); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A policy that changes while a window is open judges it anew.
func TestPolicyChangedWhileOpen(t *testing.T) {
	const own, other = "203.0.113.9", "203.0.113.10"
	for _, c := range []struct {
		from, to             string
		withOwn, bare, moved string // by the pass from the own address, the address alone, the pass from another
		again                string // from the own address alone, after another pass was fetched there
	}{
		{"pass", "pass+ip", "open_window", "no_pass", "wrong_address", "no_pass"},
		{"pass", "ip", "wrong_address", "wrong_address", "wrong_address", "open_window"},
		{"ip", "pass", "open_window", "no_pass", "open_window", "no_pass"},
		{"ip", "pass+ip", "open_window", "no_pass", "wrong_address", "no_pass"},
		{"pass+ip", "pass", "open_window", "no_pass", "open_window", "no_pass"},
		{"pass+ip", "ip", "wrong_address", "wrong_address", "wrong_address", "open_window"},
	} {
		s := newScene(t, map[string]any{"binding": c.from})
		id, cookie := s.admittedAt(own, s.alice)
		s.alice.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"binding": c.to}})
		check := func(what, client, cookie, want string) {
			t.Helper()
			if got := s.at(client, cookie).Header.Get("Portcullis-Reason"); got != want {
				t.Errorf("%s to %s, %s: %q, want %q", c.from, c.to, what, got, want)
			}
		}
		check("with the pass", own, cookie, c.withOwn)
		check("the address alone", own, "", c.bare)
		check("the pass from elsewhere", other, cookie, c.moved)
		g := *s.gate
		g.Client = own
		g.Pass(s.alice.Must(200, "POST", "/v1/unlocks/"+id+"/pass", nil))
		check("the address alone, fetched again", own, "", c.again)
	}
}
