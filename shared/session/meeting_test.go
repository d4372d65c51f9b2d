package session_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table"
)

// Two requests with one code, of which one commits between the other's judging
// and its commit: the worst moment, on every pair of paths. The loser is
// refused, and what was right counts as no failure.
func TestAttack04CodesThatMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		paths := map[string]func(s *scene, code string) localtest.Request{
			"a sign-in": func(s *scene, code string) localtest.Request { return mfaRequest(s.alice.Login(), "totp", code) },
			"a step-up": func(s *scene, code string) localtest.Request { return stepUpRequest(s.alice, "totp", code) },
		}
		for first, one := range paths {
			for second, other := range paths {
				t.Run(first+" meets "+second, func(t *testing.T) {
					s := newScene(t)
					for moment := range 2 { // before it reserves, before it commits
						former := *s.alice // a session of its own
						s.alice.SignIn()
						code := s.alice.NextCode()
						late := one(s, code)
						s.alice.Token = former.Token
						early := other(s, code)
						s.meet.Before(moment, func() { s.Must(http.StatusOK, early) })
						s.Must(http.StatusUnauthorized, late)
						s.noFailures()
					}
				})
			}
		}
	})
}

// A step-up that loses its session meanwhile is refused as having none.
func TestStepUpMeetsItself(t *testing.T) {
	for moment := range 2 {
		s := newScene(t)
		s.Clock.Add(access.FreshFor)
		s.alive(s.alice.Token)
		code := s.alice.Code()
		s.meet.Before(moment, func() { s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", code)) })
		a := s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", code))
		if n := s.sessions(s.alice); n != 1 || !strings.Contains(a.Text("detail"), "no living session") {
			t.Errorf("%d sessions: %s", n, a.Body)
		}
		s.noFailures()
	}
}

// noFailures demands that nothing counts against alice's codes.
func (s *scene) noFailures() {
	s.T.Helper()
	for _, factor := range []attempt.Factor{attempt.TOTP, "passkey"} {
		if item, err := s.Table.Get(context.Background(), attempt.CountKey(factor, s.alice.ID, "")); !errors.Is(err, table.ErrNotFound) {
			s.T.Errorf("failures are counted: %s %v", item.Body, err)
		}
	}
}

// Sessions and sign-ins meet what ends them.
func TestAttack22EndsThatMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		end := map[string]func(s *scene, bob *localtest.Person){
			"deactivated": func(s *scene, bob *localtest.Person) { s.change(bob, func(u *account.User) { u.Active = false }) },
			"epoch risen": func(s *scene, bob *localtest.Person) { s.change(bob, func(u *account.User) { u.Epoch++ }) },
		}
		for name, end := range end {
			t.Run("sign-in, "+name, func(t *testing.T) {
				s := newScene(t)
				bob := s.User(s.alice, "bob@acme.example")
				code, login := bob.NextCode(), bob.Login()
				before := s.sessions(bob)
				s.meet.Before(1, func() { end(s, bob) })
				s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", code))
				if s.sessions(bob) != before {
					t.Error("there is a new session")
				}
			})
			t.Run("step-up, "+name, func(t *testing.T) {
				s := newScene(t)
				bob := s.User(s.alice, "bob@acme.example")
				s.Clock.Add(access.FreshFor)
				s.alive(bob.Token)
				s.meet.Before(1, func() { end(s, bob) })
				token := s.Send(stepUpRequest(bob, "totp", bob.Code())).Text("token")
				if s.alive(token) || s.alive(bob.Token) {
					t.Error("a session survives")
				}
			})
		}
		t.Run("a request, signed out", func(t *testing.T) {
			s := newScene(t)
			s.Clock.Add(time.Minute)
			// 0 records that the session was used: the sign-out comes before that.
			s.meet.Before(0, func() { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/session", nil) })
			s.alive(s.alice.Token)
			if s.alive(s.alice.Token) || s.sessions(s.alice) != 0 {
				t.Error("the session rose again")
			}
		})
		t.Run("a step-up, signed out", func(t *testing.T) {
			for _, fresh := range []time.Duration{0, access.FreshFor} {
				s := newScene(t)
				s.Clock.Add(fresh + totp.Period)
				s.alive(s.alice.Token)
				s.meet.Before(1, func() { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/session", nil) })
				s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", s.alice.Code()))
				if s.sessions(s.alice) != 0 {
					t.Error("the session rose again")
				}
			}
		})
	})
}

// Another enrolment of the same person commits first. The codes are of steps that
// follow each other, so that the replay guard refuses neither.
func TestAttack11EnrolmentsThatMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob, late := s.invited("bob@acme.example")
		early := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
		codes := map[string]string{}
		for i, login := range []string{early, late} {
			secret := s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
			codes[login] = s.codeAt(&localtest.Person{Secret: secret}, s.Clock.Now().Add(time.Duration(i)*totp.Period))
		}
		s.meet.Before(1, func() { s.Must(http.StatusOK, confirmRequest(early, codes[early])) })
		if a := s.Send(confirmRequest(late, codes[late])); a.Status != http.StatusUnauthorized && a.Status != http.StatusConflict {
			t.Errorf("the later one: %d %s", a.Status, a.Body)
		}
		if s.sessions(bob) != 1 {
			t.Errorf("%d sessions", s.sessions(bob))
		}
	})
}

// The begin of an enrolment meets the end of its own flow.
func TestEnrolmentMeetsItsEnd(t *testing.T) {
	s := newScene(t)
	bob, login := s.invited("bob@acme.example")
	bob.Secret = s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
	s.meet.Before(0, func() { s.Must(http.StatusOK, confirmRequest(login, s.codeAt(bob, s.Clock.Now()))) })
	s.Must(http.StatusUnauthorized, enrollRequest(login))
	s.Clock.Add(totp.Period)
	again := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password))
	s.Must(http.StatusOK, mfaRequest(again.Text("login_token"), "totp", s.codeAt(bob, s.Clock.Now())))
}
