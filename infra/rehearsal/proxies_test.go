//go:build rehearsal

package rehearsal

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/gate/proxytest"
)

// guarded is a phone system behind a real proxy with the configuration that the
// functions gave, and the functions that it asks, behind TLS.
type guarded struct {
	*world
	alice *visitor
	id    string
	host  string
	ca    *proxytest.Authority

	mu   sync.Mutex
	seen []*http.Request
}

func guard(t *testing.T, w *world, proxy string) *guarded {
	g := &guarded{world: w, alice: w.administrator(), host: "pbx.example.com:" + proxytest.FreePort(t), ca: proxytest.NewAuthority(t)}
	gate, id := w.gate(g.alice, g.host)
	g.id = id
	console := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen = append(g.seen, r.Clone(r.Context()))
		fmt.Fprint(out, "the phone system")
	}))
	t.Cleanup(console.Close)
	functions := httptest.NewUnstartedServer(w.gateway)
	functions.TLS = &tls.Config{Certificates: []tls.Certificate{g.ca.Certify("portal.example")}}
	functions.StartTLS()
	t.Cleanup(functions.Close)

	folder := t.TempDir()
	at, err := url.Parse(functions.URL)
	w.must(err)
	config := g.alice.text("/v1/phone-systems/" + id + "/gate-config?proxy=" + proxy + "&upstream=" + url.QueryEscape(console.URL))
	key := strings.TrimPrefix(gate.header.Get("Authorization"), "Bearer ")
	proxytest.Lay(t, proxy, folder, proxytest.Patient(proxytest.Here(config, folder, g.host, at)), key)
	g.ca.Write(folder, g.ca.Certify("pbx.example.com"))
	_, port, _ := strings.Cut(g.host, ":")
	proxytest.Run(t, proxytest.Command(t, proxy, folder, ""), port)
	return g
}

// text asks for what is no JSON.
func (v *visitor) text(path string) string {
	v.w.t.Helper()
	r, err := http.NewRequest("GET", portal+path, http.NoBody)
	v.w.must(err)
	r.RemoteAddr = "192.0.2.1:40000"
	r.Header.Set("Authorization", "Bearer "+v.token)
	res, err := v.w.Do(r)
	v.w.must(err)
	body, err := io.ReadAll(res.Body)
	v.w.must(err)
	if res.StatusCode != http.StatusOK {
		v.w.t.Fatalf("%s: %d %s", path, res.StatusCode, body)
	}
	return string(body)
}

// reply is what a browser got; without a status: nothing.
type reply struct {
	status int
	header http.Header
	body   string
}

// raw sends the lines of a request as they are.
func (g *guarded) raw(body string, lines ...string) reply {
	g.t.Helper()
	_, port, _ := strings.Cut(g.host, ":")
	dialed, err := net.Dial("tcp", "127.0.0.1:"+port)
	g.must(err)
	g.must(dialed.SetDeadline(time.Now().Add(5 * time.Minute)))
	config := g.ca.ClientTLS(g.host)
	config.NextProtos = []string{"http/1.1"}
	connection := tls.Client(dialed, config)
	defer connection.Close()
	if body != "" {
		lines = append(lines, fmt.Sprint("Content-Length: ", len(body)))
	}
	_, err = io.WriteString(connection, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
	g.must(err)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return reply{}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	g.must(err)
	return reply{response.StatusCode, response.Header, string(text)}
}

func (g *guarded) get(path string, headers ...string) reply {
	g.t.Helper()
	return g.raw("", append([]string{"GET " + path + " HTTP/1.1", "Host: " + g.host}, headers...)...)
}

// reached are the requests that reached the phone system since the last time.
func (g *guarded) reached() []*http.Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := g.seen
	g.seen = nil
	return seen
}

// denied demands an error, and that nothing reached the phone system.
func (g *guarded) denied(what string, a reply) {
	g.t.Helper()
	// Of a host that is none of its sites, Caddy says nothing, with 200.
	if a.status != 0 && a.status < 400 && a.body != "" {
		g.t.Errorf("%s: %d %.200q", what, a.status, a.body)
	}
	if seen := g.reached(); len(seen) > 0 {
		g.t.Errorf("%s reached the phone system: %s %s", what, seen[0].Method, seen[0].RequestURI)
	}
}

func (g *guarded) locked(what string, a reply) {
	g.t.Helper()
	g.denied(what, a)
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "Bad attempt") {
		g.t.Errorf("%s: %d %.200q", what, a.status, a.body)
	}
}

func (g *guarded) open(what string, a reply) []*http.Request {
	g.t.Helper()
	seen := g.reached()
	if a.status != http.StatusOK || len(seen) != 1 {
		g.t.Fatalf("%s: %d %.300q, reached the phone system %d times", what, a.status, a.body, len(seen))
	}
	return seen
}

