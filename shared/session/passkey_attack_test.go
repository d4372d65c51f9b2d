package session_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/authenticator"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
)

// passkeyRequest completes a sign-in with what a key signs now.
func (s *scene) passkeyRequest(key *authenticator.Key) localtest.Request {
	s.T.Helper()
	login := s.alice.Login()
	return s.WithPasskey(login, s.Signed(key, s.PasskeyOptions(login)))
}

// raiseRequest steps alice's session up with what a key signs now.
func (s *scene) raiseRequest(key *authenticator.Key) localtest.Request {
	s.T.Helper()
	options := s.alice.Must(http.StatusOK, "POST", "/v1/session/step-up/options", nil)
	return bearer(s.alice.Token, localtest.Request{Method: "POST", Path: "/v1/session/step-up", Body: s.Signed(key, []byte(options.Body))})
}

// guess is a passkey that nobody holds.
func guess(login string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": login, "method": "passkey", "assertion": map[string]any{"id": "x"}}}
}

func (s *scene) guessUp() localtest.Request {
	return bearer(s.alice.Token, localtest.Request{Method: "POST", Path: "/v1/session/step-up", Body: map[string]any{"method": "passkey"}})
}

// Spelled otherwise it is the same assertion: what it answers is spent.
func TestAttack03SpellingsOfAnAssertion(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		spellings := map[string]func([]byte) []byte{
			"as it was": func(a []byte) []byte { return a },
			"padded":    func(a []byte) []byte { return bytes.ReplaceAll(a, []byte(`","type"`), []byte(`=","type"`)) },
			"with more": func(a []byte) []byte { return bytes.Replace(a, []byte(`{`), []byte(`{"x":1,`), 1) },
			"escaped":   func(a []byte) []byte { return bytes.ReplaceAll(a, []byte(`"public-key"`), []byte(`"\u0070ublic-key"`)) },
		}
		s := newScene(t)
		key := s.alice.Passkey("key")
		used := s.raiseRequest(key)
		s.Must(http.StatusOK, used)
		for name, spell := range spellings {
			assertion := used.Body.(map[string]any)["assertion"].(json.RawMessage)
			again := used
			again.Body = map[string]any{"method": "passkey", "assertion": json.RawMessage(spell(assertion))}
			if a := s.Send(again); a.Status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
	})
}

// One assertion in two requests, of which one commits at the worst moment of the
// other: the loser is refused, and what was right counts as no failure.
func TestAttack04AssertionsThatMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		paths := map[string]func(*scene, *authenticator.Key) localtest.Request{
			"a sign-in": func(s *scene, key *authenticator.Key) localtest.Request { return s.passkeyRequest(key) },
			"a step-up": func(s *scene, key *authenticator.Key) localtest.Request { return s.raiseRequest(key) },
		}
		for name, path := range paths {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				key := s.alice.Passkey("key")
				for moment := range 2 { // before it reserves, before it commits
					one := path(s, key)
					s.meet.Before(moment, func() { s.Must(http.StatusOK, one) })
					s.Must(http.StatusUnauthorized, one)
					s.noFailures()
				}
			})
		}
	})
}

// Two passkeys at once, each right: both pass, and neither loses its counter.
func TestPasskeysThatMeet(t *testing.T) {
	s := newScene(t)
	laptop, phone := s.alice.Passkey("laptop"), s.alice.Passkey("phone")
	laptop.Count, phone.Count = 5, 50
	for moment := range 2 {
		one, other := s.passkeyRequest(laptop), s.passkeyRequest(phone)
		s.meet.Before(moment, func() { s.Must(http.StatusOK, other) })
		s.Must(http.StatusOK, one)
	}
	laptop.Count, phone.Count = 6, 51
	s.Must(http.StatusUnauthorized, s.passkeyRequest(laptop))
	s.Must(http.StatusUnauthorized, s.passkeyRequest(phone))
}

