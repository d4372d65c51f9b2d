package gatekeeper_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/unlock"
)

// posting is a browser that posts a ticket.
type posting struct {
	gate   *localtest.Gate
	ticket string
	origin []string
	cookie string
	more   string // further form fields
}

func (s *scene) post(p posting) localtest.Answer {
	form := url.Values{"ticket": {p.ticket}}.Encode() + p.more
	r := httptest.NewRequest(http.MethodPost, localtest.BaseURL+"/v1/gate/pass", strings.NewReader(form))
	r.Header = http.Header{
		"Authorization": {"Bearer " + p.gate.Key}, "Portcullis-Client": {p.gate.Client}, "Content-Type": {"application/x-www-form-urlencoded"},
	}
	if p.origin != nil {
		r.Header["Origin"] = p.origin
	}
	if p.cookie != "" {
		r.Header["Cookie"] = []string{p.cookie}
	}
	return s.serve(r)
}

func portal(g *localtest.Gate, ticket string) posting {
	return posting{gate: g, ticket: ticket, origin: []string{localtest.BaseURL}}
}

// refused holds an answer to have set and spent nothing.
func refused(t *testing.T, what string, a localtest.Answer, status int) {
	t.Helper()
	if a.Status != status || a.Header.Get("Set-Cookie") != "" || a.Header.Get("Location") != "" {
		t.Errorf("%s: %d, cookie %q, location %q", what, a.Status, a.Header["Set-Cookie"], a.Header["Location"])
	}
}

// admitted holds an answer to have set the pass, and answers the cookie.
func admitted(t *testing.T, what string, a localtest.Answer) string {
	t.Helper()
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	if a.Status != http.StatusSeeOther || cookie == "" {
		t.Errorf("%s: %d %s", what, a.Status, a.Body)
	}
	return cookie
}

func ticketOf(opened localtest.Answer) string { return opened.Text("pass.ticket") }

func TestAttack43TicketFromAPageThatIsNotOurs(t *testing.T) {
	s := newScene(t, nil)
	ticket := ticketOf(s.alice.Unlock(s.gate, 600))
	for name, origin := range map[string][]string{
		"none": nil, "empty": {""}, "null": {"null"}, "another site": {"https://evil.example"}, "two": {localtest.BaseURL, localtest.BaseURL},
		"plain http": {"http://portal.example"}, "another port": {localtest.BaseURL + ":444"}, "a longer name": {localtest.BaseURL + ".evil.example"},
		"a subdomain": {"https://evil." + host}, "the phone system on plain http": {"http://" + host}, "a path": {localtest.BaseURL + "/"},
		"another phone system": {"https://two.acme.example"}, "joined": {localtest.BaseURL + ", https://evil.example"},
	} {
		p := portal(s.gate, ticket)
		p.origin = origin
		refused(t, "origin "+name, s.post(p), http.StatusForbidden)
	}
	own := portal(s.gate, ticket)
	own.origin = []string{"https://" + host}
	admitted(t, "the phone system's own page", s.post(own))
}

// A link in a mail or a page, opened by whomever, spends nothing.
func TestAttack43LinkSpendsNothing(t *testing.T) {
	s := newScene(t, nil)
	ticket := ticketOf(s.alice.Unlock(s.gate, 600))
	key := http.Header{"Authorization": {"Bearer " + s.gate.Key}}
	for range 3 {
		a := s.Send(localtest.Request{Method: "GET", Path: "/v1/gate/pass?ticket=" + ticket, Header: key})
		if a.Status != http.StatusOK || a.Header.Get("Set-Cookie") != "" || !strings.Contains(a.Body, s.alice.Email) || !strings.Contains(a.Body, ticket) {
			t.Fatalf("%d %q %s", a.Status, a.Header["Set-Cookie"], a.Body)
		}
	}
	p := portal(s.gate, "")
	r := httptest.NewRequest(http.MethodPost, localtest.BaseURL+"/v1/gate/pass?ticket="+ticket, strings.NewReader(""))
	r.Header = http.Header{"Authorization": key["Authorization"], "Portcullis-Client": {s.gate.Client}, "Origin": p.origin, "Content-Type": {"application/x-www-form-urlencoded"}}
	refused(t, "a ticket in the URL of a POST", s.serve(r), http.StatusForbidden)
	admitted(t, "afterwards", s.post(portal(s.gate, ticket)))
}

