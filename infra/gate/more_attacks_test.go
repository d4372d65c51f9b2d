package gate

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"portcullis.example/infra/gate/proxytest"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// Whatever Portcullis answers that is no clear yes, slowly or not at all, the
// console stays shut and extension users stay at work.
func TestAttack30PortcullisThatIsNotWell(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"200":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") },
		"a bare 204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"204 deny": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Portcullis-Decision", "deny")
			w.WriteHeader(204)
		},
		"403 allow": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Portcullis-Decision", "allow")
			w.WriteHeader(403)
		},
		"503 allow": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Portcullis-Decision", "allow")
			w.WriteHeader(503)
		},
		"302":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Location", "/"); w.WriteHeader(302) },
		"401":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"503":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, proxy := range proxytest.Names() {
		t.Run(proxy, func(t *testing.T) {
			now, instead := inPlace()
			s := newScene(t, proxy, setting{answer: instead})
			cookie, _ := s.pass(s.alice)
			for what, answer := range answers {
				now.Store(&answer)
				s.shutWhile(what, cookie)
			}
			now.Store(nil)
			if a := s.do("GET", "/xapi/v1/SystemStatus", "", "Cookie: "+cookie); a.status != 401 { // the phone system's own
				s.t.Errorf("back to normal: %d %s", a.status, a.body)
			}
		})
	}
}

// The same while nothing is answered: nobody waits longer than the proxy does.
func TestAttack30PortcullisThatHangs(t *testing.T) {
	for _, proxy := range proxytest.Names() {
		t.Run(proxy, func(t *testing.T) {
			now, instead := inPlace()
			hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			now.Store(&hang)
			s := newScene(t, proxy, setting{hurried: true, answer: instead})
			s.shutWhile("it hangs", "a=1")
		})
	}
}

// inPlace answers in Portcullis' place while now has something.
func inPlace() (now *atomic.Pointer[http.HandlerFunc], instead func(http.Handler) http.Handler) {
	now = &atomic.Pointer[http.HandlerFunc]{}
	return now, func(portcullis http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if answer := now.Load(); answer != nil {
				(*answer)(w, r)
				return
			}
			portcullis.ServeHTTP(w, r)
		})
	}
}

// shutWhile demands that the console is shut and extension users are at work.
func (s *scene) shutWhile(what, cookie string) {
	s.t.Helper()
	a := s.do("GET", "/xapi/v1/Users", "", "Cookie: "+cookie)
	if seen := s.pbx.seen(); len(seen) > 0 || strings.Contains(a.body, "Administrator") {
		s.t.Errorf("%s: %d %.200q, the phone system was asked %d times", what, a.status, a.body, len(seen))
	}
	if a := s.do("GET", "/webclient/", ""); a.status != 200 {
		s.t.Errorf("%s: an extension user gets %d", what, a.status)
	}
	s.pbx.seen()
}

// Where the denial is told and the notice that says why is not, the browser gets
// the page that says so, or the notice that came with the denial.
func TestAttack30NoticeThatFails(t *testing.T) {
	each(t, setting{answer: func(portcullis http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/gate/notice" {
				panic(http.ErrAbortHandler)
			}
			portcullis.ServeHTTP(w, r)
		})
	}}, func(s *scene) {
		a := s.do("GET", "/xapi/v1/Users", "")
		told := a.status == 503 && strings.Contains(a.body, "could not be asked") || a.status == 403 && strings.Contains(a.body, "Bad attempt")
		if !told || len(s.pbx.seen()) > 0 {
			s.t.Errorf("%d %.100q", a.status, a.body)
		}
	})
}

// Who stands in Portcullis' place without its certificate is not believed, and
// gets no gate key: another authority's, another host's.
func TestAttack30ImpostorIsNotAsked(t *testing.T) {
	for what, impostor := range map[string]func(*proxytest.Authority) tls.Certificate{
		"of another authority": func(*proxytest.Authority) tls.Certificate { return proxytest.NewAuthority(t).Certify("portal.example") },
		"of another host":      func(ca *proxytest.Authority) tls.Certificate { return ca.Certify("evil.example") },
	} {
		t.Run(what, func(t *testing.T) {
			var told atomic.Bool
			each(t, setting{impostor: impostor, answer: func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					told.Store(true)
					w.Header().Set("Portcullis-Decision", "allow")
					w.WriteHeader(204)
				})
			}}, func(s *scene) {
				if a := s.do("GET", "/xapi/v1/Users", ""); a.status != 503 || len(s.pbx.seen()) > 0 || told.Load() {
					s.t.Errorf("%d; it was asked: %v", a.status, told.Load())
				}
				if a := s.do("GET", "/webclient/", ""); a.status != 200 {
					s.t.Errorf("an extension user gets %d", a.status)
				}
			})
		})
	}
}

