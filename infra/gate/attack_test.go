package gate

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/phonesystem/profile"
)

// denied demands an error and that nothing reached the phone system.
func (s *scene) denied(what string, a answer) {
	s.t.Helper()
	// Of a host that is none of its sites, Caddy says nothing, with 200.
	if a.status != 0 && a.status < 400 && a.body != "" {
		s.t.Errorf("%s: %d %.200q", what, a.status, a.body)
	}
	if seen := s.pbx.seen(); len(seen) > 0 {
		s.t.Errorf("%s reached the phone system: %s %s", what, seen[0].Method, seen[0].RequestURI)
	}
}

func TestAttack24MalformedAndOversizedThroughTheProxies(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		cookie, _ := s.pass(s.alice)
		host := "Host: " + s.gate.Host
		long := strings.Repeat("a", 12<<10)
		for what, lines := range map[string][]string{
			"a long path":           {"GET /xapi/v1/" + long + " HTTP/1.1", host},
			"a long query":          {"GET /xapi/v1/Users?" + long + long + " HTTP/1.1", host},
			"a long cookie":         {"GET /xapi/v1/Users HTTP/1.1", host, "Cookie: x=" + long + long + long + long + long + long},
			"a malformed escape":    {"GET /xapi/%zz HTTP/1.1", host, "Cookie: " + cookie},
			"half an escape":        {"GET /xapi/% HTTP/1.1", host, "Cookie: " + cookie},
			"a control character":   {"GET /xapi/\x01 HTTP/1.1", host, "Cookie: " + cookie},
			"bytes beyond ASCII":    {"GET /xapi/\xff\xfe HTTP/1.1", host, "Cookie: " + cookie},
			"a malformed cookie":    {"GET /xapi/v1/Users HTTP/1.1", host, "Cookie: __Host-portcullis-pass=\"" + long + "\""},
			"two passes":            {"GET /xapi/v1/Users HTTP/1.1", host, "Cookie: " + cookie + "; " + cookie},
			"two cookie headers":    {"GET /xapi/v1/Users HTTP/1.1", host, "Cookie: " + cookie, "Cookie: " + cookie},
			"no host":               {"GET /xapi/v1/Users HTTP/1.1", "Cookie: " + cookie},
			"two hosts":             {"GET /xapi/v1/Users HTTP/1.1", host, "Host: other.example", "Cookie: " + cookie},
			"another host":          {"GET /xapi/v1/Users HTTP/1.1", "Host: other.example", "Cookie: " + cookie},
			"a host with user info": {"GET /xapi/v1/Users HTTP/1.1", "Host: x@" + s.gate.Host, "Cookie: " + cookie},
			"no path":               {"GET  HTTP/1.1", host, "Cookie: " + cookie},
			"a star":                {"OPTIONS * HTTP/1.1", host, "Cookie: " + cookie},
			"an absolute target":    {"GET https://other.example/xapi/v1/Users HTTP/1.1", host, "Cookie: " + cookie},
			"an unknown method":     {"get /webclient/ HTTP/1.1", host},
		} {
			s.denied(what, s.raw(lines...))
		}
		if a := s.do("GET", "/webclient/", ""); a.status != 200 {
			s.t.Errorf("afterwards an extension user gets %d", a.status)
		}
	})
}

// asked are the questions that Portcullis got.
type asked struct {
	mu      sync.Mutex
	headers []http.Header
}

func (q *asked) note(portcullis http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/gate/decision" {
			q.mu.Lock()
			q.headers = append(q.headers, r.Header.Clone())
			q.mu.Unlock()
		}
		portcullis.ServeHTTP(w, r)
	})
}

