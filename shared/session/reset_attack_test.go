package session_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
)

const otherPassword = "seven lazy herons whisper"

func forgotRequest(email string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/password/forgot", Body: map[string]any{"email": email}}
}

func resetRequest(token, plain string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/password/reset", Body: map[string]any{"token": token, "new_password": plain}}
}

func changePasswordRequest(p *localtest.Person, current, next string) localtest.Request {
	return bearer(p.Token, localtest.Request{Method: "POST", Path: "/v1/password", Body: map[string]any{"current_password": current, "new_password": next}})
}

// resetToken asks for a reset and reads its mail.
func (s *scene) resetToken(p *localtest.Person) string {
	s.T.Helper()
	s.Tick() // letters of one second come in any order
	s.Must(http.StatusAccepted, forgotRequest(p.Email))
	s.Tick()
	letters := s.Mail.To(p.Email)
	_, secret, found := strings.Cut(letters[len(letters)-1].Text, localtest.BaseURL+"/#reset?token=")
	if !found {
		s.T.Fatalf("the newest letter has no link of ours: %s", letters[len(letters)-1].Text)
	}
	return strings.Fields(secret)[0]
}

// ATTACKS.md 17: a token works once, until the next one or its hour, for its own
// user, and the second factor stays.
func TestAttack17ResetTokens(t *testing.T) {
	cases := map[string]func(s *scene, token string) string{
		"twice": func(s *scene, token string) string {
			s.Must(http.StatusNoContent, resetRequest(token, otherPassword))
			return token
		},
		"after a newer one": func(s *scene, token string) string { s.Clock.Add(time.Second); s.resetToken(s.alice); return token },
		"after its hour":    func(s *scene, token string) string { s.Clock.Add(time.Hour); return token },
		"of another user": func(s *scene, token string) string {
			return strings.Replace(token, s.alice.ID, s.User(s.alice, "bob@acme.example").ID, 1)
		},
		"of somebody inactive": func(s *scene, token string) string {
			s.change(s.alice, func(u *account.User) { u.Active = false })
			return token
		},
		"altered": func(_ *scene, token string) string { return token[:len(token)-1] },
		"after the password was changed": func(s *scene, token string) string {
			s.Must(http.StatusNoContent, changePasswordRequest(s.alice, localtest.Password, otherPassword))
			return token
		},
		"from before a restore": func(s *scene, token string) string { s.Clock.Add(time.Second); s.Restore(); return token },
	}
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		for name, spoil := range cases {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				token := s.resetToken(s.alice)
				s.Must(http.StatusGone, resetRequest(spoil(s, token), "nine brave geese juggle"))
			})
		}
	})
}

func TestAttack17OneResetInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		token := s.resetToken(s.alice)
		statuses := make([]int, 20)
		localtest.Parallel(len(statuses), func(i int) { statuses[i] = s.Send(resetRequest(token, otherPassword)).Status })
		done := 0
		for _, status := range statuses {
			switch status {
			case http.StatusNoContent:
				done++
			case http.StatusGone, http.StatusServiceUnavailable:
			default:
				t.Errorf("answered %d", status)
			}
		}
		if done != 1 {
			t.Errorf("%d of the same reset were done", done)
		}
	})
}

// ATTACKS.md 17 and 41: who reads somebody's mail gets a password, and nothing
// that stands for the second factor.
func TestAttack41ResetLeavesTheSecondFactor(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		before := s.factors(s.alice)
		s.Must(http.StatusNoContent, resetRequest(s.resetToken(s.alice), otherPassword))
		after := s.factors(s.alice)
		if after.TOTP == nil || string(after.TOTP.Sealed) != string(before.TOTP.Sealed) || after.LastStep != before.LastStep || len(after.Recovery) != len(before.Recovery) {
			t.Errorf("the factors: %+v", after)
		}
		a := s.Must(http.StatusOK, loginRequest(s.alice.Email, otherPassword))
		if a.Text("next") != "mfa" {
			t.Errorf("next is %q", a.Text("next"))
		}
		login := a.Text("login_token")
		s.Must(http.StatusConflict, enrollRequest(login))
		s.Must(http.StatusUnauthorized, mfaRequest(login, string(mfa.TOTP), s.wrongCode(s.alice)))
	})
}

// ATTACKS.md 22: a reset ends every session, pending sign-in and window; a change
// the other sessions.
func TestAttack22PasswordsEndSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		pass := gate.Pass(s.alice.Unlock(gate, 3600))
		s.Clock.Add(30 * time.Second)
		other := *s.alice
		other.SignIn()
		pending := s.alice.Login()
		s.Must(http.StatusNoContent, changePasswordRequest(s.alice, localtest.Password, otherPassword))
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
		other.Must(http.StatusUnauthorized, "GET", "/v1/session", nil)
		s.Must(http.StatusUnauthorized, mfaRequest(pending, "totp", s.alice.NextCode()))
		if got := gate.Reason(pass); got != "open_window" {
			t.Errorf("after a change: %s", got)
		}
		s.Must(http.StatusNoContent, resetRequest(s.resetToken(s.alice), "nine brave geese juggle"))
		s.alice.Must(http.StatusUnauthorized, "GET", "/v1/session", nil)
		if got := gate.Reason(pass); got != "revoked" {
			t.Errorf("after a reset: %s", got)
		}
	})
}

// ATTACKS.md 6, 40: the current password is guessed no more often here than at
// signing in, and a stolen session without fresh MFA guesses nothing.
func TestAttack06ChangingAPasswordIsLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		for range 5 {
			s.Must(http.StatusUnauthorized, changePasswordRequest(s.alice, "a wrong one of them", otherPassword))
		}
		hashes := s.Hashes.Count()
		s.Must(http.StatusTooManyRequests, changePasswordRequest(s.alice, localtest.Password, otherPassword))
		if s.Hashes.Count() != hashes {
			t.Error("a locked attempt was evaluated")
		}
	})
}

func TestAttack40StolenSessionChangesNoPassword(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.Clock.Add(6 * time.Minute)
		hashes := s.Hashes.Count()
		if a := s.Must(http.StatusForbidden, changePasswordRequest(s.alice, localtest.Password, otherPassword)); a.Text("code") != "mfa_required" || s.Hashes.Count() != hashes {
			t.Errorf("%s, hashes %d", a.Body, s.Hashes.Count()-hashes)
		}
	})
}
