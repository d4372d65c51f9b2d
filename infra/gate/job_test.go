package gate

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// login is what the 3CX web client sends.
func login(name, password string) string {
	body, err := json.Marshal(map[string]string{"Username": name, "Password": password, "SecurityCode": "", "ReCaptchaResponse": ""})
	if err != nil {
		panic(err)
	}
	return string(body)
}

// token signs in at a v20 stand-in and answers the access token and the refresh
// cookie.
func (s *scene) token(name, password string) (bearer, cookie string) {
	s.t.Helper()
	a := s.do("POST", "/webclient/api/Login/GetAccessToken", login(name, password), "Content-Type: application/json")
	var body struct {
		Status string
		Token  struct {
			Access string `json:"access_token"`
		}
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil || a.status != 200 || body.Status != "AuthSuccess" {
		s.t.Fatalf("signing in: %d %s %v", a.status, a.body, err)
	}
	cookie, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
	return "Authorization: Bearer " + body.Token.Access, cookie
}

// socket opens the web client's web socket.
func (s *scene) socket(path string) (*websocket.Conn, error) {
	s.t.Helper()
	config, err := websocket.NewConfig("wss://"+s.gate.Host+path, s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	connection := s.connect()
	s.t.Cleanup(func() { _ = connection.Close() })
	return websocket.NewClient(config, connection)
}

func echo(ws *websocket.Conn, text string) error {
	if err := websocket.Message.Send(ws, text); err != nil {
		return err
	}
	var got string
	if err := websocket.Message.Receive(ws, &got); err != nil {
		return err
	}
	if got != text {
		return fmt.Errorf("sent %q, got %q", text, got)
	}
	return nil
}

// The main job, on a 3CX v20: the right password alone never reaches the admin
// API; with a window it does, until the window is closed; an extension user
// signs in, refreshes and holds a web socket all the while.
func TestMainJobOnVersion20(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		user, refresh := s.token(extension.Name, extension.Password)
		ws, err := s.socket("/ws/webclient")
		if err != nil {
			t.Fatal(err)
		}
		atWork := func(when string) {
			s.t.Helper()
			if a := s.do("GET", "/xapi/v1/MyUser", "", user); a.status != 200 {
				s.t.Errorf("%s: own settings: %d %s", when, a.status, a.body)
			}
			a := s.do("POST", "/connect/token", "client_id=Webclient&grant_type=refresh_token", "Content-Type: application/x-www-form-urlencoded", "Cookie: "+refresh)
			if a.status != 200 {
				s.t.Errorf("%s: refreshing: %d %s", when, a.status, a.body)
			}
			refresh, _, _ = strings.Cut(a.header.Get("Set-Cookie"), ";")
			if err := echo(ws, when); err != nil {
				s.t.Errorf("%s: the web socket: %v", when, err)
			}
			s.pbx.seen()
		}
		admin, _ := s.token(administrator.Name, administrator.Password)
		atWork("locked")
		s.locked("a right password without a window", s.do("GET", "/xapi/v1/Users", "", admin))
		program := s.do("GET", "/xapi/v1/Users", "", admin, "Accept: application/json")
		if program.status != 403 || !strings.Contains(program.header.Get("Content-Type"), "json") || !strings.Contains(program.body, "bad_attempt") || len(s.pbx.seen()) > 0 {
			s.t.Errorf("a program is told %d %.100q", program.status, program.body)
		}
		s.locked("basic authentication", s.do("GET", "/xapi/v1/SystemStatus", "", "Authorization: Basic YWRtaW46cmlnaHQgYWRtaW4gcGFzc3dvcmQ="))
		s.locked("a change", s.do("POST", "/xapi/v1/Users", `{"x":1}`, admin, "Content-Type: application/json"))

		cookie, unlock := s.pass(s.alice)
		a := s.do("GET", "/xapi/v1/Users", "", admin, "Cookie: "+cookie)
		if a.status != 200 || !strings.Contains(a.body, "Administrator") {
			s.t.Fatalf("with a window: %d %s", a.status, a.body)
		}
		atWork("unlocked")
		s.locked("another browser", s.do("GET", "/xapi/v1/Users", "", admin))
		s.alice.Must(200, "DELETE", "/v1/unlocks/"+unlock.Text("id"), nil)
		s.locked("after the close", s.do("GET", "/xapi/v1/Users", "", admin, "Cookie: "+cookie))
		atWork("closed")

		s.stopPortal()
		if a := s.do("GET", "/xapi/v1/Users", "", admin, "Cookie: "+cookie); a.status != 503 || !strings.Contains(a.body, "could not be asked") {
			s.t.Errorf("with Portcullis stopped: %d %s", a.status, a.body)
		}
		if seen := s.pbx.seen(); len(seen) > 0 {
			s.t.Errorf("with Portcullis stopped, %s reached the phone system", seen[0].RequestURI)
		}
		atWork("Portcullis stopped")
		if user, _ = s.token(extension.Name, extension.Password); user == "" {
			s.t.Error("no new sign-in")
		}
	})
}

