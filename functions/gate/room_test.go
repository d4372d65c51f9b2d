package gate_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
)

// slow is a table whose first so many reads wait while it is held, and say that
// they do.
type slow struct {
	table.Table
	held    chan struct{}
	waiting chan struct{}
	reads   atomic.Int64
}

func (s *slow) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if s.held != nil && s.reads.Add(1) <= int64(cap(s.waiting)) {
		s.waiting <- struct{}{}
		<-s.held
	}
	return s.Table.GetAll(ctx, keys...)
}

// Where the store does not keep up, no more than so many decisions wait for it:
// the others are denied at once, say so to proxies and people, and write
// nothing; as soon as there is room again, decisions are made.
func TestAttack47DecisionsBeyondTheRoomAreShed(t *testing.T) {
	const room = 64 // docs/performance.md
	clock := localtest.NewClock()
	store := &slow{Table: localtest.Bolt(t, clock), waiting: make(chan struct{}, room)}
	w := localtest.On(t, store, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	g := alice.PhoneSystem(host, nil)
	cookie := g.Pass(alice.Unlock(g, 600))
	store.held = make(chan struct{})
	var wg sync.WaitGroup
	for range room {
		wg.Go(func() {
			if a := g.Decide("GET", restricted, cookie); a.Status != http.StatusNoContent {
				t.Errorf("one with room: %d", a.Status)
			}
		})
	}
	for range room {
		<-store.waiting
	}
	logged := w.Log.String()
	for range 3 {
		a := g.Decide("GET", restricted, cookie)
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Portcullis-Decision") != "deny" || a.Header.Get("Retry-After") != "1" || a.Body != "" || a.Header.Get("Content-Length") != "0" {
			t.Errorf("one without room: %d %q %q", a.Status, a.Header, a.Body)
		}
		if user := a.Header["Remote-User"]; len(user) != 1 || user[0] != "" {
			t.Errorf("it names %q", user)
		}
		if a := notice(w, g, "text/html"); a.Status != http.StatusServiceUnavailable || a.Text("code") != "unavailable" || a.Header.Get("Retry-After") != "1" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("to people: %d %q %s", a.Status, a.Header, a.Body)
		}
	}
	if store.reads.Load() != room || w.Log.String() != logged {
		t.Error("what was shed reached the store or the log")
	}
	close(store.held)
	wg.Wait()
	for range 2 * room {
		if a := g.Decide("GET", restricted, cookie); a.Status != http.StatusNoContent {
			t.Fatalf("afterwards: %d", a.Status)
		}
	}
}
