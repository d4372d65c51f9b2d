package gatekeeper_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/unlock"
)

// What takes the ground away from a window denies at the next decision, though
// the lease still stands.
func TestAttack27AdministratorsPassWithoutItsGround(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(*scene)
		want string
	}{
		{"nothing lost", func(*scene) {}, "open_window"},
		{"the window's last second", func(s *scene) { s.Clock.Add(time.Hour - time.Second) }, "open_window"},
		{"after the window", func(s *scene) { s.Clock.Add(time.Hour) }, "expired"},
		{"the user deactivated", func(s *scene) {
			s.editUser(s.alice, func(u *account.User) { u.Active = false; u.Epoch++ })
		}, "revoked"},
		{"the user inactive, the epoch as it was", func(s *scene) {
			s.editUser(s.alice, func(u *account.User) { u.Active = false })
		}, "revoked"},
		{"the user's epoch alone", func(s *scene) { s.editUser(s.alice, func(u *account.User) { u.Epoch++ }) }, "revoked"},
		{"the user deleted", func(s *scene) { s.remove(account.UserKey(s.alice.ID)) }, "revoked"},
		{"the user moved to another partner", func(s *scene) {
			s.editUser(s.alice, func(u *account.User) { u.PartnerID = "OTHER" })
		}, "revoked"},
		{"the administrator flag taken", func(s *scene) {
			s.editUser(s.alice, func(u *account.User) { u.Administrator = false })
		}, "revoked"},
		{"the flag taken for a role that would grant", func(s *scene) {
			_, role := s.technician("tom@acme.example")
			s.editUser(s.alice, func(u *account.User) { u.Administrator = false; u.Roles = []string{role.ID} })
		}, "revoked"},
		{"the phone system's epoch", func(s *scene) { s.editSystem(func(p *phonesystem.PhoneSystem) { p.Epoch++ }) }, "revoked"},
		{"the phone system locked", func(s *scene) { s.alice.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil) }, "expired"},
		{"the lease of another partner", func(s *scene) {
			s.editLease(s.alice, func(l *unlock.Lease) { l.PartnerID = "OTHER" })
		}, "revoked"},
		{"a policy narrowed below what has passed", func(s *scene) {
			s.Clock.Add(time.Minute)
			s.alice.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"default_seconds": 60, "max_seconds": 60}})
		}, "expired"},
		{"a policy narrowed, a second left", func(s *scene) {
			s.Clock.Add(59 * time.Second)
			s.alice.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"default_seconds": 60, "max_seconds": 60}})
		}, "open_window"},
		{"a policy without a limit", func(s *scene) {
			s.editSystem(func(p *phonesystem.PhoneSystem) { p.Policy.MaxSeconds = 0 })
		}, "expired"},
		{"the pass taken from the lease", func(s *scene) {
			s.editLease(s.alice, func(l *unlock.Lease) { l.Passes = nil })
		}, "no_pass"},
	} {
		s := newScene(t, nil)
		cookie := s.pass(s.alice, s.gate)
		c.lose(s)
		if got := s.gate.Reason(cookie); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAttack27LimitedAccessPassWithoutItsGround(t *testing.T) {
	for _, c := range []struct {
		name string
		lose func(s *scene, bob *localtest.Person, role access.Role)
		want string
	}{
		{"nothing lost", func(*scene, *localtest.Person, access.Role) {}, "open_window"},
		{"the role deleted", func(s *scene, _ *localtest.Person, r access.Role) {
			s.remove(account.RoleKey(s.alice.PartnerID, r.ID))
		}, "revoked"},
		{"the role taken from the user", func(s *scene, bob *localtest.Person, _ access.Role) {
			s.editUser(bob, func(u *account.User) { u.Roles = nil })
		}, "revoked"},
		{"the role without this phone system", func(s *scene, _ *localtest.Person, r access.Role) {
			r.PhoneSystems = []string{"OTHER"}
			s.Role(s.alice.PartnerID, r)
		}, "revoked"},
		{"the role without unlocking", func(s *scene, _ *localtest.Person, r access.Role) {
			r.Permissions = []access.Permission{access.ViewAudit}
			s.Role(s.alice.PartnerID, r)
		}, "revoked"},
		{"the role's longest narrowed below what has passed", func(s *scene, _ *localtest.Person, r access.Role) {
			s.Clock.Add(time.Minute)
			r.MaxUnlockSeconds = 60
			s.Role(s.alice.PartnerID, r)
		}, "expired"},
		{"the role's longest narrowed, a second left", func(s *scene, _ *localtest.Person, r access.Role) {
			s.Clock.Add(59 * time.Second)
			r.MaxUnlockSeconds = 60
			s.Role(s.alice.PartnerID, r)
		}, "open_window"},
		{"the role without a longest", func(s *scene, _ *localtest.Person, r access.Role) {
			r.MaxUnlockSeconds = 0
			s.Role(s.alice.PartnerID, r)
		}, "expired"},
		{"the role replaced by the administrator flag", func(s *scene, bob *localtest.Person, r access.Role) {
			s.remove(account.RoleKey(s.alice.PartnerID, r.ID))
			s.editUser(bob, func(u *account.User) { u.Administrator = true })
		}, "revoked"},
		{"a lease that another role granted", func(s *scene, bob *localtest.Person, r access.Role) {
			s.editLease(bob, func(l *unlock.Lease) { l.Role = "ROTHER" })
		}, "revoked"},
		{"a lease that the flag granted", func(s *scene, bob *localtest.Person, r access.Role) {
			s.editUser(bob, func(u *account.User) { u.Administrator = true })
			s.editLease(bob, func(l *unlock.Lease) { l.Role = "" })
		}, "revoked"},
	} {
		s := newScene(t, nil)
		bob, role := s.technician("bob@acme.example")
		cookie := s.pass(bob, s.gate)
		c.lose(s, bob, role)
		if got := s.gate.Reason(cookie); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A pass copied elsewhere opens nothing there, a window of the same user's or
// not.
func TestAttack27PassCopiedElsewhere(t *testing.T) {
	s := newScene(t, nil)
	second := s.alice.PhoneSystem("two.acme.example", nil)
	mallory := s.Administrator("evil", "mallory@evil.example")
	foreign := mallory.PhoneSystem(host, nil)
	cookie := s.pass(s.alice, s.gate)
	reads(t, second.Decide("GET", restricted, cookie), "expired")
	other := s.pass(s.alice, second)
	for _, c := range []struct {
		name   string
		at     *localtest.Gate
		cookie string
		want   string
	}{
		{"at home", s.gate, cookie, "open_window"},
		{"the other at home", second, other, "open_window"},
		{"to a phone system where the user has a window too", second, cookie, "no_pass"},
		{"and the other way round", s.gate, other, "no_pass"},
		{"to another partner's", foreign, cookie, "expired"},
		{"the user of one, the secret of the other", s.gate, cookie[:strings.LastIndexByte(cookie, '_')] + other[strings.LastIndexByte(other, '_'):], "no_pass"},
		{"cut short", s.gate, cookie[:len(cookie)-1], "no_pass"},
		{"lengthened", s.gate, cookie + "a", "no_pass"},
		{"re-cased", s.gate, strings.ToUpper(cookie), "no_pass"},
		{"under the name that plain http has", s.gate, strings.TrimPrefix(cookie, "__Host-"), "no_pass"},
		{"with no value", s.gate, "__Host-portcullis-pass", "no_pass"},
	} {
		if got := c.at.Reason(c.cookie); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// With a window of her own the key of mallory's gate still finds only hers.
	mallory.Unlock(foreign, 600)
	reads(t, foreign.Decide("GET", restricted, cookie), "expired")
}

// A closed window's pass does not come back to life with the next window.
func TestAttack27PassOfAnEarlierWindow(t *testing.T) {
	s := newScene(t, nil)
	first := s.alice.Unlock(s.gate, 600)
	cookie := s.gate.Pass(first)
	s.alice.Must(200, "DELETE", "/v1/unlocks/"+first.Text("id"), nil)
	reads(t, s.gate.Decide("GET", restricted, cookie), "expired")
	s.alice.Unlock(s.gate, 600)
	reads(t, s.gate.Decide("GET", restricted, cookie), "no_pass")
}

func TestAttack27GateKeyReplacedOrGone(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.pass(s.alice, s.gate)
	path := "/v1/phone-systems/" + s.gate.ID
	rotate := func(body any) *localtest.Gate {
		t.Helper()
		g := *s.gate
		g.Key = s.alice.Must(200, "POST", path+"/gate-key", body).Text("gate_key")
		return &g
	}
	status := func(g *localtest.Gate, want int, when string) {
		t.Helper()
		if a := g.Decide("GET", restricted, cookie); a.Status != want {
			t.Errorf("%s: %d, want %d", when, a.Status, want)
		}
	}
	first := s.gate
	second := rotate(nil)
	status(second, 204, "the new key")
	status(first, 204, "the old key at once")
	third := rotate(nil)
	status(first, 204, "a key that was replaced before the last, within its hour")
	status(second, 204, "the last key")
	fourth := rotate(map[string]any{"revoke_previous": true})
	status(third, 401, "a key revoked at once")
	status(second, 401, "and the one before")
	status(fourth, 204, "the only key")
	s.alice.Must(204, "DELETE", path, nil)
	status(fourth, 401, "a phone system deleted")
}

// To the second: a replaced key works for an hour.
func TestAttack27ReplacedGateKeyEndsWithItsHour(t *testing.T) {
	s := newScene(t, nil)
	old := *s.gate
	s.alice.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/gate-key", nil)
	s.Clock.Add(phonesystem.KeyOverlap - time.Second)
	if a := old.Decide("GET", free, ""); a.Status != http.StatusNoContent {
		t.Errorf("a second before: %d", a.Status)
	}
	s.Clock.Add(time.Second)
	if a := old.Decide("GET", free, ""); a.Status != http.StatusUnauthorized {
		t.Errorf("after the hour: %d", a.Status)
	}
}
