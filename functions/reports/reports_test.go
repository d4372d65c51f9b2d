package reports_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

const roleID = "01JZZZZZZZZZZZZZZZZZZZZZZZ"

// scene is a partner with two phone systems, an administrator and a technician,
// and a history of an hour.
type scene struct {
	*localtest.World
	alice, bob *localtest.Person
	one, two   *localtest.Gate
}

func newScene(t *testing.T) scene {
	t.Helper()
	s := scene{World: localtest.New(t)}
	s.alice = s.Administrator("acme", "alice@acme.example")
	s.role([]access.Permission{access.Unlock}, "*")
	s.bob = s.User(s.alice, "bob@acme.example", roleID)
	s.one, s.two = s.alice.PhoneSystem("one.acme.example", nil), s.alice.PhoneSystem("two.acme.example", nil)
	for range 8 {
		s.bob.Unlock(s.one, 60)
		s.alice.Unlock(s.two, 60)
		s.Clock.Add(10 * time.Minute)
		s.Tick()
		s.alice.SignIn()
		s.bob.SignIn()
	}
	return s
}

func (s scene) role(permissions []access.Permission, systems ...string) {
	s.T.Helper()
	s.Role(s.alice.PartnerID, access.Role{ID: roleID, Name: "r", Permissions: permissions, PhoneSystems: systems, MaxUnlockSeconds: 600})
}

func (s scene) list(who *localtest.Person, query url.Values) localtest.Answer {
	s.T.Helper()
	return who.Must(200, "GET", "/v1/audit?"+query.Encode(), nil)
}

func ids(items []localtest.Answer) (list []string) {
	for _, item := range items {
		list = append(list, item.Text("id"))
	}
	return list
}

// Each filter admits exactly what it says, of what is there without it.
func TestFilters(t *testing.T) {
	s := newScene(t)
	all := s.list(s.alice, url.Values{"limit": {"200"}}).Items()
	from, to := localtest.Start.Add(10*time.Minute+30*time.Second), localtest.Start.Add(31*time.Minute)
	at := func(e localtest.Answer) time.Time {
		parsed, err := time.Parse(time.RFC3339, e.Text("at"))
		if err != nil {
			t.Error(err)
		}
		return parsed
	}
	for name, c := range map[string]struct {
		query  url.Values
		admits func(localtest.Answer) bool
	}{
		"actor":        {url.Values{"actor": {s.bob.ID}}, func(e localtest.Answer) bool { return e.Text("actor") == s.bob.ID }},
		"system actor": {url.Values{"actor": {"system"}}, func(e localtest.Answer) bool { return e.Text("actor") == "system" }},
		"phone system": {url.Values{"phone_system": {s.two.ID}}, func(e localtest.Answer) bool { return e.Text("phone_system_id") == s.two.ID }},
		"action":       {url.Values{"action": {"unlock.expired"}}, func(e localtest.Answer) bool { return e.Text("action") == "unlock.expired" }},
		"from":         {url.Values{"from": {from.Format(time.RFC3339)}}, func(e localtest.Answer) bool { return !at(e).Before(from) }},
		"to":           {url.Values{"to": {to.Format(time.RFC3339)}}, func(e localtest.Answer) bool { return at(e).Before(to) }},
		"all of them": {url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}, "actor": {s.alice.ID}, "phone_system": {s.two.ID}, "action": {"unlock.opened"}},
			func(e localtest.Answer) bool {
				return !at(e).Before(from) && at(e).Before(to) && e.Text("actor") == s.alice.ID && e.Text("action") == "unlock.opened"
			}},
	} {
		var want []string
		for _, e := range all {
			if c.admits(e) {
				want = append(want, e.Text("id"))
			}
		}
		c.query.Set("limit", "200")
		if got := ids(s.list(s.alice, c.query).Items()); !slices.Equal(got, want) || len(want) == 0 || len(want) == len(all) {
			t.Errorf("%s: %d of %d entries, want %d", name, len(got), len(all), len(want))
		}
	}
	for _, nothing := range []url.Values{{"action": {"no.such"}}, {"actor": {"nobody"}}, {"from": {"2030-01-01T00:00:00Z"}}, {"to": {"2020-01-01T00:00:00Z"}}} {
		if a := s.list(s.alice, nothing); len(a.Items()) != 0 || a.Text("next") != "" || !strings.Contains(a.Body, `"items":[]`) {
			t.Errorf("%v: %s", nothing, a.Body)
		}
	}
}

