package signintest

import (
	"crypto/rand"
	"net/http"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/ground"
)

// A moment in which no password can be checked is nobody's failure and nobody's
// success: it counts none, and clears none of those before it.
func TestBusyMomentCountsNothingAndClearsNothing(t *testing.T) {
	const before, busy = 3, attempt.Limit
	onBoth(t, func(t *testing.T, s *stage) {
		hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.Params{Memory: 64, Time: 1, Threads: 1}, Parallel: 1, Waiting: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.Rebuild(func(o *ground.Options) { o.Hasher = hasher })
		change := func(status int, current string) {
			t.Helper()
			s.alice.Must(status, "POST", "/v1/password", map[string]any{"current_password": current, "new_password": "seven lazy herons whisper"})
		}
		for range before {
			change(http.StatusUnauthorized, "not the password")
		}
		leave := full(t, hasher)
		for range busy {
			change(http.StatusServiceUnavailable, localtest.Password)
			change(http.StatusServiceUnavailable, "not the password")
		}
		leave()
		for range attempt.Limit - before {
			change(http.StatusUnauthorized, "not the password")
		}
		change(http.StatusTooManyRequests, localtest.Password)
	})
}

// full takes every place, and answers what leaves them.
func full(t *testing.T, h *password.Hasher) (leave func()) {
	t.Helper()
	var taken []password.Place
	for {
		place, err := h.Enter()
		if err != nil {
			break
		}
		taken = append(taken, place)
	}
	if len(taken) == 0 {
		t.Fatal("there is no place to take")
	}
	return func() {
		for _, place := range taken {
			place.Leave()
		}
	}
}