// claimed are headers that a client has no business sending, in spellings. What
// the gates strip is written elsewhere: this is what must not arrive.
func claimed() []string {
	var all []string
	for _, name := range []string{"Portcullis-Method", "Portcullis-Url", "Portcullis-Client", "Portcullis-Config", "Portcullis-Decision", "Portcullis-Reason", "Portcullis-Expires",
		"Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Addr", "Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Method",
		"X-Forwarded-By", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Client-Cert", "X-Real-Ip",
		"X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Original-Method", "X-Rewrite-Url", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Client-Ip",
		"X-Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Webauth-User"} {
		all = append(all, name, strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", "."), strings.ToLower(name))
		if strings.Count(name, "-") < 3 {
			all = append(all, strings.Replace(name, "-", "_", 1), strings.Replace(name, "-", ".", 1))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// told demands that the phone system is told by the gate alone where a request
// came from and how.
func (s *scene) told(r *http.Request) {
	s.t.Helper()
	if r.Host != s.gate.Host {
		s.t.Errorf("the phone system is asked as %q", r.Host)
	}
	for name := range r.Header {
		if strings.HasPrefix(strings.ToLower(name), "portcullis") {
			s.t.Errorf("the phone system is told %s", name)
		}
	}
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": s.gate.Host} {
		if got := r.Header[name]; !slices.Equal(got, []string{want}) {
			s.t.Errorf("the phone system is told %s %q, want %q", name, got, want)
		}
	}
}

// Whatever a client claims, also where another server of the same nginx, which is
// the first, takes names with _ in them, and the client names no host in TLS.
func TestAttack25ForgedHeadersThroughTheProxies(t *testing.T) {
	first := "server { listen PORT ssl default_server; server_name first.example; underscores_in_headers on; " +
		"ssl_certificate FOLDER/fullchain.pem; ssl_certificate_key FOLDER/privkey.pem; return 404; }"
	for what, more := range map[string]string{"as it comes": "", "where nginx takes any header": first} {
		t.Run(what, func(t *testing.T) {
			q := &asked{}
			each(t, setting{answer: q.note, more: more, nameless: more != ""}, func(s *scene) {
				q.headers = nil
				var forged []string
				for _, name := range claimed() {
					value := "forged"
					switch strings.ToLower(name) {
					case "portcullis-method":
						value = "GET"
					case "portcullis-url":
						value = "https://" + s.gate.Host + "/webclient/"
					case "portcullis-client", "x-forwarded-for", "x-real-ip", "client-ip":
						value = "203.0.113.66"
					}
					forged = append(forged, name+": "+value)
				}
				// The host comes last: until then nginx knows no server but the first.
				forged = append(forged, "Host: "+s.gate.Host)
				s.locked("with forged headers", s.raw(append([]string{"GET /xapi/v1/Users HTTP/1.1"}, forged...)...))
				for _, h := range q.headers {
					for name, want := range map[string]string{"Portcullis-Method": "GET", "Portcullis-Url": s.url + "/xapi/v1/Users", "Portcullis-Client": "127.0.0.1"} {
						if got := h[name]; len(got) != 1 || got[0] != want {
							s.t.Errorf("Portcullis was told %s %q", name, got)
						}
					}
					for name, values := range h {
						if text := strings.Join(values, " "); strings.Contains(text, "forged") || strings.Contains(text, "203.0.113.66") {
							s.t.Errorf("Portcullis was told %s: %q", name, values)
						}
					}
				}
				if len(q.headers) == 0 {
					s.t.Error("Portcullis was not asked")
				}
				if a := s.raw(append([]string{"GET /webclient/ HTTP/1.1"}, forged...)...); a.status != 200 {
					s.t.Fatalf("an extension user with such headers gets %d", a.status)
				}
				for _, r := range s.pbx.seen() {
					for name, values := range r.Header {
						if strings.Contains(strings.Join(values, " "), "forged") || strings.Contains(strings.Join(values, " "), "203.0.113.66") {
							s.t.Errorf("the phone system was told %s: %q", name, values)
						}
					}
					s.told(r)
				}
			})
		})
	}
}

// A denied request's body never becomes a question of its own on the connection
// that is kept to Portcullis, or to the phone system.
func TestAttack25BodiesAreNoRequests(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		inner := "GET /v1/gate/decision HTTP/1.1\r\nHost: portal.example\r\nX: "
		for range 3 {
			s.locked("a body that is a request", s.do("POST", "/xapi/v1/Users", inner, "Content-Type: text/plain"))
			if a := s.do("POST", "/.portcullis/notice", inner); a.status != 200 && a.status < 400 {
				s.t.Errorf("the notice: %d", a.status)
			}
			s.locked("the next one", s.do("GET", "/xapi/v1/Users", ""))
		}
		if a := s.do("GET", "/.portcullis/notice", ""); a.status != 200 || !strings.Contains(a.body, "Bad attempt") {
			s.t.Errorf("the notice: %d %.100q", a.status, a.body)
		}
	})
}

// oddPaths are the console's paths as something else.
func oddPaths() []string {
	paths := []string{
		"/%78api/v1/Users", "/xapi%2fv1%2fUsers", "/XAPI/v1/Users", "//xapi/v1/Users", "/./xapi/v1/Users", "/xapi/./v1/Users", "/xapi;x/v1/Users", "/xapi/v1/Users;x.js",
		"/xapi%00/v1/Users", "/xapi/v1/Users%00.js", "/xapi\\v1\\Users", "/xapi%5cv1", "/xapi./v1", "/xapi%20/v1", "/xapi/v1/MyUser/../Users", "/xapi/v1/MyUser/%2e%2e/Users",
		"/xapi/v1/MyUser%2f..%2fUsers", "/xapi/v1/MyUser/..;/Users", "/xapi/v1/MyUserx", "/xapi/v1/MyUser%28%29%2f..", "/connect/token/../authorize", "/connect/%61uthorize", "/xapi/v1/Users?/webclient/",
		"/xapi?/webclient/x.js", "/xapi/x.js", "/api.js", "/api/main.js", "/(S(a))/xapi/v1", "/xapi::$DATA/x.js", "/\uff58api/v1", "/x%61pi/v1/Users",
	}
	for _, inside := range []string{"/webclient/", "/MyPhone/", "/ws/webclient/", "/provisioning/", "/callus/", "/user_images/", "/connect/token/"} {
		for _, up := range []string{"../", "%2e%2e/", "..%2f", "%2e%2e%2f", "..;/", "..\\", "..%5c", ".%2e/", "%252e%252e/", "x/../../", "./../", "..//", "..%00/", "\u2025/"} {
			paths = append(paths, inside+up+"xapi/v1/Users")
		}
	}
	return paths
}

func TestAttack26OddPathsThroughTheProxies(t *testing.T) {
	each(t, setting{added: []string{"/webclient/admin"}}, func(s *scene) {
		for _, path := range append(oddPaths(), "/webclient/Admin", "/webclient/%61dmin", "/webclient/x/../admin") {
			for _, method := range []string{"GET", "POST", "TRACE", "CONNECT", "OPTIONS"} {
				s.denied(method+" "+path, s.raw(method+" "+path+" HTTP/1.1", "Host: "+s.gate.Host, "Content-Length: 0"))
			}
		}
	})
}

// What reaches the phone system is, to the letter, what was judged.
func TestAttack26WhatIsPassedOnIsWhatWasJudged(t *testing.T) {
	matcher, err := profile.Compile("3cx-v20", nil)
	if err != nil {
		t.Fatal(err)
	}
	each(t, setting{}, func(s *scene) {
		for _, target := range []string{
			"/webclient/", "/webclient/a%20b", "/webclient/a%2bb?x=%2f..%2f", "/webclient/%7Ea", "/webclient/a,b", "/WebClient/x", "/webclient/x?/../..", "/xapi/v1/MyUser(1)?$select=%27a%27", "/webclient/%C3%A9", "/main.js?v=1", "/webclient/a|b", "/webclient/a\"b", "/webclient/[x]", "/webclient/{x}", "/webclient/^", "/webclient/?",
		} {
			a := s.raw("GET "+target+" HTTP/1.1", "Host: "+s.gate.Host)
			path, _, _ := strings.Cut(target, "?")
			verdict := matcher.Judge("GET", path)
			seen := s.pbx.seen()
			switch {
			case len(seen) > 1 || len(seen) == 1 && (seen[0].RequestURI != target || verdict.Class != profile.Unrestricted):
				s.t.Errorf("%s (%s) reached the phone system as %s", target, verdict.Rule, seen[0].RequestURI)
			case len(seen) == 0 && a.status < 400:
				s.t.Errorf("%s: %d from nowhere", target, a.status)
			}
		}
	})
}

func TestAttack27PassesElsewhereThroughTheProxies(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		other := s.alice.PhoneSystem("other.acme.example", nil)
		othersPass := other.Pass(s.alice.Unlock(other, 600))
		rival := s.Administrator("rival", "mallory@rival.example")
		theirs := rival.PhoneSystem(s.gate.Host, nil)
		rivalsPass := theirs.Pass(rival.Unlock(theirs, 600))
		cookie, _ := s.pass(s.alice)
		for what, pass := range map[string]string{"another phone system's": othersPass, "another partner's": rivalsPass, "an altered one": cookie + "x", "in another case": strings.ToLower(cookie)} {
			s.locked(what, s.do("GET", "/xapi/v1/SystemStatus", "", "Cookie: "+pass))
		}
		if a := s.do("GET", "/xapi/v1/MyUser", "", "Cookie: "+cookie); a.status != 401 {
			s.t.Errorf("the phone system's own answer: %d", a.status)
		}
		s.pbx.seen()
		s.Clock.Add(10 * time.Minute)
		a := s.do("GET", "/xapi/v1/SystemStatus", "", "Cookie: "+cookie)
		s.locked("after its window", a)
		if !strings.Contains(a.body, "has ended") {
			s.t.Errorf("the notice does not say why: %s", a.body)
		}
	})
}

