package stack

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// environmentAPI is the Runtime API's part for extensions: each token on invoke is one
// event; when it is closed, the environment ends.
type environmentAPI struct {
	t      *testing.T
	invoke chan struct{}
	asked  chan struct{} // the extension waits for an event
}

func (l *environmentAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "POST /2020-01-01/extension/register":
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"events":["INVOKE"]}` || r.Header.Get("Lambda-Extension-Name") == "" {
			l.t.Errorf("registered with %s %v", body, r.Header)
		}
		w.Header().Set("Lambda-Extension-Identifier", "ID")
	case "GET /2020-01-01/extension/event/next":
		if r.Header.Get("Lambda-Extension-Identifier") != "ID" {
			l.t.Errorf("asked with %v", r.Header)
		}
		l.asked <- struct{}{}
		if _, ok := <-l.invoke; !ok {
			w.WriteHeader(http.StatusGone)
		}
	default:
		l.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// What follows an answer is done after it, at most once a minute, and is over
// before the process is frozen; its failure ends nothing.
func TestAfterAnswers(t *testing.T) {
	l := &environmentAPI{t: t, invoke: make(chan struct{}), asked: make(chan struct{})}
	server := httptest.NewServer(l)
	defer server.Close()
	var mu sync.Mutex
	now, done := time.Unix(1000, 0), 0
	x := newExtension(strings.TrimPrefix(server.URL, "http://"), func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		done++
		return errors.New("throttled")
	}, func() time.Time { mu.Lock(); defer mu.Unlock(); return now }, slog.New(slog.DiscardHandler))
	id, err := x.register(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- x.run(t.Context(), id) }()
	<-l.asked
	for i, step := range []struct {
		passes time.Duration
		want   int
	}{{0, 1}, {59 * time.Second, 1}, {time.Second, 2}, {0, 2}, {2 * time.Minute, 3}, {time.Second, 3}} {
		mu.Lock()
		now = now.Add(step.passes)
		before := done
		mu.Unlock()
		l.invoke <- struct{}{}
		mu.Lock()
		if done != before {
			t.Errorf("step %d: done before the answer", i)
		}
		mu.Unlock()
		x.done()
		<-l.asked // it may be frozen now
		mu.Lock()
		if done != step.want {
			t.Errorf("step %d: done %d times, want %d", i, done, step.want)
		}
		mu.Unlock()
	}
	close(l.invoke)
	if err := <-ended; !errors.Is(err, errExtension) {
		t.Errorf("ended with %v", err)
	}
}
