package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// demonstration is what the file of the demonstration says.
type demonstration struct {
	PhoneSystemID string                    `json:"phone_system_id"`
	Administrator struct{ Password string } `json:"administrator"`
}

func (p *process) demonstration() (d demonstration) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.data, "demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// host is the stand-in's, as browsers name it.
func (p *process) host() string {
	_, port, _ := strings.Cut(p.demo, ":")
	return "pbx.localhost:" + port
}

// console asks the stand-in for what only its administrator may see.
func (p *process) console(pass string) answer {
	p.t.Helper()
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.SetBasicAuth("admin", p.demonstration().Administrator.Password)
	return p.ask(p.demo, "GET", "/xapi/v1/SystemStatus", "", map[string]string{
		"Host": p.host(), "Cookie": pass, "Authorization": r.Header.Get("Authorization"),
	})
}

// unlock opens a window on the stand-in and answers the pass's cookie.
func (p *process) unlock(token string) string {
	p.t.Helper()
	opened := p.must(201, token, "POST", "/v1/phone-systems/"+p.demonstration().PhoneSystemID+"/unlocks", `{"reason":"a look"}`)
	passed := p.ask(p.demo, "POST", "/.portcullis/pass", "ticket="+opened.text("pass", "ticket"), map[string]string{
		"Host": p.host(), "Origin": "http://localhost:" + strings.TrimPrefix(p.addr, "127.0.0.1:"), "Content-Type": "application/x-www-form-urlencoded",
	})
	if passed.status != http.StatusSeeOther {
		p.t.Fatalf("the ticket is refused: %d %s", passed.status, passed.body)
	}
	cookie, _, _ := strings.Cut(passed.header.Get("Set-Cookie"), ";")
	return cookie
}

func TestASecondStartGoesOnWhereTheFirstEnded(t *testing.T) {
	s := newSettings(t)
	p := start(t, s)
	if got := strings.Count(p.greeting, "#accept?token="); got != 2 {
		t.Errorf("%d links on the first start: %s", got, p.greeting)
	}
	eventually(t, "two letters", func() bool {
		letters, err := filepath.Glob(filepath.Join(s.data, "outbox", "*.eml"))
		return err == nil && len(letters) == 2
	})
	token := p.join("admin@demo.example")
	pass := p.unlock(token)
	if a := p.console(pass); a.status != http.StatusOK {
		t.Errorf("with a window: %d %s", a.status, a.body)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: exit %d: %s", code, p.log)
	}

	p = start(t, s)
	if strings.Contains(p.greeting, "token=") {
		t.Errorf("links on the second start: %s", p.greeting)
	}
	p.must(200, token, "GET", "/v1/session", "")
	if a := p.console(pass); a.status != http.StatusOK {
		t.Errorf("the window did not survive: %d %s", a.status, a.body)
	}
	if code := p.stop(syscall.SIGINT); code != 0 {
		t.Errorf("SIGINT: exit %d: %s", code, p.log)
	}
	if p.log.String() != "" {
		t.Errorf("it logged %s", p.log)
	}

	if err := os.Remove(filepath.Join(s.data, "demo.json")); err != nil {
		t.Fatal(err)
	}
	p = start(t, s)
	if a := p.console(pass); a.status != http.StatusOK || strings.Contains(p.greeting, "token=") {
		t.Errorf("with the demonstration's file lost: %d %s %s", a.status, a.body, p.greeting)
	}
	info, err := os.Stat(filepath.Join(s.data, "demo.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v %v", info, err)
	}
}

