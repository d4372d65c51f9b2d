package main // not main_test: what the program is made of must count for go test's cache

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/gate/proxytest"
)

// binaryVariable is where TestMain says which program to run.
const binaryVariable = "TESTED_PORTCULLIS"

// within bounds whatever a test waits for: only to end it at all.
const within = 5 * time.Minute

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// patient is patience.go with more of it: everything else is as `make build` makes it.
const patient = `package local

import "time"

const gateWithin = time.Minute
`

// build builds the program into a folder.
func build(folder string) (binary string, err error) {
	binary = filepath.Join(folder, "portcullis")
	original, err := filepath.Abs("../patience.go")
	if err != nil {
		return "", err
	}
	replaced, overlay := filepath.Join(folder, "patience.go"), filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replaced}})
	if err := errors.Join(err, os.WriteFile(replaced, []byte(patient), 0o600), os.WriteFile(overlay, text, 0o600)); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// buildAndRun runs the tests on the built program.
func buildAndRun(m *testing.M) int {
	folder, err := os.MkdirTemp("", "portcullis-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary, err := build(folder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func binary() string { return os.Getenv(binaryVariable) }

// environment is ours without what would change the program or curl.
func environment(more ...string) []string {
	kept := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "PORTCULLIS_") || strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
	return append(kept, more...)
}

// free is an address that nobody listens on, nor anything else will until the
// test is over.
func free(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", proxytest.FreePort(t))
}

// settings are what a process is started with.
type settings struct {
	data        string
	addr, demo  string // demo "": none
	args        []string
	environment []string
	shell       string // run through this shell script, which ends in exec "$@"
}

func newSettings(t *testing.T) settings {
	t.Helper()
	return settings{data: filepath.Join(t.TempDir(), "data"), addr: free(t), demo: free(t)}
}

func (s settings) command(ctx context.Context) *exec.Cmd {
	args := append([]string{"-data", s.data, "-addr", s.addr, "-demo-addr", s.demo}, s.args...)
	cmd := exec.CommandContext(ctx, binary(), args...)
	if s.shell != "" {
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", s.shell, "sh", binary()}, args...)...)
	}
	cmd.Env = environment(s.environment...)
	return cmd
}

// process is a running Portcullis.
type process struct {
	settings
	t        *testing.T
	cmd      *exec.Cmd
	greeting string
	log      *lines
	ended    chan error
}

// lines is what a process writes; safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts a process and waits until it serves.
func start(t *testing.T, s settings) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	p := &process{settings: s, t: t, cmd: s.command(ctx), log: &lines{}, ended: make(chan error, 1)}
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	served := make(chan string, 1)
	go p.listen(out, served)
	t.Cleanup(func() {
		cancel() // kills it, if it still runs
		<-p.ended
	})
	var greets bool
	if p.greeting, greets = <-served; !greets {
		t.Fatalf("it did not start: %s", p.log)
	}
	return p
}

// listen hands the greeting on, and then that the process has ended.
func (p *process) listen(out io.Reader, served chan<- string) {
	var greeting strings.Builder
	for scan := bufio.NewScanner(out); scan.Scan(); {
		fmt.Fprintln(&greeting, scan.Text())
		if scan.Text() == "Stop with Ctrl-C." {
			served <- greeting.String()
		}
	}
	close(served)
	p.ended <- p.cmd.Wait()
	close(p.ended)
}

// signal sends a signal.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop ends the process by a signal and answers its exit code.
func (p *process) stop(s os.Signal) int {
	p.t.Helper()
	p.signal(s)
	return p.wait()
}

func (p *process) wait() int {
	p.t.Helper()
	err := <-p.ended
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

// text is a text in the answer, at a path of members.
func (a answer) text(path ...string) string {
	var value any = a.json
	for _, name := range path {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	text, _ := value.(string)
	return text
}

// ask sends a request to an address of the process.
func (p *process) ask(address, method, path, body string, header map[string]string) answer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	if strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &a.json); err != nil {
			p.t.Fatal(err)
		}
	}
	return a
}

// api asks the API in a session.
func (p *process) api(token, method, path, body string) answer {
	p.t.Helper()
	return p.ask(p.addr, method, path, body, map[string]string{"Authorization": "Bearer " + token})
}

// must is api that ends the test unless it is answered so.
func (p *process) must(status int, token, method, path, body string) answer {
	p.t.Helper()
	a := p.api(token, method, path, body)
	if a.status != status {
		p.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// link is the token of an invitation that the greeting shows.
func (p *process) link(email string) string {
	p.t.Helper()
	for line := range strings.Lines(p.greeting) {
		if words := strings.Fields(line); len(words) == 2 && words[0] == email {
			_, token, _ := strings.Cut(words[1], "#accept?token=")
			return token
		}
	}
	p.t.Fatalf("no invitation for %s in %s", email, p.greeting)
	return ""
}

// join accepts an invitation, enrols, and answers the session's token.
func (p *process) join(email string) string {
	p.t.Helper()
	accepted := p.must(200, "", "POST", "/v1/invitations/accept", `{"token":"`+p.link(email)+`","password":"quiet otter paints lanterns"}`)
	login := accepted.text("login_token")
	secret := p.must(200, "", "POST", "/v1/login/enroll", `{"login_token":"`+login+`"}`).text("secret")
	code, err := exec.Command(binary(), "code", secret).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return p.must(200, "", "POST", "/v1/login/enroll/confirm", `{"login_token":"`+login+`","code":"`+strings.TrimSpace(string(code))+`"}`).text("token")
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(within)
	for try := time.NewTicker(10 * time.Millisecond); !holds(); {
		select {
		case <-try.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// contents are the files below a folder, by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, folder)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// same demands that a folder holds what it held.
func same(t *testing.T, folder string, before map[string]string) {
	t.Helper()
	after := contents(t, folder)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if text, ok := after[name]; !ok || text != before[name] {
			t.Errorf("%s was changed", name)
		}
		delete(after, name)
	}
	for name := range after {
		t.Errorf("%s was made", name)
	}
}
