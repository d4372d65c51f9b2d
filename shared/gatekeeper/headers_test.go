package gatekeeper_test

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// headers are one question, to be spoilt.
func (s *scene) headers(cookie string) http.Header {
	return s.gate.Header(http.MethodGet, restricted, cookie)
}

func TestAttack25HeadersThatAreNotExactlyOne(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.pass(s.alice, s.gate)
	reads(t, s.ask(s.headers(cookie)), "open_window")
	good := s.headers(cookie)
	for _, c := range []struct {
		name   string
		header string
		values []string
		want   int
	}{
		{"no key", "Authorization", nil, 401},
		{"an empty key", "Authorization", []string{""}, 401},
		{"the key twice", "Authorization", []string{good.Get("Authorization"), good.Get("Authorization")}, 401},
		{"the key and a client's own", "Authorization", []string{good.Get("Authorization"), "Basic YTpi"}, 401},
		{"the key joined", "Authorization", []string{good.Get("Authorization") + ", " + good.Get("Authorization")}, 401},
		{"the key without Bearer", "Authorization", []string{strings.TrimPrefix(good.Get("Authorization"), "Bearer ")}, 401},
		{"the key in another scheme", "Authorization", []string{"Basic " + strings.TrimPrefix(good.Get("Authorization"), "Bearer ")}, 401},
		{"the key with an end", "Authorization", []string{good.Get("Authorization") + "a"}, 401},
		{"the key re-cased", "Authorization", []string{"Bearer " + strings.ToUpper(s.gate.Key)}, 401},
		{"a session as key", "Authorization", []string{"Bearer " + s.alice.Token}, 401},
		{"no method", "Portcullis-Method", nil, 403},
		{"an empty method", "Portcullis-Method", []string{""}, 403},
		{"two methods", "Portcullis-Method", []string{"GET", "GET"}, 403},
		{"joined methods", "Portcullis-Method", []string{"GET,POST"}, 403},
		{"a lower-case method", "Portcullis-Method", []string{"get"}, 403},
		{"no URL", "Portcullis-Url", nil, 403},
		{"an empty URL", "Portcullis-Url", []string{""}, 403},
		{"two URLs", "Portcullis-Url", []string{"https://" + host + restricted, "https://" + host + restricted}, 403},
		{"joined URLs", "Portcullis-Url", []string{"https://" + host + free + ",https://" + host + restricted}, 403},
		{"joined URLs, spaced", "Portcullis-Url", []string{"https://" + host + free + ", https://" + host + restricted}, 403},
		{"joined URLs in the query", "Portcullis-Url", []string{"https://" + host + restricted + "?a,HTTPS://" + host + restricted}, 403},
		{"a relative URL", "Portcullis-Url", []string{restricted}, 403},
		{"no scheme", "Portcullis-Url", []string{"//" + host + restricted}, 403},
		{"another scheme", "Portcullis-Url", []string{"ftp://" + host + restricted}, 403},
		{"a fragment", "Portcullis-Url", []string{"https://" + host + restricted + "#" + free}, 403},
		{"user info", "Portcullis-Url", []string{"https://" + host + "@evil.example" + restricted}, 403},
		{"another host", "Portcullis-Url", []string{"https://evil.example" + restricted}, 403},
		{"another port", "Portcullis-Url", []string{"https://" + host + ":444" + restricted}, 403},
		{"a port out of range", "Portcullis-Url", []string{"https://" + host + ":65979" + restricted}, 403},
		{"a host of two lines", "Portcullis-Url", []string{"https://" + host + "\n" + restricted}, 403},
		{"a space in the query", "Portcullis-Url", []string{"https://" + host + restricted + "?a b"}, 403},
		{"a DEL in the query", "Portcullis-Url", []string{"https://" + host + restricted + "?a\x7f"}, 403},
		{"no host", "Portcullis-Url", []string{"https://" + restricted}, 403},
		{"beyond ASCII", "Portcullis-Url", []string{"https://" + host + "/xäpi/"}, 403},
		{"oversized", "Portcullis-Url", []string{"https://" + host + restricted + "?" + strings.Repeat("a", 16<<10)}, 403},
		{"no address", "Portcullis-Client", nil, 403},
		{"an empty address", "Portcullis-Client", []string{""}, 403},
		{"two addresses", "Portcullis-Client", []string{"198.51.100.7", "198.51.100.7"}, 403},
		{"joined addresses", "Portcullis-Client", []string{"198.51.100.7, 203.0.113.9"}, 403},
		{"an address with a port", "Portcullis-Client", []string{"198.51.100.7:443"}, 403},
		{"an address with a zone", "Portcullis-Client", []string{"fe80::1%eth0"}, 403},
		{"no particular address", "Portcullis-Client", []string{"0.0.0.0"}, 403},
		{"a name", "Portcullis-Client", []string{"localhost"}, 403},
		{"a pass twice", "Cookie", []string{cookie + "; " + cookie}, 403},
		{"a pass in two lines", "Cookie", []string{cookie, cookie}, 403},
		{"an oversized cookie", "Cookie", []string{cookie + "; x=" + strings.Repeat("a", 64<<10)}, 403},
	} {
		h := good.Clone()
		delete(h, c.header)
		if c.values != nil {
			h[c.header] = c.values
		}
		a := s.ask(h)
		if a.Status != c.want || a.Header.Get("Portcullis-Decision") != "deny" {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Header.Get("Portcullis-Reason"))
		}
	}
}