func TestAttack28NoWayOutOfTheHouse(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		for _, target := range []string{"//evil.example/", "/\\evil.example/", "/\t/evil.example", "/%2f%2fevil.example/", "https://evil.example/", "/.portcullis/pass?ticket=x&next=https://evil.example/", "/.portcullis/notice?next=//evil.example"} {
			for _, host := range []string{s.gate.Host, "evil.example", "x@" + s.gate.Host, s.gate.Host + ".evil.example"} {
				a := s.raw("GET "+target+" HTTP/1.1", "Host: "+host, "X-Forwarded-Host: evil.example")
				if strings.Contains(a.header.Get("Location")+a.header.Get("Refresh"), "evil") {
					s.t.Errorf("%s at %s leads to %s", target, host, a.header.Get("Location"))
				}
			}
		}
		unlock := s.alice.Unlock(s.gate, 600)
		a := s.do("POST", "/.portcullis/pass?next=//evil.example", url.Values{"ticket": {unlock.Text("pass.ticket")}, "next": {"//evil.example"}}.Encode(), "Content-Type: application/x-www-form-urlencoded", "Origin: "+localtest.BaseURL)
		if want := s.url + "/"; a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			s.t.Errorf("the pass leads to %q (%d), want %q", a.header.Get("Location"), a.status, want)
		}
	})
}

func TestAttack29IdentityIsTheDecisions(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		cookie, _ := s.pass(s.alice)
		forged := []string{"Remote-User: mallory", "Remote-Email: mallory@evil.example", "remote_user: mallory", "Cookie: " + cookie}
		for target, want := range map[string][]string{"/xapi/v1/Users": {s.alice.ID}, "/webclient/": {""}, "/WEBCLIENT/": {""}} {
			s.do("GET", target, "", forged...)
			seen := s.pbx.seen()
			if len(seen) != 1 {
				s.t.Fatalf("%s reached the phone system %d times", target, len(seen))
			}
			if got := seen[0].Header["Remote-User"]; !slices.Equal(got, want) && !(want[0] == "" && len(got) == 0) {
				s.t.Errorf("%s: Remote-User %q, want %q", target, got, want)
			}
			if got := strings.Join(seen[0].Header["Remote-Email"], " "); strings.Contains(got, "evil") || want[0] != "" && got != s.alice.Email {
				s.t.Errorf("%s: Remote-Email %q", target, got)
			}
		}
	})
}
