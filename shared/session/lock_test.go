package session_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
)

// A hundred failures in a row suspend for a day, however they are spread.
func TestHundredInARowSuspend(t *testing.T) {
	s := newScene(t)
	for range attempt.SuspendAfter {
		s.Must(http.StatusUnauthorized, loginRequest(s.alice.Email, "not the password"))
		s.Clock.Add(attempt.LongestWait)
	}
	s.refusedFor(strconv.Itoa(int((attempt.Suspension-attempt.LongestWait)/time.Second)), loginRequest(s.alice.Email, localtest.Password))
	// Neither a browser that has signed in before nor a living factor is kept out.
	s.Must(http.StatusOK, fromDevice(s.alice.Device, loginRequest(s.alice.Email, localtest.Password)))
	s.Clock.Add(attempt.Suspension - attempt.LongestWait)
	s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password))
	s.Must(http.StatusUnauthorized, loginRequest(s.alice.Email, "not the password"))
	s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password))
}

// A success clears the count; a failure fifteen minutes old counts no more.
func TestFailuresAreForgotten(t *testing.T) {
	s := newScene(t)
	wrong, right := loginRequest(s.alice.Email, "not the password"), loginRequest(s.alice.Email, localtest.Password)
	for range 3 {
		for range attempt.Limit - 1 {
			s.Must(http.StatusUnauthorized, wrong)
		}
		s.Must(http.StatusOK, right)
	}
	for range attempt.Limit - 1 {
		s.Must(http.StatusUnauthorized, wrong)
	}
	s.Clock.Add(attempt.Window)
	for range attempt.Limit {
		s.Must(http.StatusUnauthorized, wrong)
	}
	s.refusedFor("30", right)
}

// A stranger's failures are the stranger's.
func TestAttack44StrangerLocksNobodyOut(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		for range attempt.Limit + 1 {
			s.Send(loginRequest(s.alice.Email, "not the password"))
		}
		s.refusedFor("30", loginRequest(s.alice.Email, localtest.Password))
		known := s.Must(http.StatusOK, fromDevice(s.alice.Device, loginRequest(s.alice.Email, localtest.Password)))
		s.Must(http.StatusOK, fromDevice(s.alice.Device, mfaRequest(known.Text("login_token"), "totp", s.alice.NextCode())))

		// The browser's own failures lock the browser, and only it.
		s.Clock.Add(attempt.Window)
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, fromDevice(s.alice.Device, loginRequest(s.alice.Email, "not the password")))
		}
		s.refusedFor("30", fromDevice(s.alice.Device, loginRequest(s.alice.Email, localtest.Password)))
		s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password))
	})
}

func TestAttack44StrangerLocksNoFactor(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		stolen, wrong := s.alice.Login(), s.wrongCode(s.alice)
		for range attempt.Limit {
			s.Must(http.StatusUnauthorized, mfaRequest(stolen, "totp", wrong))
		}
		s.refusedFor("30", mfaRequest(s.alice.Login(), "totp", wrong))
		s.Must(http.StatusOK, fromDevice(s.alice.Device, mfaRequest(s.alice.Login(), "totp", s.codeAt(s.alice, s.Clock.Now().Add(30*time.Second)))))
	})
}

// A device token that is made up, or another person's, gives no count of its own.
func TestAttack44ForeignDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		bob := s.User(s.alice, "bob@acme.example")
		made := fmt.Sprintf("pcd_%s_%s", s.alice.ID, strings.Repeat("a", 52))
		devices := []string{bob.Device, made, s.alice.Device + "a", "rubbish", s.alice.Token}
		for _, device := range devices {
			s.Must(http.StatusUnauthorized, fromDevice(device, loginRequest(s.alice.Email, "not the password")))
		}
		for _, device := range devices {
			s.refusedFor("30", fromDevice(device, loginRequest(s.alice.Email, localtest.Password)))
		}
	})
}

// counted has failures stand to an address as that many wrong passwords would.
func (s *scene) counted(from string, failures int64) {
	s.T.Helper()
	now := s.Clock.Now()
	key, _ := attempt.AddressKeys(netip.MustParseAddrPort(from).Addr(), now)
	if _, err := s.Table.Add(context.Background(), key, failures, now.Add(2*attempt.Window)); err != nil {
		s.T.Fatal(err)
	}
}

// Addresses of one /64, and both ways to write an IPv4 address, are one source.
func TestAttack44AddressesThatAreOne(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		cases := map[string]struct {
			from  func(i int) string
			same  string
			other string
		}{
			"one /64": {
				func(i int) string { return fmt.Sprintf("[2001:db8:1:2:%x::%x]:%d", i, i+1, 1000+i) },
				"[2001:db8:1:2:ffff::1%eth0]:9", "[2001:db8:1:3::1]:9",
			},
			"v4-mapped": {
				func(i int) string { return [...]string{"203.0.113.9:1", "[::ffff:203.0.113.9]:2"}[i%2] },
				"[::ffff:203.0.113.9]:3", "203.0.113.10:1",
			},
		}
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				at := func(i int, from string) localtest.Request {
					req := loginRequest(fmt.Sprintf("nobody-%d@acme.example", i), "not the password")
					req.From = from
					return req
				}
				s.Clock.Add(attempt.Window - s.Clock.Now().Sub(s.Clock.Now().Truncate(attempt.Window)) + 10*time.Minute) // two thirds into a stretch of 15
				s.counted(c.from(0), attempt.AddressLimit-10)
				for i := range 10 {
					s.Must(http.StatusUnauthorized, at(i, c.from(i)))
				}
				a := s.Must(http.StatusTooManyRequests, at(200, c.same))
				s.Must(http.StatusUnauthorized, at(201, c.other))
				// Back after what Retry-After says, to the second.
				wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
				if err != nil || wait < 1 || wait > int(attempt.Window/time.Second) {
					t.Fatalf("Retry-After %q", a.Header.Get("Retry-After"))
				}
				s.Clock.Add(time.Duration(wait-1) * time.Second)
				s.Must(http.StatusTooManyRequests, at(202, c.same))
				s.Clock.Add(time.Second)
				s.Must(http.StatusUnauthorized, at(203, c.same))
			})
		}
	})
}

// What was right is no failure of the address it came from.
func TestSuccessesCountForNoAddress(t *testing.T) {
	s := newScene(t)
	for range attempt.AddressLimit + 1 {
		s.Must(http.StatusOK, loginRequest(s.alice.Email, localtest.Password))
	}
}