func TestAttack43AnothersLivingPassIsNotOverwrittenUnasked(t *testing.T) {
	s := newScene(t, nil)
	bob, _ := s.technician("bob@acme.example")
	held := s.pass(s.alice, s.gate)
	opened := bob.Unlock(s.gate, 600)
	p := portal(s.gate, ticketOf(opened))
	p.cookie = held
	a := s.post(p)
	refused(t, "unasked", a, http.StatusConflict)
	for _, named := range []string{s.alice.Email, bob.Email, p.ticket, `name="replace" value="yes"`} {
		if !strings.Contains(a.Body, named) {
			t.Errorf("the page does not say %q: %s", named, a.Body)
		}
	}
	for _, more := range []string{"&replace=no", "&replace=", "&replace=YES"} {
		p.more = more
		refused(t, more, s.post(p), http.StatusConflict)
	}
	p.more = "&replace=yes"
	cookie := admitted(t, "asked", s.post(p))
	reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
	if a := s.gate.Decide("GET", restricted, cookie); a.Header.Get("Remote-User") != bob.ID {
		t.Errorf("identity %q", a.Header["Remote-User"])
	}
	// Both at once can't be told apart, so it asks as well.
	p = portal(s.gate, bob.Must(200, "POST", "/v1/unlocks/"+opened.Text("id")+"/pass", nil).Text("pass.ticket"))
	p.cookie = held + "; " + cookie
	refused(t, "two passes", s.post(p), http.StatusConflict)
	p.more = "&replace=yes"
	admitted(t, "two passes, asked", s.post(p))
}

func TestPassThatIsOverIsOverwrittenSilently(t *testing.T) {
	for name, end := range map[string]func(*scene, localtest.Answer){
		"closed": func(s *scene, u localtest.Answer) { s.alice.Must(200, "DELETE", "/v1/unlocks/"+u.Text("id"), nil) },
		"over":   func(s *scene, _ localtest.Answer) { s.Clock.Add(time.Minute) },
		"its user deactivated": func(s *scene, _ localtest.Answer) {
			s.editUser(s.alice, func(u *account.User) { u.Active = false; u.Epoch++ })
		},
		"forgotten by the lease": func(s *scene, _ localtest.Answer) {
			s.editLease(s.alice, func(l *unlock.Lease) { l.Passes = nil })
		},
	} {
		s := newScene(t, nil)
		bob, _ := s.technician("bob@acme.example")
		opened := s.alice.Unlock(s.gate, 60)
		held := s.gate.Pass(opened)
		end(s, opened)
		p := portal(s.gate, ticketOf(bob.Unlock(s.gate, 600)))
		p.cookie = held
		admitted(t, name, s.post(p))
	}
	s := newScene(t, nil)
	opened := s.alice.Unlock(s.gate, 600)
	p := portal(s.gate, s.alice.Must(200, "POST", "/v1/unlocks/"+opened.Text("id")+"/pass", nil).Text("pass.ticket"))
	p.cookie = s.gate.Pass(opened)
	admitted(t, "the same user's", s.post(p))
	p.cookie = "__Host-portcullis-pass=nonsense"
	p.ticket = s.alice.Must(200, "POST", "/v1/unlocks/"+opened.Text("id")+"/pass", nil).Text("pass.ticket")
	admitted(t, "nonsense", s.post(p))
}

func TestAttack43TicketWorksOnce(t *testing.T) {
	s := newScene(t, nil)
	ticket := ticketOf(s.alice.Unlock(s.gate, 600))
	const browsers = 20
	answers := make([]localtest.Answer, browsers)
	localtest.Parallel(browsers, func(i int) { answers[i] = s.post(portal(s.gate, ticket)) })
	won := 0
	for _, a := range answers {
		if a.Status == http.StatusSeeOther {
			won++
			continue
		}
		refused(t, "a loser", a, http.StatusForbidden)
	}
	if won != 1 {
		t.Errorf("%d of %d browsers were admitted", won, browsers)
	}
	refused(t, "again", s.post(portal(s.gate, ticket)), http.StatusForbidden)
	if used := s.alice.Must(200, "GET", "/v1/audit?action=pass.used", nil).Items(); len(used) != 1 {
		t.Errorf("%d entries", len(used))
	}
}

// Browsers of one window, each with a ticket of its own, all get in.
func TestTicketsOfOneWindowInParallel(t *testing.T) {
	s := newScene(t, nil)
	opened := s.alice.Unlock(s.gate, 600)
	tickets := []string{ticketOf(opened)}
	for range 3 {
		tickets = append(tickets, s.alice.Must(200, "POST", "/v1/unlocks/"+opened.Text("id")+"/pass", nil).Text("pass.ticket"))
	}
	cookies := make([]string, len(tickets))
	localtest.Parallel(len(tickets), func(i int) { cookies[i] = admitted(t, "one of several", s.post(portal(s.gate, tickets[i]))) })
	for _, cookie := range cookies {
		reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
	}
}

