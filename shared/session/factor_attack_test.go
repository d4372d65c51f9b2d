package session_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/mfa/totp"
)

func tokenOf(link string) string {
	_, token, _ := strings.Cut(link, "token=")
	return token
}

func TestAttack01CodeUsedTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		code := s.alice.NextCode()
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", code))
		elsewhere := mfaRequest(s.alice.Login(), "totp", code)
		elsewhere.From = "[2001:db8::9]:4000"
		s.Must(http.StatusUnauthorized, elsewhere)
		s.Must(http.StatusUnauthorized, fromDevice(s.alice.Device, mfaRequest(s.alice.Login(), "totp", code)))
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", code))

		code = s.alice.NextCode()
		s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", code))
		s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", code))
	})
}

func TestAttack02EarlierCodeAfterALaterOne(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.Clock.Add(10 * totp.Period)
		earlier := s.alice.Code()
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", s.alice.NextCode()))
		s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", earlier))
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", earlier))
		if got, want := s.factors(s.alice).LastStep, totp.Step(s.Clock.Now()); got != want {
			t.Errorf("the last step is %d, want %d", got, want)
		}
	})
}

// Other spellings of the right code are malformed, and count with the rest.
func TestAttack03SpellingsOfACode(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		code := s.alice.NextCode()
		wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		spellings := []string{" " + code, code + "\n", wide, code[:3] + " " + code[3:], "+" + code}
		login := s.alice.Login()
		for _, spelling := range spellings[:4] {
			s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", spelling))
		}
		s.Must(http.StatusOK, mfaRequest(login, "totp", code))
		for _, spelling := range spellings {
			s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", spelling))
		}
		s.Must(http.StatusTooManyRequests, mfaRequest(s.alice.Login(), "totp", s.codeAt(s.alice, s.Clock.Now().Add(totp.Period))))
	})
}

func TestAttack04OneCodeInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		// one demands that of 50 requests with one code one succeeds, and makes so
		// many new sessions.
		one := func(t *testing.T, made int, request func(i int) localtest.Request) {
			t.Helper()
			before := s.sessions(s.alice)
			got := s.Together(50, request)
			if got[http.StatusOK] != 1 || s.sessions(s.alice) != before+made {
				t.Fatalf("50 identical codes: %v, %d new sessions", got, s.sessions(s.alice)-before)
			}
			s.onlyRefusals(got)
			// None of them was a failure: the next code works at once.
			s.alice.SignIn()
		}
		t.Run("one pending sign-in", func(t *testing.T) {
			code, login := s.alice.NextCode(), s.alice.Login()
			one(t, 1, func(int) localtest.Request { return mfaRequest(login, "totp", code) })
		})
		t.Run("pending sign-ins of their own", func(t *testing.T) {
			code := s.alice.NextCode()
			logins := make([]string, 50)
			for i := range logins {
				logins[i] = s.alice.Login()
			}
			one(t, 1, func(i int) localtest.Request { return mfaRequest(logins[i], "totp", code) })
		})
		t.Run("step-up, fresh no longer", func(t *testing.T) {
			s.Clock.Add(5 * time.Minute)
			s.alive(s.alice.Token)
			code := s.alice.Code()
			one(t, 0, func(int) localtest.Request { return stepUpRequest(s.alice, "totp", code) })
		})
		t.Run("sign-in beside step-up", func(t *testing.T) {
			code, login := s.alice.NextCode(), s.alice.Login()
			before := s.sessions(s.alice)
			got := s.Together(50, func(i int) localtest.Request {
				if i%2 == 0 {
					return stepUpRequest(s.alice, "totp", code)
				}
				return mfaRequest(login, "totp", code)
			})
			if got[http.StatusOK] != 1 || s.sessions(s.alice) > before+1 {
				t.Fatalf("50 identical codes: %v, %d new sessions", got, s.sessions(s.alice)-before)
			}
			s.onlyRefusals(got)
		})
	})
}

// onlyRefusals: losing is no fault of the service.
func (s *scene) onlyRefusals(got map[int]int) {
	s.T.Helper()
	for status := range got {
		switch status {
		case http.StatusOK, http.StatusUnauthorized, http.StatusTooManyRequests:
		default:
			s.T.Errorf("%d answers of %d", got[status], status)
		}
	}
}

// Whichever of neighbouring codes is written last, the last step never falls.
func TestAttack04LastStepOnlyRises(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.Clock.Add(10 * totp.Period)
		now := s.Clock.Now()
		codes, logins := make([]string, 3), make([]string, 3)
		for i := range codes {
			codes[i] = s.codeAt(s.alice, now.Add(time.Duration(i-1)*totp.Period))
			logins[i] = s.alice.Login()
		}
		statuses := make([]int, 3)
		localtest.Parallel(3, func(i int) { statuses[i] = s.Send(mfaRequest(logins[i], "totp", codes[i])).Status })
		last := s.factors(s.alice).LastStep
		for i, status := range statuses {
			step := totp.Step(now) + int64(i-1)
			if status == http.StatusOK && step > last {
				t.Errorf("step %d was accepted, the last one is %d", step, last)
			}
			if status == http.StatusOK || step < last {
				s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", codes[i]))
			}
		}
	})
}

