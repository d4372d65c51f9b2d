package session_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/totp"
)

func replaceRequest(p *localtest.Person) localtest.Request {
	return bearer(p.Token, localtest.Request{Method: "POST", Path: "/v1/mfa/totp"})
}

func confirmReplaceRequest(p *localtest.Person, code string) localtest.Request {
	return bearer(p.Token, localtest.Request{Method: "POST", Path: "/v1/mfa/totp/confirm", Body: map[string]any{"code": code}})
}

// begin has a person begin to replace their authenticator, and answers them as
// they are with the new one.
func (s *scene) begin(p *localtest.Person) *localtest.Person {
	s.T.Helper()
	next := *p
	next.Secret = s.Must(http.StatusOK, replaceRequest(p)).Text("secret")
	return &next
}

// newest is the subject of the newest letter to a person.
func (s *scene) newest(p *localtest.Person) string {
	s.T.Helper()
	s.Tick()
	letters := s.Mail.To(p.Email)
	if len(letters) == 0 {
		s.T.Fatal("there is no letter")
	}
	return letters[len(letters)-1].Subject
}

func TestAuthenticatorIsReplaced(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		old := *s.alice
		next := s.begin(s.alice)
		if again := s.begin(s.alice); again.Secret != next.Secret {
			t.Error("asking twice voided the code that was scanned")
		}
		s.Clock.Add(totp.Period)
		a := s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code()))
		if a.Text("totp.enrolled_at") != s.Clock.Now().Format(time.RFC3339) || a.Number("recovery_codes_left") != 10 {
			t.Errorf("the answer: %s", a.Body)
		}
		// The code that confirmed is spent, the old authenticator's are void.
		s.Must(http.StatusUnauthorized, mfaRequest(next.Login(), "totp", next.Code()))
		s.Clock.Add(totp.Period)
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", old.Code()))
		s.Must(http.StatusOK, mfaRequest(next.Login(), "totp", next.Code()))
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]))
		// It is over: nothing is left to confirm.
		s.Must(http.StatusConflict, confirmReplaceRequest(s.alice, next.NextCode()))
		if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=mfa.replaced", nil).Items()); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

func TestReplacedAuthenticatorIsToldByMail(t *testing.T) {
	s := newScene(t)
	if got := s.newest(s.alice); got != "An authenticator was added to your account" {
		t.Errorf("after enrolling: %s", got)
	}
	next := s.begin(s.alice)
	if got := s.newest(s.alice); got != "An authenticator was added to your account" {
		t.Errorf("before anything changed: %s", got)
	}
	s.Clock.Add(totp.Period)
	s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code()))
	if got := s.newest(s.alice); got != "The authenticator of your account was replaced" {
		t.Errorf("after replacing: %s", got)
	}
}

// Until it is confirmed, the old authenticator is the one that there is.
func TestAttack11PendingReplacesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		enrolled := string(s.factors(s.alice).TOTP.Sealed)
		next := s.begin(s.alice)
		s.Clock.Add(totp.Period)
		s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", next.Code()))
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", next.Code()))
		s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, s.alice.Code()))
		s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, s.wrongCode(next)))
		if got := s.factors(s.alice); string(got.TOTP.Sealed) != enrolled {
			t.Fatal("the authenticator was replaced")
		}
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", s.alice.Code()))
	})
}

// Both steps take fresh MFA: a stolen session replaces nothing.
func TestAttack11ReplacingNeedsFreshMFA(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		next := s.begin(s.alice)
		s.Clock.Add(access.FreshFor)
		for name, req := range map[string]localtest.Request{"begin": replaceRequest(s.alice), "confirm": confirmReplaceRequest(s.alice, next.Code())} {
			if a := s.Must(http.StatusForbidden, req); a.Text("code") != "mfa_required" {
				t.Errorf("%s: %s", name, a.Body)
			}
		}
		// Whoever verifies the old factor again goes on where they were.
		s.alice.StepUp()
		s.Clock.Add(totp.Period)
		s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code()))
	})
}

