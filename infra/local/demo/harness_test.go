package demo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	host   = "pbx.localhost:8081"
	base   = "http://" + host
	gotKey = "gk_test"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// recorder is a handler that keeps what it was asked and answers as told.
type recorder struct {
	mu     sync.Mutex
	got    []*http.Request
	bodies []string
	answer http.HandlerFunc
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		body = []byte("unread: " + err.Error())
	}
	r.mu.Lock()
	r.got = append(r.got, req)
	r.bodies = append(r.bodies, string(body))
	r.mu.Unlock()
	r.answer(w, req)
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *recorder) last(t *testing.T) (*http.Request, string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.got) == 0 {
		t.Fatal("it was never asked")
	}
	return r.got[len(r.got)-1], r.bodies[len(r.bodies)-1]
}

// rig is a gate between a fake Portcullis and a fake phone system, reached over
// memory, so that it also runs under synctest.
type rig struct {
	portcullis, phones *recorder
	gate               *Gate
	front              *memory
	transport          http.RoundTripper
	logs               *bytes.Buffer
	key                string
}

func allow(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Portcullis-Decision", "allow")
	w.Header().Set("Portcullis-Reason", "unrestricted")
	w.WriteHeader(http.StatusNoContent)
}

func allowWindow(w http.ResponseWriter, end time.Time) {
	h := w.Header()
	h.Set("Portcullis-Decision", "allow")
	h.Set("Portcullis-Reason", "open_window")
	h.Set("Portcullis-Expires", strconv.FormatInt(end.Unix(), 10))
	h.Set("Remote-User", "u1")
	h.Set("Remote-Email", "ada@example.com")
	w.WriteHeader(http.StatusNoContent)
}

func deny(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Portcullis-Decision", "deny")
	h.Set("Portcullis-Reason", "locked")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = io.WriteString(w, "<h1>Bad attempt</h1>")
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

func newRig(t *testing.T, decide, phones http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{
		portcullis: &recorder{answer: decide}, phones: &recorder{answer: phones},
		logs: &bytes.Buffer{}, key: gotKey,
	}
	asked, closeAsked := InProcess(mustURL(t, "http://portcullis.localhost:8080"), r.portcullis)
	upstream, closeUpstream := InProcess(mustURL(t, "http://upstream.invalid"), r.phones)
	gate, err := NewGate(GateOptions{
		PublicHost: host, Upstream: upstream, Portcullis: asked,
		GateKey: func() string { return r.key }, Now: func() time.Time { return noon },
		Log: slog.New(slog.NewTextHandler(r.logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	front, closeFront := InProcess(mustURL(t, base), gate)
	r.gate, r.front, r.transport = gate, closeFront.(*memory), front.Transport
	t.Cleanup(func() {
		for _, closer := range []io.Closer{closeFront, closeUpstream, closeAsked} {
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

func mustURL(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// do sends a request whose target may be spelled in any way.
func (r *rig) do(t *testing.T, method, target string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, base+target, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return r.send(t, req)
}

func (r *rig) send(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := r.transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(got)
}

// raw sends bytes as they are and reads one answer.
func (r *rig) raw(t *testing.T, lines ...string) (*http.Response, string) {
	t.Helper()
	conn, err := r.front.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\nConnection: close\r\n\r\n") }()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}
