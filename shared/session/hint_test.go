package session_test

import (
	"context"
	"net/http"
	"testing"

	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
)

// The session's token names the roles it was made with. What counts is the
// record: a role taken away, given or swapped counts from the next request on.
func TestAttack22RolesOfTheTokenAreHintsOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		w, alice := s.World, s.alice
		alice.PhoneSystem("pbx.acme.example", nil)
		all := []string{access.EveryPhoneSystem}
		w.Role(alice.PartnerID, access.Role{ID: "R1", Permissions: []access.Permission{access.Unlock, access.ViewAudit}, PhoneSystems: all, MaxUnlockSeconds: 600})
		w.Role(alice.PartnerID, access.Role{ID: "R2", Permissions: []access.Permission{access.ViewUnlocks}, PhoneSystems: all})
		bob := w.User(alice, "bob@acme.example", "R1")
		for _, c := range []struct {
			roles        []string
			audit, lists int
		}{{[]string{"R1"}, 200, 1}, {nil, 403, 0}, {[]string{"R2"}, 403, 1}, {[]string{"R2", "R1"}, 200, 1}} {
			user, rev, err := w.Directory.User(context.Background(), bob.ID)
			if err != nil {
				t.Fatal(err)
			}
			user.Roles = c.roles
			write, err := user.Write(table.Is(rev))
			if err == nil {
				err = w.Table.Apply(context.Background(), write)
			}
			if err != nil {
				t.Fatal(err)
			}
			if a := bob.Do("GET", "/v1/audit", nil); a.Status != c.audit {
				t.Errorf("with %v: the audit answers %d", c.roles, a.Status)
			}
			if n := len(bob.Must(http.StatusOK, "GET", "/v1/phone-systems", nil).Items()); n != c.lists {
				t.Errorf("with %v: %d phone systems", c.roles, n)
			}
		}
	})
}
