package signintest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mfa"
)

// another is a password that nobody has yet.
const another = "seven green kettles whistle"

func forgot(email string) localtest.Request {
	return post("/v1/password/forgot", map[string]any{"email": email})
}

func reset(token, password string) localtest.Request {
	return post("/v1/password/reset", map[string]any{"token": token, "new_password": password})
}

// linked is the token that the newest letter to an address carries.
func (s *stage) linked(email string) string {
	s.T.Helper()
	s.Tick()
	letters := s.Mail.To(email)
	if len(letters) == 0 {
		s.T.Fatalf("%s has no mail", email)
	}
	_, token, found := strings.Cut(letters[len(letters)-1].Text, "token=")
	if !found {
		s.T.Fatalf("the newest letter has no link: %s", letters[len(letters)-1].Text)
	}
	return strings.Fields(token)[0]
}

// forgotten is the token of a reset that somebody asks for.
func (s *stage) forgotten(email string) string {
	s.T.Helper()
	s.Tick() // of letters that are due together the order is nobody's promise
	s.Must(http.StatusAccepted, forgot(email))
	return s.linked(email)
}

// Whoever asks for a reset learns nothing: the same answer for the same work, be the
// address somebody's, nobody's or none, for the first time or too often. A letter is
// sealed for each, and leaves for those alone who can use it.
func TestAttack16ForgottenPasswordsTellNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		people := s.people()
		received := func() (n int) {
			s.Tick()
			for _, email := range people {
				n += len(s.Mail.To(email))
			}
			return n
		}
		before := received()
		requests := asked(people, forgot)
		for round := range attempt.MailLimit + 2 {
			cost := s.alike(http.StatusAccepted, requests, first(people))
			if cost.hashes != 0 || cost.calls.RoundTrips > 4 || round < attempt.MailLimit && cost.sealed != 1 {
				t.Errorf("round %d costs %+v", round, cost)
			}
		}
		if got := received() - before; got != 2*attempt.MailLimit { // to whoever has a password: two of them
			t.Errorf("%d letters left, want %d", got, 2*attempt.MailLimit)
		}
	})
}

// Three mails an hour leave for an address, however it is spelled and however many
// ask at once; an hour later one more does.
func TestForgotMailsAtMostThreeAnHour(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		letters := func() int { s.Tick(); return len(s.Mail.To(s.alice.Email)) }
		before := letters()
		spellings := []string{"Alice@ACME.example", " alice@acme.example", "ａlice@acme.example"}
		got := s.Together(12, func(i int) localtest.Request {
			req := forgot(spellings[i%len(spellings)])
			req.From = fmt.Sprintf("203.0.113.%d:4000", i)
			return req
		})
		if got[http.StatusAccepted] != 12 || letters()-before != attempt.MailLimit {
			t.Errorf("%v and %d letters", got, letters()-before)
		}
		s.Clock.Add(attempt.MailWindow - time.Second)
		s.Must(http.StatusAccepted, forgot(s.alice.Email))
		if n := letters() - before; n != attempt.MailLimit {
			t.Errorf("%d letters within the hour", n)
		}
		s.Clock.Add(time.Second)
		s.Must(http.StatusAccepted, forgot(s.alice.Email))
		if n := letters() - before; n != attempt.MailLimit+1 {
			t.Errorf("%d letters after an hour", n)
		}
	})
}

// One source has a hundred letters written in a quarter of an hour, and keeps nobody
// else from being helped.
func TestForgotFromOneSource(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		for i := range attempt.MailSourceLimit {
			req := forgot(nobody(i))
			req.From = fmt.Sprintf("[2001:db8:1:2::%x]:4000", i+1)
			s.Must(http.StatusAccepted, req)
		}
		s.Tick()
		before := len(s.Mail.To(s.alice.Email))
		req := forgot(s.alice.Email)
		req.From = "[2001:db8:1:2:ffff::1]:4000"
		s.Must(http.StatusAccepted, req)
		if s.Tick(); len(s.Mail.To(s.alice.Email)) != before {
			t.Error("a letter left for a source that has asked too often")
		}
		s.forgotten(s.alice.Email)
	})
}

// What the link is built from is configured, whatever the request says of hosts.
func TestAttack17ResetLinkIsConfigured(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		req := forgot(s.alice.Email)
		req.Header = http.Header{"X-Forwarded-Host": {"evil.example"}, "Forwarded": {"host=evil.example"}, "Host": {"evil.example"}, "Origin": {"https://evil.example"}}
		s.Must(http.StatusAccepted, req)
		s.Tick()
		letters := s.Mail.To(s.alice.Email)
		text := letters[len(letters)-1].Text
		if strings.Contains(text, "evil") || !strings.Contains(text, "\n"+localtest.BaseURL+"/#reset?token=pcr_") {
			t.Errorf("the letter: %s", text)
		}
	})
}

