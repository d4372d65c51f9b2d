package unlock_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/table/tabletest"
)

func idsOf(items []localtest.Answer) []string {
	list := []string{}
	for _, item := range items {
		list = append(list, item.Text("id"))
	}
	return list
}

// Newest first; each filter admits what it says; who may not see others' windows
// sees their own.
func TestListShowsWhatIsAskedFor(t *testing.T) {
	s := newScene(t, nil)
	other := s.admin.PhoneSystem("two.acme.example", nil)
	a := s.tech.Unlock(s.gate, 60)
	s.Clock.Add(time.Minute)
	b := s.admin.Unlock(other, 60)
	s.Clock.Add(30 * time.Second)
	c := s.tech.Unlock(other, 300)
	s.tech.Must(200, "DELETE", unlockPath(c), nil)
	d := s.tech.Unlock(other, 300)
	s.Clock.Add(29 * time.Second)
	ids := func(all ...localtest.Answer) []string { return idsOf(all) }
	second := localtest.Start.Add(time.Minute).Format(time.RFC3339)
	for _, c := range []struct {
		who   *localtest.Person
		query url.Values
		want  []string
	}{
		{s.admin, nil, ids(d, c, b, a)},
		{s.tech, nil, ids(d, c, a)},
		{s.admin, url.Values{"state": {"open"}}, ids(d, b)},
		{s.admin, url.Values{"state": {"ended"}}, ids(c, a)},
		{s.admin, url.Values{"phone_system": {s.gate.ID}}, ids(a)},
		{s.admin, url.Values{"phone_system": {other.ID}}, ids(d, c, b)},
		{s.admin, url.Values{"user": {s.admin.ID}}, ids(b)},
		{s.tech, url.Values{"user": {s.admin.ID}}, ids()},
		{s.admin, url.Values{"from": {second}}, ids(d, c, b)},
		{s.admin, url.Values{"to": {second}}, ids(a)},
		{s.admin, url.Values{"from": {second}, "to": {localtest.Start.Add(90 * time.Second).Format(time.RFC3339)}}, ids(b)},
		{s.admin, url.Values{"state": {"open"}, "user": {s.tech.ID}, "phone_system": {other.ID}}, ids(d)},
	} {
		if got := idsOf(c.who.Must(200, "GET", "/v1/unlocks?"+c.query.Encode(), nil).Items()); !slices.Equal(got, c.want) {
			t.Errorf("%s %v: %v, want %v", c.who.Email, c.query, got, c.want)
		}
	}
	s.Clock.Add(time.Second) // b's end, which nobody has told
	ended := s.admin.Must(200, "GET", unlockPath(b), nil)
	if ended.Text("state") != "ended" || ended.Text("end") != "expired" || ended.Text("ended_at") != b.Text("expires_at") || ended.Text("ended_by") != "system" {
		t.Errorf("at its end: %s", ended.Body)
	}
	if got := idsOf(s.admin.Must(200, "GET", "/v1/unlocks?state=open", nil).Items()); !slices.Equal(got, ids(d)) {
		t.Errorf("open then: %v", got)
	}
}

// view_unlocks for one phone system shows what is there.
func TestViewUnlocksIsByPhoneSystem(t *testing.T) {
	s := newScene(t, nil)
	other := s.admin.PhoneSystem("two.acme.example", nil)
	here, there := s.admin.Unlock(s.gate, 60), s.admin.Unlock(other, 60)
	s.role(access.Role{Permissions: []access.Permission{access.ViewUnlocks}, PhoneSystems: []string{s.gate.ID}})
	s.tech.Must(200, "GET", unlockPath(here), nil)
	s.tech.Must(403, "GET", unlockPath(there), nil)
	if got := idsOf(s.tech.Must(200, "GET", "/v1/unlocks", nil).Items()); !slices.Equal(got, idsOf([]localtest.Answer{here})) {
		t.Errorf("sees %v", got)
	}
}

// The phone system counts its open windows, and no other's.
func TestOpenUnlocksAreCounted(t *testing.T) {
	s := newScene(t, nil)
	other := s.admin.PhoneSystem("two.acme.example", nil)
	want := func(g *localtest.Gate, state string, n float64) {
		t.Helper()
		a := s.admin.Must(200, "GET", "/v1/phone-systems/"+g.ID, nil)
		if a.Text("state") != state || a.Number("open_unlocks") != n {
			t.Errorf("%s: %s", g.Host, a.Body)
		}
	}
	want(s.gate, "locked", 0)
	s.tech.Unlock(s.gate, 60)
	s.admin.Unlock(s.gate, 120)
	want(s.gate, "unlocked", 2)
	want(other, "locked", 0)
	if got := other.Reason(""); got != "locked" {
		t.Errorf("the other gate says %q", got)
	}
	listed := s.admin.Must(200, "GET", "/v1/phone-systems", nil).Items()
	if len(listed) != 2 || listed[0].Number("open_unlocks") != 2 || listed[1].Number("open_unlocks") != 0 {
		t.Errorf("listed: %v", listed)
	}
	s.Clock.Add(time.Minute)
	want(s.gate, "unlocked", 1)
	s.lock()
	want(s.gate, "locked", 0)
}

