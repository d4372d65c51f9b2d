package stack

import (
	"context"
	"encoding/json"
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

// environmentAPI is the Runtime API's part for extensions: each deadline on invoke
// is one event; when it is closed, the environment ends.
type environmentAPI struct {
	t      *testing.T
	invoke chan time.Time
	asked  chan struct{} // the extension waits for an event
}

func newEnvironmentAPI(t *testing.T) (*environmentAPI, string) {
	l := &environmentAPI{t: t, invoke: make(chan time.Time), asked: make(chan struct{})}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return l, strings.TrimPrefix(server.URL, "http://")
}

// run has an extension wait for its first event; end ends the environment, and with
// it the extension.
func (l *environmentAPI) run(x *extension) (end func()) {
	l.t.Helper()
	id, err := x.register(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- x.run(l.t.Context(), id) }()
	<-l.asked
	return func() {
		close(l.invoke)
		if err := <-ended; !errors.Is(err, errExtension) {
			l.t.Errorf("ended with %v", err)
		}
	}
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
		deadline, ok := <-l.invoke
		if !ok {
			w.WriteHeader(http.StatusGone)
			return
		}
		event := map[string]any{"eventType": "INVOKE", "deadlineMs": deadline.UnixMilli(), "requestId": "R"}
		if err := json.NewEncoder(w).Encode(event); err != nil {
			l.t.Error(err)
		}
	default:
		l.t.Errorf("%s %s", r.Method, r.URL)
	}
}

// What follows an answer is done after it, and is over before the process is
// frozen: once a minute one thing, else the other. Its failure ends nothing.
func TestAfterAnswers(t *testing.T) {
	l, api := newEnvironmentAPI(t)
	var mu sync.Mutex
	now, done := time.Unix(1000, 0), ""
	does := func(what string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			done += what
			return errors.New("throttled")
		}
	}
	x := newExtension(api, After{Minute: does("M"), Answer: does("A")}, func() time.Time { mu.Lock(); defer mu.Unlock(); return now }, slog.New(slog.DiscardHandler))
	defer l.run(x)()
	for i, step := range []struct {
		passes time.Duration
		want   string
	}{{0, "M"}, {59 * time.Second, "MA"}, {time.Second, "MAM"}, {0, "MAMA"}, {2 * time.Minute, "MAMAM"}, {time.Second, "MAMAMA"}} {
		mu.Lock()
		now = now.Add(step.passes)
		before := done
		mu.Unlock()
		l.invoke <- time.Now().Add(time.Hour)
		mu.Lock()
		if done != before {
			t.Errorf("step %d: done before the answer", i)
		}
		mu.Unlock()
		x.done()
		<-l.asked // it may be frozen now
		mu.Lock()
		if done != step.want {
			t.Errorf("step %d: done %s, want %s", i, done, step.want)
		}
		mu.Unlock()
	}
}

// What follows an answer ends before the function's time does, whatever hangs:
// Lambda would kill the process.
func TestAfterEndsBeforeTheFunctionsTime(t *testing.T) {
	l, api := newEnvironmentAPI(t)
	now := time.Unix(1000, 0)
	ends := make(chan time.Time, 1)
	x := newExtension(api, After{Minute: func(ctx context.Context) error {
		end, _ := ctx.Deadline()
		ends <- end
		return nil
	}}, func() time.Time { now = now.Add(afterEvery); return now }, slog.New(slog.DiscardHandler))
	defer l.run(x)()
	ask := func(deadline time.Time) time.Time {
		l.invoke <- deadline
		x.done()
		<-l.asked
		return <-ends
	}
	near := time.Now().Truncate(time.Millisecond).Add(afterWithin)
	if got, want := ask(near), near.Add(-afterMargin); !got.Equal(want) {
		t.Errorf("it may go on until %v, want %v: the function's time ends at %v", got, want, near)
	}
	if got, late := ask(time.Now().Add(time.Hour)), time.Now().Add(afterWithin); got.After(late) {
		t.Errorf("it may go on until %v, want %v at most", got, late)
	}
}
