package users_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// deployed is a technician with three sessions and two open windows.
type deployed struct {
	*localtest.World
	t       *testing.T
	admin   *localtest.Person
	tech    *localtest.Person
	role    string
	tokens  []string
	pending string // a sign-in that has passed the password
	gates   []*localtest.Gate
	unlocks []string
	cookies []string
}

func deploy(t *testing.T, w *localtest.World) *deployed {
	d := &deployed{World: w, t: t, admin: w.Administrator("acme", "alice@acme.example")}
	d.gates = []*localtest.Gate{d.admin.PhoneSystem("one.acme.example", nil), d.admin.PhoneSystem("two.acme.example", nil)}
	d.role = role(d.admin, 3600, []string{"*"}, "unlock")
	d.tech = w.User(d.admin, "bob@acme.example", d.role)
	d.tokens = []string{d.tech.Token}
	for range 2 {
		d.tech.SignIn()
		d.tokens = append(d.tokens, d.tech.Token)
	}
	for _, gate := range d.gates {
		opened := d.tech.Unlock(gate, 3600)
		d.unlocks = append(d.unlocks, opened.Text("id"))
		d.cookies = append(d.cookies, gate.Pass(opened))
	}
	d.pending = d.tech.Login()
	d.admin.SignIn()
	d.wantGates("open_window", "open_window")
	return d
}

func (d *deployed) wantGates(want ...string) {
	d.t.Helper()
	for i, gate := range d.gates {
		if got := gate.Decide("GET", "/xapi/v1/Users", d.cookies[i]).Header.Get("Portcullis-Reason"); got != want[i] && want[i] != "" {
			d.t.Errorf("gate %d says %q, want %q", i+1, got, want[i])
		}
	}
}

// shut demands that a gate lets nobody through any more.
func (d *deployed) shut(i int) {
	d.t.Helper()
	if a := d.gates[i].Decide("GET", "/xapi/v1/Users", d.cookies[i]); a.Status == http.StatusNoContent {
		d.t.Errorf("gate %d is open: %s", i+1, a.Header.Get("Portcullis-Reason"))
	}
}

// told demands that the end of a window stands in the record and once in the
// audit, with its cause.
func (d *deployed) told(i int, cause string) {
	d.t.Helper()
	a := d.admin.Must(http.StatusOK, "GET", "/v1/unlocks/"+d.unlocks[i], nil)
	if a.Text("state") != "ended" || a.Text("end") != "revoked" || a.Text("ended_by") != d.admin.ID {
		d.t.Errorf("window %d: %s", i+1, a.Body)
	}
	entries := 0
	for _, e := range d.admin.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.revoked", nil).Items() {
		if e.Text("subject") == d.unlocks[i] {
			entries++
			if e.Text("details.cause") != cause || e.Text("actor") != d.admin.ID {
				d.t.Errorf("window %d is told so: %v", i+1, e.JSON)
			}
		}
	}
	if entries != 1 {
		d.t.Errorf("the end of window %d is told %d times", i+1, entries)
	}
}

// alive is how many of the technician's sessions are answered.
func (d *deployed) alive() (n int) {
	d.t.Helper()
	for _, token := range d.tokens {
		if d.Send(bearer(token, "GET", "/v1/session", nil)).Status == http.StatusOK {
			n++
		}
	}
	return n
}