// The pages of any size are the list, newest first, nothing twice.
func TestPagesMakeTheList(t *testing.T) {
	s := newScene(t)
	for _, filter := range []url.Values{{}, {"action": {"unlock.opened"}}} {
		whole := maps(filter, "limit", "200")
		want := ids(s.list(s.alice, whole).Items())
		if !slices.IsSortedFunc(want, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Error("not newest first")
		}
		for _, limit := range []int{1, 7, len(want) - 1, len(want), len(want) + 1} {
			var got []string
			query := maps(filter, "limit", fmt.Sprint(limit))
			for range len(want) + 2 {
				page := s.list(s.alice, query)
				got = append(got, ids(page.Items())...)
				if len(page.Items()) > limit {
					t.Errorf("a page of %d, limit %d", len(page.Items()), limit)
				}
				if page.Text("next") == "" {
					break
				}
				query.Set("cursor", page.Text("next"))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v in pages of %d: %d entries, want %d", filter, limit, len(got), len(want))
			}
		}
	}
	if n := len(s.list(s.alice, url.Values{}).Items()); n != 50 {
		t.Errorf("%d without a limit, want 50", n)
	}
}

func maps(of url.Values, name, value string) url.Values {
	with := url.Values{name: {value}}
	for k, v := range of {
		with[k] = v
	}
	return with
}

// A cursor is good for the list, filter and caller that it was issued for.
func TestForeignCursorsAreRefused(t *testing.T) {
	s := newScene(t)
	audit := s.list(s.alice, url.Values{"limit": {"2"}}).Text("next")
	unlocks := s.alice.Must(200, "GET", "/v1/unlocks?limit=2", nil).Text("next")
	s.role([]access.Permission{access.ViewAudit}, "*")
	other := s.Administrator("other", "eve@other.example")
	raw, err := base64.RawURLEncoding.DecodeString(audit)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1]++
	refused := map[string]localtest.Answer{
		"another list's":        s.alice.Do("GET", "/v1/audit?limit=2&cursor="+unlocks, nil),
		"this one, on unlocks":  s.alice.Do("GET", "/v1/unlocks?limit=2&cursor="+audit, nil),
		"another user":          s.bob.Do("GET", "/v1/audit?limit=2&cursor="+audit, nil),
		"another partner":       other.Do("GET", "/v1/audit?limit=2&cursor="+audit, nil),
		"another filter":        s.alice.Do("GET", "/v1/audit?limit=2&action=unlock.opened&cursor="+audit, nil),
		"another time":          s.alice.Do("GET", "/v1/audit?limit=2&to=2027-03-01T09:30:00Z&cursor="+audit, nil),
		"moved":                 s.alice.Do("GET", "/v1/audit?cursor="+base64.RawURLEncoding.EncodeToString(raw), nil),
		"cut":                   s.alice.Do("GET", "/v1/audit?cursor="+audit[:len(audit)-2], nil),
		"nothing but its check": s.alice.Do("GET", "/v1/audit?cursor="+base64.RawURLEncoding.EncodeToString(raw[:16]), nil),
		"a position":            s.alice.Do("GET", "/v1/audit?cursor=01JZZZZZZZZZZZZZZZZZZZZZZZ", nil),
		"too long":              s.alice.Do("GET", "/v1/audit?cursor="+strings.Repeat("A", 513), nil),
	}
	for name, a := range refused {
		if a.Status != 422 || a.Text("code") != "invalid" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	s.alice.Must(200, "GET", "/v1/audit?limit=50&cursor="+audit, nil)
}