func TestWithoutTheDemonstration(t *testing.T) {
	s := newSettings(t)
	demo := s.demo
	s.demo, s.environment = "", []string{"PORTCULLIS_OPERATOR_EMAIL=night.watch@example.org"}
	p := start(t, s)
	if strings.Contains(p.greeting, "stand-in") || strings.Count(p.greeting, "token=") != 1 {
		t.Errorf("it greets with %s", p.greeting)
	}
	if _, err := os.Stat(filepath.Join(s.data, "demo.json")); !os.IsNotExist(err) {
		t.Errorf("the demonstration's file: %v", err)
	}
	token := p.join("night.watch@example.org")
	p.must(200, token, "GET", "/v1/session", "")
	if a := p.must(200, token, "GET", "/v1/audit?action=partner.created", ""); !strings.Contains(a.body, `"items":[]`) {
		t.Errorf("a partner was made: %s", a.body)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}

	// Turned on later, it is made then, and nobody is invited twice.
	s.demo, s.environment = demo, nil
	p = start(t, s)
	if strings.Count(p.greeting, "token=") != 1 {
		t.Errorf("it greets with %s", p.greeting)
	}
	admin := p.join("admin@demo.example")
	if a := p.console(p.unlock(admin)); a.status != http.StatusOK {
		t.Errorf("the console: %d %s", a.status, a.body)
	}
	p.must(200, token, "GET", "/v1/session", "")
}

func TestSettingsFromTheEnvironmentAndFlags(t *testing.T) {
	s := newSettings(t)
	addr := s.addr
	s.addr = free(t)
	s.environment = []string{"PORTCULLIS_ADDR=" + s.addr, "PORTCULLIS_BASE_URL=https://portal.example.org/", "PORTCULLIS_LOG_JSON=true"}
	s.args = []string{"-addr", addr} // the flag wins
	p := start(t, s)
	p.addr = addr
	if a := p.api("", "GET", "/healthz", ""); a.text("status") != "ok" {
		t.Errorf("healthz: %d %s", a.status, a.body)
	}
	if !strings.Contains(p.greeting, "https://portal.example.org/#accept?token=") {
		t.Errorf("links do not follow the setting: %s", p.greeting)
	}
	if a := p.api("", "GET", "/healthz", ""); a.header.Get("Strict-Transport-Security") == "" {
		t.Error("https is not insisted on")
	}
}

// A letter that can't be written stays, and the log says why: as JSON here.
func TestLogJSON(t *testing.T) {
	s := newSettings(t)
	s.args = []string{"-log-json"}
	p := start(t, s)
	token := p.join("admin@demo.example")
	outbox := filepath.Join(s.data, "outbox")
	if err := os.Rename(outbox, outbox+".away"); err != nil {
		t.Fatal(err)
	}
	p.must(200, token, "POST", "/v1/phone-systems/"+p.demonstration().PhoneSystemID+"/gate-key", "")
	eventually(t, "a line of the log", func() bool { return strings.Contains(p.log.String(), "\n") })
	first, _, _ := strings.Cut(p.log.String(), "\n")
	var line struct{ Level, Msg, Error string }
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Level != "WARN" || !strings.Contains(line.Error, "outbox") {
		t.Errorf("%v: %s", err, first)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// underWay begins a request that the server is reading when this returns.
func (p *process) underWay(body string) (net.Conn, *bufio.Reader) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	if err != nil {
		p.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		p.t.Fatalf("%q %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil { // the empty line
		p.t.Fatal(err)
	}
	return conn, in
}

func TestRequestsUnderWayAreAnswered(t *testing.T) {
	p := start(t, newSettings(t))
	body := `{"email":"admin@demo.example","password":"wrong"}`
	conn, in := p.underWay(body)
	p.signal(syscall.SIGTERM)
	eventually(t, "no new connections", func() bool {
		late, err := net.Dial("tcp", p.addr)
		if err == nil {
			late.Close()
		}
		return err != nil
	})
	if _, err := conn.Write([]byte(body)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("%v %v", res, err)
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit %d: %s", code, p.log)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	s := newSettings(t)
	p := start(t, s)
	p.underWay(`{}`)
	p.signal(syscall.SIGINT)
	eventually(t, "the end", func() bool {
		// Again and again, since one counts only after the first was noticed; it
		// fails once the process has ended.
		return p.cmd.Process.Signal(syscall.SIGINT) != nil
	})
	p.wait()
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", p.cmd.ProcessState)
	}
	start(t, s) // and nothing is left behind
}