// A password that is refused spends nothing, and says why.
func TestResetRefusesWithoutSpending(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		token := s.forgotten(s.alice.Email)
		for _, bad := range []string{"too short", "alice@acme.example", "password2024!", "quiet otter\x00 paints", strings.Repeat("otter ", 50)} {
			a := s.Must(http.StatusUnprocessableEntity, reset(token, bad))
			if !strings.Contains(a.Body, `"location":"body.new_password"`) {
				t.Errorf("%q: %s", bad, a.Body)
			}
		}
		s.Must(http.StatusNoContent, reset(token, another))
	})
}

// audited asks for the entries of an action; none if the session has ended.
func (s *stage) audited(p *localtest.Person, action string) []localtest.Answer {
	return p.Do(http.MethodGet, "/v1/audit?limit=200&action="+action, nil).Items()
}

// A reset ends every session, pending sign-in and window at once, and nothing of it
// touches the second factor or what else the record says.
func TestAttack22PasswordReset(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		bob := s.Administrator("zebra", "bob@zebra.example")
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		opened := s.alice.Unlock(gate, 3600)
		pass := gate.Pass(opened)
		pending, token := s.alice.Login(), s.forgotten(s.alice.Email)
		before, factors := s.user(s.alice.ID), s.factors(s.alice.ID)
		s.Clock.Add(time.Second)
		s.Must(http.StatusNoContent, reset(token, another))
		chosen := s.Clock.Now()
		if got := gate.Decide("GET", "/xapi/v1/Users", pass); got.Status != http.StatusForbidden {
			t.Errorf("the gate decides %d", got.Status)
		}
		s.alice.Must(http.StatusUnauthorized, "GET", "/v1/session", nil)
		s.Must(http.StatusUnauthorized, mfaStep(pending, s.alice.NextCode()))
		s.Must(http.StatusUnauthorized, login(s.alice.Email, localtest.Password))
		after := s.user(s.alice.ID)
		if after.Password == before.Password || after.Epoch != before.Epoch+1 || !after.PasswordMailedAt.Equal(chosen) {
			t.Errorf("the record: %+v", after)
		}
		if after.Password, after.Epoch, after.EpochAt, after.PasswordMailedAt = before.Password, before.Epoch, before.EpochAt, before.PasswordMailedAt; fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("the record is %+v, was %+v", after, before)
		}
		if got := s.factors(s.alice.ID); got != factors {
			t.Errorf("the factors are %s, were %s", got, factors)
		}
		s.isTold(s.alice.Email, "Your password was reset")
		bob.Must(http.StatusOK, "GET", "/v1/session", nil)

		a := s.Must(http.StatusOK, login(s.alice.Email, another))
		if a.Text("next") != "mfa" {
			t.Errorf("signing in goes on with %q", a.Text("next"))
		}
		s.alice.Token = s.Must(http.StatusOK, mfaStep(a.Text("login_token"), s.alice.NextCode())).Text("token")
		entries := s.audited(s.alice, "password.reset")
		if len(entries) != 1 || entries[0].Text("actor") != s.alice.ID || entries[0].Text("outcome") != "success" {
			t.Errorf("the audit has %v", entries)
		}
		ended := s.alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+opened.Text("id"), nil)
		if ended.Text("state") != "ended" || ended.Text("end") != "revoked" {
			t.Errorf("the window: %s", ended.Body)
		}
	})
}

// Opening the link, as scanners of mail do, spends nothing, and no server is told
// the token.
func TestAttack42ResetLinkSpendsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		token := s.forgotten(s.alice.Email)
		s.opensNothing(s.alice.Email, "/v1/password/reset", token)
		s.Must(http.StatusNoContent, reset(token, another))
	})
}

// opensNothing opens the link in the newest letter as a scanner does.
func (s *stage) opensNothing(email, path, token string) {
	s.T.Helper()
	letters := s.Mail.To(email)
	text := letters[len(letters)-1].Text
	link, err := url.Parse(strings.Fields(text[strings.Index(text, "http"):])[0])
	if err != nil {
		s.T.Fatal(err)
	}
	if strings.Contains(link.RequestURI(), token) || !strings.Contains(link.Fragment, token) {
		s.T.Fatalf("the token travels with the link %s", link)
	}
	for _, method := range []string{"GET", "HEAD"} {
		s.Send(localtest.Request{Method: method, Path: link.RequestURI()})
		s.Send(localtest.Request{Method: method, Path: path + "?token=" + token})
	}
}

// isTold demands that the newest letter to an address has a subject.
func (s *stage) isTold(email, subject string) {
	s.T.Helper()
	s.Tick()
	letters := s.Mail.To(email)
	if len(letters) == 0 || letters[len(letters)-1].Subject != subject {
		s.T.Errorf("%s is not told %q: %d letters", email, subject, len(letters))
	}
}

// factors are a user's, as stored.
func (s *stage) factors(id string) string {
	s.T.Helper()
	item, err := s.calls.Get(context.Background(), mfa.Key(id))
	if err != nil {
		s.T.Fatal(err)
	}
	return string(item.Body)
}
