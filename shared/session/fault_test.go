package session_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table/tabletest"
)

// broken runs a step again and again with a fault at each of its calls to the
// table, until a run meets none. Each run has a name of its own.
func broken(t *testing.T, run func(t *testing.T, s *scene, name string, inject func(localtest.Request))) {
	s := newScene(t)
	for kind, fault := range map[string]tabletest.Fault{"failed": tabletest.Fail, "applied": tabletest.FailApplied} {
		for position, met := 0, true; met; position++ {
			if position > 10 {
				t.Fatal("this does not end")
			}
			name := fmt.Sprintf("%s-%d", kind, position)
			t.Run(name, func(t *testing.T) {
				s.T = t
				s.Clock.Add(totp.Period)
				run(t, s, name, func(req localtest.Request) {
					s.faults.SetPlan(tabletest.At(position, fault))
					a := s.Send(req)
					met = s.faults.Calls() > position
					s.faults.SetPlan(nil)
					if met && (a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || a.Text("code") != "unavailable") {
						t.Errorf("a fault is answered %d, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Body)
					}
				})
			})
			s.T = t
			if t.Failed() {
				return
			}
		}
	}
}

func TestFaultsDuringTheSecondFactor(t *testing.T) {
	broken(t, func(t *testing.T, s *scene, _ string, inject func(localtest.Request)) {
		before := s.sessions(s.alice)
		code, login := s.alice.NextCode(), s.alice.Login()
		inject(mfaRequest(login, "totp", code))
		s.Send(mfaRequest(login, "totp", code))
		s.Send(mfaRequest(s.alice.Login(), "totp", code))
		if made := s.sessions(s.alice) - before; made != 1 {
			t.Errorf("%d sessions from one code", made)
		}
		if a := s.Send(stepUpRequest(s.alice, "totp", code)); a.Status == http.StatusOK {
			t.Error("the code works twice")
		}
		s.alice.SignIn()
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
	})
}

func TestFaultsDuringARecoveryCode(t *testing.T) {
	broken(t, func(t *testing.T, s *scene, _ string, inject func(localtest.Request)) {
		before := s.sessions(s.alice)
		login := s.alice.Login()
		code := s.alice.RecoveryCodes[0]
		s.alice.RecoveryCodes = s.alice.RecoveryCodes[1:]
		inject(mfaRequest(login, "recovery_code", code))
		s.Send(mfaRequest(login, "recovery_code", code))
		s.Send(mfaRequest(s.alice.Login(), "recovery_code", code))
		if made := s.sessions(s.alice) - before; made != 1 {
			t.Errorf("%d sessions from one code", made)
		}
		s.alice.SignIn()
	})
}

func TestFaultsDuringThePassword(t *testing.T) {
	broken(t, func(_ *testing.T, s *scene, _ string, inject func(localtest.Request)) {
		inject(loginRequest(s.alice.Email, localtest.Password))
		s.alice.SignIn()
	})
}

func TestFaultsDuringEnrolment(t *testing.T) {
	broken(t, func(t *testing.T, s *scene, name string, inject func(localtest.Request)) {
		bob, login := s.invited(name + "@acme.example")
		bob.Secret = s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
		code := s.codeAt(bob, s.Clock.Now())
		inject(confirmRequest(login, code))
		s.Send(confirmRequest(login, code))
		if made := s.sessions(bob); made != 1 {
			t.Errorf("%d sessions from one code", made)
		}
		s.Must(http.StatusUnauthorized, mfaRequest(s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token"), "totp", code))
		s.Clock.Add(totp.Period)
		again := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password))
		s.Must(http.StatusOK, mfaRequest(again.Text("login_token"), "totp", s.codeAt(bob, s.Clock.Now())))
	})
}

// Whether or not the secret was kept, beginning anew is all it takes.
func TestFaultsDuringTheBeginOfEnrolment(t *testing.T) {
	broken(t, func(_ *testing.T, s *scene, name string, inject func(localtest.Request)) {
		bob, login := s.invited(name + "@acme.example")
		inject(enrollRequest(login))
		bob.Secret = s.Must(http.StatusOK, enrollRequest(login)).Text("secret")
		s.Must(http.StatusOK, confirmRequest(login, s.codeAt(bob, s.Clock.Now())))
	})
}

func TestFaultsDuringAcceptance(t *testing.T) {
	broken(t, func(t *testing.T, s *scene, name string, inject func(localtest.Request)) {
		invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: name + "@acme.example"})
		if err != nil {
			t.Fatal(err)
		}
		token := tokenOf(invited.Link)
		inject(acceptRequest(token))
		if a := s.Send(acceptRequest(token)); a.Status != http.StatusOK && a.Status != http.StatusGone {
			t.Errorf("the retry: %d %s", a.Status, a.Body)
		}
		s.Must(http.StatusGone, acceptRequest(token))
		a := s.Must(http.StatusOK, loginRequest(name+"@acme.example", localtest.Password))
		if a.Text("next") != "enroll_mfa" {
			t.Errorf("next is %q", a.Text("next"))
		}
	})
}

func TestFaultsDuringStepUp(t *testing.T) {
	for name, fresh := range map[string]bool{"fresh still": true, "fresh no longer": false} {
		t.Run(name, func(t *testing.T) {
			broken(t, func(t *testing.T, s *scene, _ string, inject func(localtest.Request)) {
				s.Clock.Add(time.Minute)
				if !fresh {
					s.Clock.Add(access.FreshFor)
				}
				before, code := s.sessions(s.alice), s.alice.Code()
				inject(stepUpRequest(s.alice, "totp", code))
				s.Send(stepUpRequest(s.alice, "totp", code))
				if left := s.sessions(s.alice); left != before {
					t.Errorf("%d sessions, before there were %d", left, before)
				}
				s.Must(http.StatusUnauthorized, mfaRequest(s.alice.Login(), "totp", code))
				s.alice.SignIn()
				s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
			})
		})
	}
}

// A table that is gone denies at once and heals by itself.
func TestOutage(t *testing.T) {
	s := newScene(t)
	s.faults.Outage(true)
	for _, req := range []localtest.Request{
		loginRequest(s.alice.Email, localtest.Password), mfaRequest("pcl_"+s.alice.ID+"_"+s.alice.Token[len(s.alice.Token)-52:], "totp", s.alice.Code()),
		bearer(s.alice.Token, localtest.Request{Method: "GET", Path: "/v1/session"}), stepUpRequest(s.alice, "totp", s.alice.Code()),
	} {
		if a := s.Must(http.StatusServiceUnavailable, req); a.Header.Get("Retry-After") == "" {
			t.Errorf("%s tells no time: %s", req.Path, a.Body)
		}
	}
	s.faults.Outage(false)
	s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
	s.alice.SignIn()
}
