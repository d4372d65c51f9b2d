package unlock_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
)

// scene is a partner with a phone system, its administrator, and a technician
// whose role lets windows last ten minutes.
type scene struct {
	*localtest.World
	store *bolt.Store
	admin *localtest.Person
	tech  *localtest.Person
	gate  *localtest.Gate
}

func newScene(t *testing.T, policy map[string]any) scene {
	t.Helper()
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	s := scene{World: localtest.On(t, store, clock), store: store}
	s.admin = s.Administrator("acme", "alice@acme.example")
	s.gate = s.admin.PhoneSystem("pbx.acme.example", policy)
	s.role(access.Role{Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{access.EveryPhoneSystem}, MaxUnlockSeconds: 600})
	s.tech = s.User(s.admin, "bob@acme.example", roleID)
	return s
}

const roleID = "01JZZZZZZZZZZZZZZZZZZZZZZZ"

func (s scene) role(role access.Role) {
	s.T.Helper()
	role.ID, role.Name = roleID, "technician"
	s.Role(s.admin.PartnerID, role)
}

// audited lists the entries of an action, newest first.
func (s scene) audited(action string) []localtest.Answer {
	s.T.Helper()
	path := "/v1/audit?limit=200&action=" + action
	if a := s.admin.Do("GET", path, nil); a.Status != http.StatusUnauthorized {
		return a.Items()
	}
	s.admin.SignIn()
	return s.admin.Must(http.StatusOK, "GET", path, nil).Items()
}

// ends is how often an unlock's end stands in the audit, by action.
func (s scene) ends(id string) map[string]int {
	s.T.Helper()
	found := map[string]int{}
	for _, e := range s.audited("") {
		switch action := e.Text("action"); action {
		case "unlock.expired", "unlock.closed", "unlock.revoked":
			if e.Text("subject") == id {
				found[action]++
			}
		}
	}
	return found
}

func (s scene) wantEnd(id, action string) {
	s.T.Helper()
	if got := s.ends(id); len(got) != 1 || got[action] != 1 {
		s.T.Errorf("the ends of %s in the audit: %v, want %s once", id, got, action)
	}
}

func (s scene) wantReason(cookie, want, when string) {
	s.T.Helper()
	if got := s.gate.Reason(cookie); got != want {
		s.T.Errorf("%s: the gate says %q, want %q", when, got, want)
	}
}

// reap removes what has expired, as the store's time-to-live does.
func (s scene) reap() {
	s.T.Helper()
	if _, err := s.store.Reap(context.Background(), 1000, s.Courier.Removed); err != nil {
		s.T.Error(err)
	}
}

