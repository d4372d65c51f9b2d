package demo

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateAsksAsTheContractSays(t *testing.T) {
	r := newRig(t, allow, ok)
	r.do(t, http.MethodPut, "/xapi/v1/Users(2)?$select=Id&x=%zz;y", strings.NewReader("{}"),
		"Cookie", "portcullis-pass=p; Pbx=1", "Accept", "text/html", "Accept-Language", "de",
		"Authorization", "Basic YWRtaW46cHc=", "User-Agent", "browser", "X-Other", "1")
	asked, body := r.portcullis.last(t)
	if asked.Method != http.MethodGet || asked.RequestURI != "/v1/gate/decision?answer=notice" || body != "" {
		t.Errorf("asked %s %s %q", asked.Method, asked.RequestURI, body)
	}
	want := map[string]string{
		"Authorization":     "Bearer " + gotKey,
		"Portcullis-Method": "PUT",
		"Portcullis-Url":    base + "/xapi/v1/Users(2)?$select=Id&x=%zz;y",
		"Portcullis-Client": "127.0.0.1",
		"Cookie":            "portcullis-pass=p; Pbx=1",
		"Accept":            "text/html",
		"Accept-Language":   "de",
		"User-Agent":        "portcullis-gate",
	}
	for name, values := range asked.Header {
		if !slices.Equal(values, []string{want[name]}) {
			t.Errorf("%s: %q, want %q once", name, values, want[name])
		}
	}
	if len(asked.Header) != len(want) {
		t.Errorf("headers %v", asked.Header)
	}
}

func TestGateForwardsOnlyAClearAllowance(t *testing.T) {
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	cases := map[string]struct {
		decide http.HandlerFunc
		want   int
	}{
		"allowed":                    {allow, http.StatusOK},
		"allowed by a window":        {status(204, "Portcullis-Decision", "allow", "Portcullis-Expires", "1767355201"), http.StatusOK},
		"denied with a notice":       {deny, http.StatusForbidden},
		"denied, empty":              {status(403), http.StatusForbidden},
		"denied, yet says allow":     {status(403, "Portcullis-Decision", "allow"), http.StatusForbidden},
		"unknown gate key":           {status(401, "Portcullis-Decision", "allow"), http.StatusServiceUnavailable},
		"200":                        {status(200, "Portcullis-Decision", "allow", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"205":                        {status(205, "Portcullis-Decision", "allow", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"404":                        {status(404), http.StatusServiceUnavailable},
		"500":                        {status(500), http.StatusServiceUnavailable},
		"503":                        {status(503), http.StatusServiceUnavailable},
		"204 that says nothing":      {status(204), http.StatusServiceUnavailable},
		"204 with a reason alone":    {status(204, "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"204 that denies":            {status(204, "Portcullis-Decision", "deny", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"204 of another case":        {status(204, "Portcullis-Decision", "Allow", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"204 twice":                  {status(204, "Portcullis-Decision", "allow", "Portcullis-Decision", "deny", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"204 joined":                 {status(204, "Portcullis-Decision", "allow, deny", "Portcullis-Reason", "unrestricted"), http.StatusServiceUnavailable},
		"window without an end":      {status(204, "Portcullis-Decision", "allow", "Portcullis-Reason", "open_window"), http.StatusServiceUnavailable},
		"window with a strange end":  {status(204, "Portcullis-Decision", "allow", "Portcullis-Expires", "soon"), http.StatusServiceUnavailable},
		"window beyond all numbers":  {status(204, "Portcullis-Decision", "allow", "Portcullis-Expires", "99999999999999999999"), http.StatusServiceUnavailable},
		"window that ends this very": {status(204, "Portcullis-Decision", "allow", "Portcullis-Expires", "1767355200"), http.StatusServiceUnavailable},
		"two users": {status(204, "Portcullis-Decision", "allow", "Portcullis-Reason", "unrestricted",
			"Remote-User", "a", "Remote-User", "b"), http.StatusServiceUnavailable},
		"two e-mails": {status(204, "Portcullis-Decision", "allow", "Portcullis-Reason", "unrestricted",
			"Remote-Email", "a", "Remote-Email", "b"), http.StatusServiceUnavailable},
		"redirect to an allowance": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/yes" {
				allow(w, r)
				return
			}
			status(302, "Location", "/yes", "Portcullis-Decision", "allow")(w, r)
		}, http.StatusServiceUnavailable},
		"connection closed":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, http.StatusServiceUnavailable},
		"answer without end":   {func(w http.ResponseWriter, _ *http.Request) { flood(w, 403) }, http.StatusServiceUnavailable},
		"answer of an unknown": {status(299, "Portcullis-Decision", "allow"), http.StatusServiceUnavailable},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.decide, ok)
			res, _ := r.do(t, http.MethodGet, "/xapi/v1/Users", nil)
			if res.StatusCode != c.want {
				t.Errorf("status %d, want %d", res.StatusCode, c.want)
			}
			if reached := r.phones.count() > 0; reached != (c.want == http.StatusOK) {
				t.Errorf("reached the phone system: %t", reached)
			}
			if c.want != http.StatusOK && res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", res.Header.Get("Cache-Control"))
			}
		})
	}
}

