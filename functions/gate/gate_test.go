package gate_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

const (
	host       = "pbx.acme.example"
	restricted = "/xapi/v1/Users"
	free       = "/webclient/"
)

// scene is a partner with an administrator and one phone system.
func scene(t testing.TB, policy map[string]any) (*localtest.World, *localtest.Person, *localtest.Gate) {
	t.Helper()
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	return w, alice, alice.PhoneSystem(host, policy)
}

// notice asks for a decision that a proxy relays to the browser.
func notice(w *localtest.World, g *localtest.Gate, accept string) localtest.Answer {
	h := g.Header(http.MethodGet, restricted, "")
	h["Accept"] = []string{accept}
	return w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/decision?answer=notice", Header: h})
}

// Allowed, denied, refused or failed: the identity headers are there, once
// each, and name nobody but the user that the decision found.
func TestAttack29IdentityHeadersAreAlwaysEmitted(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	w := localtest.On(t, faulty, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	g := alice.PhoneSystem(host, nil)
	cookie := g.Pass(alice.Unlock(g, 600))
	stranger, down := *g, false
	stranger.Key = strings.Repeat("x", 20)
	for _, c := range []struct {
		name   string
		ask    func() localtest.Answer
		down   bool
		status int
		user   bool
	}{
		{"allowed with a window", func() localtest.Answer { return g.Decide("GET", restricted, cookie) }, down, 204, true},
		{"allowed without", func() localtest.Answer { return g.Decide("GET", free, "") }, down, 204, false},
		{"allowed without, with a pass", func() localtest.Answer { return g.Decide("GET", free, cookie) }, down, 204, false},
		{"denied", func() localtest.Answer { return g.Decide("GET", restricted, "") }, down, 403, false},
		{"denied with a pass", func() localtest.Answer { return g.Decide("GET", "/xapi/../x", cookie) }, down, 403, false},
		{"denied with a notice", func() localtest.Answer { return notice(w, g, "text/html") }, down, 403, false},
		{"an unknown key", func() localtest.Answer { return stranger.Decide("GET", restricted, cookie) }, down, 401, false},
		{"no store", func() localtest.Answer { return g.Decide("GET", restricted, cookie) }, true, 503, false},
	} {
		faulty.Outage(c.down)
		a := c.ask()
		user, email := "", ""
		if c.user {
			user, email = alice.ID, alice.Email
		}
		if got, want := fmt.Sprintf("%d %q %q", a.Status, a.Header["Remote-User"], a.Header["Remote-Email"]), fmt.Sprintf("%d [%q] [%q]", c.status, user, email); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

// A kept answer is kept no longer than the window lasts, and none by default.
func TestCacheControlIsTheSmallerOfPolicyAndWindow(t *testing.T) {
	w, alice, g := scene(t, map[string]any{"decision_cache_seconds": 30})
	opened := alice.Unlock(g, 60)
	cookie := g.Pass(opened)
	ends := strconv.FormatInt(localtest.Start.Add(time.Minute).Unix(), 10)
	for _, c := range []struct {
		after              time.Duration
		path, cookie, want string
		expires            string
	}{
		{0, restricted, cookie, "max-age=30", ends},
		{30 * time.Second, restricted, cookie, "max-age=30", ends},
		{31 * time.Second, restricted, cookie, "max-age=29", ends},
		{59 * time.Second, restricted, cookie, "max-age=1", ends},
		// A kept second would be longer than what is left.
		{59*time.Second + time.Millisecond, restricted, cookie, "no-store", ends},
		{59 * time.Second, free, cookie, "max-age=30", ""},
		{59 * time.Second, free, "", "max-age=30", ""},
		{59 * time.Second, restricted, "", "no-store", ""},
		{60 * time.Second, restricted, cookie, "no-store", ""},
	} {
		w.Clock.Add(localtest.Start.Add(c.after).Sub(w.Clock.Now()))
		a := g.Decide("GET", c.path, c.cookie)
		if a.Header.Get("Cache-Control") != c.want || a.Header.Get("Portcullis-Expires") != c.expires {
			t.Errorf("%s after %s: %d %q until %q", c.path, c.after, a.Status, a.Header["Cache-Control"], a.Header["Portcullis-Expires"])
		}
	}
	w, alice, g = scene(t, nil)
	cookie = g.Pass(alice.Unlock(g, 60))
	for _, path := range []string{restricted, free} {
		if a := g.Decide("GET", path, cookie); a.Status != 204 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s by default: %d %q", path, a.Status, a.Header["Cache-Control"])
		}
	}
	_ = w
}

// A body in the answer to auth_request would cost nginx its connection.
func TestDecisionsHaveNoBody(t *testing.T) {
	_, alice, g := scene(t, nil)
	cookie := g.Pass(alice.Unlock(g, 60))
	for _, a := range []localtest.Answer{g.Decide("GET", restricted, cookie), g.Decide("GET", restricted, ""), g.Decide("GET", free, "")} {
		if a.Body != "" || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%d: %q %q", a.Status, a.Body, a.Header["Set-Cookie"])
		}
	}
	if a := g.Decide("GET", restricted, ""); a.Header.Get("Content-Length") != "0" {
		t.Errorf("length %q", a.Header["Content-Length"])
	}
}

func TestNoticeByAccept(t *testing.T) {
	w, _, g := scene(t, nil)
	for accept, want := range map[string]string{
		"": "text/html", "*/*": "text/html", "text/html,application/xhtml+xml,application/json;q=0.9": "text/html", "image/avif,*/*": "text/html",
		"application/json": "json", "application/json, text/plain, */*": "json", "application/problem+json,text/html": "json", "APPLICATION/JSON": "json",
	} {
		a := notice(w, g, accept)
		kind := a.Header.Get("Content-Type")
		if a.Status != 403 || !strings.Contains(kind, want) || a.Header.Get("Portcullis-Decision") != "deny" || a.Header.Get("Location") != "https://"+host+"/.portcullis/notice" {
			t.Errorf("%q: %d %q %v", accept, a.Status, kind, a.Header)
		}
		for _, say := range []string{"PBX " + host, localtest.BaseURL} {
			if !strings.Contains(a.Body, say) {
				t.Errorf("%q: the notice does not say %q: %s", accept, say, a.Body)
			}
		}
		if want == "json" && (a.Text("code") != "bad_attempt" || a.Number("status") != 403) {
			t.Errorf("%q: %s", accept, a.Body)
		}
		if want != "json" && !strings.Contains(a.Body, "Bad attempt") {
			t.Errorf("%q: %s", accept, a.Body)
		}
	}
	key := http.Header{"Authorization": {"Bearer " + g.Key}, "Accept": {"text/html"}}
	a := w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/notice", Header: key})
	if a.Status != 200 || !strings.Contains(a.Body, "help@acme.example") || !strings.Contains(a.Body, localtest.BaseURL) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	a = w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/notice"})
	if a.Status != 200 || !strings.Contains(a.Body, localtest.BaseURL) || strings.Contains(a.Body, "acme") {
		t.Errorf("beside a gate: %d %s", a.Status, a.Body)
	}
	wrong := http.Header{"Authorization": {"Bearer " + g.Key + "x"}}
	if a := w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/notice", Header: wrong}); a.Status != 401 {
		t.Errorf("with a wrong key: %d", a.Status)
	}
}