// What ends a user's access ends three sessions, a pending sign-in and two
// windows with the very next request and decision, and tells each end.
func TestAttack22EndOfAUserEndsEverything(t *testing.T) {
	for name, change := range map[string]struct {
		method, path string
		body         any
		status       int
		cause        string
	}{
		"deactivated":  {"PATCH", "", map[string]any{"active": false}, 200, "user.deactivated"},
		"deleted":      {"DELETE", "", nil, 204, "user.deleted"},
		"factor reset": {"POST", "/mfa-reset", nil, 200, "mfa.reset"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *localtest.World) {
				d := deploy(t, w)
				if n := d.alive(); n != 3 {
					t.Fatalf("%d sessions live before", n)
				}
				code := d.tech.NextCode()
				d.admin.Must(change.status, change.method, userPath(d.tech)+change.path, change.body)
				d.shut(0)
				if n := d.alive(); n != 0 {
					t.Errorf("%d sessions survive", n)
				}
				d.shut(1)
				a := d.Send(localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": d.pending, "method": "totp", "code": code}})
				if a.Status != http.StatusUnauthorized {
					t.Errorf("the pending sign-in goes on: %d %s", a.Status, a.Body)
				}
				d.told(0, change.cause)
				d.told(1, change.cause)
				d.Tick()
				d.told(0, change.cause)
			})
		})
	}
}

// What narrows a role or takes it away narrows the sessions with the next
// request, and shuts the windows that rested on it with the next decision.
func TestAttack22NarrowedRightsNarrowAtOnce(t *testing.T) {
	one := func(d *deployed) []string { return []string{d.gates[0].ID} }
	for name, c := range map[string]struct {
		change func(*deployed)
		cause  string
		first  string // what becomes of the first window; the second one is shut
	}{
		"role deleted": {func(d *deployed) { d.admin.Must(204, "DELETE", "/v1/roles/"+d.role, nil) }, "role.deleted", "shut"},
		"role without unlock": {func(d *deployed) {
			d.admin.Must(200, "PATCH", "/v1/roles/"+d.role, map[string]any{"permissions": []string{"view_unlocks"}})
		}, "role.changed", "shut"},
		"role on one phone system": {func(d *deployed) {
			d.admin.Must(200, "PATCH", "/v1/roles/"+d.role, map[string]any{"phone_systems": one(d)})
		}, "role.changed", "open"},
		"role for a shorter time than is over": {func(d *deployed) {
			d.Clock.Add(2 * time.Minute)
			d.admin.Must(200, "PATCH", "/v1/roles/"+d.role, map[string]any{"max_unlock_seconds": 60})
		}, "role.changed", "shut"},
		"role taken from the user": {func(d *deployed) {
			d.admin.Must(200, "PATCH", userPath(d.tech), map[string]any{"roles": []string{access.Auditor}})
		}, "user.changed", "shut"},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *localtest.World) {
				d := deploy(t, w)
				kept := d.admin.Unlock(d.gates[1], 3600)
				cookie := d.gates[1].Pass(kept)
				c.change(d)
				d.shut(1)
				d.told(1, c.cause)
				if c.first == "open" {
					d.wantGates("open_window", "")
				} else {
					d.shut(0)
					d.told(0, c.cause)
				}
				if n := d.alive(); n != 3 {
					t.Errorf("%d of 3 sessions live on, narrowed", n)
				}
				a := d.Send(bearer(d.tokens[0], "POST", "/v1/phone-systems/"+d.gates[1].ID+"/unlocks", map[string]any{"reason": "x"}))
				if c.first == "shut" && name != "role for a shorter time than is over" && a.Status != http.StatusForbidden {
					t.Errorf("opened anew: %d %s", a.Status, a.Body)
				}
				if got := d.gates[1].Reason(cookie); got != "open_window" {
					t.Errorf("another user's window: %q", got)
				}
			})
		})
	}
}

// An administrator who steps down has what their roles grant, and their windows
// as an administrator are shut.
func TestAttack22DemotedAdministratorIsNarrowed(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		alice.Must(201, "POST", "/v1/users", map[string]any{"email": "dora@acme.example", "administrator": true})
		dora := joinByMail(w, "dora@acme.example")
		gate := alice.PhoneSystem("pbx.acme.example", nil)
		cookie := gate.Pass(dora.Unlock(gate, 600))
		alice.Must(200, "PATCH", userPath(dora), map[string]any{"administrator": false})
		if got := gate.Reason(cookie); got == "open_window" {
			t.Error("the window lives")
		}
		dora.Must(403, "GET", "/v1/users", nil)
		dora.Must(403, "PATCH", userPath(dora), map[string]any{"administrator": true})
		dora.Must(200, "GET", "/v1/session", nil)
		if n := len(alice.Must(200, "GET", "/v1/audit?action=unlock.revoked", nil).Items()); n != 1 {
			t.Errorf("%d ends are told", n)
		}
	})
}

