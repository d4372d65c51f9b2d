package session_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table"
)

// signIns gives a person some more sessions.
func (s *scene) signIns(p *localtest.Person, n int) []string {
	s.T.Helper()
	tokens := []string{p.Token}
	for range n {
		p.SignIn()
		tokens = append(tokens, p.Token)
	}
	return tokens
}

func (s *scene) living(tokens []string) (n int) {
	s.T.Helper()
	for _, token := range tokens {
		if s.alive(token) {
			n++
		}
	}
	return n
}

// Listed is what lives, whoever asks sees their own alone.
func TestSessionsListsWhatLives(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		s.User(s.alice, "bob@acme.example")
		first := s.Clock.Now()
		s.Clock.Add(10 * time.Minute)
		req := mfaRequest(s.alice.Login(), "totp", s.alice.Code())
		req.From = "[2001:db8::9]:4000"
		s.alice.Token = s.Must(http.StatusOK, req).Text("token")
		items := s.alice.Must(http.StatusOK, "GET", "/v1/sessions", nil).Items()
		if len(items) != 2 {
			t.Fatalf("%d sessions", len(items))
		}
		at := func(d time.Time) string { return d.Format(time.RFC3339) }
		for i, want := range []map[string]any{
			{"current": true, "created_at": at(s.Clock.Now()), "last_seen_at": at(s.Clock.Now()), "client_network": "2001:db8::/64", "method": "totp"},
			{"current": false, "created_at": at(first), "last_seen_at": at(first), "client_network": "192.0.2.1", "idle_expires_at": at(first.Add(idle)), "expires_at": at(first.Add(longest))},
		} {
			for name, value := range want {
				if got := items[i].JSON[name]; got != value {
					t.Errorf("session %d: %s is %v, want %v", i, name, got, value)
				}
			}
		}
		s.Clock.Add(5 * time.Minute) // the first has been idle for 15 minutes
		if items := s.alice.Must(http.StatusOK, "GET", "/v1/sessions", nil).Items(); len(items) != 1 || items[0].JSON["current"] != true {
			t.Errorf("an expired session is listed: %v", items)
		}
	})
}

// All are found page by page, each once, and the cursor is the caller's own.
func TestSessionsPages(t *testing.T) {
	s := newScene(t)
	bob := s.User(s.alice, "bob@acme.example")
	s.signIns(s.alice, 6)
	found := map[string]bool{}
	cursor, current := "", 0
	for range 10 {
		a := s.alice.Must(http.StatusOK, "GET", "/v1/sessions?limit=3"+cursor, nil)
		for _, item := range a.Items() {
			found[item.Text("id")] = true
			if item.JSON["current"] == true {
				current++
			}
		}
		if len(a.Items()) > 3 {
			t.Errorf("%d on a page of 3", len(a.Items()))
		}
		if a.Text("next") == "" {
			break
		}
		cursor = "&cursor=" + a.Text("next")
		bob.Must(http.StatusUnprocessableEntity, "GET", "/v1/sessions?limit=3"+cursor, nil)
	}
	if len(found) != 7 || current != 1 {
		t.Errorf("%d sessions, %d of them the present one", len(found), current)
	}
}

// Ending the others is one transaction, however many they are: windows stay, a
// sign-in under way is ended as well, and others' sessions are untouched.
func TestEndOtherSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob := s.User(s.alice, "bob@acme.example")
		others := s.signIns(s.alice, 3)
		s.alice.SignIn()
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		pass := gate.Pass(s.alice.Unlock(gate, 600))
		pending := s.alice.Login()
		s.calls.Reset()
		for range 2 { // again: the same
			s.alice.Must(http.StatusNoContent, "DELETE", "/v1/sessions", nil)
			if n := s.living(others); n != 0 || !s.alive(s.alice.Token) || !s.alive(bob.Token) {
				t.Fatalf("%d others live, this one %v, bob's %v", n, s.alive(s.alice.Token), s.alive(bob.Token))
			}
		}
		if items := s.alice.Must(http.StatusOK, "GET", "/v1/sessions", nil).Items(); len(items) != 1 {
			t.Errorf("dead sessions are listed: %v", items)
		}
		if got := gate.Reason(pass); got != "open_window" {
			t.Errorf("the window: %s", got)
		}
		s.Must(http.StatusUnauthorized, mfaRequest(pending, "totp", s.alice.NextCode()))
		entries := s.alice.Must(http.StatusOK, "GET", "/v1/audit?action=sessions.ended", nil).Items()
		if len(entries) != 2 || entries[0].Text("subject") != s.alice.ID || entries[0].Text("details.kept") == "" {
			t.Errorf("the audit: %v", entries)
		}
		// Signing in goes on, and so do the new session's own levels.
		s.alice.SignIn()
		s.Clock.Add(5 * time.Minute)
		s.alice.StepUp()
	})
}

