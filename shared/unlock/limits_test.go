package unlock_test

import (
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
)

func (s scene) openPath() string { return "/v1/phone-systems/" + s.gate.ID + "/unlocks" }

func seconds(n any) map[string]any { return map[string]any{"duration_seconds": n, "reason": "test"} }

// unreadable are limits that say nothing, by what stands in the store.
func unreadable() map[string]func(policy map[string]any) {
	set := func(name string, value any) func(map[string]any) {
		return func(p map[string]any) { p[name] = value }
	}
	return map[string]func(map[string]any){
		"max zero":          set("max_seconds", 0),
		"max negative":      set("max_seconds", -60),
		"max below a limit": set("max_seconds", 59),
		"max beyond a day":  set("max_seconds", 86401),
		"max enormous":      set("max_seconds", int64(1)<<62),
		"max a text":        set("max_seconds", "all"),
		"max null":          set("max_seconds", nil),
		"max missing":       func(p map[string]any) { delete(p, "max_seconds") },
		"max a fraction":    set("max_seconds", 600.5),
	}
}

// An unreadable or missing limit denies (CIPP PR #698).
func TestAttack36UnreadablePolicyDenies(t *testing.T) {
	cases := unreadable()
	cases["no policy"] = nil
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			standing := s.admin.Unlock(s.gate, 300)
			cookie := s.gate.Pass(standing)
			s.edit(phonesystem.Key(s.gate.ID), func(d map[string]any) {
				if spoil == nil {
					delete(d, "policy")
					return
				}
				spoil(d["policy"].(map[string]any))
			})
			for _, body := range []map[string]any{seconds(60), seconds(600), {"reason": "test"}} {
				if a := s.tech.Do("POST", s.openPath(), body); a.Status < 400 {
					t.Errorf("opened with %v: %s", body, a.Body)
				}
			}
			if a := s.admin.Do("POST", unlockPath(standing)+"/extend", map[string]any{"seconds": 60}); a.Status < 400 {
				t.Errorf("extended: %s", a.Body)
			}
			s.Clock.Add(59 * time.Second) // what a limit of 59 allowed is over
			if name != "max beyond a day" && name != "max enormous" {
				if a := s.gate.Decide("GET", "/xapi/v1/Users", cookie); a.Status == 204 {
					t.Error("the gate allows")
				}
			}
			if len(s.audited("unlock.opened")) != 1 || len(s.audited("unlock.extended")) != 0 {
				t.Error("something was opened or extended")
			}
		})
	}
}

func TestAttack36UnreadableDefaultDenies(t *testing.T) {
	for _, value := range []any{0, -1, 59, nil} {
		s := newScene(t, nil)
		s.edit(phonesystem.Key(s.gate.ID), func(d map[string]any) { d["policy"].(map[string]any)["default_seconds"] = value })
		s.tech.Must(http.StatusForbidden, "POST", s.openPath(), map[string]any{"reason": "test"})
		s.tech.Must(http.StatusCreated, "POST", s.openPath(), seconds(60))
	}
}

func TestAttack36RoleWithoutLimitDenies(t *testing.T) {
	for name, limit := range map[string]any{"zero": 0, "negative": -600, "null": nil, "missing": "missing", "below the least": 59, "a text": "all"} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			standing := s.tech.Unlock(s.gate, 60)
			cookie := s.gate.Pass(standing)
			s.edit(account.RoleKey(s.tech.PartnerID, roleID), func(d map[string]any) {
				if d["max_unlock_seconds"] = limit; limit == "missing" {
					delete(d, "max_unlock_seconds")
				}
			})
			s.Clock.Add(59 * time.Second) // what a limit of 59 allowed is over
			if a := s.gate.Decide("GET", "/xapi/v1/Users", cookie); a.Status == 204 {
				t.Error("the gate allows")
			}
			if a := s.tech.Do("POST", unlockPath(standing)+"/extend", map[string]any{"seconds": 60}); a.Status < 400 {
				t.Errorf("extended: %s", a.Body)
			}
			s.Clock.Add(time.Second)
			for _, body := range []map[string]any{seconds(60), {"reason": "test"}} {
				if a := s.tech.Do("POST", s.openPath(), body); a.Status < 400 {
					t.Errorf("opened with %v: %s", body, a.Body)
				}
			}
		})
	}
}