// Sizes and spellings at the edge of what is read are still read.
func TestHeadersThatAreFine(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.pass(s.alice, s.gate)
	start := "https://" + host + restricted + "?"
	for _, c := range []struct {
		name   string
		header string
		value  string
	}{
		{"the longest URL", "Portcullis-Url", start + strings.Repeat("a", 16<<10-len(start))},
		{"the host in capitals", "Portcullis-Url", "https://PBX.acme.EXAMPLE" + restricted},
		{"the port that https has", "Portcullis-Url", "https://" + host + ":443" + restricted},
		{"the root's dot", "Portcullis-Url", "https://" + host + "." + restricted},
		{"a comma", "Portcullis-Url", "https://" + host + restricted + "?$select=a,b"},
		{"the longest cookie", "Cookie", cookie + "; x=" + strings.Repeat("a", 64<<10-len(cookie)-4)},
		{"other cookies around", "Cookie", "a=b;" + cookie + ";c"},
		{"IPv6", "Portcullis-Client", "2001:db8::1"},
	} {
		h := s.headers(cookie)
		h[c.header] = []string{c.value}
		if a := s.ask(h); a.Status != http.StatusNoContent {
			t.Errorf("%s: %d %s", c.name, a.Status, a.Header.Get("Portcullis-Reason"))
		}
	}
	h := s.headers("")
	h["Portcullis-Url"] = []string{"https://" + host}
	reads(t, s.ask(h), "unrestricted")
	h["Portcullis-Url"] = []string{"https://" + host + "?x"}
	reads(t, s.ask(h), "unrestricted")
	h["Portcullis-Url"] = []string{"http://" + host + "/provisioning/x/phone.xml"} // as desk phones do
	reads(t, s.ask(h), "unrestricted")
}

// A gate behind something that ends TLS says http of what the browser did over
// https: the prefixed cookie, which no browser sends over http, tells. The two
// names at once are one too many, and over https only the prefixed one counts.
func TestAttack25PassOverPlainHTTP(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.pass(s.alice, s.gate)
	plain := strings.TrimPrefix(cookie, "__Host-")
	ask := func(scheme, cookies string) localtest.Answer {
		h := s.headers(cookies)
		h["Portcullis-Url"] = []string{scheme + "://" + host + restricted}
		return s.ask(h)
	}
	reads(t, ask("http", cookie), "open_window")
	reads(t, ask("http", plain), "open_window")
	reads(t, ask("http", cookie+"; "+plain), "ambiguous")
	reads(t, ask("https", plain), "no_pass")
	reads(t, ask("https", cookie+"; "+plain), "open_window")
}

