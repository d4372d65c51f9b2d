package session_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table/tabletest"
)

// refusedFor demands a 429 with a Retry-After.
func (s *scene) refusedFor(seconds string, req localtest.Request) {
	s.T.Helper()
	a := s.Must(http.StatusTooManyRequests, req)
	if got := a.Header.Get("Retry-After"); got != seconds || a.Text("code") != "too_many_attempts" {
		s.T.Fatalf("Retry-After %q, want %q: %s", got, seconds, a.Body)
	}
}

// One count, whichever path a factor is checked on.
func TestAttack06OneCountOnEveryPath(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		wrong := s.wrongCode(s.alice)
		for i := range attempt.Limit {
			req := mfaRequest(s.alice.Login(), "totp", wrong)
			if i%2 == 1 {
				req = stepUpRequest(s.alice, "totp", wrong)
			}
			s.Must(http.StatusUnauthorized, req)
		}
		s.refusedFor("30", mfaRequest(s.alice.Login(), "totp", wrong))
		s.refusedFor("30", stepUpRequest(s.alice, "totp", s.alice.Code()))
		// Neither the living session nor another factor is touched.
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]))
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "recovery_code", s.alice.RecoveryCodes[1]))
		// Another factor's success does not clear this one's count.
		s.refusedFor("30", stepUpRequest(s.alice, "totp", s.alice.Code()))
	})
}

// A failed request returns nothing, whatever becomes of it.
func TestAttack06FailuresStand(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		faults := map[string]func(s *scene){
			"the failure can't be told": func(s *scene) { s.faults.SetPlan(nthApply(1, tabletest.Fail)) },
			"the answer is lost":        func(s *scene) { s.faults.SetPlan(nthApply(1, tabletest.FailApplied)) },
			"the reserving is lost":     func(s *scene) { s.faults.SetPlan(nthApply(0, tabletest.FailApplied)) },
		}
		for name, fault := range faults {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				login, wrong := s.alice.Login(), s.wrongCode(s.alice)
				for range attempt.Limit {
					fault(s)
					s.Must(http.StatusServiceUnavailable, mfaRequest(login, "totp", wrong))
				}
				s.faults.SetPlan(nil)
				s.refusedFor("30", mfaRequest(s.alice.Login(), "totp", wrong))
			})
		}
	})
}

// nthApply is a plan with one fault, at one Apply.
func nthApply(n int, fault tabletest.Fault) tabletest.Plan {
	applies := 0
	return func(_ int, op tabletest.Op) tabletest.Fault {
		if op != tabletest.OpApply {
			return tabletest.None
		}
		applies++
		if applies-1 == n {
			return fault
		}
		return tabletest.None
	}
}

func TestAttack06LockEndsThePendingSignIn(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		login, wrong := s.alice.Login(), s.wrongCode(s.alice)
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", wrong))
		}
		s.Clock.Add(attempt.FirstWait)
		s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", s.alice.Code()))
		s.Must(http.StatusUnauthorized, mfaRequest(login, "recovery_code", s.alice.RecoveryCodes[0]))
		s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "totp", s.alice.Code()))
	})
}

// A wrong code that is not the last one ends nothing.
func TestWrongCodeKeepsThePendingSignIn(t *testing.T) {
	s := newScene(t)
	login := s.alice.Login()
	for range attempt.Limit - 1 {
		s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", s.wrongCode(s.alice)))
	}
	s.Must(http.StatusOK, mfaRequest(login, "totp", s.alice.NextCode()))
	// Success cleared the count.
	login = s.alice.Login()
	for range attempt.Limit - 1 {
		s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", s.wrongCode(s.alice)))
	}
	s.Must(http.StatusOK, mfaRequest(login, "totp", s.alice.NextCode()))
}

func TestAttack06EnrolmentIsLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob, login := s.invited("bob@acme.example")
		bob.Secret = s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, confirmRequest(login, s.wrongCode(bob)))
		}
		login = s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
		bob.Secret = s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
		s.refusedFor("30", confirmRequest(login, s.codeAt(bob, s.Clock.Now())))
	})
}

