package session_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

func secondFactor(w *localtest.World, login, code string, header http.Header) localtest.Answer {
	return w.Send(localtest.Request{
		Method: "POST", Path: "/v1/login/mfa", Header: header,
		Body: map[string]any{"login_token": login, "method": "totp", "code": code},
	})
}

// The lock ends the pending sign-in, but who is kept out is told how long.
func TestAttack06WhoIsLockedOutIsToldHowLong(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		w, alice := s.World, s.alice
		login := alice.Login()
		for range 5 {
			secondFactor(w, login, "000000", nil)
		}
		for _, after := range []time.Duration{0, 29 * time.Second} {
			w.Clock.Add(after)
			a := secondFactor(w, login, alice.Code(), nil)
			want := fmt.Sprint(int((30*time.Second - after).Seconds()))
			if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != want {
				t.Errorf("after %v: %d, Retry-After %q, want %s", after, a.Status, a.Header.Get("Retry-After"), want)
			}
		}
		w.Clock.Add(time.Second)
		if a := secondFactor(w, login, alice.Code(), nil); a.Status != http.StatusUnauthorized {
			t.Errorf("the ended sign-in, after the wait: %d", a.Status)
		}
		alice.SignIn()
	})
}

// Strangers behind the same address lock neither a known browser out nor a
// living session out of stepping up; whoever else comes from there waits.
func TestAttack44StrangersBehindTheSameAddress(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		w, alice := s.World, s.alice
		s.counted("192.0.2.1:1", 99)
		for i := range 2 {
			w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": fmt.Sprintf("x%d@acme.example", i), "password": "wrong wrong wrong"}})
		}
		right := map[string]any{"email": alice.Email, "password": localtest.Password}
		if a := w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: right}); a.Status != http.StatusTooManyRequests {
			t.Errorf("an unknown browser: %d", a.Status)
		}
		known := http.Header{"Portcullis-Device": {alice.Device}}
		a := w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: right, Header: known})
		if a.Status != http.StatusOK {
			t.Fatalf("a known browser: %d %s", a.Status, a.Body)
		}
		if a := secondFactor(w, a.Text("login_token"), alice.NextCode(), known); a.Status != http.StatusOK {
			t.Errorf("its second factor: %d %s", a.Status, a.Body)
		}
		alice.StepUp()
	})
}

// A second tab, or a double click, shows the code that was scanned already.
func TestEnrollingTwiceShowsTheSameSecret(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	invited := w.Invite(alice, "bob@acme.example")
	_, secret, _ := strings.Cut(invited.Link, "token=")
	login := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": secret, "password": localtest.Password}}).Text("login_token")
	enroll := func() string {
		return w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login/enroll", Body: map[string]any{"login_token": login}}).Text("secret")
	}
	if first := enroll(); first == "" || enroll() != first {
		t.Error("the second enrolment voids the first")
	}
}