func (g *guarded) unlock() (id, ticket string) {
	g.t.Helper()
	opened := g.alice.ask(201, "POST", "/v1/phone-systems/"+g.id+"/unlocks", map[string]any{"reason": "x", "duration_seconds": 600})
	return fmt.Sprint(opened["id"]), fmt.Sprint(get(opened, "pass", "ticket"))
}

func (g *guarded) post(ticket, origin string) reply {
	g.t.Helper()
	return g.raw("ticket="+ticket, "POST /.portcullis/pass HTTP/1.1", "Host: "+g.host, "Content-Type: application/x-www-form-urlencoded", "Origin: "+origin)
}

func (g *guarded) spend(ticket string) (cookie string) {
	g.t.Helper()
	a := g.post(ticket, portal)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "https://"+g.host+"/" {
		g.t.Fatalf("the ticket is refused: %d %q %s", a.status, a.header, a.body)
	}
	cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return "Cookie: " + cookie
}

// ATTACKS.md 24 to 30, 43, 45 and 47 through a real proxy whose decisions are
// the deployed functions'.
func attackProxies(t *testing.T, g *guarded) {
	id, ticket := g.unlock()
	g.attackTickets(ticket)
	_, ticket = g.again(id)
	pass := g.spend(ticket)
	g.open("with a pass", g.get("/xapi/v1/Users", pass))
	g.attackMalformed(pass)
	g.attackClaims(pass)
	g.attackPaths()
	g.attackRedirects()
	g.attackOutage(pass)
	g.attackFlood()
	g.attackPasses(id, pass)
}

// again fetches another ticket of a window.
func (g *guarded) again(id string) (string, string) {
	g.t.Helper()
	return id, fmt.Sprint(get(g.alice.ask(200, "POST", "/v1/unlocks/"+id+"/pass", nil), "pass", "ticket"))
}

// attackTickets: 43, and 28 of the one redirect there is.
func (g *guarded) attackTickets(ticket string) {
	for _, origin := range []string{"https://evil.example", "null", "https://portal.example.evil.example"} {
		if a := g.post(ticket, origin); a.status != http.StatusForbidden || a.header.Get("Set-Cookie") != "" {
			g.t.Errorf("43: from %s: %d %q", origin, a.status, a.header)
		}
	}
	if a := g.get("/.portcullis/pass?ticket=" + ticket); a.status != 200 || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "alice@acme.example") {
		g.t.Errorf("43: by a link: %d %s", a.status, a.body)
	}
	g.spend(ticket)
	if a := g.post(ticket, portal); a.status != http.StatusForbidden {
		g.t.Errorf("43: again: %d", a.status)
	}
}

func (g *guarded) attackMalformed(pass string) {
	host, long := "Host: "+g.host, strings.Repeat("a", 12<<10)
	for what, lines := range map[string][]string{
		"a long path": {"GET /xapi/" + long + " HTTP/1.1", host}, "a long query": {"GET /xapi/v1/Users?" + long + long + " HTTP/1.1", host},
		"a malformed escape": {"GET /xapi/%zz HTTP/1.1", host, pass}, "a control character": {"GET /xapi/\x01 HTTP/1.1", host, pass}, "bytes beyond ASCII": {"GET /xapi/\xff\xfe HTTP/1.1", host, pass},
		"two passes": {"GET /xapi/v1/Users HTTP/1.1", host, pass + "; " + strings.TrimPrefix(pass, "Cookie: ")}, "two cookie headers": {"GET /xapi/v1/Users HTTP/1.1", host, pass, pass},
		"no host": {"GET /xapi/v1/Users HTTP/1.1", pass}, "another host": {"GET /xapi/v1/Users HTTP/1.1", "Host: other.example", pass}, "an absolute target": {"GET https://other.example/xapi/v1/Users HTTP/1.1", host, pass},
	} {
		g.denied("24: "+what, g.raw("", lines...))
	}
}

