package signintest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/ground"
)

// held is a hasher whose hashes last until the test lets them go on.
type held struct {
	mu           sync.Mutex
	inside, most int
	entered      chan struct{}
	leave        chan struct{}
}

func (h *held) ran() {
	h.mu.Lock()
	h.inside++
	h.most = max(h.most, h.inside)
	h.mu.Unlock()
	h.entered <- struct{}{}
	<-h.leave
	h.mu.Lock()
	h.inside--
	h.mu.Unlock()
}

// A flood of sign-ins: as many hashes at once as there is room for, as many more
// wait as may, and the rest is sent away without a failure to their name. The gate
// decides meanwhile, and so does whoever is signed in already.
func TestFloodOfSignIns(t *testing.T) {
	const parallel, waiting, flood = 2, 3, 60
	onBoth(t, func(t *testing.T, s *stage) {
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		pass := gate.Pass(s.alice.Unlock(gate, 600))
		h := &held{entered: make(chan struct{}, flood), leave: make(chan struct{})}
		hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.Params{Memory: 64, Time: 1, Threads: 1}, Parallel: parallel, Waiting: waiting, Ran: h.ran})
		if err != nil {
			t.Fatal(err)
		}
		s.Rebuild(func(o *ground.Options) { o.Hasher = hasher })
		answers := make(chan localtest.Answer, flood)
		for i := range flood {
			req := login(nobody(i), localtest.Password)
			req.From = fmt.Sprintf("203.0.113.%d:4000", i)
			go func() { answers <- s.Send(req) }()
		}
		for range flood - parallel - waiting { // all but those who have a place
			a := <-answers
			if a.Status != http.StatusServiceUnavailable || a.Text("code") != "unavailable" || a.Header.Get("Retry-After") == "" {
				t.Fatalf("%d, Retry-After %q: %s", a.Status, a.Header.Get("Retry-After"), a.Body)
			}
		}
		for range parallel {
			<-h.entered
		}
		// Every place is taken, every hash lasts: nobody else has to wait for that.
		if got := gate.Decide("GET", "/xapi/v1/Users", pass); got.Status != http.StatusNoContent {
			t.Errorf("the gate decides %d", got.Status)
		}
		if got := gate.Reason(""); got != "no_pass" {
			t.Errorf("the gate decides %q", got)
		}
		s.alice.Must(http.StatusOK, "GET", "/v1/session", nil)
		close(h.leave)
		for range parallel + waiting {
			if a := <-answers; a.Status != http.StatusUnauthorized {
				t.Errorf("who waited is answered %d", a.Status)
			}
		}
		if h.most != parallel {
			t.Errorf("%d hashes at once, want %d", h.most, parallel)
		}
		counted := 0
		for i := range flood {
			if s.failures(attempt.Password, nobody(i)) > 0 {
				counted++
			}
		}
		if counted != parallel+waiting {
			t.Errorf("%d have a failure to their name, want %d: who was sent away has none", counted, parallel+waiting)
		}
	})
}