// Of 100 guesses at once no more than the limit is ever judged.
func TestAttack07ParallelGuesses(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		const guesses = 100
		t.Run("codes", func(t *testing.T) {
			s := newScene(t)
			login, wrong := s.alice.Login(), s.wrongCode(s.alice)
			before := s.opened.Load()
			got := s.Together(guesses, func(i int) localtest.Request {
				req := mfaRequest(login, "totp", wrong)
				if i%2 == 1 {
					req = stepUpRequest(s.alice, "totp", wrong)
				}
				return s.elsewhere(i, req)
			})
			if judged := s.opened.Load() - before; judged > attempt.Limit || got[http.StatusOK] != 0 {
				t.Errorf("%d codes were judged: %v", judged, got)
			}
		})
		t.Run("recovery codes", func(t *testing.T) {
			s := newScene(t)
			login := s.alice.Login()
			got := s.Together(guesses, func(i int) localtest.Request {
				return s.elsewhere(i, mfaRequest(login, "recovery_code", "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"))
			})
			failed := 0
			for range s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=login.failed&limit=200", nil).Items() {
				failed++
			}
			if failed > attempt.Limit || got[http.StatusOK] != 0 {
				t.Errorf("%d recovery codes were judged: %v", failed, got)
			}
		})
		t.Run("passwords", func(t *testing.T) {
			s := newScene(t)
			before := s.Hashes.Count()
			got := s.Together(guesses, func(i int) localtest.Request {
				return s.elsewhere(i, loginRequest(s.alice.Email, "not the password"))
			})
			if judged := s.Hashes.Count() - before; judged > attempt.Limit || got[http.StatusOK] != 0 {
				t.Errorf("%d passwords were hashed: %v", judged, got)
			}
		})
		t.Run("from one address at many people", func(t *testing.T) {
			s := newScene(t)
			before := s.Hashes.Count()
			got := s.Together(2*guesses, func(i int) localtest.Request {
				return loginRequest("nobody-"+string(rune('a'+i%26))+string(rune('a'+i/26))+"@acme.example", "not the password")
			})
			if judged := s.Hashes.Count() - before; judged > attempt.AddressLimit {
				t.Errorf("%d passwords were hashed: %v", judged, got)
			}
		})
	})
}

// elsewhere has each request come from an address of its own.
func (s *scene) elsewhere(i int, req localtest.Request) localtest.Request {
	req.From = "198.51.100." + string(rune('0'+i%10)) + ":" + "4000"
	return req
}

// Right codes in flight while wrong ones lock: they are no failures.
func TestAttack06RightCodesInFlight(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		code, login := s.alice.NextCode(), s.alice.Login()
		// Two requests with the right code are reserved before either commits: the
		// loser must return what it took.
		for range attempt.Limit {
			got := s.Together(2, func(int) localtest.Request { return mfaRequest(login, "totp", code) })
			if got[http.StatusOK] != 1 {
				t.Fatalf("two right codes: %v", got)
			}
			code, login = s.alice.NextCode(), s.alice.Login()
		}
		item, err := s.Table.Get(context.Background(), attempt.CountKey(attempt.TOTP, s.alice.ID, ""))
		if err == nil {
			t.Errorf("failures are counted: %s", item.Body)
		}
		s.Must(http.StatusOK, mfaRequest(login, "totp", code))
	})
}

func TestAttack08SpellingsOfAPerson(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		spellings := []string{"Alice@ACME.example", " alice@acme.example ", "ａlice@acme.example", "ALICE@acme.EXAMPLE\t", "alice@acme.example"}
		for i, email := range spellings {
			req := loginRequest(email, "not the password")
			req.Header = http.Header{
				"X-Forwarded-For": {"203.0.113." + string(rune('1'+i))}, "Forwarded": {"for=203.0.113." + string(rune('1'+i))},
				"X-Real-Ip": {"203.0.113.9"}, "True-Client-Ip": {"203.0.113.9"},
			}
			s.Must(http.StatusUnauthorized, req)
		}
		s.refusedFor("30", loginRequest("alice@acme.example", localtest.Password))
		for _, extra := range []string{"role", "user_id", "emails", "device"} {
			body := map[string]any{"email": s.alice.Email, "password": localtest.Password, extra: "x"}
			a := s.Must(http.StatusUnprocessableEntity, localtest.Request{Method: "POST", Path: "/v1/login", Body: body})
			if a.Text("code") != "invalid" {
				t.Errorf("an extra field: %s", a.Body)
			}
		}
	})
}

// Forged forwarding headers neither spread failures over addresses nor blame
// another one.
func TestAttack08ForgedAddresses(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		forged := func(i int, from string) localtest.Request {
			req := loginRequest("nobody-"+strconv.Itoa(i)+"@acme.example", "not the password")
			req.Header = http.Header{"X-Forwarded-For": {"203.0.113." + strconv.Itoa(i)}, "Forwarded": {"for=192.0.2.99"}}
			req.From = from
			return req
		}
		s.counted("192.0.2.50:1", attempt.AddressLimit-10)
		for i := range 10 {
			s.Must(http.StatusUnauthorized, forged(i, "192.0.2.50:1"))
		}
		s.Must(http.StatusTooManyRequests, forged(200, "192.0.2.50:2"))
		s.Must(http.StatusUnauthorized, forged(201, "192.0.2.99:1"))
	})
}

// The rules of API.md, word by word.
func TestPasswordGuessing(t *testing.T) {
	for _, email := range []string{"alice@acme.example", "nobody@acme.example"} {
		t.Run(email, func(t *testing.T) {
			s := newScene(t)
			for range attempt.Limit {
				s.Must(http.StatusUnauthorized, loginRequest(email, "not the password"))
			}
			for _, wait := range []int{30, 60, 120, 240, 480, 960, 1920, 3600, 3600} {
				s.refusedFor(seconds(wait), loginRequest(email, localtest.Password))
				s.Clock.Add(time.Duration(wait-1) * time.Second)
				s.refusedFor("1", loginRequest(email, localtest.Password))
				s.Clock.Add(time.Second)
				s.Must(http.StatusUnauthorized, loginRequest(email, "not the password"))
			}
		})
	}
}

func seconds(n int) string { return strconv.Itoa(n) }