func flood(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	chunk := make([]byte, 64<<10)
	for range 2 * maxAnswer / len(chunk) {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestGateDeniesWithinTwoSeconds(t *testing.T) {
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	cases := map[string]http.HandlerFunc{
		"no answer": hang,
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "<h1>Bad")
			_ = http.NewResponseController(w).Flush()
			hang(w, r)
		},
	}
	for name, decide := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, decide, ok)
				began := time.Now() // of the bubble: fake
				res, _ := r.do(t, http.MethodGet, "/xapi/v1/Users", nil)
				if took := time.Since(began); took != DecisionTimeout {
					t.Errorf("took %s", took)
				}
				if res.StatusCode != http.StatusServiceUnavailable || r.phones.count() != 0 {
					t.Errorf("status %d, %d forwarded", res.StatusCode, r.phones.count())
				}
			})
		})
	}
}

func TestGateLocksWithoutItsKey(t *testing.T) {
	for _, key := range []string{"", "gk\r\nPortcullis-Client: 6.6.6.6"} {
		r := newRig(t, allow, ok)
		r.key = key
		res, body := r.do(t, http.MethodGet, "/", nil)
		if res.StatusCode != http.StatusServiceUnavailable || r.phones.count()+r.portcullis.count() != 0 {
			t.Errorf("key %q: status %d", key, res.StatusCode)
		}
		if !strings.Contains(body, "The gate can't reach Portcullis, so the console stays locked") {
			t.Errorf("body %q", body)
		}
		if key != "" && strings.Contains(r.logs.String(), "6.6.6.6") {
			t.Error("the key is in the log")
		}
	}
}

func TestGateLocksWithoutPortcullis(t *testing.T) {
	phones := &recorder{answer: ok}
	upstream, closer := InProcess(mustURL(t, base), phones)
	defer closer.Close()
	gone, closeGone := InProcess(mustURL(t, "http://gone.invalid"), http.HandlerFunc(allow))
	if err := closeGone.Close(); err != nil {
		t.Fatal(err)
	}
	gate, err := NewGate(GateOptions{PublicHost: host, Upstream: upstream, Portcullis: gone,
		GateKey: func() string { return gotKey }, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{phones: phones}
	front, closeFront := InProcess(mustURL(t, base), gate)
	defer closeFront.Close()
	r.transport = front.Transport
	if res, _ := r.do(t, http.MethodGet, "/", nil); res.StatusCode != http.StatusServiceUnavailable || phones.count() != 0 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestGateRelaysTheNotice(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		h := w.Header()
		h.Set("Location", "https://portal.example/notice")
		h.Set("Set-Cookie", "x=1")
		h.Set("Server-Secret", "1")
		h.Set("Content-Security-Policy", "default-src 'none'")
		h.Set("Cache-Control", "public")
		deny(w, req)
	}, ok)
	res, body := r.do(t, http.MethodGet, "/xapi/", nil, "Accept", "text/html")
	if res.StatusCode != http.StatusForbidden || body != "<h1>Bad attempt</h1>" {
		t.Errorf("status %d, body %q", res.StatusCode, body)
	}
	want := map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'",
		"Cache-Control": "no-store", "Location": "", "Set-Cookie": "", "Server-Secret": "", "Portcullis-Reason": "",
	}
	for name, value := range want {
		if got := res.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

func TestOwnPagesSuitTheAsker(t *testing.T) {
	for accept, want := range map[string]string{"text/html,*/*": "text/html; charset=utf-8", "*/*": "application/problem+json"} {
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, ok)
		res, body := r.do(t, http.MethodGet, "/", nil, "Accept", accept)
		if res.Header.Get("Content-Type") != want || !strings.Contains(body, "stays locked") || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %v %s", accept, res.Header, body)
		}
	}
}

func TestWithoutURL(t *testing.T) {
	err := &url.Error{Op: "Get", URL: "http://x/?ticket=secret", Err: io.EOF}
	if got := withoutURL(err); got != io.EOF {
		t.Errorf("got %v", got)
	}
	if got := withoutURL(io.EOF); got != io.EOF {
		t.Errorf("got %v", got)
	}
}
