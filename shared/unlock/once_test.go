package unlock_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/unlock"
)

// atOnce runs all of it side by side, from one moment on.
func atOnce(all ...func()) { localtest.Parallel(len(all), func(i int) { all[i]() }) }

func times(n int, what func()) []func() {
	all := make([]func(), n)
	for i := range all {
		all[i] = what
	}
	return all
}

func (s scene) sweep() {
	if _, err := s.Auditor.Run(context.Background()); err != nil {
		s.T.Error(err)
	}
}

// At the second of its end everybody is there at once: eight sweeps, the
// reaper, its user, an administrator, a lock.
func TestExpiryIsToldOnce(t *testing.T) {
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := newScene(t, nil)
			var opened []localtest.Answer
			for _, who := range []*localtest.Person{s.tech, s.admin} {
				opened = append(opened, who.Unlock(s.gate, 60))
			}
			s.Clock.Add(60 * time.Second)
			racers := append(times(8, s.sweep), times(2, s.reap)...)
			for _, u := range opened {
				racers = append(racers, func() { s.admin.Must(200, "DELETE", unlockPath(u), nil) })
			}
			atOnce(append(racers, func() { s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil) })...)
			s.sweep()
			for _, u := range opened {
				s.wantEnd(u.Text("id"), "unlock.expired")
				a := s.admin.Must(200, "GET", unlockPath(u), nil)
				if a.Text("ended_at") != u.Text("expires_at") || a.Text("ended_by") != "system" || a.Text("end") != "expired" {
					t.Errorf("the record: %s", a.Body)
				}
			}
		})
	}
}

// The removal of a lease that was prolonged since, handed on late, ends nothing.
func TestLateRemovalOfAProlongedLease(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 60)
	cookie := s.gate.Pass(u)
	lease, err := s.Table.Get(t.Context(), unlock.LeaseKey(s.tech.PartnerID, s.gate.ID, s.tech.ID))
	if err != nil {
		t.Fatal(err)
	}
	s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60})
	s.Clock.Add(60 * time.Second)
	if err := s.Courier.Removed(t.Context(), lease); err != nil {
		t.Error(err)
	}
	s.wantReason(cookie, "open_window", "after the late removal")
	if ends := s.ends(u.Text("id")); len(ends) != 0 {
		t.Errorf("ended: %v", ends)
	}
}

// One sweep says how many windows it was the first to; eight at once share them.
func TestSweepCountsWhatItToldFirst(t *testing.T) {
	s := newScene(t, nil)
	s.tech.Unlock(s.gate, 60)
	s.admin.Unlock(s.gate, 60)
	s.Clock.Add(60 * time.Second)
	var mu sync.Mutex
	sum := 0
	atOnce(times(8, func() {
		n, err := s.Auditor.Run(context.Background())
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		sum += n
	})...)
	if n, err := s.Auditor.Run(context.Background()); n != 0 || err != nil || sum != 2 {
		t.Errorf("told %d, then %d (%v)", sum, n, err)
	}
}

// Of close, extend, revoke and lock on one living window one end is told, and
// nothing is open after it.
func TestLivingWindowEndsOnce(t *testing.T) {
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := newScene(t, nil)
			u := s.tech.Unlock(s.gate, 60)
			cookie := s.gate.Pass(u)
			racers := times(2, func() { s.tech.Must(200, "DELETE", unlockPath(u), nil) })
			racers = append(racers, times(2, func() { s.admin.Must(200, "DELETE", unlockPath(u), nil) })...)
			racers = append(racers, func() { s.tech.Do("POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60}) }, s.sweep)
			atOnce(append(racers, func() { s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil) })...)
			s.wantReason(cookie, "expired", "after all of it")
			if ends := s.ends(u.Text("id")); len(ends) != 1 || ends["unlock.closed"]+ends["unlock.revoked"] != 1 {
				t.Errorf("ends in the audit: %v", ends)
			}
		})
	}
}

// Locks at once share the windows; what is opened after a lock is not its.
func TestLockCountsEachWindowOnce(t *testing.T) {
	s := newScene(t, nil)
	path := "/v1/phone-systems/" + s.gate.ID + "/lock"
	if a := s.admin.Must(200, "POST", path, nil); a.Body != "{\"closed\":0}\n" {
		t.Errorf("nothing open: %s", a.Body)
	}
	opened := []localtest.Answer{s.tech.Unlock(s.gate, 60), s.admin.Unlock(s.gate, 60)}
	var mu sync.Mutex
	sum := 0.0
	atOnce(times(4, func() {
		a := s.admin.Must(200, "POST", path, nil)
		mu.Lock()
		defer mu.Unlock()
		sum += a.Number("closed")
	})...)
	if sum != 2 {
		t.Errorf("4 locks closed %v windows, want 2", sum)
	}
	again := s.tech.Unlock(s.gate, 60)
	cookie := s.gate.Pass(again)
	s.sweep()
	s.wantReason(cookie, "open_window", "opened after the lock")
	for _, u := range opened {
		s.wantEnd(u.Text("id"), "unlock.revoked")
	}
	if len(s.ends(again.Text("id"))) != 0 {
		t.Error("the window opened after the lock was ended")
	}
}