// edit changes a stored document behind everybody's back.
func (s scene) edit(key table.Key, change func(map[string]any)) {
	s.T.Helper()
	item, err := s.Table.Get(context.Background(), key)
	if err != nil {
		s.T.Fatal(err)
	}
	document, err := table.Decode[map[string]any](item)
	if err != nil {
		s.T.Fatal(err)
	}
	change(document)
	next, err := table.Encode(key, item.Kind, document)
	if err == nil {
		next.Expires, next.Due = item.Expires, item.Due
		err = s.Table.Apply(context.Background(), table.Put(next, table.Always()))
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

func unlockPath(a localtest.Answer) string { return "/v1/unlocks/" + a.Text("id") }

// The first window's end comes late, when the user has a second one: TEAM #104,
// #279.
func TestAttack34FirstEndLeavesTheSecondWindow(t *testing.T) {
	for name, late := range map[string]func(scene, localtest.Answer){
		"sweep":                func(s scene, _ localtest.Answer) { s.Tick() },
		"time-to-live, sweep":  func(s scene, _ localtest.Answer) { s.reap(); s.Tick() },
		"the stream, replayed": replayed,
		"closing the first":    func(s scene, first localtest.Answer) { s.tech.Must(200, "DELETE", unlockPath(first), nil) },
		"revoking the first":   func(s scene, first localtest.Answer) { s.admin.Must(200, "DELETE", unlockPath(first), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			first := s.tech.Unlock(s.gate, 60)
			s.Clock.Add(60 * time.Second)
			second := s.tech.Unlock(s.gate, 300)
			cookie := s.gate.Pass(second)
			late(s, first)
			s.wantReason(cookie, "open_window", "after the late end of the first window")
			if a := s.tech.Must(200, "GET", unlockPath(second), nil); a.Text("state") != "open" {
				t.Errorf("the second window is %s", a.Text("state"))
			}
			s.wantEnd(first.Text("id"), "unlock.expired")
			if got := s.ends(second.Text("id")); len(got) != 0 {
				t.Errorf("the second window has ended: %v", got)
			}
		})
	}
}

// replayed hands on the removal of the first window's lease, long replaced.
func replayed(s scene, first localtest.Answer) {
	s.T.Helper()
	lease := map[string]string{"unlock_id": first.Text("id"), "partner_id": s.tech.PartnerID}
	item, err := table.Encode(table.Key{Partition: "leases#" + s.tech.PartnerID, Sort: s.gate.ID + "#" + s.tech.ID}, "lease", lease)
	for range 2 {
		if err == nil {
			err = s.Courier.Removed(context.Background(), item)
		}
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// One user's end, of any kind, is nobody else's.
func TestAttack34OneUsersEndLeavesAnothers(t *testing.T) {
	for name, end := range map[string]func(scene, localtest.Answer){
		"expired": func(s scene, _ localtest.Answer) { s.Clock.Add(60 * time.Second); s.Tick(); s.reap() },
		"closed":  func(s scene, first localtest.Answer) { s.tech.Must(200, "DELETE", unlockPath(first), nil) },
		"revoked": func(s scene, first localtest.Answer) { s.admin.Must(200, "DELETE", unlockPath(first), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			first, second := s.tech.Unlock(s.gate, 60), s.admin.Unlock(s.gate, 300)
			theirs, ours := s.gate.Pass(first), s.gate.Pass(second)
			end(s, first)
			s.wantReason(theirs, "expired", "the ended window")
			s.wantReason(ours, "open_window", "the other user's window")
		})
	}
}

// What a window was opened under may be gone when it is closed (TEAM).
func TestAttack34ClosingNeverAsks(t *testing.T) {
	for name, change := range map[string]func(scene){
		"policy narrowed": func(s scene) {
			s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"default_seconds": 60, "max_seconds": 60, "max_extensions": 0}})
		},
		"policy unreadable": func(s scene) {
			s.edit(phonesystem.Key(s.gate.ID), func(d map[string]any) { d["policy"] = "?" })
		},
		"role narrowed": func(s scene) { s.role(access.Role{}) },
		"role removed": func(s scene) {
			s.edit(account.UserKey(s.tech.ID), func(d map[string]any) { d["roles"] = []string{} })
		},
		"second factor stale": func(s scene) { s.Clock.Add(access.FreshFor) },
		"phone system locked": func(s scene) { s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil) },
		"phone system deleted": func(s scene) {
			s.admin.Must(204, "DELETE", "/v1/phone-systems/"+s.gate.ID, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			opened := s.tech.Unlock(s.gate, 600)
			cookie := s.gate.Pass(opened)
			change(s)
			first := s.tech.Must(200, "DELETE", unlockPath(opened), nil)
			again := s.tech.Must(200, "DELETE", unlockPath(opened), nil)
			if first.Text("state") != "ended" || first.Body != again.Body {
				t.Errorf("closed, and closed again:\n%s\n%s", first.Body, again.Body)
			}
			if got := s.gate.Decide("GET", "/xapi/v1/Users", cookie).Status; got == 204 {
				t.Error("the gate still allows")
			}
			if len(s.ends(opened.Text("id"))) != 1 {
				t.Errorf("ends in the audit: %v", s.ends(opened.Text("id")))
			}
		})
	}
}

