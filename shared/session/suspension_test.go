package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/token"
)

func unsuspendRequest(token string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/unsuspend", Body: map[string]any{"token": token}}
}

// onTheBrink has a count stand one failure before a suspension.
func (s *scene) onTheBrink(factor attempt.Factor, whom, device string) {
	s.T.Helper()
	item, err := table.Encode(attempt.CountKey(factor, whom, device), "attempts", attempt.Count{InARow: attempt.SuspendAfter - 1})
	if err == nil {
		err = s.Table.Apply(context.Background(), table.Put(item, table.Always()))
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// suspensions are the letters that told somebody of one, oldest first.
func (s *scene) suspensions(email string) (tokens []string) {
	s.T.Helper()
	s.Tick()
	for _, letter := range s.Mail.To(email) {
		if _, rest, found := strings.Cut(letter.Text, localtest.BaseURL+"/#unsuspend?token="); found {
			tokens = append(tokens, strings.Fields(rest)[0])
		}
	}
	return tokens
}

// suspend has a stranger's failure suspend alice's password, and answers the token
// that she is mailed.
func (s *scene) suspend() string {
	s.T.Helper()
	s.onTheBrink(attempt.Password, s.alice.Email, "")
	s.Must(http.StatusUnauthorized, loginRequest(s.alice.Email, "not the password"))
	tokens := s.suspensions(s.alice.Email)
	if len(tokens) == 0 {
		s.T.Fatal("nobody is told of the suspension")
	}
	return tokens[len(tokens)-1]
}

func (s *scene) audited(action string, want int) {
	s.T.Helper()
	if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action="+action, nil).Items()); n != want {
		s.T.Errorf("%d entries %s, want %d", n, action, want)
	}
}

// Each factor's count can be cleared by the mail that told of its suspension, also
// that of a browser or of a session; the factor stays what it was.
func TestSuspensionEndsByTheMailedLink(t *testing.T) {
	type suspended struct {
		factor       attempt.Factor
		whom, device string
		wrong, right func() localtest.Request
	}
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		for i, c := range []suspended{
			{attempt.Password, s.alice.Email, "", func() localtest.Request { return loginRequest(s.alice.Email, "x") },
				func() localtest.Request { return loginRequest(s.alice.Email, localtest.Password) }},
			{attempt.Password, s.alice.Email, string(token.HashOf(s.alice.Device)), func() localtest.Request { return fromDevice(s.alice.Device, loginRequest(s.alice.Email, "x")) },
				func() localtest.Request {
					return fromDevice(s.alice.Device, loginRequest(s.alice.Email, localtest.Password))
				}},
			{attempt.TOTP, s.alice.ID, "", func() localtest.Request { return mfaRequest(s.alice.Login(), "totp", "x") },
				func() localtest.Request { return mfaRequest(s.alice.Login(), "totp", s.alice.NextCode()) }},
			{attempt.RecoveryCode, s.alice.ID, "", func() localtest.Request { return stepUpRequest(s.alice, "recovery_code", "x") },
				func() localtest.Request { return stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]) }},
		} {
			before := s.factors(s.alice)
			s.onTheBrink(c.factor, c.whom, c.device)
			s.Must(http.StatusUnauthorized, c.wrong())
			s.Must(http.StatusTooManyRequests, c.right())
			tokens := s.suspensions(s.alice.Email)
			if len(tokens) != i+1 {
				t.Fatalf("%s: %d letters", c.factor, len(tokens))
			}
			s.Must(http.StatusNoContent, unsuspendRequest(tokens[i]))
			s.Must(http.StatusGone, unsuspendRequest(tokens[i]))
			if after := s.factors(s.alice); after.TOTP == nil || string(after.TOTP.Sealed) != string(before.TOTP.Sealed) || len(after.Recovery) != len(before.Recovery) {
				t.Errorf("%s: the factors became %+v", c.factor, after)
			}
			s.audited("login.suspended", i+1)
			s.audited("login.unsuspended", i+1)
			s.Must(http.StatusOK, c.right())
		}
	})
}

// The link of one factor's suspension leaves every other count: of the other factors,
// of a browser, of another person.
func TestUnsuspendingLeavesOtherCounts(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		link := s.suspend()
		s.onTheBrink(attempt.TOTP, s.alice.ID, "")
		s.onTheBrink(attempt.RecoveryCode, s.alice.ID, "")
		s.onTheBrink(attempt.Password, s.alice.Email, string(token.HashOf(s.alice.Device)))
		s.onTheBrink(attempt.Password, "bob@acme.example", "")
		s.Must(http.StatusNoContent, unsuspendRequest(link))
		for _, key := range []table.Key{
			attempt.CountKey(attempt.TOTP, s.alice.ID, ""), attempt.CountKey(attempt.RecoveryCode, s.alice.ID, ""),
			attempt.CountKey(attempt.Password, s.alice.Email, string(token.HashOf(s.alice.Device))), attempt.CountKey(attempt.Password, "bob@acme.example", ""),
		} {
			item, err := s.Table.Get(t.Context(), key)
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			if count, err := table.Decode[attempt.Count](item); err != nil || count.InARow != attempt.SuspendAfter-1 {
				t.Errorf("%s: %+v %v", key, count, err)
			}
		}
	})
}