func TestLengthStaysWithinPolicyAndRole(t *testing.T) {
	for _, c := range []struct {
		name     string
		admin    bool
		wanted   any
		status   int
		got, max float64
	}{
		{"role's longest", false, 600, 201, 600, 0},
		{"a second more than the role's", false, 601, 422, 0, 600},
		{"default, longer than the role's", false, nil, 201, 600, 0},
		{"policy's longest", true, 1800, 201, 1800, 0},
		{"a second more than the policy's", true, 1801, 422, 0, 1800},
		{"default", true, nil, 201, 900, 0},
		{"shortest", true, 60, 201, 60, 0},
		{"shorter", true, 59, 422, 0, 1800},
		{"zero", true, 0, 422, 0, 1800},
		{"negative", true, -60, 422, 0, 1800},
		{"past what a duration holds", true, int64(1) << 62, 422, 0, 1800},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, map[string]any{"max_seconds": 1800, "default_seconds": 900})
			who := s.tech
			if c.admin {
				who = s.admin
			}
			body := seconds(c.wanted)
			if c.wanted == nil {
				delete(body, "duration_seconds")
			}
			a := who.Must(c.status, "POST", s.openPath(), body)
			if c.status == 201 && length(t, a) != c.got {
				t.Errorf("%v seconds, want %v", length(t, a), c.got)
			}
			if c.status == 422 && (a.Text("code") != "out_of_range" || a.Number("min") != 60 || a.Number("max") != c.max) {
				t.Errorf("refused: %s", a.Body)
			}
		})
	}
}

func length(t *testing.T, a localtest.Answer) float64 {
	t.Helper()
	from, err := time.Parse(time.RFC3339, a.Text("opened_at"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := time.Parse(time.RFC3339, a.Text("expires_at"))
	if err != nil {
		t.Fatal(err)
	}
	return to.Sub(from).Seconds()
}

func TestReasonIsAskedForAndKeptHarmless(t *testing.T) {
	s := newScene(t, nil)
	for name, body := range map[string]map[string]any{
		"none":            {},
		"spaces":          {"reason": "   "},
		"two lines":       {"reason": "one\ntwo"},
		"too long":        {"reason": string(make([]rune, 501))},
		"reference lines": {"reason": "x", "ticket": "1\r\n2"},
		"unknown field":   {"reason": "x", "minutes": 5},
	} {
		if a := s.tech.Must(422, "POST", s.openPath(), body); a.Text("code") != "invalid" {
			t.Errorf("%s: %s", name, a.Body)
		}
	}
	if n := len(s.audited("unlock.opened")); n != 0 {
		t.Errorf("%d windows opened", n)
	}
	s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"reason": "optional"}})
	s.tech.SignIn()
	s.tech.Must(201, "POST", s.openPath(), map[string]any{"ticket": " T-1 "})
	if e := s.audited("unlock.opened"); len(e) != 1 || e[0].Text("details.ticket") != "T-1" {
		t.Errorf("audit: %v", e)
	}
}

// Extending in a loop ends at the shorter of policy and role, counted from the
// opening; each limit in turn.
func TestAttack37ExtendingStaysWithinTheLimits(t *testing.T) {
	for _, c := range []struct {
		name       string
		policy     map[string]any
		extensions int
		status     int // of the first refusal
	}{
		{"role", map[string]any{"max_extensions": 100}, 5, 422},
		{"policy", map[string]any{"max_seconds": 480, "default_seconds": 60, "max_extensions": 100}, 3, 422},
		{"extensions", map[string]any{"max_extensions": 2}, 2, 409},
		{"no extensions", map[string]any{"max_extensions": 0}, 0, 409},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, c.policy)
			u := s.tech.Unlock(s.gate, 300)
			extend := func(n int64) localtest.Answer {
				return s.tech.Do("POST", unlockPath(u)+"/extend", map[string]any{"seconds": n})
			}
			extended := 0
			var last localtest.Answer
			for last = extend(60); last.Status == 200 && extended < 200; last = extend(60) {
				extended++
			}
			now := s.tech.Must(200, "GET", unlockPath(u), nil)
			if extended != c.extensions || last.Status != c.status || length(t, now) != float64(300+60*extended) {
				t.Fatalf("%d extensions to %v s, then %d %s", extended, length(t, now), last.Status, last.Body)
			}
			if c.status == 422 && (last.Text("code") != "out_of_range" || last.Number("max") != 0) {
				t.Errorf("refused: %s", last.Body)
			}
			if n := len(s.audited("unlock.extended")); n != extended {
				t.Errorf("%d extensions in the audit, want %d", n, extended)
			}
		})
	}
}

