package users_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

// All administrators are told by mail of a new administrator and of a widened
// role, and of nothing less.
func TestAdministratorsAreToldOfWhatOpensMore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		alice.Must(201, "POST", "/v1/users", map[string]any{"email": "dora@acme.example", "administrator": true})
		dora := joinByMail(w, "dora@acme.example")
		bob := w.User(alice, "bob@acme.example")
		own := role(alice, 600, []string{"*"}, "unlock")
		subjects := func(do func()) []string {
			w.Tick()
			before := len(w.Mail.To(dora.Email))
			do()
			w.Tick()
			var found []string
			for _, letter := range w.Mail.To(dora.Email)[before:] {
				found = append(found, letter.Subject)
			}
			return found
		}
		patch := func(path string, body map[string]any) func() { return func() { alice.Must(200, "PATCH", path, body) } }
		for _, c := range []struct {
			name string
			do   func()
			want string
		}{
			{"a new user", func() { alice.Must(201, "POST", "/v1/users", map[string]any{"email": "x@acme.example"}) }, ""},
			{"an invited administrator", func() {
				alice.Must(201, "POST", "/v1/users", map[string]any{"email": "y@acme.example", "administrator": true})
			}, "y@acme.example is an administrator now"},
			{"a promoted user", patch(userPath(bob), map[string]any{"administrator": true}), "bob@acme.example is an administrator now"},
			{"a demoted one", patch(userPath(bob), map[string]any{"administrator": false}), ""},
			{"an inactive one promoted", func() {
				patch(userPath(bob), map[string]any{"active": false})()
				patch(userPath(bob), map[string]any{"administrator": true})()
			}, ""},
			{"and activated", patch(userPath(bob), map[string]any{"active": true}), "bob@acme.example is an administrator now"},
			{"a renamed role", patch("/v1/roles/"+own, map[string]any{"name": "Help"}), ""},
			{"a narrowed role", patch("/v1/roles/"+own, map[string]any{"max_unlock_seconds": 60}), ""},
			{"a longer unlock", patch("/v1/roles/"+own, map[string]any{"max_unlock_seconds": 61}), "The role Help was widened"},
			{"a further permission", patch("/v1/roles/"+own, map[string]any{"permissions": []string{"unlock", "view_audit"}}), "The role Help was widened"},
		} {
			want := []string{}
			if c.want != "" {
				want = []string{c.want}
			}
			if got := subjects(c.do); !slices.Equal(append([]string{}, got...), want) {
				t.Errorf("%s: told %q, want %q", c.name, got, want)
			}
		}
	})
}

// dead is a process that dies after so many writes.
func dead(writes int) tabletest.Plan {
	return func(_ int, op tabletest.Op) tabletest.Fault {
		if writes == 0 {
			return tabletest.Fail
		}
		if op.Writes() {
			writes--
		}
		return tabletest.None
	}
}

// A pass is worth nothing once what it rests on is gone, though the process that
// took it away died right after it: the decision rests on the records, and the
// auditor tells the end later, with its cause.
func TestAttack27PassOfWhoLostTheirRights(t *testing.T) {
	stores := map[string]func(*testing.T, *localtest.Clock) table.Table{
		"bolt":     func(t *testing.T, clock *localtest.Clock) table.Table { return localtest.Bolt(t, clock) },
		"DynamoDB": func(t *testing.T, clock *localtest.Clock) table.Table { return dynamotest.New(t, nil, clock.Now) },
	}
	for name, c := range map[string]struct {
		change func(d *deployed) localtest.Answer
		cause  string
	}{
		"deactivated": {func(d *deployed) localtest.Answer {
			return d.admin.Do("PATCH", userPath(d.tech), map[string]any{"active": false})
		}, "user.deactivated"},
		"deleted": {func(d *deployed) localtest.Answer { return d.admin.Do("DELETE", userPath(d.tech), nil) }, "user.deleted"},
		"role taken": {func(d *deployed) localtest.Answer {
			return d.admin.Do("PATCH", userPath(d.tech), map[string]any{"roles": []string{}})
		}, "user.changed"},
		"role narrowed": {func(d *deployed) localtest.Answer {
			return d.admin.Do("PATCH", "/v1/roles/"+d.role, map[string]any{"permissions": []string{"view_audit"}})
		}, "role.changed"},
		"role deleted": {func(d *deployed) localtest.Answer { return d.admin.Do("DELETE", "/v1/roles/"+d.role, nil) }, "role.deleted"},
	} {
		for on, store := range stores {
			t.Run(name+" on "+on, func(t *testing.T) {
				clock := localtest.NewClock()
				faulty := tabletest.NewFaulty(store(t, clock), nil)
				d := deploy(t, localtest.On(t, faulty, clock))
				faulty.SetPlan(dead(1))
				if a := c.change(d); a.Status >= http.StatusBadRequest {
					t.Errorf("the change is done, and is answered %d %s", a.Status, a.Body)
				}
				faulty.SetPlan(nil)
				d.wantGates("revoked", "revoked")
				d.Clock.Add(2 * time.Hour) // longer than the windows would have lasted
				d.Tick()
				d.admin.SignIn()
				d.told(0, c.cause)
				d.told(1, c.cause)
				if !strings.Contains(d.Log.String(), "could not be told yet") {
					t.Error("nothing says that the ends were not told at once")
				}
			})
		}
	}
}