// What shuts a phone system shuts every window on it with the very next decision,
// and no other; each end is told once, with its cause. One that is gone exists for
// no session any more.
func TestAttack22EndOfAPhoneSystemEndsItsWindows(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		cause, host  string
		opening      int // what opening a window there is answered then
	}{
		"locked":  {"POST", "/lock", nil, 200, "phone_system.locked", "two.acme.example", 201},
		"moved":   {"PATCH", "", map[string]any{"host": "new.acme.example"}, 200, "phone_system.changed", "new.acme.example", 201},
		"removed": {"DELETE", "", nil, 204, "phone_system.deleted", "two.acme.example", 404},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *localtest.World) {
				d := deploy(t, w)
				path := "/v1/phone-systems/" + d.gates[1].ID
				d.admin.Must(c.status, c.method, path+c.path, c.body)
				d.gates[1].Host = c.host
				d.shut(1)
				d.wantGates("open_window", "")
				d.told(1, c.cause)
				if n := d.alive(); n != 3 {
					t.Errorf("%d of 3 sessions live on", n)
				}
				if a := d.Send(bearer(d.tokens[0], "POST", path+"/unlocks", map[string]any{"reason": "x"})); a.Status != c.opening {
					t.Errorf("opened anew: %d %s", a.Status, a.Body)
				}
				d.Tick()
				d.told(1, c.cause)
			})
		})
	}
}

// Who was found entitled and loses it before the commit opens nothing: rights,
// activity and epoch are read again with what opening rests on.
func TestAttack22OpeningHoldsToRoleAndFlag(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		gate := alice.PhoneSystem("pbx.acme.example", nil)
		patch := func(status int, path string, body map[string]any) { alice.Must(status, "PATCH", path, body) }
		for name, narrow := range map[string]func(bob *localtest.Person, own string){
			"role narrowed": func(_ *localtest.Person, own string) {
				patch(200, "/v1/roles/"+own, map[string]any{"permissions": []string{"view_audit"}})
			},
			"role deleted": func(_ *localtest.Person, own string) { alice.Must(204, "DELETE", "/v1/roles/"+own, nil) },
			"role taken":   func(bob *localtest.Person, _ string) { patch(200, userPath(bob), map[string]any{"roles": []string{}}) },
			"flag taken": func(bob *localtest.Person, _ string) {
				patch(200, userPath(bob), map[string]any{"administrator": false})
			},
			"inactive": func(bob *localtest.Person, _ string) { patch(200, userPath(bob), map[string]any{"active": false}) },
			"active again": func(bob *localtest.Person, _ string) {
				patch(200, userPath(bob), map[string]any{"active": false})
				patch(200, userPath(bob), map[string]any{"active": true})
			},
			"factor reset": func(bob *localtest.Person, _ string) { alice.Must(200, "POST", userPath(bob)+"/mfa-reset", nil) },
			"deleted":      func(bob *localtest.Person, _ string) { alice.Must(204, "DELETE", userPath(bob), nil) },
		} {
			own := role(alice, 600, []string{"*"}, "unlock")
			bob := w.User(alice, strings.ReplaceAll(name, " ", "-")+"@acme.example", own)
			if name == "flag taken" {
				patch(200, userPath(bob), map[string]any{"administrator": true, "roles": []string{}})
			}
			caller := bob.Caller()
			narrow(bob, own)
			if _, err := openAs(w, caller, gate.ID); err == nil {
				t.Errorf("%s: opened by what was found before", name)
			}
			alice.StepUp()
		}
	})
}