func TestQueriesThatMakeNoSense(t *testing.T) {
	s := newScene(t)
	for _, query := range []string{"limit=0", "limit=201", "limit=-1", "limit=x", "limit=", "from=yesterday", "to=1", "unknown=1", "actor=" + strings.Repeat("a", 65)} {
		if a := s.alice.Do("GET", "/v1/audit?"+query, nil); query != "limit=" && (a.Status != 422 || a.Text("code") != "invalid") {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
	for _, query := range []string{"limit=1", "limit=200"} {
		s.alice.Must(200, "GET", "/v1/audit?"+query, nil)
	}
}

// Who may not see the audit does not; who may for some phone systems sees what
// is about these; another partner's and the operators' are others.
func TestVisibility(t *testing.T) {
	s := newScene(t)
	for name, permissions := range map[string][]access.Permission{"none": nil, "every other": {access.Unlock, access.ViewUnlocks, access.CloseUnlocks, access.ManagePhoneSystems, access.ManageUsers, access.BreakGlass}} {
		if s.role(permissions, "*"); s.bob.Do("GET", "/v1/audit", nil).Status != 403 {
			t.Errorf("%s: not refused", name)
		}
	}
	if s.role([]access.Permission{access.ViewAudit}); s.bob.Do("GET", "/v1/audit", nil).Status != 403 {
		t.Error("on no phone system: not refused")
	}
	all := s.list(s.alice, url.Values{"limit": {"200"}}).Items()
	var ofOne []string
	for _, e := range all {
		if e.Text("phone_system_id") == s.one.ID {
			ofOne = append(ofOne, e.Text("id"))
		}
	}
	s.role([]access.Permission{access.ViewAudit}, s.one.ID)
	if got := ids(s.list(s.bob, url.Values{"limit": {"200"}}).Items()); !slices.Equal(got, ofOne) || len(got) == 0 {
		t.Errorf("for one phone system: %d entries, want %d", len(got), len(ofOne))
	}
	s.role([]access.Permission{access.ViewAudit}, "*")
	if got := ids(s.list(s.bob, url.Values{"limit": {"200"}}).Items()); !slices.Equal(got, ids(all)) {
		t.Errorf("for every phone system: %d entries, want %d", len(got), len(all))
	}
	for _, stranger := range []*localtest.Person{s.Administrator("other", "eve@other.example"), s.Operator()} {
		for _, e := range s.list(stranger, url.Values{"limit": {"200"}}).Items() {
			if slices.Contains(ids(all), e.Text("id")) {
				t.Errorf("%s sees %v", stranger.Email, e.JSON)
			}
		}
	}
	if a := s.Send(localtest.Request{Method: "GET", Path: "/v1/audit"}); a.Status != 401 {
		t.Errorf("nobody: %d", a.Status)
	}
}

// Formulas, markup and line breaks that people send are text in the audit, and
// nothing in it: ATTACKS.md line 39, as far as there is only JSON.
func TestAttack39WhatPeopleSendIsInert(t *testing.T) {
	s := newScene(t)
	texts := []string{"=1+1", "+1", "-1", "@SUM(A1)", "<script>alert(1)</script>", `"},{"id":"forged`, `{{.}}`, "\u2028"}
	for _, text := range texts {
		a := s.alice.Do("PATCH", "/v1/phone-systems/"+s.one.ID, map[string]any{"name": text})
		if a.Status == 200 && a.Text("name") != text || a.Status != 200 && a.Status != 422 {
			t.Errorf("a name %q: %d %s", text, a.Status, a.Body)
		}
	}
	for _, text := range texts[:7] {
		unlock := s.alice.Must(201, "POST", "/v1/phone-systems/"+s.one.ID+"/unlocks", map[string]any{"reason": text, "ticket": text})
		s.alice.Must(200, "DELETE", "/v1/unlocks/"+unlock.Text("id"), nil)
		a := s.list(s.alice, url.Values{"action": {"unlock.opened"}, "limit": {"1"}})
		if e := a.Items()[0]; e.Text("details.reason") != text || e.Text("details.ticket") != text {
			t.Errorf("%q became %v", text, e.JSON)
		}
		h := a.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Type") != "application/json" || !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; base-uri 'none'; ") {
			t.Errorf("%q: %v %s", text, a.Header, a.Body)
		}
	}
	for _, text := range []string{"one\ntwo", "one\rtwo", "tab\ttab", "nul\x00", "\x1b[31m", "bell\a"} {
		s.alice.Must(422, "POST", "/v1/phone-systems/"+s.one.ID+"/unlocks", map[string]any{"reason": text})
		s.alice.Must(422, "PATCH", "/v1/phone-systems/"+s.one.ID, map[string]any{"name": "x" + text + "x"})
	}
	s.one.Decide("GET", "/xapi/v1/%0d%0aSet-Cookie:x=1<script>", "")
	if a := s.list(s.alice, url.Values{"action": {"gate.bad_attempt"}}); len(a.Items()) != 1 || strings.ContainsAny(a.Items()[0].Text("details.path"), "\r\n") {
		t.Errorf("a bad attempt: %s", a.Body)
	}
	if strings.Contains(s.Log.String(), "one\ntwo") {
		t.Error("a line break in the log")
	}
}