// What is pending belongs to one session of one user and ends by itself.
func TestAttack11PendingIsBoundToItsFlow(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		t.Run("another session", func(t *testing.T) {
			s := newScene(t)
			other := *s.alice
			s.alice.SignIn()
			next := s.begin(s.alice)
			s.Clock.Add(totp.Period)
			s.Must(http.StatusConflict, confirmReplaceRequest(&other, next.Code()))
			if foreign := s.begin(&other); foreign.Secret == next.Secret {
				t.Error("another session is shown the secret")
			}
			s.Must(http.StatusUnauthorized, confirmReplaceRequest(&other, next.Code()))
			s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code()))
		})
		t.Run("too late", func(t *testing.T) {
			s := newScene(t)
			next := s.begin(s.alice)
			began := s.Clock.Now()
			s.Clock.Add(mfa.ReplacementKept - totp.Period)
			s.alice.StepUp()
			if s.Clock.Now().Sub(began) != mfa.ReplacementKept {
				t.Fatal("the clock is elsewhere")
			}
			s.Must(http.StatusConflict, confirmReplaceRequest(s.alice, next.Code()))
			if again := s.begin(s.alice); again.Secret == next.Secret {
				t.Error("a secret that had ended was shown again")
			}
		})
		t.Run("nothing begun", func(t *testing.T) {
			s := newScene(t)
			for range 2 * attempt.Limit { // no guesses
				s.Must(http.StatusConflict, confirmReplaceRequest(s.alice, "000000"))
			}
		})
		t.Run("the session ended", func(t *testing.T) {
			s := newScene(t)
			next := s.begin(s.alice)
			s.Clock.Add(totp.Period)
			dead := *s.alice
			s.meet.Before(1, func() { dead.Must(http.StatusNoContent, "DELETE", "/v1/session", nil) })
			s.Must(http.StatusUnauthorized, confirmReplaceRequest(&dead, next.Code()))
			if got := s.factors(s.alice); totp.Step(s.Clock.Now()) == got.LastStep {
				t.Error("a dead session replaced the authenticator")
			}
		})
	})
}

// A code of a step that the old authenticator has used up confirms nothing.
func TestAttack02ReplacingRaisesTheLastStep(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		next := s.begin(s.alice)
		s.alice.StepUp()
		s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, next.Code()))
		s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, s.codeAt(next, s.Clock.Now().Add(-totp.Period))))
		s.Must(http.StatusOK, confirmReplaceRequest(s.alice, s.codeAt(next, s.Clock.Now().Add(totp.Period))))
		if got, want := s.factors(s.alice).LastStep, totp.Step(s.Clock.Now())+1; got != want {
			t.Errorf("the last step is %d, want %d", got, want)
		}
	})
}

// Of parallel confirmations of one authenticator one is made; of those of several
// with codes of one step as well.
func TestAttack11ParallelReplacements(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		const sessions = 8
		people := make([]localtest.Person, sessions)
		for i := range people {
			s.alice.SignIn()
			people[i] = *s.alice
		}
		next := make([]*localtest.Person, sessions)
		for i := range people {
			next[i] = s.begin(&people[i])
		}
		s.Clock.Add(totp.Period)
		got := s.Together(2*sessions, func(i int) localtest.Request {
			return confirmReplaceRequest(&people[i%sessions], next[i%sessions].Code())
		})
		if got[http.StatusOK] != 1 {
			t.Errorf("%d confirmations in parallel: %v", 2*sessions, got)
		}
		for status := range got {
			if status != http.StatusOK && status != http.StatusUnauthorized && status != http.StatusConflict && status != http.StatusTooManyRequests {
				t.Errorf("%d answers of %d", got[status], status)
			}
		}
		if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=mfa.replaced", nil).Items()); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

// Guesses at a pending authenticator are counted before they are judged, on every
// session of the user together.
func TestAttack06ReplacingIsLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		other := *s.alice
		s.alice.SignIn()
		next := s.begin(s.alice)
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, s.wrongCode(next)))
		}
		s.Clock.Add(time.Second)
		s.refusedFor("29", confirmReplaceRequest(s.alice, next.Code()))
		s.begin(&other)
		s.refusedFor("29", confirmReplaceRequest(&other, "000000"))
		// No other factor is locked by it.
		s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.NextCode()))
		if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=mfa.failed", nil).Items()); n != attempt.Limit {
			t.Errorf("%d failures are audited", n)
		}
		s.Clock.Add(totp.Period)
		s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code()))
	})
}

func TestAttack07ParallelGuessesAtAReplacement(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		next := s.begin(s.alice)
		wrong, before := s.wrongCode(next), s.opened.Load()
		got := s.Together(100, func(int) localtest.Request { return confirmReplaceRequest(s.alice, wrong) })
		if judged := s.opened.Load() - before; judged > attempt.Limit || got[http.StatusOK] != 0 {
			t.Errorf("%d codes were judged: %v", judged, got)
		}
	})
}

// A right code that loses to another request is no failure.
func TestReplacementsThatMeet(t *testing.T) {
	for moment := range 2 { // before it reserves, before it commits
		s := newScene(t)
		next := s.begin(s.alice)
		s.Clock.Add(totp.Period)
		s.meet.Before(moment, func() { s.Must(http.StatusOK, confirmReplaceRequest(s.alice, next.Code())) })
		a := s.Send(confirmReplaceRequest(s.alice, next.Code()))
		if a.Status != http.StatusConflict || !strings.Contains(a.Text("detail"), "POST /v1/mfa/totp") {
			t.Errorf("moment %d: %d %s", moment, a.Status, a.Body)
		}
		begun := s.begin(next)
		for range attempt.Limit - 1 { // none of the earlier ones counts
			s.Must(http.StatusUnauthorized, confirmReplaceRequest(s.alice, s.wrongCode(begun)))
		}
		s.Must(http.StatusOK, confirmReplaceRequest(s.alice, begun.NextCode()))
	}
}