// A token ends the suspension that its letter told of, while that one lasts, and
// nothing else.
func TestUnsuspendTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		for name, spoil := range map[string]func(s *scene, token string) string{
			"after the day": func(s *scene, token string) string { s.Clock.Add(attempt.Suspension); return token },
			"of an earlier suspension": func(s *scene, token string) string {
				s.Must(http.StatusNoContent, unsuspendRequest(token))
				s.suspend()
				return token
			},
			"after the day, in the next suspension": func(s *scene, token string) string {
				s.Clock.Add(attempt.Suspension)
				s.suspend()
				return token
			},
			"of another person": func(s *scene, _ string) string {
				s.Clock.Add(attempt.Window)
				bob := s.User(s.alice, "bob@acme.example")
				s.onTheBrink(attempt.Password, bob.Email, "")
				s.Must(http.StatusUnauthorized, loginRequest(bob.Email, "x"))
				own := s.suspensions(bob.Email)[0]
				s.Must(http.StatusNoContent, unsuspendRequest(own))
				return own
			},
			"from before a restore": func(s *scene, token string) string { s.Clock.Add(time.Second); s.Restore(); return token },
			"cut off":               func(_ *scene, token string) string { return token[:len(token)-1] },
			"in capitals":           func(_ *scene, token string) string { return strings.ToUpper(token) },
			"another secret":        func(_ *scene, token string) string { return token[:len(token)-1] + other(token[len(token)-1]) },
			"a reset's":             func(s *scene, _ string) string { return s.resetToken(s.alice) },
			"nothing":               func(*scene, string) string { return "" },
		} {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				spoilt := spoil(s, s.suspend())
				count := attempt.CountKey(attempt.Password, s.alice.Email, "")
				before, err := s.Table.Get(t.Context(), count)
				if err != nil {
					t.Fatal(err)
				}
				s.Must(http.StatusGone, unsuspendRequest(spoilt))
				if after, err := s.Table.Get(t.Context(), count); err != nil || after.Rev != before.Rev {
					t.Errorf("the count was touched: %s (%v)", after.Body, err)
				}
			})
		}
	})
}

func other(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

// However many attempts meet the brink at once, one suspends and one letter tells of
// it; however many use its link at once, one clears.
func TestSuspensionInParallel(t *testing.T) {
	const requests = 12
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.onTheBrink(attempt.Password, s.alice.Email, "")
		got := s.Together(requests, func(int) localtest.Request { return loginRequest(s.alice.Email, "x") })
		if got[http.StatusUnauthorized] != 1 || got[http.StatusTooManyRequests] != requests-1 {
			t.Errorf("answered %v", got)
		}
		tokens := s.suspensions(s.alice.Email)
		if len(tokens) != 1 {
			t.Fatalf("%d letters", len(tokens))
		}
		s.audited("login.suspended", 1)
		got = s.Together(requests, func(int) localtest.Request { return unsuspendRequest(tokens[0]) })
		if got[http.StatusNoContent] != 1 || got[http.StatusGone] != requests-1 {
			t.Errorf("answered %v", got)
		}
		s.audited("login.unsuspended", 1)
		s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password))
	})
}

// Whose the address is shows neither in the answer nor in the work of the attempt
// that suspends, and who can't sign in is told nothing.
func TestAttack16SuspensionTellsNobodyApart(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		inactive := s.User(s.alice, "inactive@acme.example")
		s.change(inactive, func(u *account.User) { u.Active = false })
		answers, costs := map[string]bool{}, map[tabletest.Counts]bool{}
		for _, email := range []string{s.alice.Email, "nobody@acme.example", inactive.Email} {
			s.onTheBrink(attempt.Password, email, "")
			s.calls.Reset()
			hashes := s.Hashes.Count()
			a := s.Must(http.StatusUnauthorized, loginRequest(email, "x"))
			costs[s.calls.Reset()] = true
			answers[strings.ReplaceAll(a.Body, a.Text("instance"), "")] = true
			if n := s.Hashes.Count() - hashes; n != 1 {
				t.Errorf("%s: %d hashes", email, n)
			}
			s.refusedFor("86400", loginRequest(email, localtest.Password))
		}
		if len(answers) != 1 || len(costs) != 1 {
			t.Errorf("answers %v, costs %v", answers, costs)
		}
		if n := len(s.suspensions(s.alice.Email)); n != 1 || len(s.suspensions(inactive.Email)) != 0 || len(s.Mail.To("nobody@acme.example")) != 0 {
			t.Errorf("%d letters to alice, or letters to others", n)
		}
	})
}

// A store that fails, applied or not, leaves a suspension with its letter or neither.
func TestSuspensionIsToldOrIsNot(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		s := newScene(t)
		s.onTheBrink(attempt.Password, s.alice.Email, "")
		s.faults.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
			if op.Writes() {
				return fault
			}
			return tabletest.None
		})
		s.Must(http.StatusServiceUnavailable, loginRequest(s.alice.Email, "x"))
		s.faults.SetPlan(nil)
		status := s.Send(loginRequest(s.alice.Email, "x")).Status
		if n := len(s.suspensions(s.alice.Email)); n != 1 || (fault == tabletest.FailApplied) != (status == http.StatusTooManyRequests) {
			t.Errorf("fault %v: then %d, and %d letters", fault, status, n)
		}
	}
}