func TestMainJobOnVersion18(t *testing.T) {
	each(t, setting{profile: "3cx-v18"}, func(s *scene) {
		ws, err := s.socket("/ws/webclient")
		if err != nil {
			t.Fatal(err)
		}
		a := s.do("POST", "/webclient/api/Login/GetAccessToken", login(extension.Name, extension.Password))
		session, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
		atWork := func(when string) {
			s.t.Helper()
			if a := s.do("GET", "/myphone/session", "", "Cookie: "+session); a.status != 200 {
				s.t.Errorf("%s: %d %s", when, a.status, a.body)
			}
			if err := echo(ws, when); err != nil {
				s.t.Errorf("%s: the web socket: %v", when, err)
			}
			s.pbx.seen()
		}
		atWork("locked")
		right := login(administrator.Name, administrator.Password)
		s.locked("a right password without a window", s.do("POST", "/api/login", right))
		cookie, unlock := s.pass(s.alice)
		a = s.do("POST", "/api/login", right, "Cookie: "+cookie)
		if a.status != 200 || a.body != "AuthSuccess" {
			s.t.Fatalf("with a window: %d %s", a.status, a.body)
		}
		signedIn, _, _ := strings.Cut(a.header.Get("Set-Cookie"), ";")
		if a = s.do("GET", "/api/SystemStatus", "", "Cookie: "+cookie+"; "+signedIn); a.status != 200 {
			s.t.Errorf("the console: %d %s", a.status, a.body)
		}
		atWork("unlocked")
		s.alice.Must(200, "DELETE", "/v1/unlocks/"+unlock.Text("id"), nil)
		s.locked("after the close", s.do("GET", "/api/SystemStatus", "", "Cookie: "+cookie+"; "+signedIn))
		s.stopPortal()
		if a := s.do("POST", "/api/login", right); a.status != 503 {
			s.t.Errorf("with Portcullis stopped: %d %s", a.status, a.body)
		}
		atWork("Portcullis stopped")
	})
}

// Extension users upload what they like, also with Portcullis stopped; a window
// lets large files through as well.
func TestLargeUploads(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		large := strings.Repeat("x", 12<<20)
		want := fmt.Sprint(len(large), " <nil>")
		if a := s.do("POST", "/webclient/upload", large); a.body != want {
			s.t.Errorf("an extension user's: %d %.200s", a.status, a.body)
		}
		cookie, _ := s.pass(s.alice)
		if a := s.do("POST", "/xapi/v1/Backups", large, "Cookie: "+cookie); a.body != want {
			s.t.Errorf("with a window: %d %.200s", a.status, a.body)
		}
		s.pbx.seen()
		s.locked("without one", s.do("POST", "/xapi/v1/Backups", "x"))
		s.stopPortal()
		if a := s.do("POST", "/webclient/upload", large); a.body != want {
			s.t.Errorf("with Portcullis stopped: %d %.200s", a.status, a.body)
		}
		s.pbx.seen()
		if a := s.do("POST", "/xapi/v1/Backups", "x", "Cookie: "+cookie); a.status != 503 || len(s.pbx.seen()) > 0 {
			s.t.Errorf("with a window, and Portcullis stopped: %d", a.status)
		}
	})
}