// Every reason has words of its own that tell what to do.
func TestNoticeSaysWhy(t *testing.T) {
	w, alice, g := scene(t, nil)
	said := map[string]string{"locked": notice(w, g, "text/html").Body}
	cookie := g.Pass(alice.Unlock(g, 60))
	say := func(path, cookie string) {
		h := g.Header(http.MethodGet, path, cookie)
		a := w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/decision?answer=notice", Header: h})
		said[a.Header.Get("Portcullis-Reason")] = a.Body
	}
	say(restricted, "")
	say("//xapi", cookie)
	g.Host = "two.acme.example"
	say(restricted, cookie)
	g.Host = host
	alice.Must(200, "PATCH", "/v1/phone-systems/"+g.ID, map[string]any{"policy": map[string]any{"binding": "pass+ip"}})
	g.Client = "203.0.113.1"
	say(restricted, cookie)
	w.Clock.Add(time.Minute)
	say(restricted, cookie)
	for reason, phrase := range map[string]string{
		"locked": "Nobody has", "no_pass": "not for this browser", "ambiguous": "more than one way", "wrong_host": "another host",
		"wrong_address": "another network address", "expired": "has ended",
	} {
		if !strings.Contains(said[reason], phrase) {
			t.Errorf("%s: %s", reason, said[reason])
		}
	}
}

// Names, contacts and tickets are text, whatever they look like.
func TestAttack39HTMLInNamesIsInert(t *testing.T) {
	const evil = `<img src=x onerror=alert(1)>"'&{{.Ticket}}`
	w := localtest.New(t)
	alice := w.Administrator(evil, "alice@acme.example")
	g := alice.PhoneSystem(host, nil)
	alice.Must(200, "PATCH", "/v1/phone-systems/"+g.ID, map[string]any{"name": evil})
	opened := alice.Unlock(g, 600)
	key := http.Header{"Authorization": {"Bearer " + g.Key}}
	pages := map[string]localtest.Answer{
		"decision": notice(w, g, "text/html"),
		"notice":   w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/notice", Header: key}),
		"pass":     w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/pass?ticket=" + opened.Text("pass.ticket"), Header: key}),
		"no pass":  w.Send(localtest.Request{Method: "GET", Path: `/v1/gate/pass?ticket="><img%20src=x>`, Header: key}),
		"posted":   g.Post(`"><img src=x onerror=alert(1)>`, localtest.BaseURL, ""),
		"foreign":  g.Post("x", "https://<img>", ""),
	}
	for name, a := range pages {
		if strings.Contains(a.Body, "<img") || !strings.Contains(a.Header.Get("Content-Type"), "text/html") || a.Status == 500 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		if strings.Contains(a.Body, "{{") && !strings.Contains(a.Body, "&lt;img") {
			t.Errorf("%s: %s", name, a.Body)
		}
		held(t, name, a)
	}
	for _, name := range []string{"decision", "notice", "pass"} {
		if !strings.Contains(pages[name].Body, "&lt;img src=x onerror=alert(1)&gt;") {
			t.Errorf("%s: the name is not there: %s", name, pages[name].Body)
		}
	}
	if a := notice(w, g, "application/json"); a.JSON == nil || !strings.Contains(a.Text("detail"), "<img") {
		t.Errorf("JSON: %s", a.Body)
	}
}

