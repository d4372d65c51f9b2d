package demo

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What a client may not say, in several spellings, each twice.
func forged() []string {
	var lines []string
	for _, name := range []string{
		"Portcullis-Client", "portcullis_client", "PORTCULLIS.CLIENT", "Portcullis-Url", "Portcullis-Method", "Portcullis_Decision",
		"Portcullis", "X-Forwarded-For", "x_forwarded_for", "X.Forwarded.For", "X-Forwarded-Proto", "X-Forwarded-Host", "X_Forwarded-User",
		"X-Forwarded", "Forwarded", "X-Real-Ip", "X_Real_IP", "x.real.ip", "Remote-User", "Remote_User", "remote.user", "REMOTE-EMAIL",
		"Remote-Groups", "remote_name", "X-Original-URL", "X_Rewrite_Url", "Remote|User",
	} {
		lines = append(lines, name+": forged, http://evil/", name+": 6.6.6.6")
	}
	return lines
}

func TestAttack25ForgedHeadersAreOverwrittenOrStripped(t *testing.T) {
	for _, connection := range []string{"close", "Portcullis-Client, Remote-User, X-Forwarded-For, Remote-Email, X-Forwarded-Proto"} {
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { allowWindow(w, noon.Add(time.Hour)) }, ok)
		lines := append([]string{"GET /xapi/v1/Users HTTP/1.1", "Host: " + host, "X-Mine: kept", "Connection: " + connection}, forged()...)
		if res, body := r.raw(t, lines...); res.StatusCode != http.StatusOK {
			t.Fatalf("status %d %s", res.StatusCode, body)
		}
		asked, _ := r.portcullis.last(t)
		once(t, asked.Header, map[string]string{
			"Authorization": "Bearer " + gotKey, "Portcullis-Method": "GET",
			"Portcullis-Url": base + "/xapi/v1/Users", "Portcullis-Client": "127.0.0.1",
		}, "User-Agent")
		seen, _ := r.phones.last(t)
		once(t, seen.Header, map[string]string{
			"Remote-User": "u1", "Remote-Email": "ada@example.com", "X-Forwarded-For": "127.0.0.1",
			"X-Forwarded-Proto": "http", "X-Mine": "kept",
		})
	}
}

// Trailers come after the headers and could repeat them.
func TestAttack25TrailersAreDropped(t *testing.T) {
	r := newRig(t, allow, ok)
	r.raw(t, "POST /webclient/ HTTP/1.1", "Host: "+host, "Transfer-Encoding: chunked", "Trailer: Remote-User",
		"Connection: close", "", "1", "x", "0", "Remote-User: forged")
	seen, body := r.phones.last(t)
	if body != "x" || len(seen.Trailer) != 0 {
		t.Errorf("body %q, trailers %v", body, seen.Trailer)
	}
}

// once holds a header to exactly these values, each given once.
func once(t *testing.T, h http.Header, want map[string]string, also ...string) {
	t.Helper()
	for name, value := range want {
		if !slices.Equal(h[name], []string{value}) {
			t.Errorf("%s: %q, want %q once", name, h[name], value)
		}
	}
	for name, values := range h {
		if _, known := want[name]; !known && !slices.Contains(also, name) {
			t.Errorf("%s: %q was let through", name, values)
		}
	}
}

func TestAttack29IdentityIsAlwaysEmitted(t *testing.T) {
	for name, decide := range map[string]http.HandlerFunc{
		"not set": allow,
		"empty": func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Remote-User"], w.Header()["Remote-Email"] = []string{""}, []string{""}
			allow(w, r)
		},
	} {
		r := newRig(t, decide, ok)
		r.raw(t, "GET /webclient/ HTTP/1.1", "Host: "+host, "Remote-User: admin", "Remote_Email: a@b.c", "Connection: close, Remote-User")
		seen, _ := r.phones.last(t)
		once(t, seen.Header, map[string]string{
			"Remote-User": "", "Remote-Email": "", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http",
		})
		if _, there := seen.Header["Remote-User"]; !there {
			t.Errorf("%s: nothing was emitted", name)
		}
	}
}

