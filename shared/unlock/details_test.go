package unlock_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// A second window on the same phone system is refused with the first one's id;
// one on another phone system, or another user's, is not.
func TestOneWindowPerUserAndPhoneSystem(t *testing.T) {
	s := newScene(t, nil)
	first := s.tech.Unlock(s.gate, 300)
	again := s.tech.Must(http.StatusConflict, "POST", s.openPath(), seconds(60))
	if again.Text("code") != "already_unlocked" || again.Text("unlock_id") != first.Text("id") {
		t.Errorf("a second window: %s", again.Body)
	}
	s.admin.Unlock(s.gate, 60)
	s.tech.Unlock(s.admin.PhoneSystem("two.acme.example", nil), 60)
}

// A lock of one phone system leaves the windows on others alone.
func TestAttack34LockLeavesOtherPhoneSystemsAlone(t *testing.T) {
	s := newScene(t, nil)
	other := s.admin.PhoneSystem("two.acme.example", nil)
	here, there := s.tech.Unlock(s.gate, 60), s.tech.Unlock(other, 60)
	cookie := other.Pass(there)
	if a := s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil); a.Number("closed") != 1 {
		t.Errorf("closed: %s", a.Body)
	}
	s.sweep()
	if got := other.Reason(cookie); got != "open_window" {
		t.Errorf("the other gate says %q", got)
	}
	if len(s.ends(there.Text("id"))) != 0 {
		t.Error("the other window was ended")
	}
	s.wantEnd(here.Text("id"), "unlock.revoked")
}

// What a crashed lock closed is neither extended nor given a pass, and stands in
// nobody's way; the window opened after it lives on when the lock is settled.
func TestAttack34OpenedAnewAfterACrashedLock(t *testing.T) {
	s, faulty := newFaultyScene(t)
	dead := s.tech.Unlock(s.gate, 300)
	faulty.SetPlan(failAfterWrites(1))
	s.admin.Must(503, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
	faulty.SetPlan(nil)
	s.tech.Must(409, "POST", unlockPath(dead)+"/extend", map[string]any{"seconds": 60})
	s.tech.Must(409, "POST", unlockPath(dead)+"/pass", nil)
	next := s.tech.Unlock(s.gate, 60)
	if next.Text("id") == "" || next.Text("id") == dead.Text("id") {
		t.Errorf("opened anew: %s", next.Body)
	}
	cookie := s.gate.Pass(next)
	s.sweep()
	s.wantReason(cookie, "open_window", "after the lock was settled")
	s.wantEnd(dead.Text("id"), "unlock.revoked")
}

// An entry of an end names who ended it and from where; time ends windows by
// itself, whoever asked for it.
func TestEndsNameWhoEndedThem(t *testing.T) {
	s := newScene(t, nil)
	closed := s.tech.Unlock(s.gate, 60)
	s.tech.Must(200, "DELETE", unlockPath(closed), nil)
	late := s.tech.Unlock(s.gate, 60)
	s.Clock.Add(time.Minute)
	s.tech.Must(200, "DELETE", unlockPath(late), nil)
	for action, want := range map[string][3]string{
		"unlock.closed":  {s.tech.ID, s.tech.Email, "192.0.2.1"},
		"unlock.expired": {"system", "", ""},
	} {
		e := s.audited(action)[0]
		if got := [3]string{e.Text("actor"), e.Text("details.actor_email"), e.Text("client_ip")}; got != want {
			t.Errorf("%s: %v, want %v", action, got, want)
		}
	}
}

// The user's epoch counts for the end of a window on a phone system that is gone.
func TestEndWithoutPhoneSystem(t *testing.T) {
	s, faulty := newFaultyScene(t)
	u := s.tech.Unlock(s.gate, 300)
	faulty.SetPlan(failAfterWrites(1))
	s.admin.Must(204, "DELETE", "/v1/phone-systems/"+s.gate.ID, nil)
	faulty.SetPlan(nil)
	at := s.Clock.Now().Add(30 * time.Second)
	s.edit(account.UserKey(s.tech.ID), func(d map[string]any) { d["epoch"], d["epoch_at"] = 1, at })
	s.Clock.Add(time.Hour)
	s.reap() // before the auditor, which knows better
	s.admin.SignIn()
	a := s.admin.Must(200, "GET", unlockPath(u), nil)
	if a.Text("end") != "revoked" || a.Text("ended_at") != at.Format(time.RFC3339) {
		t.Errorf("ended: %s", a.Body)
	}
	s.wantEnd(u.Text("id"), "unlock.revoked")
}

// Pages within a time go on where they ended, and a record that can't be read
// is an error, not an end of the list.
func TestPagesWithinATime(t *testing.T) {
	s := newScene(t, nil)
	var want []string
	for range 5 {
		u := s.admin.Unlock(s.gate, 60)
		want = append(want, u.Text("id"))
		s.Clock.Add(time.Minute)
	}
	slices.Reverse(want)
	query := url.Values{"limit": {"2"}, "to": {localtest.Start.Add(4 * time.Minute).Format(time.RFC3339)}, "from": {localtest.Start.Format(time.RFC3339)}}
	var got []string
	for range 5 {
		page := s.admin.Must(200, "GET", "/v1/unlocks?"+query.Encode(), nil)
		got = append(got, idsOf(page.Items())...)
		if page.Text("next") == "" {
			break
		}
		query.Set("cursor", page.Text("next"))
	}
	if !slices.Equal(got, want[1:]) {
		t.Errorf("%v, want %v", got, want[1:])
	}
	s.edit(table.Key{Partition: "unlocks#" + s.admin.PartnerID, Sort: want[2]}, func(d map[string]any) { d["opened_at"] = "?" })
	for _, query := range []string{"", "?from=2027-03-01T09:00:00Z"} {
		if a := s.admin.Do("GET", "/v1/unlocks"+query, nil); a.Status != 500 {
			t.Errorf("%q: %d %s", query, a.Status, a.Body)
		}
	}
}

// The least of everything is enough.
func TestLeastLengths(t *testing.T) {
	s := newScene(t, map[string]any{"default_seconds": 60})
	u := s.tech.Must(201, "POST", s.openPath(), map[string]any{"reason": "x"})
	if length(t, u) != 60 {
		t.Errorf("by default %v seconds", length(t, u))
	}
	if a := s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 1}); length(t, a) != 61 {
		t.Errorf("extended to %v seconds", length(t, a))
	}
	s.narrow(60)
	s.tech.Must(200, "DELETE", unlockPath(u), nil)
	s.tech.Must(201, "POST", s.openPath(), seconds(60))
}

