package gatekeeper_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"

	"portcullis.example/shared/gatekeeper"
)

// question is a request for a restricted path with an open window.
func (s *scene) question(cookie string) gatekeeper.Request {
	h := s.headers(cookie)
	return gatekeeper.Request{
		Authorization: h["Authorization"], Method: h["Portcullis-Method"], URL: h["Portcullis-Url"], Client: h["Portcullis-Client"], Cookie: h["Cookie"],
	}
}

// decide is never an error: the store of the fuzzers answers.
func (s *scene) decide(t *testing.T, q gatekeeper.Request) gatekeeper.Decision {
	t.Helper()
	d, err := s.Keeper.Decide(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	if d.Allow != (d.Reason == gatekeeper.Unrestricted || d.Reason == gatekeeper.OpenWindow) {
		t.Fatalf("%v for %s", d.Allow, d.Reason)
	}
	return d
}

// ownURL reads a URL as another program would: net/url's reading, not ours.
func ownURL(raw string) (u *url.URL, own bool) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || strings.Contains(raw, "#") || u.Opaque != "" {
		return nil, false
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	standard := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	port := strings.TrimLeft(u.Port(), "0")
	return u, name == host && standard != "" && (port == "" && u.Port() == "" || port == standard)
}

// everyReading answers a path as decoded any number of times, with each habit
// of servers applied: what is free must be free in all of them.
func everyReading(escaped string) []string {
	var readings []string
	for p := escaped; ; {
		for _, habit := range []func(string) string{
			func(s string) string { return s },
			func(s string) string { return strings.ReplaceAll(s, `\`, "/") },
			func(s string) string { before, _, _ := strings.Cut(s, ";"); return before },
			func(s string) string { before, _, _ := strings.Cut(s, "\x00"); return before },
		} {
			readings = append(readings, strings.ToLower(path.Clean("/"+habit(p))))
		}
		decoded, err := url.PathUnescape(p)
		if err != nil || decoded == p {
			return readings
		}
		p = decoded
	}
}

func isRestricted(reading string) bool {
	for _, free := range []string{"/xapi/v1/myuser", "/xapi/v1/mytokens"} {
		if rest, ok := strings.CutPrefix(reading, free); ok && (rest == "" || rest[0] == '/' || rest[0] == '(') {
			return false
		}
	}
	for _, closed := range []string{"/xapi", "/api", "/connect/authorize"} {
		if reading == closed || strings.HasPrefix(reading, closed+"/") {
			return true
		}
	}
	return false
}

// Whatever the URL: without a pass nothing is allowed that any program could
// read as restricted, and with one nothing of another host.
func FuzzDecideURL(f *testing.F) {
	for _, seed := range []string{
		"", "https://" + host + restricted, "https://" + host + free, "https://" + host, "https://" + host + "/webclient/%2e%2e/xapi/",
		"https://" + host + free + ", https://" + host + restricted, "https://" + host + "@evil.example/", "https://evil.example\\@" + host + "/",
		"http://" + host + free, "http://" + host + restricted, "https://" + strings.ToUpper(host) + ".:0443/xapi/v1/MyUser('x')", "https://" + host + ":/", "https://" + host + "/?#/xapi",
		"https://" + host + "/webclient/x;/../../xapi", "//" + host + free, "https:" + host, "https:///webclient/", "HTTPS://" + host + "/MyPhone/",
	} {
		f.Add(seed)
	}
	s := newScene(f, nil)
	cookie := s.pass(s.alice, s.gate)
	f.Fuzz(func(t *testing.T, raw string) {
		for _, cookie := range []string{"", cookie} {
			q := s.question(cookie)
			q.URL = []string{raw}
			d := s.decide(t, q)
			if !d.Allow {
				continue
			}
			u, own := ownURL(raw)
			if !own {
				t.Fatalf("%q is allowed: %s", raw, d.Reason)
			}
			if d.Reason == gatekeeper.OpenWindow {
				// Over http as well: TLS may end before the gate (readPass says more).
				if cookie == "" {
					t.Fatalf("%q is open without a pass", raw)
				}
				continue
			}
			for _, reading := range everyReading(u.EscapedPath()) {
				if isRestricted(reading) {
					t.Fatalf("%q is unrestricted, and %q to somebody", raw, reading)
				}
			}
		}
	})
}

// Whatever the other headers: a restricted path takes exactly one readable
// method and address, even with an open window.
func FuzzDecideHeaders(f *testing.F) {
	f.Add("GET", "198.51.100.7", "", false)
	f.Add("get", "::ffff:198.51.100.7", "", false)
	f.Add("GET,POST", "198.51.100.7, 203.0.113.9", "203.0.113.9", true)
	f.Add("TRACE", "fe80::1%eth0", "", true)
	f.Add("M-SEARCH", "0.0.0.0", "198.51.100.7", true)
	f.Add("G\x00T", "198.51.100.007", "", false)
	s := newScene(f, nil)
	cookie := s.pass(s.alice, s.gate)
	f.Fuzz(func(t *testing.T, method, client, second string, doubled bool) {
		q := s.question(cookie)
		q.Method, q.Client = []string{method}, []string{client}
		if doubled {
			q.Client = append(q.Client, second)
		}
		address, err := netip.ParseAddr(client)
		readable := err == nil && address.Zone() == "" && !doubled && method != "" && method == strings.ToUpper(method) && !strings.ContainsAny(method, " ,;\t\r\n\x00\"/")
		if d := s.decide(t, q); d.Allow && !readable {
			t.Fatalf("%q from %q is allowed", method, q.Client)
		}
		if one, ok := gatekeeper.ReadClient(q.Client); ok && (doubled || one.Is4In6() || one != address.Unmap()) {
			t.Fatalf("%q is read as %s", q.Client, one)
		}
	})
}

// Whatever the cookies: a pass opens only where another program too finds it,
// once, under its whole name. PASS stands for the secret.
func FuzzDecideCookies(f *testing.F) {
	const name = "__Host-portcullis-pass"
	f.Add(name+"=PASS", "")
	f.Add(name+"=PASS; "+name+"=PASS", "")
	f.Add(name+"=PASS", name+"=x")
	f.Add("a=b; "+name+"=PASS;c", "d=e")
	f.Add("portcullis-pass=PASS", "__host-portcullis-pass=PASS")
	f.Add("\u00a0"+name+"=PASS", "\u2003"+name+" =PASS")
	f.Add(name+`="PASS"`, name)
	f.Add(name+"==PASS", "="+name+"=PASS")
	f.Add(name+"=pcp_A.B.0_"+strings.Repeat("a", 52), ";;=;")
	s := newScene(f, nil)
	_, secret, _ := strings.Cut(s.pass(s.alice, s.gate), "=")
	f.Fuzz(func(t *testing.T, first, second string) {
		q := s.question("")
		for _, header := range []string{first, second} {
			q.Cookie = append(q.Cookie, strings.ReplaceAll(header, "PASS", secret))
		}
		d := s.decide(t, q)
		found := (&http.Request{Header: http.Header{"Cookie": q.Cookie}}).CookiesNamed(name)
		if d.Allow && (len(found) != 1 || found[0].Value != secret) {
			t.Fatalf("%q opens, and holds %v", q.Cookie, found)
		}
	})
}

// Whatever is sent for a key: only the key itself is one. KEY stands for it.
func FuzzReadKey(f *testing.F) {
	f.Add("Bearer KEY", "", false)
	f.Add("bearer KEY", "", false)
	f.Add("Bearer  KEY", "Bearer KEY", true)
	f.Add("Bearer KEY, Bearer KEY", "", false)
	f.Add("Bearer KEYa", "", true)
	f.Add("KEY", "", false)
	f.Add("Bearer pcg_01JNQXXXXXXXXXXXXXXXXXXXXX_"+strings.Repeat("a", 52), "", false)
	s := newScene(f, nil)
	f.Fuzz(func(t *testing.T, first, second string, doubled bool) {
		values := []string{strings.ReplaceAll(first, "KEY", s.gate.Key)}
		if doubled {
			values = append(values, strings.ReplaceAll(second, "KEY", s.gate.Key))
		}
		system, err := s.Keeper.System(context.Background(), gatekeeper.Visit{Authorization: values})
		known := !doubled && values[0] == "Bearer "+s.gate.Key
		if known != (err == nil) || known != (system.ID == s.gate.ID) || !known && !errors.Is(err, gatekeeper.ErrUnknownKey) {
			t.Fatalf("%q: %q %v", values, system.ID, err)
		}
	})
}
