package users_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
)

// meddled is a table in which something happens just before the next commit.
type meddled struct {
	table.Table
	next atomic.Pointer[func()]
}

func (m *meddled) Apply(ctx context.Context, writes ...table.Write) error {
	if next := m.next.Swap(nil); next != nil {
		(*next)()
	}
	return m.Table.Apply(ctx, writes...)
}

// Rights that are taken away after they were read and before the commit grant
// nothing any more.
func TestAttack32RightsTakenBeforeTheCommit(t *testing.T) {
	for name, taken := range map[string]func(alice, lea *localtest.Person, manages string){
		"the role from her": func(alice, lea *localtest.Person, _ string) {
			alice.Must(200, "PATCH", userPath(lea), map[string]any{"roles": []string{}})
		},
		"her access": func(alice, lea *localtest.Person, _ string) {
			alice.Must(200, "PATCH", userPath(lea), map[string]any{"active": false})
		},
	} {
		for tried, try := range map[string]func(lea, bob *localtest.Person, unlocks string) localtest.Answer{
			"inviting": func(lea, _ *localtest.Person, unlocks string) localtest.Answer {
				return lea.Do("POST", "/v1/users", map[string]any{"email": "new@acme.example", "roles": []string{unlocks}})
			},
			"importing": func(lea, _ *localtest.Person, unlocks string) localtest.Answer {
				return lea.Do("POST", importPath, localtest.CSV("email,roles\nnew@acme.example,"+unlocks+"\n"))
			},
			"changing": func(lea, bob *localtest.Person, unlocks string) localtest.Answer {
				return lea.Do("PATCH", userPath(bob), map[string]any{"roles": []string{unlocks}})
			},
			"making a role": func(lea, _ *localtest.Person, _ string) localtest.Answer {
				return lea.Do("POST", "/v1/roles", map[string]any{"name": "x", "permissions": []string{"unlock"}, "phone_systems": []string{"*"}, "max_unlock_seconds": 60})
			},
			"editing a role": func(lea, _ *localtest.Person, unlocks string) localtest.Answer {
				return lea.Do("PATCH", "/v1/roles/"+unlocks, map[string]any{"max_unlock_seconds": 60})
			},
			"removing": func(lea, bob *localtest.Person, _ string) localtest.Answer {
				return lea.Do("DELETE", userPath(bob), nil)
			},
		} {
			t.Run(tried+" without "+name, func(t *testing.T) {
				clock := localtest.NewClock()
				m := &meddled{Table: localtest.Bolt(t, clock)}
				w := localtest.On(t, m, clock)
				alice := w.Administrator("acme", "alice@acme.example")
				manages := role(alice, 600, []string{"*"}, "manage_users", "unlock")
				unlocks := role(alice, 600, []string{"*"}, "unlock")
				lea, bob := w.User(alice, "lea@acme.example", manages), w.User(alice, "bob@acme.example")
				happens := func() { taken(alice, lea, manages) }
				m.next.Store(&happens)
				if a := try(lea, bob, unlocks); a.Status != http.StatusForbidden {
					t.Errorf("%d %s", a.Status, a.Body)
				}
			})
		}
	}
}