func TestAttack05EnrolmentCodeSignsIn(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		// alice enrolled with the code of this moment.
		s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", s.alice.Code()))
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "totp", s.alice.Code()))
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", s.alice.NextCode()))
	})
}

// "Must enrol" is the user's record's to say.
func TestAttack10EnrolmentSkipped(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob, first := s.invited("bob@acme.example")
		for range 2 { // begun, left, begun anew
			a := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password))
			if a.Text("next") != "enroll_mfa" {
				t.Fatalf("next is %q", a.Text("next"))
			}
			login := a.Text("login_token")
			s.Must(http.StatusOK, enrollRequest(login))
			if a := s.Must(http.StatusForbidden, mfaRequest(login, "totp", "000000")); a.Text("code") != "mfa_enrollment_required" {
				t.Errorf("a second factor before enrolling: %s", a.Body)
			}
			if a := s.Must(http.StatusForbidden, mfaRequest(login, "recovery_code", "")); a.Text("code") != "mfa_enrollment_required" {
				t.Errorf("a recovery code before enrolling: %s", a.Body)
			}
			s.Must(http.StatusUnauthorized, bearer(login, localtest.Request{Method: "GET", Path: "/v1/session"}))
		}
		// Confirming what was never begun.
		s.Must(http.StatusUnauthorized, confirmRequest(first, "000000"))
		if s.sessions(bob) != 0 {
			t.Error("there is a session without a second factor")
		}
	})
}

// A second tab that still believes that it may enrol.
func TestAttack11EnrolmentOverwritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob, tab := s.invited("bob@acme.example")
		other := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
		bob.Secret = s.Must(http.StatusOK, enrollRequest(tab)).Text("secret")
		foreign := &localtest.Person{Secret: s.Must(http.StatusOK, enrollRequest(other)).Text("secret")}
		s.Must(http.StatusUnauthorized, confirmRequest(tab, s.codeAt(foreign, s.Clock.Now())))
		s.Must(http.StatusOK, confirmRequest(tab, s.codeAt(bob, s.Clock.Now())))
		enrolled := s.factors(bob)

		s.Must(http.StatusConflict, enrollRequest(other))
		s.Must(http.StatusConflict, confirmRequest(other, s.codeAt(foreign, s.Clock.Now())))
		s.Clock.Add(totp.Period)
		s.Must(http.StatusUnauthorized, mfaRequest(other, "totp", s.codeAt(foreign, s.Clock.Now())))
		if got := s.factors(bob); string(got.TOTP.Sealed) != string(enrolled.TOTP.Sealed) {
			t.Error("the confirmed authenticator was replaced")
		}
		s.Must(http.StatusOK, mfaRequest(other, "totp", s.codeAt(bob, s.Clock.Now())))
	})
}

func TestAttack11ParallelEnrolments(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob, _ := s.invited("bob@acme.example")
		const tabs = 8
		logins, codes := make([]string, tabs), make([]string, tabs)
		for i := range logins {
			logins[i] = s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
			secret := s.Must(http.StatusOK, enrollRequest(logins[i])).Text("secret")
			codes[i] = s.codeAt(&localtest.Person{Secret: secret}, s.Clock.Now().Add(time.Duration(i%2)*totp.Period))
		}
		got := s.Together(tabs, func(i int) localtest.Request { return confirmRequest(logins[i], codes[i]) })
		if got[http.StatusOK] != 1 || s.sessions(bob) != 1 {
			t.Errorf("%d enrolments in parallel: %v, %d sessions", tabs, got, s.sessions(bob))
		}
	})
}

func TestAttack12CodeWithoutThePassword(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob := s.User(s.alice, "bob@acme.example")
		code := s.alice.NextCode()
		for name, token := range map[string]string{
			"nothing": "", "a session": s.alice.Token, "a device": s.alice.Device, "rubbish": "pcl_" + s.alice.ID + "_a",
			"one's own": "pcl_" + s.alice.ID + "_" + strings.Repeat("a", 52), "another user's": bob.Login(),
		} {
			if a := s.Send(mfaRequest(token, "totp", code)); a.Status != http.StatusUnauthorized {
				t.Errorf("%s for a login token: %d %s", name, a.Status, a.Body)
			}
		}
		s.Must(http.StatusUnprocessableEntity, localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"method": "totp", "code": code}})
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", code))
	})
}