// Upgrades on restricted paths are denied, also with a window: a web socket
// would outlive it.
func TestNoWebSocketOnRestrictedPaths(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		cookie, _ := s.pass(s.alice)
		for _, upgrade := range []string{"websocket", "WebSocket", "h2c"} {
			a := s.raw("GET /xapi/v1/live HTTP/1.1", "Host: "+s.gate.Host, "Cookie: "+cookie, "Connection: Upgrade", "Upgrade: "+upgrade,
				"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
			if a.status != http.StatusForbidden {
				s.t.Errorf("%s: %d %s", upgrade, a.status, a.body)
			}
		}
		if seen := s.pbx.seen(); len(seen) > 0 {
			s.t.Errorf("%s reached the phone system", seen[0].RequestURI)
		}
	})
}

// A web socket over HTTP/2 or HTTP/3 is asked for by CONNECT (RFC 8441, RFC 9220),
// and Caddy makes an upgrade of it behind everything that looks for one: on a
// restricted path it would outlive the window. So no CONNECT is handed on, to
// whoever has a window open neither.
func TestAttack26NoConnectIsHandedOn(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		cookie, _ := s.pass(s.alice)
		for _, path := range []string{"/xapi/v1/live", "/webclient/", "/ws/webclient"} {
			a := s.raw("CONNECT "+path+" HTTP/1.1", "Host: "+s.gate.Host, "Cookie: "+cookie)
			if a.status < 400 || a.status >= 500 {
				s.t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		if seen := s.pbx.seen(); len(seen) > 0 {
			s.t.Errorf("%s %s reached the phone system", seen[0].Method, seen[0].RequestURI)
		}
	})
}

// Of upgrades only web sockets are handed on: whoever talked the phone system into
// HTTP/2 on a connection would ask there without the gate.
func TestNoOtherUpgradeIsHandedOn(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		for _, upgrades := range [][]string{{"h2c"}, {"H2C"}, {"h2c, websocket"}, {"websocket, h2c"}, {"websocketx"}, {"TLS/1.2"}, {"websocket", "h2c"}, {"h2c", "websocket"}} {
			lines := []string{"GET /webclient/ HTTP/1.1", "Host: " + s.gate.Host, "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"}
			for _, upgrade := range upgrades {
				lines = append(lines, "Upgrade: "+upgrade)
			}
			a := s.raw(lines...)
			for _, r := range s.pbx.seen() {
				asked := slices.Contains(upgrades, "websocket") && slices.Equal(r.Header["Upgrade"], []string{"websocket"})
				if got := r.Header["Upgrade"]; len(got) > 0 && !asked {
					s.t.Errorf("%q reached the phone system as %q", upgrades, got)
				}
			}
			if a.status == http.StatusSwitchingProtocols {
				s.t.Errorf("%q: switched", upgrades)
			}
		}
	})
}

// What a phone system answers is the browser's: it leads nginx nowhere inside. Nor
// does a browser get there by itself.
func TestAnswersLeadNowhereInside(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		if a := s.do("GET", "/webclient/elsewhere", ""); a.status != 200 || a.body != "as it is" {
			s.t.Errorf("%d %q", a.status, a.body)
		}
		s.pbx.seen()
		for _, inside := range []string{"decision", "denied", "unsure", "unheard", "", "x"} {
			if a := s.do("GET", "/.portcullis/"+inside, ""); a.status != 404 || len(s.pbx.seen()) > 0 {
				s.t.Errorf("%q: %d", inside, a.status)
			}
		}
	})
}