// A window by address ends, and is prolonged, with its lease: what stands under
// the address afterwards opens nothing.
func TestWindowByAddress(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	s.gate.Client = "192.0.2.1" // where the technician's requests come from
	u := s.tech.Unlock(s.gate, 60)
	s.wantReason("", "open_window", "opened")
	s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60})
	s.Clock.Add(119 * time.Second)
	s.wantReason("", "open_window", "the last second of the extension")
	s.Clock.Add(time.Second)
	s.wantReason("", "locked", "at its end")
	u = s.tech.Unlock(s.gate, 600)
	s.wantReason("", "open_window", "opened again")
	s.tech.Must(200, "DELETE", unlockPath(u), nil)
	s.wantReason("", "locked", "closed, the address still written down")
	s.admin.Unlock(s.gate, 60)
	if a := s.gate.Decide("GET", "/xapi/v1/Users", ""); a.Header.Get("Remote-User") != s.admin.ID {
		t.Errorf("the address stands for %q, want the administrator alone", a.Header.Get("Remote-User"))
	}
	s.gate.Client = "192.0.2.2"
	s.wantReason("", "wrong_address", "another address")
}

// A policy that turns to addresses while a window is open judges by addresses:
// those that a pass was handed out to since are prolonged with the window.
func TestBindingChangedUnderAWindow(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 60)
	s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"binding": "ip"}})
	s.wantReason("", "wrong_address", "nothing bound")
	s.gate.Pass(s.tech.Must(200, "POST", unlockPath(u)+"/pass", nil))
	s.wantReason("", "open_window", "bound by a pass")
	s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60})
	s.Clock.Add(119 * time.Second)
	s.wantReason("", "open_window", "the last second of the extension")
}

// A new pass is for the window's user while it is open; the ticket works once.
func TestNewPass(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 300)
	s.Clock.Add(access.FreshFor - time.Second) // no fresh second factor needed
	ticket := s.tech.Must(200, "POST", unlockPath(u)+"/pass", nil)
	s.wantReason(s.gate.Pass(ticket), "open_window", "the new pass")
	if a := s.gate.Post(ticket.Text("pass.ticket"), localtest.BaseURL, ""); a.Status != http.StatusForbidden {
		t.Errorf("the ticket works twice: %d", a.Status)
	}
	if url := ticket.Text("pass.url"); url != "https://pbx.acme.example/.portcullis/pass" || u.Text("pass.url") != url {
		t.Errorf("the pass is fetched at %q", url)
	}
	s.Clock.Add(time.Second)
	s.tech.Must(409, "POST", unlockPath(u)+"/pass", nil)
	again := s.tech.Must(403, "POST", s.openPath(), seconds(60))
	if again.Text("code") != "mfa_required" {
		t.Errorf("opened without a fresh second factor: %s", again.Body)
	}
}

func TestTicketLivesAMinute(t *testing.T) {
	for wait, want := range map[time.Duration]int{59 * time.Second: http.StatusSeeOther, 60 * time.Second: http.StatusForbidden} {
		s := newScene(t, nil)
		u := s.tech.Unlock(s.gate, 300)
		s.Clock.Add(wait)
		if a := s.gate.Post(u.Text("pass.ticket"), localtest.BaseURL, ""); a.Status != want {
			t.Errorf("after %s: %d, want %d", wait, a.Status, want)
		}
	}
}

// Opening costs at most four round trips after authentication, one of them the
// one transaction, with and without a key: DESIGN.md, "Costs to keep".
func TestCostOfOpening(t *testing.T) {
	for _, binding := range []string{"pass", "ip", "pass+ip"} {
		clock := localtest.NewClock()
		counting := tabletest.NewCounting(localtest.Bolt(t, clock))
		w := localtest.On(t, counting, clock)
		alice := w.Administrator("acme", "alice@acme.example")
		gate := alice.PhoneSystem("pbx.acme.example", map[string]any{"binding": binding})
		header := http.Header{"Authorization": {"Bearer " + alice.Token}}
		counting.Reset()
		w.Must(200, localtest.Request{Method: "GET", Path: "/v1/session", Header: header})
		authenticating := counting.Reset().RoundTrips
		for key, want := range map[string]int{"": 2, "k1": 3} {
			header.Set("Idempotency-Key", key)
			if key == "" {
				header.Del("Idempotency-Key")
			}
			counting.Reset()
			u := w.Must(201, localtest.Request{Method: "POST", Path: "/v1/phone-systems/" + gate.ID + "/unlocks", Header: header, Body: seconds(60)})
			cost := counting.Reset()
			if trips := cost.RoundTrips - authenticating; trips != want || cost.Applies != 1 || cost.Adds != 0 {
				t.Errorf("%s, key %q: %d round trips, %+v", binding, key, trips, cost)
			}
			alice.Must(200, "DELETE", unlockPath(u), nil)
		}
	}
}
