package demo

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGateRefusesWhatCannotBeJudged(t *testing.T) {
	cases := map[string]struct {
		line, host string
		want       int
	}{
		"absolute form":                  {"GET http://other.example/xapi/ HTTP/1.1", host, http.StatusMisdirectedRequest},
		"absolute form of our own host":  {"GET " + base + "/webclient/ HTTP/1.1", host, http.StatusBadRequest},
		"absolute form, another scheme":  {"GET https://" + host + "/ HTTP/1.1", host, http.StatusBadRequest},
		"star":                           {"GET * HTTP/1.1", host, http.StatusBadRequest},
		"tunnel":                         {"CONNECT " + host + " HTTP/1.1", host, http.StatusBadRequest},
		"tunnel with a path":             {"CONNECT / HTTP/1.1", host, http.StatusMethodNotAllowed},
		"trace":                          {"TRACE / HTTP/1.1", host, http.StatusMethodNotAllowed},
		"another host":                   {"GET / HTTP/1.1", "evil.example", http.StatusMisdirectedRequest},
		"our host without its port":      {"GET / HTTP/1.1", "pbx.localhost", http.StatusMisdirectedRequest},
		"our host with a dot":            {"GET / HTTP/1.1", "pbx.localhost.:8081", http.StatusMisdirectedRequest},
		"a path that would be rewritten": {`GET /xapi\v1 HTTP/1.1`, host, http.StatusBadRequest},
		"a fragment":                     {"GET /webclient/#/xapi HTTP/1.1", host, http.StatusBadRequest},
		"our host in capitals":           {"GET / HTTP/1.1", "PBX.localhost:8081", http.StatusOK},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allow, ok)
			res, _ := r.raw(t, c.line, "Host: "+c.host)
			if res.StatusCode != c.want {
				t.Errorf("status %d, want %d", res.StatusCode, c.want)
			}
			if reached := r.phones.count() > 0; reached != (c.want == http.StatusOK) {
				t.Errorf("reached the phone system: %t", reached)
			}
		})
	}
}

func TestGateRefusesAnUnknownPeer(t *testing.T) {
	r := newRig(t, allow, ok)
	for _, peer := range []string{"", "@", "127.0.0.1", "name:80"} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Host, req.RemoteAddr = host, peer
		w := httptest.NewRecorder()
		r.gate.ServeHTTP(w, req)
		if w.Code != http.StatusBadRequest || r.phones.count()+r.portcullis.count() != 0 {
			t.Errorf("%q: status %d", peer, w.Code)
		}
	}
}

func TestClientAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"203.0.113.9:1":          "203.0.113.9",
		"[::ffff:203.0.113.9]:1": "203.0.113.9",
		"[2001:db8::1]:1":        "2001:db8::1",
		"[fe80::1%eth0]:1":       "fe80::1",
	} {
		if got, err := clientAddress(remote); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", remote, got, err)
		}
	}
}

func TestPathsArriveAsJudged(t *testing.T) {
	for _, target := range []string{
		"/", "/?", "/??a", "//xapi/v1/Users", "///", "/webclient/../xapi/", "/webclient/%2e%2e/xapi/", "/xapi%2fv1",
		"/XAPI/v1/./Users", "/a;x/b", "/%00", "/a%5cb", "/a?b=%zz&c;d&e=%2F", "/a?http://x//y", "/user(1)/'x'", "/a%C3%A4",
	} {
		r := newRig(t, allow, ok)
		res, _ := r.raw(t, "GET "+target+" HTTP/1.1", "Host: "+host)
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", target, res.StatusCode)
			continue
		}
		asked, _ := r.portcullis.last(t)
		seen, _ := r.phones.last(t)
		if asked.Header.Get("Portcullis-Url") != base+target || seen.RequestURI != target || seen.Host != host {
			t.Errorf("%s: judged %q, forwarded %q to %q", target, asked.Header.Get("Portcullis-Url"), seen.RequestURI, seen.Host)
		}
	}
}

// trip is a RoundTripper without a network, for fuzzing.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzTarget: whatever is sent, what reaches the phone system is what was judged.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/", "//x", "/a%2f..?q=%zz#f", "/a\\b", "http://h/x", "*", "/\"<ä", "/.portcullis/pass"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		parsed, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		judged, forwarded := "", ""
		gate, err := NewGate(GateOptions{
			PublicHost: host, GateKey: func() string { return gotKey }, Now: time.Now,
			Portcullis: Backend{mustURL(t, "http://p"), trip(func(r *http.Request) (*http.Response, error) {
				judged = r.Header.Get("Portcullis-Url")
				w := httptest.NewRecorder()
				allow(w, r)
				return w.Result(), nil
			})},
			Upstream: Backend{mustURL(t, "http://u"), trip(func(r *http.Request) (*http.Response, error) {
				forwarded = r.URL.RequestURI()
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		req := &http.Request{Method: "GET", Host: host, URL: parsed, RequestURI: target, RemoteAddr: "192.0.2.1:1",
			Header: http.Header{}, Body: http.NoBody, ProtoMajor: 1, ProtoMinor: 1}
		gate.ServeHTTP(httptest.NewRecorder(), req)
		if forwarded != "" && (forwarded != target || judged != base+target) {
			t.Errorf("sent %q, judged %q, forwarded %q", target, judged, forwarded)
		}
	})
}

func TestGateLimitsBodies(t *testing.T) {
	big := strings.Repeat("x", MaxBody+1)
	for name, c := range map[string]struct {
		body    io.Reader
		want    int
		reaches bool
	}{
		"fits":         {strings.NewReader(big[:MaxBody]), http.StatusOK, true},
		"announced":    {strings.NewReader(big), http.StatusRequestEntityTooLarge, false},
		"of no length": {io.MultiReader(strings.NewReader(big)), http.StatusRequestEntityTooLarge, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, allow, ok)
			var reached atomic.Bool
			r.gate.proxy.Transport = trip(func(req *http.Request) (*http.Response, error) {
				reached.Store(true)
				return r.gate.upstream.Transport.RoundTrip(req)
			})
			req := httptest.NewRequest(http.MethodPost, "/webclient/upload", c.body)
			req.Host = host
			w := httptest.NewRecorder()
			r.gate.ServeHTTP(w, req)
			if w.Code != c.want || reached.Load() != c.reaches {
				t.Errorf("status %d, want %d; reached the phone system: %t", w.Code, c.want, reached.Load())
			}
		})
	}
}

func TestGateSaysWhenThePhoneSystemIsGone(t *testing.T) {
	r := newRig(t, allow, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if res, body := r.do(t, http.MethodPost, "/webclient/", nil); res.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d %s", res.StatusCode, body)
	}
}

func TestNewGateNeedsEverything(t *testing.T) {
	backend := Backend{mustURL(t, base), http.DefaultTransport}
	whole := GateOptions{PublicHost: host, Upstream: backend, Portcullis: backend,
		GateKey: func() string { return "" }, Now: time.Now}
	if _, err := NewGate(whole); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*GateOptions){
		"host":          func(o *GateOptions) { o.PublicHost = "" },
		"upstream":      func(o *GateOptions) { o.Upstream = Backend{} },
		"upstream path": func(o *GateOptions) { o.Upstream.Base = mustURL(t, base+"/x") },
		"portcullis":    func(o *GateOptions) { o.Portcullis.Transport = nil },
		"key":           func(o *GateOptions) { o.GateKey = nil },
		"clock":         func(o *GateOptions) { o.Now = nil },
	} {
		options := whole
		spoil(&options)
		if _, err := NewGate(options); !errors.Is(err, ErrOptions) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
