package gate

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/gate/proxytest"
	"portcullis.example/infra/local/localtest"
)

// scene is a phone system behind a real proxy with the configuration that the
// API gave, and the Portcullis that it asks.
type scene struct {
	*localtest.World
	t      testing.TB
	proxy  string
	alice  *localtest.Person
	gate   *localtest.Gate
	pbx    *console
	portal *httptest.Server
	ca     *proxytest.Authority
	folder string
	// generated is the configuration before it was edited.
	generated string
	url       string
	browser   *http.Client
	nameless  bool
}

// setting is what a scene may differ in.
type setting struct {
	host    string // pbx.example.com if empty; at localhost there is no TLS
	profile string // 3cx-v20 if empty
	policy  map[string]any
	added   []string
	// edit changes the configuration: to see a test notice.
	edit func(config string) string
	// upstream is the phone system's web server, if not the stand-in of profile.
	upstream string
	// more stands in nginx's http block beside the gate's file; PORT is the gate's,
	// FOLDER where its certificate is.
	more string
	// nameless has a browser that does not say in TLS which host it wants: nginx
	// then reads its requests as the first of its servers says.
	nameless bool
	// hurried leaves the times in the file as they are.
	hurried bool
	// impostor answers in Portcullis' place.
	impostor func(ca *proxytest.Authority) tls.Certificate
	// answer stands in for Portcullis.
	answer func(portcullis http.Handler) http.Handler
}

func newScene(t testing.TB, proxy string, o setting) *scene {
	t.Helper()
	if o.profile == "" {
		o.profile = "3cx-v20"
	}
	s := &scene{World: localtest.New(t), t: t, proxy: proxy, ca: proxytest.NewAuthority(t), folder: t.TempDir(), nameless: o.nameless}
	host := cmp.Or(o.host, "pbx.example.com") + ":" + proxytest.FreePort(t)
	s.alice = s.Administrator("acme", "alice@acme.example")
	s.gate = s.alice.PhoneSystem(host, o.policy)
	s.alice.Must(http.StatusOK, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"profile": o.profile, "restricted_paths": append([]string{}, o.added...)})
	s.gate.Client = "127.0.0.1"
	s.url = "https://" + host
	s.pbx = newConsole(t, o.profile, s.ca.Certify("pbx.example.com"))
	s.startPortal(o)
	s.startProxy(o)
	transport := &http.Transport{TLSClientConfig: s.ca.ClientTLS(host), DialContext: s.dial, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	// A minute is what nginx waits for by itself: the gates' files say less.
	s.browser = &http.Client{Transport: transport, Timeout: 50 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

func (s *scene) startPortal(o setting) {
	var handler http.Handler = s.API
	if o.answer != nil {
		handler = o.answer(handler)
	}
	s.portal = httptest.NewUnstartedServer(handler)
	cert := s.ca.Certify("portal.example")
	if o.impostor != nil {
		cert = o.impostor(s.ca)
	}
	s.portal.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.portal.StartTLS()
	s.t.Cleanup(s.stopPortal)
}

// stopPortal ends Portcullis with every connection to it.
func (s *scene) stopPortal() {
	s.portal.CloseClientConnections()
	s.portal.Close()
}

func (s *scene) startProxy(o setting) {
	s.t.Helper()
	upstream := url.QueryEscape(cmp.Or(o.upstream, "https://"+s.pbx.Listener.Addr().String()))
	config := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID+"/gate-config?proxy="+s.proxy+"&upstream="+upstream, nil).Body
	portal, err := url.Parse(s.portal.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	config = proxytest.Here(config, s.folder, s.gate.Host, portal)
	if !o.hurried {
		config = proxytest.Patient(config)
	}
	s.generated = config
	if o.edit != nil {
		edited := o.edit(config)
		if edited == config {
			s.t.Fatal("the edit changed nothing")
		}
		config = edited
	}
	proxytest.Lay(s.t, s.proxy, s.folder, config, s.gate.Key)
	s.ca.Write(s.folder, s.ca.Certify("pbx.example.com"))
	_, port, _ := strings.Cut(s.gate.Host, ":")
	more := strings.NewReplacer("PORT", port, "FOLDER", s.folder).Replace(o.more)
	proxytest.Run(s.t, proxytest.Command(s.t, s.proxy, s.folder, more), port)
}

func (s *scene) dial(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, _ := strings.Cut(address, ":")
	return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
}

// answer is what a browser got.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request through the proxy. Headers are "Name: value".
func (s *scene) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header[name] = append(request.Header[name], value)
	}
	response, err := s.browser.Do(request)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// raw sends the lines of a request as they are and reads the answer.
func (s *scene) raw(lines ...string) answer {
	s.t.Helper()
	connection := s.connect()
	defer connection.Close()
	if _, err := io.WriteString(connection, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return answer{} // closed without a word
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

// connectionEnds is only to end a test at all.
const connectionEnds = 5 * time.Minute

func (s *scene) connect() *tls.Conn {
	s.t.Helper()
	connection, err := s.dial(s.t.Context(), "tcp", s.gate.Host)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := connection.SetDeadline(time.Now().Add(connectionEnds)); err != nil {
		s.t.Fatal(err)
	}
	config := s.ca.ClientTLS(s.gate.Host)
	config.NextProtos = []string{"http/1.1"}
	if s.nameless && s.proxy == "nginx" { // Caddy answers nobody so
		config.ServerName, config.InsecureSkipVerify = "", true
	}
	return tls.Client(connection, config)
}

// locked demands that a request gets the notice and that nothing of it reached
// the phone system.
func (s *scene) locked(what string, a answer) {
	s.t.Helper()
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "Bad attempt") || !strings.Contains(a.body, "https://portal.example") {
		s.t.Errorf("%s: %d %.200q", what, a.status, a.body)
	}
	if seen := s.pbx.seen(); len(seen) > 0 {
		s.t.Errorf("%s reached the phone system: %s %s", what, seen[0].Method, seen[0].RequestURI)
	}
}

// pass opens a window and fetches its pass through the proxy.
func (s *scene) pass(who *localtest.Person) (cookie string, unlock localtest.Answer) {
	s.t.Helper()
	unlock = who.Unlock(s.gate, 600)
	a := s.do("POST", "/.portcullis/pass", url.Values{"ticket": {unlock.Text("pass.ticket")}}.Encode(), "Content-Type: application/x-www-form-urlencoded", "Origin: "+localtest.BaseURL)
	if a.status != http.StatusSeeOther {
		s.t.Fatalf("the ticket is refused: %d %s", a.status, a.body)
	}
	cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return cookie, unlock
}

// each runs a test through both proxies.
func each(t *testing.T, o setting, test func(s *scene)) {
	for _, proxy := range proxytest.Names() {
		t.Run(proxy, func(t *testing.T) { test(newScene(t, proxy, o)) })
	}
}
