package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// As on a full disk: no file of the process may grow past some size. The
// requests that need room say so, everything else goes on, and with room again
// so do they; what was acknowledged is there, what was refused is not.
func TestAFullDisk(t *testing.T) {
	s := newSettings(t)
	p := start(t, s)
	token := p.join("admin@demo.example")
	system := p.demonstration().PhoneSystemID
	pass := p.unlock(token)
	p.limit(128 << 10)

	acknowledged := 0
	var last answer
	for last.status = http.StatusCreated; last.status == http.StatusCreated; acknowledged++ {
		if acknowledged > 2000 {
			t.Fatal("the disk never filled up")
		}
		last = p.register(token, acknowledged)
	}
	acknowledged--
	if last.status != http.StatusServiceUnavailable || last.text("code") != "unavailable" || last.header.Get("Retry-After") == "" {
		t.Errorf("on the full disk: %d %s", last.status, last.body)
	}
	eventually(t, "a line of the log", func() bool { return strings.Contains(p.log.String(), "level=ERROR") })
	p.must(200, token, "GET", "/v1/phone-systems/"+system, "")
	if a := p.console(pass); a.status != http.StatusOK {
		t.Errorf("the open window, on the full disk: %d", a.status)
	}

	p.limit(unix.RLIM_INFINITY)
	if a := p.register(token, acknowledged); a.status != http.StatusCreated {
		t.Errorf("with room again: %d %s", a.status, a.body)
	}
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d: %s", code, p.log)
	}
	listed := 0
	p = start(t, s)
	for path := "/v1/phone-systems?limit=200"; path != ""; {
		a := p.must(200, token, "GET", path, "")
		items, _ := a.json["items"].([]any)
		listed += len(items)
		path = ""
		if next := a.text("next"); next != "" {
			path = "/v1/phone-systems?limit=200&cursor=" + next
		}
	}
	if want := acknowledged + 2; listed != want { // and Demo PBX
		t.Errorf("%d phone systems, want %d", listed, want)
	}
}

// Not by its mode, which does not stop everybody: in /proc nobody makes a file.
func TestAnOutboxThatCanNotBeWritten(t *testing.T) {
	s := once(t)
	outbox := filepath.Join(s.data, "outbox")
	if err := os.RemoveAll(outbox); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc", outbox); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "the outbox can't be written", outbox)
}

// limit sets how large the files of the process may be, in bytes. (Go programs
// take the signal that comes with it for an error.)
func (p *process) limit(size uint64) {
	p.t.Helper()
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) register(token string, n int) answer {
	p.t.Helper()
	return p.api(token, "POST", "/v1/phone-systems", fmt.Sprintf(`{"name":"PBX %d","host":"pbx%d.example","customer":"%s"}`, n, n, strings.Repeat("x", 150)))
}