// Who sends a request slowly is not waited for: nginx gives up on a head, and on
// the rest of a body, after the times that its file sets, here eight seconds each.
// (Caddy's are its own, for all sites.)
func TestSlowRequestsAreCutOff(t *testing.T) {
	hurried := func(config string) string {
		for _, line := range []string{"client_header_timeout 15s;", "client_body_timeout 60s;"} {
			if !strings.Contains(config, line) {
				t.Errorf("the file has no %s", line)
			}
			name, _, _ := strings.Cut(line, " ")
			config = strings.Replace(config, line, name+" 8s;", 1)
		}
		return config
	}
	s := newScene(t, "nginx", setting{edit: hurried})
	waiting := map[string]*tls.Conn{}
	for what, begun := range map[string]string{
		"a head": "GET /webclient/ HTTP/1.1\r\nHost: ",
		"a body": "POST /webclient/upload HTTP/1.1\r\nHost: " + s.gate.Host + "\r\nContent-Length: 100\r\n\r\nx",
	} {
		connection := s.connect()
		defer connection.Close()
		if _, err := io.WriteString(connection, begun); err != nil {
			t.Fatal(err)
		}
		waiting[what] = connection
	}
	for what, connection := range waiting {
		if _, err := io.ReadAll(connection); err != nil {
			t.Errorf("%s: %v", what, err) // the time of connect is over
		}
	}
}

// Only what is spelled to the letter as the profile has it passes unasked: with
// Portcullis stopped, nothing else gets through, though it would be let through.
func TestOnlyPlainSpellingsPassUnasked(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		odd := []string{"/WebClient/", "/webclient/%61", "/%77ebclient/", "/webclient/a%20b", "/MYPHONE/x", "/callcontrol/x,y", "/XAPI/v1/MyUser", "/Main.JS"}
		for _, path := range odd {
			if a := s.do("GET", path, ""); a.status == 403 || a.status == 503 || len(s.pbx.seen()) != 1 {
				s.t.Errorf("%s: %d", path, a.status)
			}
		}
		s.stopPortal()
		for _, path := range odd {
			if a := s.do("GET", path, ""); a.status != 503 || len(s.pbx.seen()) > 0 {
				s.t.Errorf("%s passes unasked: %d", path, a.status)
			}
		}
		for _, path := range []string{"/webclient/", "/webclient/a", "/MyPhone/x", "/xapi/v1/MyUser", "/main.js?x=%2f"} {
			if s.do("GET", path, ""); len(s.pbx.seen()) != 1 {
				s.t.Errorf("%s does not pass", path)
			}
		}
	})
}

// Each file says what it was made from: as soon as the rules change, the phone
// system reads that it is stale, and the audit once. What it is asked is decided
// as before, by the new rules.
func TestStaleGatesAreTold(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		path := "/v1/phone-systems/" + s.gate.ID
		stale := func() any {
			s.Tick()
			gate, _ := s.alice.Must(200, "GET", path, nil).JSON["gate"].(map[string]any)
			return gate["config_stale"]
		}
		cookie, _ := s.pass(s.alice)
		asked := func(when string) {
			s.t.Helper()
			s.locked(when, s.do("GET", "/xapi/v1/Users", ""))
			if a := s.do("GET", "/xapi/v1/SystemStatus", "", "Cookie: "+cookie); a.status != 401 { // the phone system's own
				s.t.Errorf("%s, with a window: %d", when, a.status)
			}
			s.pbx.seen()
		}
		asked("a current file")
		if got := stale(); got != false {
			s.t.Errorf("a current file: stale is %v", got)
		}
		s.alice.Must(200, "PATCH", path, map[string]any{"restricted_paths": []string{"/reports"}})
		for range 2 {
			s.Clock.Add(time.Minute)
			asked("an old file")
			if got := stale(); got != true {
				s.t.Errorf("an old file: stale is %v", got)
			}
		}
		if n := len(s.alice.Must(200, "GET", "/v1/audit?action=gate.config_stale", nil).Items()); n != 1 {
			s.t.Errorf("told %d times", n)
		}
	})
}
