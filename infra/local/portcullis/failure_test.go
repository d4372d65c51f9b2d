package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// refused runs a process that must end at once with exit code 1, nothing on its
// output, and one line that says what is wrong and what to do.
func refused(t *testing.T, s settings, says ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	cmd := s.command(ctx)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || out.Len() > 0 {
		t.Errorf("%v, and it said %s", err, &out)
	}
	line := log.String()
	if strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "portcullis: ") || strings.Contains(line, "portcullis: portcullis") || strings.Contains(line, "goroutine") {
		t.Errorf("not one clear line: %s", line)
	}
	for _, part := range says {
		if !strings.Contains(line, part) {
			t.Errorf("%q does not say %q", line, part)
		}
	}
}

// once is a data folder that was in use.
func once(t *testing.T) settings {
	t.Helper()
	s := newSettings(t)
	if code := start(t, s).stop(syscall.SIGTERM); code != 0 {
		t.Fatalf("exit %d", code)
	}
	return s
}

// Whatever is wrong with the data folder: a clear error, nothing made anew,
// nothing touched.
func TestADataFolderThatIsNotWhole(t *testing.T) {
	whole, other := once(t), once(t)
	put := func(name string, text []byte, mode os.FileMode) func(string) error {
		return func(data string) error {
			path := filepath.Join(data, name)
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return os.WriteFile(path, text, mode)
		}
	}
	remove := func(name string) func(string) error {
		return func(data string) error { return os.RemoveAll(filepath.Join(data, name)) }
	}
	read := func(s settings, name string) []byte {
		text, err := os.ReadFile(filepath.Join(s.data, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	store := read(whole, "portcullis.db")
	for _, c := range []struct {
		name string
		harm func(data string) error
		says []string
	}{
		{"the store is cut short", put("portcullis.db", store[:len(store)/2], 0o600), []string{"portcullis.db", "cut short", "backup"}},
		{"the store is another program's", put("portcullis.db", []byte(strings.Repeat("SQLite format 3\x00", 5000)), 0o600), []string{"portcullis.db", "not a store"}},
		{"the store is empty", put("portcullis.db", nil, 0o600), []string{"portcullis.db", "the store is missing", "backup"}},
		{"the store is missing", remove("portcullis.db"), []string{"portcullis.db", "the store is missing", "backup"}},
		{"the key is missing", remove("key"), []string{"key", "is missing", "backup"}},
		{"the key is another store's", put("key", read(other, "key"), 0o600), []string{"key", "does not belong", "same backup"}},
		{"the key is open to others", put("key", read(whole, "key"), 0o644), []string{"chmod 600", "key"}},
		{"the key is garbage", put("key", []byte("secret\n"), 0o600), []string{"key", "malformed"}},
		{"the outbox is a file", put("outbox", []byte("x"), 0o600), []string{"outbox", "another folder with -data"}},
		{"the demonstration's file is garbage", put("demo.json", []byte("{"), 0o600), []string{"demo.json", "remove it"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			s := newSettings(t)
			if err := os.CopyFS(s.data, os.DirFS(whole.data)); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"key", "portcullis.db"} { // CopyFS widens them
				if err := os.Chmod(filepath.Join(s.data, name), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.harm(s.data); err != nil {
				t.Fatal(err)
			}
			before := contents(t, s.data)
			refused(t, s, c.says...)
			same(t, s.data, before)
		})
	}
}

func TestTheDataFolderIsAFile(t *testing.T) {
	s := newSettings(t)
	if err := os.WriteFile(s.data, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, s, "the data folder can't be made", s.data)
	if text, err := os.ReadFile(s.data); err != nil || string(text) != "mine" {
		t.Errorf("%q %v", text, err)
	}
}

func TestTwoProcessesOnOneFolder(t *testing.T) {
	s := newSettings(t)
	p := start(t, s)
	token := p.join("admin@demo.example")
	second := newSettings(t)
	second.data = s.data
	refused(t, second, "in use by another process", "portcullis.db")
	p.must(200, token, "GET", "/v1/session", "")
	if code := p.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	start(t, second).must(200, token, "GET", "/v1/session", "")
}

// A start that could not listen has held nothing and invited nobody: the next
// one is the first.
func TestAddressInUse(t *testing.T) {
	s := newSettings(t)
	for _, address := range []string{s.addr, s.demo} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, s, address, "in use", "choose another address")
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if p := start(t, s); strings.Count(p.greeting, "token=") != 2 {
		t.Errorf("it greets with %s", p.greeting)
	}
}

func TestBadSettings(t *testing.T) {
	for _, c := range []struct{ flag, environment, says string }{
		{"-bogus", "", "-bogus"},
		{"-session-idle=2h", "", "PORTCULLIS_SESSION_IDLE"},
		{"", "PORTCULLIS_BASE_URL=portal", "PORTCULLIS_BASE_URL"},
	} {
		s := newSettings(t)
		if c.flag != "" {
			s.args = []string{c.flag}
		}
		s.environment = []string{c.environment}
		refused(t, s, c.says, "configuration")
		if _, err := os.Stat(s.data); !os.IsNotExist(err) {
			t.Errorf("%s%s: the data folder: %v", c.flag, c.environment, err)
		}
	}
}

func TestCodeOfNoSecret(t *testing.T) {
	var log bytes.Buffer
	cmd := exec.Command(binary(), "code", "no secret!")
	cmd.Stderr = &log
	if err := cmd.Run(); err == nil || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("%v: %s", err, &log)
	}
}