func TestAttack43TicketLateForeignOrOfAWindowThatIsOver(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(s *scene, bob *localtest.Person, p *posting, id string)
		status int
	}{
		{"the last second", func(s *scene, _ *localtest.Person, _ *posting, _ string) { s.Clock.Add(59 * time.Second) }, 303},
		{"late", func(s *scene, _ *localtest.Person, _ *posting, _ string) { s.Clock.Add(60 * time.Second) }, 403},
		{"at another phone system", func(s *scene, bob *localtest.Person, p *posting, _ string) {
			p.gate = s.alice.PhoneSystem("two.acme.example", nil)
			bob.Unlock(p.gate, 600)
		}, 403},
		{"at another partner's", func(s *scene, _ *localtest.Person, p *posting, _ string) {
			p.gate = s.Administrator("evil", "mallory@evil.example").PhoneSystem(host, nil)
		}, 403},
		{"with an unknown gate key", func(_ *scene, _ *localtest.Person, p *posting, _ string) {
			g := *p.gate
			g.Key = g.Key[:len(g.Key)-4] + "aaaa"
			p.gate = &g
		}, 401},
		{"no ticket", func(_ *scene, _ *localtest.Person, p *posting, _ string) { p.ticket = "" }, 403},
		{"a session for a ticket", func(_ *scene, bob *localtest.Person, p *posting, _ string) { p.ticket = bob.Token }, 403},
		{"a ticket cut short", func(_ *scene, _ *localtest.Person, p *posting, _ string) { p.ticket = p.ticket[:len(p.ticket)-1] }, 403},
		{"no client address", func(_ *scene, _ *localtest.Person, p *posting, _ string) {
			g := *p.gate
			g.Client = "198.51.100.7, 203.0.113.9"
			p.gate = &g
		}, 403},
		{"the window closed", func(s *scene, bob *localtest.Person, _ *posting, id string) {
			bob.Must(200, "DELETE", "/v1/unlocks/"+id, nil)
		}, 403},
		{"the window closed and another opened", func(s *scene, bob *localtest.Person, p *posting, id string) {
			bob.Must(200, "DELETE", "/v1/unlocks/"+id, nil)
			bob.Unlock(p.gate, 600)
		}, 403},
		{"the phone system locked", func(s *scene, _ *localtest.Person, p *posting, _ string) {
			s.editSystem(func(system *phonesystem.PhoneSystem) { system.Epoch++ })
		}, 403},
		{"the user deactivated", func(s *scene, bob *localtest.Person, _ *posting, _ string) {
			s.editUser(bob, func(u *account.User) { u.Active = false })
		}, 403},
		{"the role gone", func(s *scene, bob *localtest.Person, _ *posting, _ string) {
			s.remove(account.RoleKey(s.alice.PartnerID, "RBOB"))
		}, 403},
		{"the role narrowed", func(s *scene, bob *localtest.Person, _ *posting, _ string) {
			s.Role(s.alice.PartnerID, access.Role{ID: "RBOB", Permissions: []access.Permission{access.Unlock}, MaxUnlockSeconds: 3600})
		}, 403},
	} {
		s := newScene(t, nil)
		bob, _ := s.technician("bob@acme.example")
		opened := bob.Unlock(s.gate, 600)
		p := portal(s.gate, ticketOf(opened))
		c.spoil(s, bob, &p, opened.Text("id"))
		a := s.post(p)
		if c.status == http.StatusSeeOther {
			admitted(t, c.name, a)
			continue
		}
		refused(t, c.name, a, c.status)
	}
}

// Whatever Host, ticket and path say, a browser is only ever sent to the phone
// system's own host.
func TestAttack28RedirectsStayInTheHouse(t *testing.T) {
	s := newScene(t, nil)
	tricks := []string{"//evil.example", `/\evil.example`, "/\t/evil.example", "/@evil.example", "/%0d%0aLocation:https://evil.example", "https://evil.example/", "?next=//evil.example"}
	for _, trick := range tricks {
		opened := s.alice.Unlock(s.gate, 600)
		form := url.Values{"ticket": {ticketOf(opened)}, "next": {trick}, "url": {trick}, "rd": {trick}}.Encode()
		r := httptest.NewRequest(http.MethodPost, localtest.BaseURL+"/v1/gate/pass?next="+url.QueryEscape(trick), strings.NewReader(form))
		r.Host = "evil.example"
		r.Header = http.Header{
			"Authorization": {"Bearer " + s.gate.Key}, "Portcullis-Client": {s.gate.Client}, "Content-Type": {"application/x-www-form-urlencoded"},
			"Origin": {localtest.BaseURL}, "X-Forwarded-Host": {"evil.example"}, "Portcullis-Url": {"https://evil.example/"}, "Referer": {"https://evil.example/"},
		}
		if a := s.serve(r); a.Status != http.StatusSeeOther || a.Header.Get("Location") != "https://"+host+"/" {
			t.Errorf("%q: %d to %q", trick, a.Status, a.Header["Location"])
		}
		for _, asked := range []string{"https://" + host + "/xapi" + trick, "https://evil.example/", "https://" + host + "@evil.example/", "https://" + host + ".evil.example/xapi/"} {
			h := s.headers("")
			h["Portcullis-Url"] = []string{asked}
			r := httptest.NewRequest(http.MethodGet, localtest.BaseURL+"/v1/gate/decision", nil)
			r.Host, r.Header = "evil.example", h
			if a := s.serve(r); a.Status != http.StatusForbidden || a.Header.Get("Location") != "https://"+host+"/.portcullis/notice" {
				t.Errorf("%q: %d to %q", asked, a.Status, a.Header["Location"])
			}
		}
		s.alice.Must(200, "DELETE", "/v1/unlocks/"+opened.Text("id"), nil)
	}
}
