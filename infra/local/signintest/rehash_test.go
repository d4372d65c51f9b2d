package signintest

import (
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
)

// outdate has somebody's password hashed with less than today's parameters.
func (s *stage) outdate(id string) {
	s.T.Helper()
	hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.Params{Memory: 16, Time: 1, Threads: 1}})
	if err != nil {
		s.T.Fatal(err)
	}
	place, err := hasher.Enter()
	if err != nil {
		s.T.Fatal(err)
	}
	hash, err := place.Hash(s.T.Context(), localtest.Password)
	if err != nil {
		s.T.Fatal(err)
	}
	s.change(id, func(u *account.User) { u.Password = hash })
}

func (s *stage) outdated(id string) bool {
	return strings.Contains(s.user(id).Password, "$m=16,t=1,p=1$")
}

// A hash that is below today's parameters is renewed by the sign-in that shows the
// password, in the transaction that there is anyway; a wrong password renews nothing,
// and costs what it costs for nobody.
func TestRehash(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		right := login(s.alice.Email, localtest.Password)
		_, usual := s.watch(right)
		s.outdate(s.alice.ID)
		_, nobody := s.watch(login("nobody@acme.example", "not the password"))
		a, wrong := s.watch(login(s.alice.Email, "not the password"))
		if a.Status != http.StatusUnauthorized || !s.outdated(s.alice.ID) || wrong != nobody {
			t.Errorf("a wrong password: %d, renewed: %t, for %+v; nobody %+v", a.Status, !s.outdated(s.alice.ID), wrong, nobody)
		}
		a, renewing := s.watch(right)
		if renewing.hashes != 2 || renewing.calls != usual.calls || s.outdated(s.alice.ID) {
			t.Errorf("renewed: %t, for %+v; usually %+v", !s.outdated(s.alice.ID), renewing, usual)
		}
		s.Must(http.StatusOK, post("/v1/login/mfa", map[string]any{"login_token": a.Text("login_token"), "method": "totp", "code": s.alice.NextCode()}))
		if _, again := s.watch(right); again != usual {
			t.Errorf("and then a sign-in costs %+v, not %+v", again, usual)
		}
		s.Must(http.StatusUnauthorized, login(s.alice.Email, "not the password"))
	})
}

// Renewing a hash neither fails the sign-in nor undoes what somebody changed while
// the password was hashed.
func TestRehashYieldsToWhoWasFirst(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		s.outdate(s.alice.ID)
		s.meet.Before(1, func() { s.change(s.alice.ID, func(u *account.User) { u.Name = "Alice, renamed" }) })
		a := s.Must(http.StatusOK, login(s.alice.Email, localtest.Password))
		if name := s.user(s.alice.ID).Name; name != "Alice, renamed" || !s.outdated(s.alice.ID) {
			t.Errorf("the record says %q, renewed: %t", name, !s.outdated(s.alice.ID))
		}
		s.Must(http.StatusOK, post("/v1/login/mfa", map[string]any{"login_token": a.Text("login_token"), "method": "totp", "code": s.alice.NextCode()}))
		s.Must(http.StatusOK, login(s.alice.Email, localtest.Password))
		if s.outdated(s.alice.ID) {
			t.Error("the next sign-in does not renew it")
		}
	})
}