// One count on both paths, and for this factor alone.
func TestAttack06PasskeyGuessesCount(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		key := s.alice.Passkey("key")
		for i := range attempt.Limit {
			req := guess(s.alice.Login())
			if i%2 == 1 {
				req = s.guessUp()
			}
			s.Must(http.StatusUnauthorized, req)
		}
		s.refusedFor("30", s.passkeyRequest(key))
		s.refusedFor("30", s.raiseRequest(key))
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
		s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.NextCode()))
		s.Clock.Add(attempt.FirstWait)
		s.Must(http.StatusOK, s.passkeyRequest(key))
	})
}

func TestAttack06PasskeyLockEndsThePendingSignIn(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		key := s.alice.Passkey("key")
		login := s.alice.Login()
		right := s.WithPasskey(login, s.Signed(key, s.PasskeyOptions(login)))
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, guess(login))
		}
		s.refusedFor("30", localtest.Request{Method: "POST", Path: "/v1/login/passkey-options", Body: map[string]any{"login_token": login}})
		s.Clock.Add(attempt.FirstWait)
		s.Must(http.StatusUnauthorized, right)
		s.Must(http.StatusOK, s.passkeyRequest(key))
	})
}

// Of 100 guesses at once no more than the limit is ever judged: each that is
// leaves an entry.
func TestAttack07ParallelPasskeyGuesses(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.alice.Passkey("key")
		login := s.alice.Login()
		got := s.Together(100, func(i int) localtest.Request {
			req := guess(login)
			if i%2 == 1 {
				req = s.guessUp()
			}
			return s.elsewhere(i, req)
		})
		judged := 0
		for _, action := range []string{"login.failed", "step_up.failed"} {
			judged += len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?limit=200&action="+action, nil).Items())
		}
		if judged > attempt.Limit || got[http.StatusOK] > 0 || got[http.StatusUnauthorized] > attempt.Limit {
			t.Errorf("%d were judged: %v", judged, got)
		}
	})
}

// A restored backup brings back no options: they went with sign-in and session.
func TestAttack46PasskeyChallenges(t *testing.T) {
	s := newScene(t)
	key := s.alice.Passkey("key")
	signIn, stepUp := s.passkeyRequest(key), s.raiseRequest(key)
	s.Clock.Add(time.Minute)
	s.Restore()
	s.Must(http.StatusUnauthorized, signIn)
	s.Must(http.StatusUnauthorized, stepUp)
	s.Must(http.StatusOK, s.passkeyRequest(key))
}

// Options asked for twice at once: the ones that were written last count.
func TestPasskeyOptionsThatMeet(t *testing.T) {
	s := newScene(t)
	key := s.alice.Passkey("key")
	login := s.alice.Login()
	var lost localtest.Request
	s.meet.Before(0, func() { lost = s.WithPasskey(login, s.Signed(key, s.PasskeyOptions(login))) })
	won := s.WithPasskey(login, s.Signed(key, s.PasskeyOptions(login)))
	s.meet.Before(1, func() { s.PasskeyOptions(login) }) // a wrong answer does not end newer options
	s.Must(http.StatusUnauthorized, lost)
	s.Must(http.StatusUnauthorized, won)
	s.Must(http.StatusOK, s.passkeyRequest(key))
}

// Whatever fails on the way, one assertion is one session.
func TestFaultsDuringAPasskey(t *testing.T) {
	keys := map[*scene]*authenticator.Key{}
	broken(t, func(t *testing.T, s *scene, _ string, inject func(localtest.Request)) {
		if keys[s] == nil {
			s.alice.SignIn()
			keys[s] = s.alice.Passkey("key")
		}
		before := s.sessions(s.alice)
		req := s.passkeyRequest(keys[s])
		inject(req)
		s.Send(req)
		if made := s.sessions(s.alice) - before; made != 1 {
			t.Errorf("%d sessions from one assertion", made)
		}
		s.Clock.Add(attempt.Window)
		s.alice.SignIn()
	})
}