// held holds a page to the headers that keep it from doing or telling anything.
func held(t *testing.T, name string, a localtest.Answer) {
	t.Helper()
	policy := a.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'sha256-"} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script") {
		t.Errorf("%s: policy %q", name, policy)
	}
	for header, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := a.Header.Get(header); got != want {
			t.Errorf("%s: %s %q", name, header, got)
		}
	}
}

// The pass is this host's alone, out of reach of scripts, and ends with its
// window; under plain http on one machine it has a name of its own.
func TestAttack45PassCookie(t *testing.T) {
	w, alice, g := scene(t, nil)
	w.Clock.Add(400 * time.Millisecond)
	a := g.Post(alice.Unlock(g, 600).Text("pass.ticket"), localtest.BaseURL, "")
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil || len(a.Header["Set-Cookie"]) != 1 {
		t.Fatalf("%v %q", err, a.Header["Set-Cookie"])
	}
	if cookie.Name != "__Host-portcullis-pass" || !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" ||
		cookie.Domain != "" || !cookie.Expires.Equal(localtest.Start.Add(10*time.Minute)) || !strings.HasPrefix(cookie.Value, "pcp_") {
		t.Errorf("%+v", cookie)
	}
	if a.Status != 303 || a.Header.Get("Location") != "https://"+host+"/" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	machine := alice.PhoneSystem("pbx.localhost:8081", nil)
	a = machine.Post(alice.Unlock(machine, 600).Text("pass.ticket"), "http://pbx.localhost:8081", "")
	local, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil || local.Name != "portcullis-pass" || local.Secure || !local.HttpOnly || a.Header.Get("Location") != "http://pbx.localhost:8081/" {
		t.Fatalf("%v %q %v", err, a.Header["Set-Cookie"], a.Header["Location"])
	}
	h := machine.Header("GET", restricted, "portcullis-pass="+local.Value)
	h["Portcullis-Url"] = []string{"http://pbx.localhost:8081" + restricted}
	if a := w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/decision", Header: h}); a.Status != 204 {
		t.Errorf("on one machine: %d %v", a.Status, a.Header)
	}
}

// Forms that can't be read, and methods that there are not, do nothing.
func TestFormsThatCannotBeRead(t *testing.T) {
	w, alice, g := scene(t, nil)
	ticket := alice.Unlock(g, 600).Text("pass.ticket")
	h := http.Header{
		"Authorization": {"Bearer " + g.Key}, "Portcullis-Client": {g.Client}, "Origin": {localtest.BaseURL},
		"Content-Type": {"application/x-www-form-urlencoded"},
	}
	for body, want := range map[string]int{
		"ticket=%zz": 422, "ticket=" + ticket + "&x=" + strings.Repeat("a", 64<<10): 413, "": 403, "ticket": 403, "ticket=x&ticket=" + ticket: 403,
	} {
		if a := w.Send(localtest.Request{Method: "POST", Path: "/v1/gate/pass", Body: body, Header: h}); a.Status != want || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("%.40q: %d", body, a.Status)
		}
	}
	for _, c := range []struct{ method, path string }{{"PUT", "/v1/gate/pass"}, {"POST", "/v1/gate/decision"}, {"POST", "/v1/gate/notice"}} {
		if a := w.Send(localtest.Request{Method: c.method, Path: c.path, Body: "ticket=" + ticket, Header: h}); a.Status != 405 {
			t.Errorf("%s %s: %d", c.method, c.path, a.Status)
		}
	}
	if a := g.Post(ticket, localtest.BaseURL, ""); a.Status != 303 {
		t.Errorf("afterwards: %d", a.Status)
	}
}

// Nothing of a gate's secrets stands in the log.
func TestGateSecretsAreNotLogged(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	w := localtest.On(t, table.Table(faulty), clock)
	alice := w.Administrator("acme", "alice@acme.example")
	g := alice.PhoneSystem(host, nil)
	ticket := alice.Unlock(g, 600).Text("pass.ticket")
	a := g.Post(ticket, localtest.BaseURL, "")
	cookie, err := http.ParseSetCookie(a.Header.Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	faulty.Outage(true)
	g.Decide("GET", restricted, cookie.Name+"="+cookie.Value)
	g.Post(ticket, localtest.BaseURL, "")
	faulty.Outage(false)
	log := w.Log.String()
	if !strings.Contains(log, "a request failed") {
		t.Error("the failures were not logged")
	}
	for _, secret := range []string{g.Key, ticket, cookie.Value} {
		if strings.Contains(log, secret) {
			t.Errorf("%.4s… stands in the log", secret)
		}
	}
}
