package session_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

const (
	idle    = 15 * time.Minute
	longest = 12 * time.Hour
)

func (s *scene) alive(token string) bool {
	s.T.Helper()
	a := s.Send(bearer(token, localtest.Request{Method: "GET", Path: "/v1/session"}))
	if a.Status != http.StatusOK && (a.Status != http.StatusUnauthorized || a.Text("code") != "bad_attempt") {
		s.T.Fatalf("GET /v1/session: %d %s", a.Status, a.Body)
	}
	return a.Status == http.StatusOK
}

// Idleness is kept to the minute, and never in the session's favour.
func TestSessionEndsIdle(t *testing.T) {
	s := newScene(t)
	for _, c := range []struct {
		name  string
		asked []time.Duration // since the sign-in
		last  time.Duration   // when it is alive still; a second later it is dead
	}{
		{"never used", nil, idle - time.Second},
		{"used within the minute", []time.Duration{59 * time.Second}, idle - time.Second},
		{"used after a minute", []time.Duration{time.Minute}, idle + time.Minute - time.Second},
		{"used now and then", []time.Duration{10 * time.Minute, 20 * time.Minute, 34 * time.Minute}, 49*time.Minute - time.Second},
	} {
		for _, late := range []time.Duration{0, time.Second} {
			t.Run(c.name, func(t *testing.T) {
				s.T = t
				s.alice.SignIn()
				began := s.Clock.Now()
				for _, at := range c.asked {
					s.Clock.Add(began.Add(at).Sub(s.Clock.Now()))
					if !s.alive(s.alice.Token) {
						t.Fatalf("dead after %v", at)
					}
				}
				s.Clock.Add(began.Add(c.last + late).Sub(s.Clock.Now()))
				if got := s.alive(s.alice.Token); got != (late == 0) {
					t.Errorf("%v after the sign-in: alive %v", c.last+late, got)
				}
			})
		}
	}
}

func TestSessionEndsAfterItsLongestLife(t *testing.T) {
	s := newScene(t)
	began := s.Clock.Now()
	s.Clock.Add(4 * time.Minute)
	s.alice.StepUp() // still fresh: the same session
	for s.Clock.Now().Before(began.Add(longest - 10*time.Minute)) {
		s.Clock.Add(10 * time.Minute)
		s.alice.StepUp() // rises anew each time, and gains no life by it
	}
	a := s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
	if a.Text("session.expires_at") != began.Add(longest).Format(time.RFC3339) || a.Text("session.idle_expires_at") > a.Text("session.expires_at") {
		t.Errorf("it says that it ends %s, idle %s", a.Text("session.expires_at"), a.Text("session.idle_expires_at"))
	}
	s.Clock.Add(began.Add(longest - time.Second).Sub(s.Clock.Now()))
	if !s.alive(s.alice.Token) {
		t.Error("dead a second too early")
	}
	s.Clock.Add(time.Second)
	if s.alive(s.alice.Token) {
		t.Error("alive after its longest life")
	}
}

// Shorter lifetimes hold for the sessions that live already.
func TestShorterLifetimesHoldAtOnce(t *testing.T) {
	s := newScene(t)
	s.Clock.Add(6 * time.Minute)
	for shorter, want := range map[session.Lifetimes]bool{
		{Idle: 5 * time.Minute, Longest: longest}: false, {Idle: 6 * time.Minute, Longest: longest}: false, {Idle: 7 * time.Minute, Longest: longest}: true,
	} {
		s.Rebuild(func(o *ground.Options) { o.Sessions = shorter })
		item, err := s.Table.Get(context.Background(), s.sessionKey(s.alice))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.alive(s.alice.Token); got != want {
			t.Errorf("with %v idle: alive %v", shorter.Idle, got)
		}
		// As if nothing had been asked.
		if err := s.Table.Apply(context.Background(), table.Put(item, table.Always())); err != nil {
			t.Fatal(err)
		}
	}
}

// A session dies at the next request with whatever made it possible.
func TestAttack22SessionsThatSurvive(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		for name, change := range map[string]func(*account.User){
			"deactivated": func(u *account.User) { u.Active = false },
			"epoch risen": func(u *account.User) { u.Epoch++ },
		} {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				bob := s.User(s.alice, "bob@acme.example")
				pending := bob.Login()
				s.change(bob, change)
				if s.alive(bob.Token) {
					t.Error("the session survives")
				}
				s.Clock.Add(totp.Period)
				s.Must(http.StatusUnauthorized, mfaRequest(pending, "totp", bob.Code()))
				if !s.alive(s.alice.Token) {
					t.Error("somebody else's session died with it")
				}
			})
		}
		t.Run("a role narrowed", func(t *testing.T) {
			s := newScene(t)
			role := access.Role{ID: "EVERYTHING", Permissions: access.Permissions(), PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600}
			s.Role(s.alice.PartnerID, role)
			bob := s.User(s.alice, "bob@acme.example", role.ID)
			bob.Must(http.StatusOK, "GET", "/v1/audit", nil)
			role.Permissions = []access.Permission{access.Unlock}
			s.Role(s.alice.PartnerID, role)
			bob.Must(http.StatusForbidden, "GET", "/v1/audit", nil)
		})
		t.Run("signed out", func(t *testing.T) {
			s := newScene(t)
			s.alice.Must(http.StatusNoContent, "DELETE", "/v1/session", nil)
			if s.alive(s.alice.Token) {
				t.Error("the session survives")
			}
			s.alice.Must(http.StatusUnauthorized, "DELETE", "/v1/session", nil)
		})
	})
}