func TestAttack37ExtensionsAreJudgedAnew(t *testing.T) {
	for name, c := range map[string]struct {
		change func(scene)
		status int
		n      int64
	}{
		"zero":                  {func(scene) {}, 422, 0},
		"negative":              {func(scene) {}, 422, -60},
		"a second too many":     {func(scene) {}, 422, 301},
		"overflowing":           {func(scene) {}, 422, 1<<63 - 1},
		"to the very end":       {func(scene) {}, 200, 300},
		"stale second factor":   {func(s scene) { s.Clock.Add(access.FreshFor) }, 403, 60},
		"its last second":       {func(s scene) { s.Clock.Add(299 * time.Second) }, 200, 60},
		"after its end":         {func(s scene) { s.Clock.Add(300 * time.Second); s.tech.SignIn() }, 409, 60},
		"after its end, told":   {func(s scene) { s.Clock.Add(300 * time.Second); s.Tick(); s.tech.SignIn() }, 409, 60},
		"after closing":         {func(s scene) { s.admin.Must(200, "POST", "/v1/phone-systems/"+s.gate.ID+"/lock", nil) }, 409, 60},
		"the role lost":         {func(s scene) { s.role(access.Role{}) }, 403, 60},
		"the permission lost":   {func(s scene) { s.role(access.Role{PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600}) }, 403, 60},
		"the role narrowed":     {func(s scene) { s.narrow(359) }, 422, 60},
		"the role below itself": {func(s scene) { s.narrow(120) }, 422, 1},
		"the role narrowed not": {func(s scene) { s.narrow(360) }, 200, 60},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			u := s.tech.Unlock(s.gate, 300)
			c.change(s)
			s.tech.Must(c.status, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": c.n})
			want := 0
			if c.status == 200 {
				want = 1
			}
			if n := len(s.audited("unlock.extended")); n != want {
				t.Errorf("%d extensions in the audit, want %d", n, want)
			}
		})
	}
}

func (s scene) narrow(longest int64) {
	s.role(access.Role{Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: longest})
}

// Only its user extends, an administrator who became none does not either.
func TestAttack37OnlyItsUserExtends(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 300)
	s.admin.Must(403, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60})
	own := s.admin.Unlock(s.gate, 300)
	s.edit(account.UserKey(s.admin.ID), func(d map[string]any) { d["administrator"], d["roles"] = false, []string{roleID} })
	s.admin.Must(403, "POST", unlockPath(own)+"/extend", map[string]any{"seconds": 60})
}

// The clock jumps forth and back around a window: it is never open past its
// end, and what was told as ended stays closed when the clock goes back.
func TestAttack37JumpingClock(t *testing.T) {
	s := newScene(t, nil)
	u := s.tech.Unlock(s.gate, 300)
	cookie := s.gate.Pass(u)
	s.Clock.Add(time.Hour)
	s.wantReason(cookie, "expired", "an hour on")
	s.Clock.Add(-time.Hour)
	s.wantReason(cookie, "open_window", "and back, nothing told")
	s.tech.Must(200, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 300})
	s.tech.Must(422, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 1})
	s.Clock.Add(599 * time.Second)
	s.wantReason(cookie, "open_window", "its last second")
	s.Clock.Add(time.Second)
	s.wantReason(cookie, "expired", "at its end")
	s.Tick()
	s.Clock.Add(-600 * time.Second)
	s.wantReason(cookie, "expired", "told, and the clock back at its beginning")
	s.tech.Must(409, "POST", unlockPath(u)+"/extend", map[string]any{"seconds": 60})
	next := s.tech.Unlock(s.gate, 60)
	s.Clock.Add(-10 * time.Minute)
	closed := s.tech.Must(200, "DELETE", unlockPath(next), nil)
	if closed.Text("ended_at") != next.Text("opened_at") {
		t.Errorf("opened %s, ended %s", next.Text("opened_at"), closed.Text("ended_at"))
	}
	s.Clock.Add(time.Hour)
	s.wantEnd(u.Text("id"), "unlock.expired")
	s.wantEnd(next.Text("id"), "unlock.closed")
}

// Policy and role that are narrowed under a window end it when they say so.
func TestNarrowingEndsAtTheNewLimit(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.gate.Pass(s.tech.Unlock(s.gate, 600))
	s.narrow(120)
	s.Clock.Add(119 * time.Second)
	s.wantReason(cookie, "open_window", "the last second of the role's")
	s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"default_seconds": 60, "max_seconds": 119}})
	s.wantReason(cookie, "expired", "the policy's end")
	s.admin.Must(200, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"policy": map[string]any{"max_seconds": 600}})
	s.Clock.Add(time.Second)
	s.wantReason(cookie, "expired", "the role's end")
}