// The cost does not grow with their number: 1,000 sessions end in one
// transaction of three writes.
func TestAThousandSessionsEndAtOnce(t *testing.T) {
	s := newScene(t)
	copied, err := s.Table.Get(t.Context(), s.sessionKey(s.alice))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		one := copied
		one.Sort = fmt.Sprintf("session#%064d", i)
		if err := s.Table.Apply(t.Context(), table.Put(one, table.Absent())); err != nil {
			t.Fatal(err)
		}
	}
	s.calls.Reset()
	s.alice.Must(http.StatusNoContent, "DELETE", "/v1/sessions", nil)
	if n := s.calls.Reset(); n.Applies != 1 || n.RoundTrips != 3 {
		t.Errorf("it took %+v", n)
	}
	total, cursor := 0, ""
	for range 10 {
		a := s.alice.Must(http.StatusOK, "GET", "/v1/sessions?limit=200"+cursor, nil)
		total += len(a.Items())
		if a.Text("next") == "" {
			break
		}
		cursor = "&cursor=" + a.Text("next")
	}
	if total != 1 {
		t.Errorf("%d sessions are listed", total)
	}
}

// Each of ten sessions ends all others at once: one is left, and whoever was
// told that theirs is the one has it.
func TestSessionsThatEndEachOther(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		tokens := s.signIns(s.alice, 9)
		s.Clock.Add(time.Minute) // each request would record that it was here
		statuses := make([]int, len(tokens))
		localtest.Parallel(len(tokens), func(i int) {
			statuses[i] = s.Send(bearer(tokens[i], localtest.Request{Method: "DELETE", Path: "/v1/sessions"})).Status
		})
		if n := s.living(tokens); n != 1 {
			t.Errorf("%d live: %v", n, statuses)
		}
		for _, status := range statuses {
			if status != http.StatusNoContent && status != http.StatusUnauthorized {
				t.Errorf("answers: %v", statuses)
			}
		}
	})
}

// A sign-in or a step-up under way never outlives the end of the others.
func TestAttack22EndOfTheOthersMeets(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		for moment := range 2 { // before it reserves, before it commits
			t.Run(fmt.Sprintf("a sign-in, moment %d", moment), func(t *testing.T) {
				code, login := s.alice.NextCode(), s.alice.Login()
				s.meet.Before(moment, func() { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/sessions", nil) })
				s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", code))
			})
			t.Run(fmt.Sprintf("a step-up of another, moment %d", moment), func(t *testing.T) {
				s.alice.SignIn()
				other := s.alice.Token
				s.alice.SignIn()
				s.Clock.Add(5 * time.Minute)
				s.alive(s.alice.Token)
				s.alive(other)
				code := s.alice.Code()
				s.meet.Before(moment, func() { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/sessions", nil) })
				a := s.Send(bearer(other, localtest.Request{Method: "POST", Path: "/v1/session/step-up", Body: map[string]any{"method": "totp", "code": code}}))
				if token := a.Text("token"); token != "" && s.alive(token) || s.alive(other) || !s.alive(s.alice.Token) {
					t.Errorf("another session outlived its end: %d %s", a.Status, a.Body)
				}
			})
		}
	})
}

// The end of the session itself comes first: it keeps nothing alive.
func TestEndedSessionEndsNoOthers(t *testing.T) {
	s := newScene(t)
	other := s.alice.Token
	s.alice.SignIn()
	dead := s.alice.Token
	s.meet.Before(0, func() {
		s.Must(http.StatusNoContent, bearer(dead, localtest.Request{Method: "DELETE", Path: "/v1/session"}))
	})
	s.Must(http.StatusUnauthorized, bearer(dead, localtest.Request{Method: "DELETE", Path: "/v1/sessions"}))
	if !s.alive(other) || s.alive(dead) {
		t.Error("a dead session ended a living one, or came back")
	}
}

// What ends with Epoch and what ends with SessionsEnded never meet again.
func TestSessionEpochOnlyRises(t *testing.T) {
	s := newScene(t)
	tokens := s.signIns(s.alice, 2)
	s.alice.Must(http.StatusNoContent, "DELETE", "/v1/sessions", nil)
	s.change(s.alice, func(u *account.User) { u.Epoch++ })
	if n := s.living(tokens); n != 0 {
		t.Errorf("%d live", n)
	}
	s.Clock.Add(totp.Period)
	s.alice.SignIn()
	if n := s.living(append(tokens, s.alice.Token)); n != 1 {
		t.Errorf("%d live", n)
	}
}