// And the most of it not too much.
func TestMostLength(t *testing.T) {
	s := newScene(t, map[string]any{"max_seconds": 86400})
	s.admin.Must(201, "POST", s.openPath(), seconds(86400))
}

// A request that found its user before an epoch rose, or the user went, opens
// nothing after it.
func TestAttack34OpeningHoldsToTheUser(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"epoch":    func(d map[string]any) { d["epoch"] = 1 },
		"inactive": func(d map[string]any) { d["active"] = false },
	} {
		s := newScene(t, nil)
		caller := s.tech.Caller()
		s.edit(account.UserKey(s.tech.ID), change)
		_, err := s.Auditor.Book.Open(t.Context(), caller, idempotency.Key{}, unlock.Request{PhoneSystemID: s.gate.ID, Reason: "x"})
		if !errors.Is(err, access.ErrForbidden) || len(s.audited("unlock.opened")) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Several people behind one address have a window each.
func TestPeopleBehindOneAddress(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	s.gate.Client = "192.0.2.1"
	first, second := s.tech.Unlock(s.gate, 60), s.admin.Unlock(s.gate, 300)
	want := func(user, reason string) {
		t.Helper()
		a := s.gate.Decide("GET", "/xapi/v1/Users", "")
		if a.Header.Get("Remote-User") != user || a.Header.Get("Portcullis-Reason") != reason {
			t.Errorf("user %q, %s", a.Header.Get("Remote-User"), a.Header.Get("Portcullis-Reason"))
		}
	}
	want("", "open_window")
	s.admin.Must(200, "DELETE", unlockPath(second), nil)
	want(s.tech.ID, "open_window")
	s.tech.Must(200, "DELETE", unlockPath(first), nil)
	want("", "locked")
}

// Two browsers at one address are one source, and prolonged as one; a window by
// pass binds none by being extended.
func TestSourcesAreBoundOnce(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 60)
	s.gate.Pass(u)
	s.gate.Pass(s.tech.Must(200, "POST", unlockPath(u)+"/pass", nil))
	extend := func() { s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60}) }
	extend()
	s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"binding": "ip"}})
	s.wantReason("", "wrong_address", "extended by pass, judged by address")
	extend()
	s.wantReason("", "open_window", "extended by address")
}