// A revocation that says done is done at the very next decision (TEAM #398,
// CIPP #3274).
func TestAttack34DoneIsDone(t *testing.T) {
	for name, end := range map[string]func(scene, localtest.Answer) localtest.Answer{
		"its user closes": func(s scene, u localtest.Answer) localtest.Answer {
			return s.tech.Do("DELETE", unlockPath(u), nil)
		},
		"an administrator closes": func(s scene, u localtest.Answer) localtest.Answer {
			return s.admin.Do("DELETE", unlockPath(u), nil)
		},
		"lock": func(s scene, _ localtest.Answer) localtest.Answer {
			return s.admin.Do("POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
		},
		"deactivated": func(s scene, _ localtest.Answer) localtest.Answer {
			s.edit(account.UserKey(s.tech.ID), func(d map[string]any) { d["active"] = false })
			return localtest.Answer{Status: 200}
		},
		"user's epoch": func(s scene, _ localtest.Answer) localtest.Answer {
			s.edit(account.UserKey(s.tech.ID), func(d map[string]any) { d["epoch"] = 1 })
			return localtest.Answer{Status: 200}
		},
		"role narrowed": func(s scene, _ localtest.Answer) localtest.Answer {
			s.role(access.Role{Permissions: []access.Permission{access.ViewUnlocks}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600})
			return localtest.Answer{Status: 200}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, map[string]any{"decision_cache_seconds": 0})
			u := s.tech.Unlock(s.gate, 600)
			cookie := s.gate.Pass(u)
			s.wantReason(cookie, "open_window", "before")
			if a := end(s, u); a.Status != 200 {
				t.Fatalf("%d %s", a.Status, a.Body)
			}
			if a := s.gate.Decide("GET", "/xapi/v1/Users", cookie); a.Status != http.StatusForbidden {
				t.Errorf("after it was done, the gate answers %d", a.Status)
			}
		})
	}
}

// Whoever has neither the window nor close_unlocks closes nothing; another
// partner finds nothing.
func TestClosingNeedsTheWindowOrThePermission(t *testing.T) {
	s := newScene(t, nil)
	opened := s.admin.Unlock(s.gate, 300)
	cookie := s.gate.Pass(opened)
	stranger := s.Administrator("other", "eve@other.example")
	for _, call := range []string{"DELETE ", "GET ", "POST /extend", "POST /pass"} {
		var method, rest string
		_, _ = fmt.Sscan(call, &method, &rest)
		var body any
		if rest == "/extend" {
			body = map[string]any{"seconds": 60}
		}
		s.tech.Must(http.StatusForbidden, method, unlockPath(opened)+rest, body)
		stranger.Must(http.StatusNotFound, method, unlockPath(opened)+rest, body)
		stranger.Must(http.StatusNotFound, method, "/v1/unlocks/nonsense"+rest, body)
	}
	s.tech.Must(http.StatusForbidden, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
	stranger.Must(http.StatusNotFound, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
	stranger.Must(http.StatusNotFound, "POST", "/v1/phone-systems/nonsense/lock", nil)
	stranger.Must(http.StatusNotFound, "POST", "/v1/phone-systems/"+s.gate.ID+"/unlocks", map[string]any{"reason": "x"})
	s.wantReason(cookie, "open_window", "after all of it")
	s.role(access.Role{Permissions: []access.Permission{access.CloseUnlocks, access.ViewUnlocks}, PhoneSystems: []string{s.gate.ID}})
	s.tech.Must(http.StatusOK, "GET", unlockPath(opened), nil)
	ended := s.tech.Must(http.StatusOK, "DELETE", unlockPath(opened), nil)
	if ended.Text("end") != "revoked" || ended.Text("ended_by") != s.tech.ID {
		t.Errorf("closed by another: %s", ended.Body)
	}
	s.wantReason(cookie, "expired", "after close_unlocks")
}
