package demo

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// judge is a Portcullis that knows one window and the paths of the profile.
func judge(open *atomic.Bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		target, err := url.Parse(r.Header.Get("Portcullis-Url"))
		restricted := err != nil || strings.HasPrefix(target.Path, "/xapi/")
		switch {
		case !restricted:
			allow(w, r)
		case open.Load():
			allowWindow(w, noon.Add(time.Hour))
		default:
			deny(w, r)
		}
	}
}

// The walk of the demonstration: the right password, without a window and with.
func TestRightPasswordWithoutAWindow(t *testing.T) {
	var open atomic.Bool
	asked, closeAsked := InProcess(mustURL(t, "http://portcullis.localhost"), judge(&open))
	demo, err := New(Options{
		PublicHost: host, Portcullis: asked, GateKey: func() string { return gotKey },
		Administrator: admin, Extension: extension, Now: func() time.Time { return noon }, Random: chance(),
	})
	if err != nil {
		t.Fatal(err)
	}
	front, closeFront := InProcess(mustURL(t, base), demo)
	r := &rig{transport: front.Transport}
	defer func() {
		if err := errors.Join(closeFront.Close(), demo.Close(), demo.Close(), closeAsked.Close()); err != nil {
			t.Error(err)
		}
	}()
	form := url.Values{"username": {admin.Name}, "password": {admin.Password}}.Encode()
	logIn := func() (*http.Response, string) {
		return r.do(t, http.MethodPost, ConsolePath, strings.NewReader(form), "Content-Type", "application/x-www-form-urlencoded",
			"Cookie", "portcullis-pass=p", "Accept", "text/html")
	}

	if res, body := logIn(); res.StatusCode != http.StatusForbidden || !strings.Contains(body, "Bad attempt") {
		t.Errorf("locked: %d %s", res.StatusCode, body)
	}
	if demo.PhoneSystem.Count() != 0 {
		t.Errorf("the console saw %+v", demo.PhoneSystem.Seen())
	}
	if res, body := r.do(t, http.MethodGet, "/webclient/", nil); res.StatusCode != http.StatusOK || !strings.Contains(body, "Web client") {
		t.Errorf("extension users: %d %s", res.StatusCode, body)
	}
	open.Store(true)
	if res, body := logIn(); res.StatusCode != http.StatusOK || !strings.Contains(body, "ada@example.com") || !strings.Contains(body, "system_owners") {
		t.Errorf("unlocked: %d %s", res.StatusCode, body)
	}
	seen := demo.PhoneSystem.Seen()
	last := seen[len(seen)-1]
	if last.Path != ConsolePath || last.RemoteUser != "u1" || last.ClientAddr != "127.0.0.1" || len(last.Cookies) != 0 {
		t.Errorf("%+v", last)
	}
	open.Store(false)
	if res, _ := logIn(); res.StatusCode != http.StatusForbidden || demo.PhoneSystem.Count() != len(seen) {
		t.Errorf("locked again: %d", res.StatusCode)
	}
}

func TestNewNeedsEverything(t *testing.T) {
	whole := Options{PublicHost: host, Portcullis: Remote(mustURL(t, base)), GateKey: func() string { return "" },
		Administrator: admin, Extension: extension, Now: time.Now, Random: chance()}
	for name, spoil := range map[string]func(*Options){
		"host":     func(o *Options) { o.PublicHost = "" },
		"user":     func(o *Options) { o.Extension = Credentials{} },
		"key":      func(o *Options) { o.GateKey = nil },
		"question": func(o *Options) { o.Portcullis = Backend{} },
	} {
		options := whole
		spoil(&options)
		if _, err := New(options); !errors.Is(err, ErrOptions) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// Over real sockets: Remote reaches Portcullis.
func TestRemote(t *testing.T) {
	r := newRig(t, allow, ok)
	remote := &recorder{answer: deny}
	server := httptest.NewServer(remote)
	defer server.Close()
	r.gate.portcullis = Remote(mustURL(t, server.URL))
	if res, _ := r.do(t, http.MethodGet, "/", nil); res.StatusCode != http.StatusForbidden || remote.count() != 1 {
		t.Errorf("status %d", res.StatusCode)
	}
}