func TestAttack45OwnCookiesStayAtTheGate(t *testing.T) {
	r := newRig(t, allow, func(w http.ResponseWriter, _ *http.Request) {
		for _, value := range []string{
			"portcullis-pass=planted; Path=/", "__Host-portcullis=planted; Secure; Path=/", "PORTCULLIS-x=1",
			"=portcullis-pass=nameless", " portcullis =1", "Pbx=1; Path=/; HttpOnly",
		} {
			w.Header().Add("Set-Cookie", value)
		}
	})
	res, _ := r.raw(t, "GET /webclient/ HTTP/1.1", "Host: "+host,
		"Cookie: portcullis=s; a=1; __Host-portcullis=s;portcullis-pass=p; __Host-portcullis-pass=p ; b=\"2, 3\"",
		"Cookie: PortCullis-Pass=p; =portcullis-pass=p; __secure-PORTCULLIS-x; c=portcullis",
		"cookie: portcullis-device=d", "Connection: close")
	seen, _ := r.phones.last(t)
	if got := seen.Header["Cookie"]; !slices.Equal(got, []string{`a=1; b="2, 3"`, "c=portcullis"}) {
		t.Errorf("the phone system got %q", got)
	}
	if got := res.Header["Set-Cookie"]; !slices.Equal(got, []string{"Pbx=1; Path=/; HttpOnly"}) {
		t.Errorf("the browser got %q", got)
	}
	asked, _ := r.portcullis.last(t)
	if got := strings.Join(asked.Header["Cookie"], "; "); !strings.Contains(got, "__Host-portcullis-pass=p") {
		t.Errorf("Portcullis got %q", got)
	}
}

// Informational answers and switches of protocol carry headers too.
func TestAttack45OtherAnswersSetNoOwnCookie(t *testing.T) {
	r := newRig(t, allow, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Set-Cookie", "portcullis-pass=planted")
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Set-Cookie")
		ok(w, req)
	})
	if res, _ := r.raw(t, "GET /webclient/ HTTP/1.1", "Host: "+host); res.StatusCode != http.StatusOK || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("first answer %d with %v", res.StatusCode, res.Header)
	}
	r = newRig(t, allow, echo)
	res, err := r.transport.RoundTrip(upgrade(t, "websocket"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Set-Cookie") != "" {
		t.Errorf("%d with %v", res.StatusCode, res.Header)
	}
}

// echo switches protocols if asked and sends back what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		ok(w, r)
		return
	}
	conn, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+
		r.Header.Get("Upgrade")+"\r\nSet-Cookie: portcullis-pass=planted\r\n\r\n")
	_, _ = io.Copy(conn, both)
}

func upgrade(t *testing.T, protocol string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, base+"/ws/webclient", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade, Http2-Settings")
	req.Header.Set("Upgrade", protocol)
	req.Header.Set("Http2-Settings", "AAMAAABk")
	return req
}

func TestWebsocketPassesWhenAllowed(t *testing.T) {
	r := newRig(t, allow, echo)
	res, err := r.transport.RoundTrip(upgrade(t, "WebSocket"))
	if err != nil {
		t.Fatal(err)
	}
	conn, bothWays := res.Body.(io.ReadWriteCloser)
	if res.StatusCode != http.StatusSwitchingProtocols || !bothWays {
		t.Fatalf("status %d", res.StatusCode)
	}
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, "hello\n") }()
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "hello\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestUpgradeIsDeniedOrRefused(t *testing.T) {
	r := newRig(t, deny, echo)
	if res, _ := r.send(t, upgrade(t, "websocket")); res.StatusCode != http.StatusForbidden || r.phones.count() != 0 {
		t.Errorf("status %d", res.StatusCode)
	}
	// An upgrade to HTTP/2 would carry requests past the gate: served without.
	r = newRig(t, allow, echo)
	res, err := r.transport.RoundTrip(upgrade(t, "h2c"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	seen, _ := r.phones.last(t)
	for _, name := range []string{"Upgrade", "Connection", "Http2-Settings"} {
		if seen.Header.Get(name) != "" {
			t.Errorf("%s: %q was let through", name, seen.Header.Get(name))
		}
	}
}

// What a window allowed ends when it does.
func TestWindowEndsWhatItAllowed(t *testing.T) {
	const left = 90 * time.Second
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "part")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	for name, phones := range map[string]http.HandlerFunc{"websocket": echo, "download": slow} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { allowWindow(w, noon.Add(left)) }, phones)
				began := time.Now() // of the bubble: fake
				req := upgrade(t, "websocket")
				if name == "download" {
					req.Header = http.Header{}
				}
				res, err := r.transport.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				var got bytes.Buffer
				_, err = got.ReadFrom(res.Body)
				if took := time.Since(began); took != left {
					t.Errorf("ended after %s: %q, %v", took, &got, err)
				}
			})
		})
	}
}

func TestPagesOfAWindowAreNotStored(t *testing.T) {
	cached := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "max-age=60") }
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { allowWindow(w, noon.Add(time.Hour)) }, cached)
	if res, _ := r.do(t, http.MethodGet, "/xapi/", nil); res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", res.Header)
	}
	r = newRig(t, allow, cached)
	if res, _ := r.do(t, http.MethodGet, "/webclient/", nil); res.Header.Get("Cache-Control") != "max-age=60" {
		t.Errorf("%v", res.Header)
	}
}
