package session_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
)

// DESIGN.md section 3, "Costs to keep".
func TestCosts(t *testing.T) {
	s := newScene(t)
	role := access.Role{ID: "VIEWER", Permissions: access.Permissions(), PhoneSystems: []string{"*"}}
	s.Role(s.alice.PartnerID, role)
	invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: "bob@acme.example", Roles: []string{role.ID}})
	if err != nil {
		t.Fatal(err)
	}
	bob := &localtest.Person{Email: "bob@acme.example", ID: invited.User.ID}
	cost := func(name string, status int, req localtest.Request, trips, units int) localtest.Answer {
		t.Helper()
		s.calls.Reset()
		a := s.Must(status, req)
		if got := s.calls.Reset(); got.RoundTrips > trips || got.ReadUnits > float64(units) && units > 0 {
			t.Errorf("%s: %d round trips and %g read units, at most %d and %d: %+v", name, got.RoundTrips, got.ReadUnits, trips, units, got)
		}
		return a
	}
	login := cost("accepting an invitation", http.StatusOK, acceptRequest(tokenOf(invited.Link)), 4, 0).Text("login_token")
	bob.Secret = cost("beginning to enrol", http.StatusOK, enrollRequest(login), 4, 0).Text("secret")
	cost("confirming, wrong", http.StatusUnauthorized, confirmRequest(login, s.wrongCode(bob)), 4, 0)
	bob.Token = cost("confirming", http.StatusOK, confirmRequest(login, s.codeAt(bob, s.Clock.Now())), 4, 0).Text("token")
	cost("password, wrong", http.StatusUnauthorized, loginRequest(bob.Email, "not the password"), 4, 0)
	login = cost("password", http.StatusOK, loginRequest(bob.Email, localtest.Password), 4, 0).Text("login_token")
	cost("second factor, wrong", http.StatusUnauthorized, mfaRequest(login, "totp", s.wrongCode(bob)), 4, 0)
	s.Clock.Add(totp.Period)
	cost("second factor", http.StatusOK, mfaRequest(login, "totp", s.codeAt(bob, s.Clock.Now())), 4, 0)

	session := func(p *localtest.Person) localtest.Request {
		return bearer(p.Token, localtest.Request{Method: "GET", Path: "/v1/session"})
	}
	cost("authenticating", http.StatusOK, session(s.alice), 2, 2)
	cost("authenticating with a role", http.StatusOK, session(bob), 2, 3)
	cost("authenticating nobody", http.StatusUnauthorized, session(&localtest.Person{Token: s.alice.Token[:len(s.alice.Token)-52] + strings.Repeat("a", 52)}), 1, 2)
	cost("authenticating rubbish", http.StatusUnauthorized, session(&localtest.Person{Token: "rubbish"}), 0, 0)
	s.Clock.Add(time.Minute)
	cost("authenticating, once a minute", http.StatusOK, session(s.alice), 2, 2)
	cost("step-up", http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.Code()), 4, 0)
}