// attackClaims: 25, 29 and 45.
func (g *guarded) attackClaims(pass string) {
	forged := []string{"Portcullis-Method: GET", "Portcullis-Url: https://" + g.host + "/webclient/", "Portcullis-Client: 203.0.113.66", "portcullis_url: https://" + g.host + "/webclient/", "Portcullis-Decision: allow",
		"Remote-User: mallory", "remote_user: mallory", "Remote-Email: mallory@evil.example", "X-Forwarded-For: 203.0.113.66", "X-Original-Url: /webclient/", "X-Rewrite-Url: /webclient/"}
	g.locked("25: with forged headers", g.get("/xapi/v1/Users", forged...))
	user := fmt.Sprint(get(g.alice.ask(200, "GET", "/v1/session", nil), "user", "id"))
	own := pass + "; a=1; portcullis=x; __Host-portcullis-device=y"
	for path, want := range map[string]string{"/webclient/": "", "/xapi/v1/Users": user} {
		r := g.open("25: "+path, g.get(path, append(slices.Clone(forged), own)...))[0]
		if got := r.Header.Values("Remote-User"); strings.Join(got, ",") != want || strings.Contains(fmt.Sprint(r.Header), "203.0.113.66") || strings.Contains(fmt.Sprint(r.Header), "mallory") || r.Header.Get("X-Forwarded-For") != "127.0.0.1" {
			g.t.Errorf("29: %s: the phone system was told %v", path, r.Header)
		}
		if got := r.Header.Get("Cookie"); got != "a=1" {
			g.t.Errorf("45: %s: the phone system got the cookies %q", path, got)
		}
	}
}

func (g *guarded) attackPaths() {
	for _, path := range []string{"/XAPI/v1/Users", "/%78api/v1/Users", "//xapi/v1/Users", "/webclient/../xapi/v1/Users", "/webclient/%2e%2e/xapi/v1/Users", "/webclient/..%2fxapi/v1/Users", "/webclient/%252e%252e/xapi/v1/Users",
		"/webclient/..;/xapi/v1/Users", "/webclient/..%5cxapi/v1/Users", "/webclient/..%00/xapi/v1/Users", "/xapi/v1/MyUser/../Users", "/xapi;x/v1/Users", "/xapi/x.js", "/connect/token/../authorize", "/xapi/v1/Users?/webclient/", "/webclient/%c0%ae%c0%ae/xapi"} {
		for _, method := range []string{"GET", "POST", "TRACE"} {
			g.denied("26: "+method+" "+path, g.raw("", method+" "+path+" HTTP/1.1", "Host: "+g.host, "Content-Length: 0"))
		}
	}
}

func (g *guarded) attackRedirects() {
	for _, path := range []string{"//evil.example/", "/\\evil.example/", "/%2f%2fevil.example/", "/.portcullis/pass?ticket=x&next=https://evil.example/", "/.portcullis/notice?next=//evil.example"} {
		if a := g.get(path, "X-Forwarded-Host: evil.example"); strings.Contains(a.header.Get("Location")+a.header.Get("Refresh"), "evil") {
			g.t.Errorf("28: %s leads to %s", path, a.header.Get("Location"))
		}
	}
}

// attackOutage: 30.
func (g *guarded) attackOutage(pass string) {
	g.cloud.fail(throttled)
	a := g.get("/xapi/v1/Users", pass)
	g.denied("30: while the table refuses", a)
	if a.status != http.StatusServiceUnavailable {
		g.t.Errorf("30: %d %.200q", a.status, a.body)
	}
	g.open("30: extension users meanwhile", g.get("/webclient/"))
	g.cloud.fail(none)
	g.open("30: afterwards", g.get("/xapi/v1/Users", pass))
}

// attackFlood: 47. It adds no more entries than processes were asked.
func (g *guarded) attackFlood() {
	entries := func() int {
		items, _ := g.alice.ask(200, "GET", "/v1/audit?action=gate.bad_attempt", nil)["items"].([]any)
		return len(items)
	}
	before := entries()
	for range 100 {
		g.locked("47: a flood", g.get("/xapi/v1/Users"))
	}
	if after, most := entries(), len(g.functions["gate"].all); after == 0 || after-before > most {
		g.t.Errorf("47: %d entries, then %d, of %d processes", before, after, most)
	}
	g.open("47: extension users meanwhile", g.get("/webclient/"))
}

// attackPasses: 27. A pass elsewhere, altered, and after its window.
func (g *guarded) attackPasses(id, pass string) {
	other, system := g.gate(g.alice, "other.example.com")
	opened := g.alice.ask(201, "POST", "/v1/phone-systems/"+system+"/unlocks", map[string]any{"reason": "x"})
	for what, cookie := range map[string]string{"another phone system's": "Cookie: " + g.pass(other, fmt.Sprint(get(opened, "pass", "ticket"))), "an altered one": pass + "x", "none": "Cookie: a=1"} {
		g.locked("27: "+what, g.get("/xapi/v1/Users", cookie))
	}
	g.alice.ask(200, "DELETE", "/v1/unlocks/"+id, nil)
	g.locked("27: after the close", g.get("/xapi/v1/Users", pass))
	_, ticket := g.unlock()
	pass = g.spend(ticket)
	g.open("27: a new window", g.get("/xapi/v1/Users", pass))
	g.must(g.Advance(10 * time.Minute))
	g.locked("27: after its end", g.get("/xapi/v1/Users", pass))
}