// A lock that crashes after its first write has closed everything; who opens
// anew, locks again or waits finds each end told once, as of its own lock.
func TestCrashedLockIsSettled(t *testing.T) {
	for name, c := range map[string]struct {
		next func(scene)
		by   string // of the end; empty: the one who locked
	}{
		"by the auditor":            {func(s scene) { s.sweep() }, ""},
		"by the auditor, late":      {func(s scene) { s.Clock.Add(time.Hour); s.sweep() }, ""},
		"by another lock":           {func(s scene) { s.lock(); s.sweep() }, ""},
		"after a later lock and an": {func(s scene) { s.Clock.Add(30 * time.Second); s.lock(); s.sweep() }, "any"},
		"by opening anew":           {func(s scene) { s.tech.Unlock(s.gate, 60); s.sweep() }, "system"},
		"by the reaper":             {func(s scene) { s.Clock.Add(time.Hour); s.reap(); s.sweep() }, "system"},
	} {
		t.Run(name, func(t *testing.T) {
			s, faulty := newFaultyScene(t)
			u := s.tech.Unlock(s.gate, 120)
			cookie := s.gate.Pass(u)
			s.Clock.Add(10 * time.Second)
			locked := s.Clock.Now().Format(time.RFC3339)
			faulty.SetPlan(failAfterWrites(1))
			s.admin.Must(503, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
			faulty.SetPlan(nil)
			if s.gate.Reason(cookie) != "revoked" {
				t.Error("the window lives after the lock's first write")
			}
			c.next(s)
			s.admin.SignIn()
			a := s.admin.Must(200, "GET", unlockPath(u), nil)
			by := c.by
			if by == "" {
				by = s.admin.ID
			}
			if a.Text("end") != "revoked" || c.by != "any" && (a.Text("ended_at") != locked || a.Text("ended_by") != by) {
				t.Errorf("ended: %s, want at %s by %s", a.Body, locked, by)
			}
			s.wantEnd(u.Text("id"), "unlock.revoked")
		})
	}
}

func (s scene) lock() {
	s.T.Helper()
	s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil)
}

// newFaultyScene is a scene whose table fails by plan.
func newFaultyScene(t *testing.T) (scene, *tabletest.Faulty) {
	t.Helper()
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	faulty := tabletest.NewFaulty(store, nil)
	s := scene{World: localtest.On(t, faulty, clock), store: store}
	s.admin = s.Administrator("acme", "alice@acme.example")
	s.gate = s.admin.PhoneSystem("pbx.acme.example", nil)
	s.role(access.Role{Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600})
	s.tech = s.User(s.admin, "bob@acme.example", roleID)
	return s, faulty
}

// failAfterWrites is a process that dies after so many writes: nothing that it
// asks of the table is answered any more.
func failAfterWrites(n int) tabletest.Plan {
	return func(_ int, op tabletest.Op) tabletest.Fault {
		if n == 0 {
			return tabletest.Fail
		}
		if op.Writes() {
			n--
		}
		return tabletest.None
	}
}

// Deleting a phone system revokes what is open there, once, wherever the
// process dies in between.
func TestDeletedPhoneSystemRevokesItsWindows(t *testing.T) {
	for writes := range 6 {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("dead after %d writes, late %v", writes, late), func(t *testing.T) {
				s, faulty := newFaultyScene(t)
				opened := []localtest.Answer{s.tech.Unlock(s.gate, 60), s.admin.Unlock(s.gate, 300)}
				cookie := s.gate.Pass(opened[1])
				faulty.SetPlan(failAfterWrites(writes))
				deleted := s.admin.Do("DELETE", "/v1/phone-systems/"+s.gate.ID, nil).Status
				faulty.SetPlan(nil)
				if writes == 0 {
					s.wantReason(cookie, "open_window", "nothing written")
					return
				}
				if a := s.gate.Decide("GET", "/xapi/v1/Users", cookie); a.Status != http.StatusUnauthorized {
					t.Errorf("deleted (%d), the gate answers %d", deleted, a.Status)
				}
				if late {
					s.Clock.Add(time.Hour)
				}
				atOnce(times(4, s.sweep)...)
				for _, u := range opened {
					s.wantEnd(u.Text("id"), "unlock.revoked")
					a := s.admin.Must(200, "GET", unlockPath(u), nil)
					if a.Text("ended_at") != u.Text("opened_at") || a.Text("ended_by") != s.admin.ID {
						t.Errorf("ended: %s", a.Body)
					}
				}
				if n := len(s.audited("phone_system.deleted")); n != 1 {
					t.Errorf("%d entries of the deletion", n)
				}
			})
		}
	}
}

// One window whose end can't be told keeps no other's from being.
func TestOneUnreadableRecordHoldsUpNoOther(t *testing.T) {
	s := newScene(t, nil)
	bad, good := s.tech.Unlock(s.gate, 60), s.admin.Unlock(s.gate, 60)
	key := table.Key{Partition: "unlocks#" + s.tech.PartnerID, Sort: bad.Text("id")}
	s.edit(key, func(d map[string]any) { d["opened_at"] = "?" })
	if a := s.admin.Do("POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil); a.Status != 500 {
		t.Errorf("not all done, and the lock answers %d", a.Status)
	}
	s.wantEnd(good.Text("id"), "unlock.revoked")
}
