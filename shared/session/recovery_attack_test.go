package session_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// Twenty requests at once with one recovery code, by sign-ins of their own and by
// step-ups: one succeeds, and one code is spent.
func TestAttack13OneRecoveryCodeInParallel(t *testing.T) {
	const requests = 20
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		for name, of := range map[string]func(s *scene, i int, code string) localtest.Request{
			"sign-ins of their own": func(s *scene, _ int, code string) localtest.Request {
				return mfaRequest(s.alice.Login(), "recovery_code", code)
			},
			"step-ups": func(s *scene, _ int, code string) localtest.Request {
				return stepUpRequest(s.alice, "recovery_code", code)
			},
			"sign-ins beside step-ups": func(s *scene, i int, code string) localtest.Request {
				if i%2 == 0 {
					return stepUpRequest(s.alice, "recovery_code", code)
				}
				return mfaRequest(s.alice.Login(), "recovery_code", code)
			},
		} {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				code := s.alice.RecoveryCodes[3]
				made := make([]localtest.Request, requests)
				for i := range made {
					made[i] = of(s, i, code)
				}
				got := s.Together(requests, func(i int) localtest.Request { return made[i] })
				if got[http.StatusOK] != 1 {
					t.Errorf("%d uses of one code: %v", requests, got)
				}
				s.onlyRefusals(got)
				if n := len(s.factors(s.alice).Recovery); n != 9 {
					t.Errorf("%d codes are left", n)
				}
				if a := s.Send(mfaRequest(s.alice.Login(), "recovery_code", code)); a.Status == http.StatusOK {
					t.Error("it works again")
				}
			})
		}
	})
}

// Whatever somebody has that is no second factor, a mailed link's token among
// them, makes nothing fresh.
func TestAttack14StepUpByNoSecondFactor(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		invited := s.Invite(s.alice, "bob@acme.example")
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		ticket := s.alice.Unlock(gate, 3600).Text("pass.ticket")
		s.Clock.Add(access.FreshFor)
		s.alive(s.alice.Token)
		things := map[string]string{
			"a mailed token": tokenOf(invited.Link), "a mailed link": invited.Link, "the password": localtest.Password, "the address": s.alice.Email,
			"the session": s.alice.Token, "the device": s.alice.Device, "a login token": s.alice.Login(), "the user's id": s.alice.ID,
			"a gate key": gate.Key, "a ticket": ticket, "nothing": "",
		}
		for name, thing := range things {
			for _, method := range []string{"totp", "recovery_code", "passkey"} {
				s.Clock.Add(2 * access.FreshFor) // no lock of an earlier one's
				s.alive(s.alice.Token)
				if a := s.Send(stepUpRequest(s.alice, method, thing)); a.Status != http.StatusUnauthorized && a.Status != http.StatusTooManyRequests && a.Status != http.StatusUnprocessableEntity {
					t.Errorf("%s as %s: %d %s", name, method, a.Status, a.Body)
				}
			}
			for _, method := range []string{"email", "link", "password", "token", "device", "sms", "", "TOTP"} {
				if a := s.Send(stepUpRequest(s.alice, method, thing)); a.Status != http.StatusUnprocessableEntity {
					t.Errorf("%s as %q: %d %s", name, method, a.Status, a.Body)
				}
			}
		}
		if a := s.alice.Must(http.StatusForbidden, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", nil); a.Text("code") != "mfa_required" {
			t.Errorf("it is fresh: %s", a.Body)
		}
	})
}

var recoveryCode = regexp.MustCompile(`^([a-z2-7]{4}-){6}[a-z2-7]{2}$`)

func (s *scene) renewed(p *localtest.Person) []string {
	s.T.Helper()
	list, _ := p.Must(http.StatusOK, "POST", "/v1/mfa/recovery-codes", nil).JSON["recovery_codes"].([]any)
	var codes []string
	for _, code := range list {
		text, _ := code.(string)
		codes = append(codes, text)
	}
	return codes
}

func TestRecoveryCodesAreRenewed(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		old := s.alice.RecoveryCodes
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", old[0]))
		codes := s.renewed(s.alice)
		seen := map[string]bool{}
		for _, code := range append(codes, old...) {
			if seen[code] || !recoveryCode.MatchString(code) {
				t.Errorf("%q is no new code", code)
			}
			seen[code] = true
		}
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, "recovery_code", old[1]))
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", codes[0]))
		// As a person copies one.
		s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", " "+strings.ToUpper(strings.ReplaceAll(codes[1], "-", " "))))
		if got := s.alice.Must(http.StatusOK, "GET", "/v1/mfa", nil).Number("recovery_codes_left"); got != 8 {
			t.Errorf("%v are left", got)
		}
		if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=mfa.recovery_codes_renewed", nil).Items()); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

// Renewing in parallel leaves the ten codes of one of the answers.
func TestRecoveryCodesRenewedInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		answers := make([][]string, 4)
		localtest.Parallel(len(answers), func(i int) { answers[i] = s.renewed(s.alice) })
		working := 0
		for _, codes := range answers {
			if a := s.Send(stepUpRequest(s.alice, "recovery_code", codes[0])); a.Status == http.StatusOK {
				working++
			}
		}
		if n := len(s.factors(s.alice).Recovery); working != 1 || n != 9 {
			t.Errorf("codes of %d answers work, %d are left", working, n)
		}
	})
}

// Using one says how many are left, in the answer, by mail and in the audit;
// fewer than three ask for new ones.
func TestRecoveryCodesLeftAreTold(t *testing.T) {
	s := newScene(t)
	for used, code := range s.alice.RecoveryCodes {
		left := 9 - used
		var a localtest.Answer
		if used%2 == 0 {
			a = s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", code))
		} else {
			a = s.Must(http.StatusOK, mfaRequest(s.alice.Login(), "recovery_code", code))
		}
		if got, ok := a.JSON["recovery_codes_left"].(float64); !ok || int(got) != left {
			t.Errorf("after %d: %s", used+1, a.Body)
		}
		mfa := s.alice.Must(http.StatusOK, "GET", "/v1/mfa", nil)
		if int(mfa.Number("recovery_codes_left")) != left {
			t.Errorf("GET /v1/mfa says %s", mfa.Body)
		}
		for _, answer := range []localtest.Answer{a, mfa} {
			if asks := strings.Contains(answer.Text("notice"), "Make new ones now"); asks != (left < 3) {
				t.Errorf("%d left: %s", left, answer.Body)
			}
		}
		if subject := s.newest(s.alice); strings.Contains(subject, "make new ones") != (left < 3) || !strings.HasPrefix(subject, "A recovery code of your account was used") {
			t.Errorf("%d left: the mail is %q", left, subject)
		}
	}
	if n := strings.Count(s.alice.Must(http.StatusOK, "GET", "/v1/audit", nil).Body, `"recovery_codes_left":"`); n != 10 {
		t.Errorf("the audit tells %d times how many are left", n)
	}
	if a := s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password)); strings.Contains(a.Body, `"recovery_code"`) {
		t.Errorf("none is left: %s", a.Body)
	}
	s.renewed(s.alice)
	if got := s.newest(s.alice); got != "Your recovery codes were renewed" {
		t.Errorf("the mail is %q", got)
	}
	// A code from the authenticator says nothing of recovery codes.
	if a := s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.NextCode())); strings.Contains(a.Body, "recovery") || a.Text("notice") != "" {
		t.Errorf("%s", a.Body)
	}
}
