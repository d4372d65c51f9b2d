package profile

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// gate decides as a gate does by Patterns: whether it passes without asking.
type gate []struct {
	*regexp.Regexp
	passes bool
}

func newGate(m *Matcher) gate {
	var g gate
	for _, p := range m.Patterns() {
		text := p.Expression
		if p.FoldCase {
			text = "(?i)" + text
		}
		g = append(g, struct {
			*regexp.Regexp
			passes bool
		}{regexp.MustCompile(text), p.Passes})
	}
	return g
}

func (g gate) passes(method, target string) bool {
	for _, p := range g {
		if p.MatchString(method + " " + target) {
			return p.passes
		}
	}
	return false
}

func TestWhatExtensionUsersNeedIsNotAskedAbout(t *testing.T) {
	for name, targets := range map[string][]string{
		"3cx-v20": {"GET /", "GET /?x=1", "GET /webclient/", "GET /webclient", "POST /webclient/api/Login/GetAccessToken", "POST /connect/token", "GET /ws/webclient?token=a%20b", "GET /main.4f2a.js", "GET /assets/img/a@2x.png",
			"GET /xapi/v1/MyUser", "GET /xapi/v1/MyUser?$expand=x", "PATCH /xapi/v1/MyUser(7)", "GET /xapi/v1/MyTokens", "GET /MyPhone/c2c", "GET /provisioning/a1b2c3/cfg0015651122.xml", "GET /manifest.json"},
		"3cx-v18": {"GET /webclient/", "POST /MyPhone/x", "POST /myphone/x", "GET /webmeeting/x"},
		"freepbx": {"GET /ucp/index.php", "GET /socket.io/?EIO=4"},
		"yeastar": {"GET /login"},
	} {
		g := newGate(compile(t, name))
		for _, target := range targets {
			method, path, _ := strings.Cut(target, " ")
			if !g.passes(method, path) {
				t.Errorf("%s: %s is asked about", name, target)
			}
		}
	}
}

func TestWhatIsRestrictedIsAskedAbout(t *testing.T) {
	g := newGate(compile(t, "3cx-v20", "/webclient/admin", "/xapi/v1/MyUser/secrets", "/$x"))
	for _, target := range []string{
		"/xapi/v1/Users", "/XAPI/v1/MyUser", "/xapi/v1/myuser", "/xapi/v1/MyUserX", "/xapi/v1/MyUser(1)(2)", "/xapi/v1/MyUser/../Users", "/api.js", "/xapi/x.js",
		"/webclient/admin", "/webclient/Admin/x", "/webclient/ADMIN(1)", "/webclient/a%20b", "/webclient/..", "/webclient/./x", "/webclient//x", "/webclient/x;y", "/webclient/x.", "/webclient/.x", "/WEBCLIENT/",
		"/xapi/v1/MyUser/Secrets", "/webclientx", "/webclient/x#y", "/webclient/x\\y", "//webclient/", "/nowhere", "/x/main.js/", "/$x", "/unknown.json", "/a/x.php/y.js",
	} {
		if g.passes("GET", target) {
			t.Errorf("%s is not asked about", target)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT", "get", "PROPFIND"} {
		if g.passes(method, "/webclient/") {
			t.Errorf("%s is not asked about", method)
		}
	}
}

// What a gate decides alone, Judge would have allowed.
func TestAttack26WhatPassesUnaskedIsUnrestricted(t *testing.T) {
	type pair struct {
		name string
		*Matcher
		gate
	}
	var pairs []pair
	for _, name := range Names() {
		for _, added := range [][]string{nil, {"/webclient/admin", "/xapi/v1/myuser/x", "/ucp/a b", "/login", "/"}} {
			m, e := compile(t, name, added...), compileExcepted(t, name, added...)
			pairs = append(pairs, pair{name, m, newGate(m)}, pair{name + " with exceptions", e, newGate(e)})
		}
	}
	piece := rapid.SampledFrom([]string{
		"/", "/", "/", ".", "..", "//", "%2e", "%2f", ";", "?", "#", "\\", "%00", "(", ")", "(1)", "'", "=", " ", "~1", ":$", "+", "@", "$", "é", "K",
		"webclient", "xapi", "XAPI", "v1", "MyUser", "myuser", "MyTokens", "Users", "api", "admin", "connect", "token", "authorize", "ucp", "login", "socket.io", "MyPhone", "reports", "main.js", ".js", ".json", "manifest.json", "x", "a",
	})
	rapid.Check(t, func(t *rapid.T) {
		target := "/" + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		method := rapid.SampledFrom([]string{"GET", "POST", "HEAD", "TRACE", "get"}).Draw(t, "method")
		path, _, _ := strings.Cut(target, "?")
		for _, p := range pairs {
			if v := p.Judge(method, path); p.passes(method, target) && v.Class != Unrestricted {
				t.Fatalf("%s: %s %q passes, and is %s by %s", p.name, method, target, v.Class, v.Rule)
			}
		}
	})
}

func TestFingerprintsTellRulesApart(t *testing.T) {
	seen := map[string]string{}
	for _, name := range Names() {
		for _, added := range [][]string{nil, {"/x"}, {"/x", "/y"}} {
			what := name + strings.Join(added, " ")
			print := compile(t, name, added...).Fingerprint()
			if other := seen[print]; other != "" {
				t.Errorf("%s and %s have one fingerprint", what, other)
			}
			seen[print] = what
		}
		first, second := compile(t, name, "/x", "/X").Fingerprint(), compile(t, name, "/x", "/X").Fingerprint()
		if first != second {
			t.Errorf("%s: %s, then %s", name, first, second)
		}
	}
}