// Requests that are under way while somebody signs out never bring the session
// back.
func TestSignOutIsFinal(t *testing.T) {
	s := newScene(t)
	for range 10 {
		s.alice.SignIn()
		before := s.sessions(s.alice)
		s.Clock.Add(time.Minute) // each request would record that it was here
		var ended atomic.Bool
		localtest.Parallel(51, func(i int) {
			if i == 25 {
				ended.Store(s.alice.Do("DELETE", "/v1/session", nil).Status == http.StatusNoContent)
				return
			}
			after := ended.Load()
			if s.alive(s.alice.Token) && after {
				t.Error("a request after the sign-out was answered")
			}
		})
		if !ended.Load() || s.alive(s.alice.Token) || s.sessions(s.alice) >= before {
			t.Fatalf("ended %v, %d sessions", ended.Load(), s.sessions(s.alice))
		}
	}
}

// A rise of level gives a new token and id, and the old one is dead.
func TestAttack20StepUpRenewsTheSession(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		id := func(s *scene, token string) string {
			return s.Must(http.StatusOK, bearer(token, localtest.Request{Method: "GET", Path: "/v1/session"})).Text("session.id")
		}
		t.Run("fresh still", func(t *testing.T) {
			s := newScene(t)
			s.Clock.Add(access.FreshFor - time.Second)
			before := id(s, s.alice.Token)
			a := s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.Code()))
			if a.Text("token") != "" || id(s, s.alice.Token) != before {
				t.Error("the level did not rise, and the session is another one")
			}
			if want := s.Clock.Now().Add(access.FreshFor).Format(time.RFC3339); a.Text("fresh_until") != want {
				t.Errorf("fresh until %s, want %s", a.Text("fresh_until"), want)
			}
		})
		t.Run("fresh no longer", func(t *testing.T) {
			s := newScene(t)
			s.Clock.Add(access.FreshFor)
			old, before := s.alice.Token, id(s, s.alice.Token)
			a := s.Must(http.StatusOK, stepUpRequest(s.alice, "totp", s.alice.Code()))
			token := a.Text("token")
			if token == "" || token == old || id(s, token) == before {
				t.Error("the level rose, and the session is the same")
			}
			if s.alive(old) {
				t.Error("the old token lives on")
			}
			if s.sessions(s.alice) != 1 {
				t.Errorf("%d sessions", s.sessions(s.alice))
			}
		})
		t.Run("each sign-in", func(t *testing.T) {
			s := newScene(t)
			old := s.alice.Token
			before := id(s, old)
			s.alice.SignIn()
			if s.alice.Token == old || id(s, s.alice.Token) == before {
				t.Error("a sign-in gave a token out twice")
			}
			s.Must(http.StatusUnauthorized, mfaRequest(old, "totp", s.alice.NextCode()))
		})
		t.Run("refused", func(t *testing.T) {
			s := newScene(t)
			s.Clock.Add(access.FreshFor)
			for _, proof := range [][2]string{{"totp", s.wrongCode(s.alice)}, {"passkey", ""}, {"recovery_code", "aaaa"}} {
				if a := s.Must(http.StatusUnauthorized, stepUpRequest(s.alice, proof[0], proof[1])); !strings.Contains(a.Text("detail"), "bad attempt") {
					t.Errorf("a wrong proof: %s", a.Body)
				}
			}
			a := s.Must(http.StatusOK, bearer(s.alice.Token, localtest.Request{Method: "GET", Path: "/v1/session"}))
			if a.Text("session.fresh_until") > s.Clock.Now().Format(time.RFC3339) {
				t.Error("a wrong proof made the session fresh")
			}
		})
	})
}

// A login token lives five minutes and works once.
func TestLoginTokenEnds(t *testing.T) {
	s := newScene(t)
	login := s.alice.Login()
	s.Clock.Add(5 * time.Minute)
	s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", s.alice.Code()))
	login = s.alice.Login()
	s.Clock.Add(5*time.Minute - time.Second)
	s.Must(http.StatusOK, mfaRequest(login, "totp", s.alice.Code()))
	login = s.alice.Login()
	s.Must(http.StatusOK, mfaRequest(login, "totp", s.alice.NextCode()))
	s.Must(http.StatusUnauthorized, mfaRequest(login, "totp", s.alice.NextCode()))
	s.Must(http.StatusUnauthorized, enrollRequest(login))
}

// sessionKey is where a person's session stands.
func (s *scene) sessionKey(p *localtest.Person) table.Key {
	return table.Key{Partition: account.UserKey(p.ID).Partition, Sort: "session#" + string(token.HashOf(p.Token))}
}

// A session travels the way that the password step asked for, and a cookie is
// handed to no page but ours.
func TestDelivery(t *testing.T) {
	s := newScene(t)
	own, foreign := http.Header{"Origin": {localtest.BaseURL}}, http.Header{"Origin": {"https://evil.example"}}
	for delivery, byCookie := range map[string]bool{"": false, "bearer": false, "cookie": true} {
		body := map[string]any{"email": s.alice.Email, "password": localtest.Password}
		if delivery != "" {
			body["delivery"] = delivery
		}
		factor := mfaRequest(s.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Body: body, Header: own}).Text("login_token"), "totp", s.alice.NextCode())
		if byCookie {
			factor.Header = foreign
			s.Must(http.StatusForbidden, factor)
		}
		factor.Header = own
		a := s.Must(http.StatusOK, factor)
		if set := len(a.Header.Values("Set-Cookie")) > 0; set != byCookie || (a.Text("token") == "") != byCookie {
			t.Errorf("delivery %q: %v %s", delivery, a.Header, a.Body)
		}
	}
}
