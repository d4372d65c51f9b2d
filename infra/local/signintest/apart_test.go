package signintest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table"
)

// people are addresses of every kind, that of alice first.
func (s *stage) people() []string {
	s.T.Helper()
	gone := s.User(s.alice, "gone@acme.example")
	s.change(gone.ID, func(u *account.User) { u.Active = false })
	s.Invite(s.alice, "invited@acme.example")
	s.accepted("joined@acme.example")
	s.Tick()
	return []string{s.alice.Email, "nobody@acme.example", gone.Email, "invited@acme.example", "joined@acme.example", "no address at all", strings.Repeat("ä ", 400)}
}

// accepted is somebody who has chosen a password and enrolled nothing.
func (s *stage) accepted(email string) account.User {
	s.T.Helper()
	invited := s.Invite(s.alice, email)
	s.Must(http.StatusOK, post("/v1/invitations/accept", map[string]any{"token": inLink(invited.Link), "password": localtest.Password}))
	return invited.User
}

func inLink(text string) string {
	_, token, _ := strings.Cut(text, "token=")
	return strings.Fields(token)[0]
}

// asked makes one request of each address.
func asked(people []string, request func(email string) localtest.Request) map[string]localtest.Request {
	requests := map[string]localtest.Request{}
	for _, email := range people {
		requests[fmt.Sprintf("%.30q", email)] = request(email)
	}
	return requests
}

func first(people []string) string { return fmt.Sprintf("%.30q", people[0]) }

// A wrong password costs one hash and the same calls for everybody, at each stage:
// at first, locked, and suspended.
func TestAttack16WrongPasswordsTellNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		people := s.people()
		wrong := asked(people, func(email string) localtest.Request { return login(email, "not the password") })
		if cost := s.alike(http.StatusUnauthorized, wrong, first(people)); cost.hashes != 1 || cost.calls.RoundTrips > 4 {
			t.Errorf("a wrong password costs %+v", cost)
		}
		for _, email := range people {
			s.failed(email, attempt.SuspendAfter-1)
		}
		s.alike(http.StatusUnauthorized, wrong, first(people)) // the hundredth
		if cost := s.alike(http.StatusTooManyRequests, wrong, first(people)); cost.hashes != 0 {
			t.Errorf("whoever is suspended costs %+v", cost)
		}
		right := asked(people, func(email string) localtest.Request { return login(email, localtest.Password) })
		s.alike(http.StatusTooManyRequests, right, first(people))
	})
}

// failed has failures in a row stand to an address, all of them long ago.
func (s *stage) failed(email string, failures int) {
	s.T.Helper()
	item, err := table.Encode(attempt.CountKey(attempt.Password, account.NormaliseEmail(email), ""), "attempts", attempt.Count{InARow: failures})
	if err == nil {
		item.Expires = s.Clock.Now().Add(attempt.Suspension)
		err = s.calls.Apply(s.T.Context(), table.Put(item, table.Always()))
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// Whoever makes up a token learns nothing of the user whose id stands in it.
func TestAttack16MadeUpTokensTellNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *stage) {
		joined, gone := s.accepted("joined@acme.example"), s.User(s.alice, "gone@acme.example")
		s.change(gone.ID, func(u *account.User) { u.Active = false })
		ids := map[string]string{
			"invited": s.Invite(s.alice, "invited@acme.example").User.ID, "joined": joined.ID, "enrolled": s.alice.ID, "inactive": gone.ID,
			"nobody": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
		}
		made := func(kind, id string) string { return kind + "_" + id + "_" + strings.Repeat("a", 52) }
		for kind, c := range map[string]struct {
			status  int
			request func(token string) localtest.Request
		}{
			"pci": {http.StatusGone, func(token string) localtest.Request {
				return post("/v1/invitations/accept", map[string]any{"token": token, "password": another})
			}},
			"pcr": {http.StatusGone, func(token string) localtest.Request { return reset(token, another) }},
			"pcl": {http.StatusUnauthorized, func(token string) localtest.Request { return mfaStep(token, "123456") }},
		} {
			requests := map[string]localtest.Request{}
			for name, id := range ids {
				requests[name] = c.request(made(kind, id))
			}
			if cost := s.alike(c.status, requests, "nobody"); cost.hashes != 0 {
				t.Errorf("%s: a made-up token costs %+v", kind, cost)
			}
		}
	})
}

func mfaStep(login, code string) localtest.Request {
	return post("/v1/login/mfa", map[string]any{"login_token": login, "method": "totp", "code": code})
}