func TestAttack25WhatTheClientClaimsIsNotHeard(t *testing.T) {
	s := newScene(t, map[string]any{"binding": "ip"})
	s.pass(s.alice, s.gate)
	stranger := *s.gate
	stranger.Client = "203.0.113.66"
	for _, name := range []string{
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Original-Url", "X-Real-Ip", "Forwarded",
		"Portcullis_Client", "portcullis-client", "Portcullis.Client", "Remote-User", "Remote_User", "Remote-Email", "Portcullis-Decision",
	} {
		h := stranger.Header(http.MethodGet, restricted, "")
		h[name] = []string{s.gate.Client}
		a := s.ask(h)
		reads(t, a, "wrong_address")
		if a.Header.Get("Remote-User") != "" || a.Header.Get("Remote-Email") != "" {
			t.Errorf("%s: identity %q", name, a.Header["Remote-User"])
		}
	}
	h := s.headers("")
	h["Remote-User"], h["Remote-Email"] = []string{"root"}, []string{"root@evil.example"}
	if a := s.ask(h); a.Header.Get("Remote-User") != s.alice.ID || a.Header.Get("Remote-Email") != s.alice.Email {
		t.Errorf("identity %q %q", a.Header["Remote-User"], a.Header["Remote-Email"])
	}
}

func TestAttack26PathsThatMeanSomethingElse(t *testing.T) {
	s := newScene(t, nil)
	cookie := s.pass(s.alice, s.gate)
	for _, path := range []string{
		"/webclient/%2e%2e/xapi/", "/webclient/../xapi/", "/webclient/.%2e/xapi", "/webclient/%2E%2E%2Fxapi", "/webclient%2f..%2fxapi/",
		"//xapi/", "/webclient//../xapi", "/./xapi/", "/xapi/.", "/xapi/v1/MyUser/../Users", "/xapi/v1/MyUser/%2e%2e/Users",
		"/webclient/..;/xapi/", "/xapi;x/", "/webclient;/xapi", "/xapi/v1/MyUser;/Users", "/webclient/%00", "/xapi%00.js", "/webclient/%0d%0aX",
		"/webclient/%252e%252e/xapi", "/%2578api/", "/webclient/%", "/webclient/%zz", "/webclient/%u002e",
		"/webclient/..%5cxapi", "/webclient/..\\xapi", "/\\xapi/", "/webclient/..%c0%afxapi", "/webclient/%ff", "/webclient/%ef%bc%8e%ef%bc%8e/xapi",
		"/webclient/#/../xapi", "/xapi%3f.js", "/xapi%23.js", "/webclient/..%20/xapi", "/webclient/k%e2%80%8b", "/xapi./v1", "/webclient/k~1",
		"/(S(x))/xapi/x.js", "/webclient/::$DATA", "/webclient/...", " /webclient/", "/webclient/ /xapi", "/webclient/\t",
	} {
		reads(t, s.gate.Decide("GET", path, cookie), "ambiguous")
	}
	for _, path := range []string{
		"/XAPI/v1/Users", "/xApI/", "/%78api/", "/xapi", "/xapi/v1/MyGroup", "/xapi/v1/MyUserX", "/xapi/v1/Users?x=/webclient/", "/xapi?/../webclient/",
		"/unknown", "/xapi/x.js", "/x.php/y.js", "/.portcullis/pass", "/connect/authorize", "/connect/tokens", "/webclientx/",
	} {
		reads(t, s.gate.Decide("GET", path, ""), "no_pass")
		reads(t, s.gate.Decide("GET", path, cookie), "open_window")
	}
	reads(t, s.gate.Decide("TRACE", free, ""), "no_pass")
	// Nothing of what a tunnel carries would be decided on, and it outlives its window.
	for _, path := range []string{free, restricted} {
		reads(t, s.gate.Decide("CONNECT", path, cookie), "ambiguous")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "X"} {
		reads(t, s.gate.Decide(method, restricted, ""), "no_pass")
		reads(t, s.gate.Decide(method, free, ""), "unrestricted")
	}
}
