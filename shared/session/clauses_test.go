package session_test

import (
	"net/http"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/ground"
)

// lock makes failures of one kind until its factor is locked.
func (s *scene) lock(wrong func() localtest.Request) {
	s.T.Helper()
	for range attempt.Limit {
		s.Must(http.StatusUnauthorized, wrong())
	}
	s.Must(http.StatusTooManyRequests, wrong())
}

// API.md: a locked factor blocks no other factor and no living session. Each lock is
// durable: it stands after a restart.
func TestLockedFactorBlocksNothingElse(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		login := s.alice.Login()
		s.lock(func() localtest.Request { return loginRequest(s.alice.Email, "x") })
		s.Must(http.StatusOK, mfaRequest(login, "totp", s.alice.NextCode())) // of a sign-in that had passed the password
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
		s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.NextCode()))
		s.Clock.Add(attempt.Window)
		s.alice.SignIn()

		login = s.alice.Login()
		s.lock(func() localtest.Request { return stepUpRequest(s.alice, "totp", "x") })
		s.Rebuild(func(*ground.Options) {})
		s.Must(http.StatusTooManyRequests, mfaRequest(login, "totp", s.alice.Code()))
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]))
		s.Must(http.StatusOK, mfaRequest(login, "recovery_code", s.alice.RecoveryCodes[1]))
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
	})
}

// API.md: success clears that factor's count, and no other's.
func TestSuccessClearsItsFactorAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		wrong := map[string]func() localtest.Request{
			"totp":          func() localtest.Request { return stepUpRequest(s.alice, "totp", "x") },
			"recovery_code": func() localtest.Request { return stepUpRequest(s.alice, "recovery_code", "x") },
			"password":      func() localtest.Request { return loginRequest(s.alice.Email, "x") },
		}
		for range attempt.Limit - 1 {
			for _, one := range wrong {
				s.Must(http.StatusUnauthorized, one())
			}
		}
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]))
		for range attempt.Limit - 1 {
			s.Must(http.StatusUnauthorized, wrong["recovery_code"]()) // begins anew
		}
		for _, method := range []string{"totp", "password"} {
			s.Must(http.StatusUnauthorized, wrong[method]()) // goes on: the fifth
			s.Must(http.StatusTooManyRequests, wrong[method]())
		}
	})
}