func TestAttack43PlantedPassesThroughTheProxies(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		form := "Content-Type: application/x-www-form-urlencoded"
		unlock := s.alice.Unlock(s.gate, 600)
		ticket := url.Values{"ticket": {unlock.Text("pass.ticket")}}.Encode()
		for _, origin := range []string{"Origin: https://evil.example", "Origin: null", "Origin: https://portal.example.evil.example", "X-Forwarded-Host: portal.example"} {
			if a := s.do("POST", "/.portcullis/pass", ticket, form, origin); a.status != 403 || a.header.Get("Set-Cookie") != "" {
				s.t.Errorf("%s: %d %q", origin, a.status, a.header.Get("Set-Cookie"))
			}
		}
		a := s.do("GET", "/.portcullis/pass?"+ticket, "")
		if a.status != 200 || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, s.alice.Email) || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
			s.t.Errorf("GET: %d %q %s", a.status, a.header, a.body)
		}
		if a := s.do("POST", "/.portcullis/pass", ticket, form, "Origin: "+s.url); a.status != 303 || a.header.Get("Set-Cookie") == "" {
			s.t.Errorf("from the phone system's own page: %d", a.status)
		}
		if a := s.do("POST", "/.portcullis/pass", ticket, form, "Origin: "+localtest.BaseURL); a.status != 403 {
			s.t.Errorf("again: %d", a.status)
		}
		// Another user's living pass is asked about.
		held, _ := s.pass(s.colleague())
		more := s.alice.Must(200, "POST", "/v1/unlocks/"+unlock.Text("id")+"/pass", nil)
		ticket = url.Values{"ticket": {more.Text("pass.ticket")}}.Encode()
		if a := s.do("POST", "/.portcullis/pass", ticket, form, "Origin: "+localtest.BaseURL, "Cookie: "+held); a.status != 409 || a.header.Get("Set-Cookie") != "" {
			s.t.Errorf("over another's pass: %d", a.status)
		}
	})
}

// colleague is another user of the partner's, who holds nothing yet.
func (s *scene) colleague() *localtest.Person {
	s.t.Helper()
	role := access.Role{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Name: "r", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 3600}
	s.Role(s.alice.PartnerID, role)
	return s.User(s.alice, "bob@acme.example", role.ID)
}

// ticketsIn finds tickets and keys in what a proxy has written.
func (s *scene) ticketsIn(name string) bool {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, name))
	if os.IsNotExist(err) {
		return false
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Contains(string(text), "pct_") || strings.Contains(string(text), "pcp_") || strings.Contains(string(text), s.gate.Key)
}

// Whatever becomes of a request for a pass, its ticket stands in no log: also
// beyond the rate, and where Portcullis does not answer.
func TestTicketsAndKeysAreNotLogged(t *testing.T) {
	eachLogging(t, func(s *scene) {
		_, unlock := s.pass(s.alice)
		ticket := "?ticket=" + unlock.Text("pass.ticket")
		s.do("GET", "/.portcullis/notice"+ticket, "")
		s.stopPortal()
		for what, a := range map[string]answer{
			"the page": s.do("GET", "/.portcullis/pass"+ticket, ""), "the form": s.do("POST", "/.portcullis/pass"+ticket, "ticket="+unlock.Text("pass.ticket")),
			"the notice": s.do("GET", "/.portcullis/notice"+ticket, ""),
		} {
			if a.status != 503 || !strings.Contains(a.body, "could not be asked") || a.header.Get("Cache-Control") != "no-store" || a.header.Get("Retry-After") == "" {
				s.t.Errorf("%s, with Portcullis stopped: %d %.100q", what, a.status, a.body)
			}
		}
		s.do("GET", "/xapi/v1/Users", "")
		s.unlogged()
	})
	eachLogging(t, func(s *scene) {
		_, unlock := s.pass(s.alice)
		ticket := "?ticket=" + unlock.Text("pass.ticket")
		s.do("GET", "/%2eportcullis/pass"+ticket, "")
		limited := 0
		for range 40 { // beyond the rate
			if s.do("GET", "/.portcullis/pass"+ticket, "").status == http.StatusTooManyRequests {
				limited++
			}
		}
		if s.proxy == "nginx" && limited == 0 {
			s.t.Error("passes are asked for without a limit")
		}
		s.unlogged()
	})
}

// eachLogging is each, with an administrator of Caddy who has its requests logged:
// by itself it logs none. nginx hands over fewer passes than the slowest machine
// asks for.
func eachLogging(t *testing.T, test func(s *scene)) {
	site := regexp.MustCompile(`import (\S+)/\*\.tls`)
	for proxy, edit := range map[string]func(string) string{
		"nginx": func(config string) string { return strings.Replace(config, "rate=5r/s", "rate=1r/m", 1) },
		"caddy": func(config string) string {
			return site.ReplaceAllString(config, "$0\n\tlog {\n\t\toutput file $1/access.log\n\t}")
		},
	} {
		t.Run(proxy, func(t *testing.T) { test(newScene(t, proxy, setting{edit: edit})) })
	}
}

// unlogged demands that no log holds what opens anything, once all of what was
// asked before has been logged.
func (s *scene) unlogged() {
	s.t.Helper()
	s.do("GET", "/webclient/logged", "")
	s.do("GET", "/webclient/", "") // nginx logs a request before it takes the next
	if text, err := os.ReadFile(filepath.Join(s.folder, "access.log")); err != nil || !strings.Contains(string(text), "/webclient/logged") {
		s.t.Errorf("no request is logged: %v", err)
	}
	for _, name := range []string{"access.log", "error.log"} {
		if s.ticketsIn(name) {
			s.t.Errorf("%s holds a ticket, a pass or the key", name)
		}
	}
}

func TestAttack45OwnCookiesStayAtTheProxies(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		cookie, _ := s.pass(s.alice)
		for sent, want := range map[string]string{
			cookie:                                  "",
			"a=1; " + cookie + "; b=2":              "a=1; b=2",
			cookie + "; a=1":                        "a=1",
			"a=1; " + cookie:                        "a=1",
			"a=1;" + cookie + ";b=2":                "a=1; b=2",
			"__Host-portcullis=pcs_x; a=portcullis": "a=portcullis",
			"portcullis-pass=1; portcullis=2; __Host-portcullis-device=3; a=1": "a=1",
			"=portcullis-pass=1; a=1": "a=1",
			"PORTCULLIS-PASS=1; a=1":  "a=1",
			"x-portcullis=1; a=1":     "a=1",
			"a=1; portcullis; b=2":    "a=1; b=2",
			"a=1; b=2":                "a=1; b=2",
		} {
			s.do("GET", "/webclient/", "", "Cookie: "+sent)
			seen := s.pbx.seen()
			if len(seen) != 1 {
				s.t.Fatalf("%q reached the phone system %d times", sent, len(seen))
			}
			var got []string
			for _, c := range seen[0].Cookies() {
				got = append(got, c.String())
			}
			if strings.Join(got, "; ") != want || strings.Contains(strings.ToLower(strings.ReplaceAll(seen[0].Header.Get("Cookie"), "a=portcullis", "")), "portcullis") {
				s.t.Errorf("of %q the phone system got %q, want %q", sent, seen[0].Header["Cookie"], want)
			}
		}
		many := strings.Repeat("portcullis-pass=1; ", 30) + "a=1"
		s.do("GET", "/webclient/", "", "Cookie: "+many)
		if got := s.pbx.seen()[0].Header.Get("Cookie"); strings.Contains(got, "portcullis") {
			s.t.Errorf("of many: %q", got)
		}
	})
}

// A flood without a pass costs one entry in the audit, and extension users and
// whoever holds a window work on.
func TestAttack47FloodThroughTheProxies(t *testing.T) {
	flood := func(s *scene) {
		cookie, _ := s.pass(s.alice)
		statuses := map[int]int{}
		var mu sync.Mutex
		localtest.Parallel(8, func(int) {
			for range 150 {
				response, err := s.browser.Get(s.url + "/xapi/v1/Users")
				if err != nil {
					s.t.Error(err)
					return
				}
				_ = response.Body.Close()
				mu.Lock()
				statuses[response.StatusCode]++
				mu.Unlock()
			}
		})
		for status := range statuses {
			if status != 403 && status != 429 && status != 503 {
				s.t.Errorf("%d times %d", statuses[status], status)
			}
		}
		if s.proxy == "nginx" && statuses[429] == 0 {
			s.t.Errorf("no limit of requests: %v", statuses)
		}
		if seen := s.pbx.seen(); len(seen) > 0 {
			s.t.Errorf("%d reached the phone system", len(seen))
		}
		if a := s.do("GET", "/webclient/", "", "Cookie: "+cookie); a.status != 200 {
			s.t.Errorf("an extension user gets %d", a.status)
		}
		if n := len(s.alice.Must(200, "GET", "/v1/audit?action=gate.bad_attempt", nil).Items()); n != 1 {
			s.t.Errorf("%d entries", n)
		}
	}
	t.Run("caddy", func(t *testing.T) { flood(newScene(t, "caddy", setting{})) })
	// nginx limits how often one address may ask: to less than the slowest machine
	// asks, here.
	t.Run("nginx", func(t *testing.T) {
		flood(newScene(t, "nginx", setting{edit: func(config string) string { return strings.Replace(config, "rate=50r/s", "rate=1r/s", 1) }}))
	})
}
