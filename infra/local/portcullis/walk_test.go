package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// command is one line of the walk and what it prints.
type command struct{ line, prints string }

func walk(t *testing.T) (text string, commands []command) {
	t.Helper()
	archive, err := txtar.ParseFile("../testdata/walk.txtar")
	if err != nil || len(archive.Files) != 1 {
		t.Fatalf("%v, %d files", err, len(archive.Files))
	}
	text = string(archive.Files[0].Data)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if prints, ok := strings.CutPrefix(line, "# → "); ok {
			commands[len(commands)-1].prints += prints + "\n"
			continue
		}
		commands = append(commands, command{line: line})
	}
	return text, commands
}

func TestTheWalkIsTheREADMEs(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text, commands := walk(t)
	if !strings.Contains(string(readme), "\n```sh\n"+text+"```\n") {
		t.Error("README.md's walk and testdata/walk.txtar differ")
	}
	if len(commands) != 10 {
		t.Errorf("%d lines, the README promises ten", len(commands))
	}
}

// The walk, as printed, against the program started as `make run` starts it:
// with its default data folder, where the README is. Only the addresses differ.
func TestTheWalk(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Log("curl is not installed here: the README's walk was NOT run")
		return // Go and make are all that is needed to work on this
	}
	home := t.TempDir()
	s := newSettings(t)
	s.data = filepath.Join(home, ".portcullis")
	start(t, s)
	if err := os.Mkdir(filepath.Join(home, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary(), filepath.Join(home, "bin", "portcullis")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the letter", func() bool {
		letters, err := filepath.Glob(filepath.Join(s.data, "outbox", "*-admin@demo.example.eml"))
		return err == nil && len(letters) == 1
	})
	_, commands := walk(t)
	for i, printed := range paste(t, home, s, commands) {
		if printed != commands[i].prints {
			t.Errorf("%s\nprints\n%swant\n%s", commands[i].line, printed, commands[i].prints)
		}
	}
}

// paste gives the lines to one shell and answers what each printed.
func paste(t *testing.T, home string, s settings, commands []command) []string {
	t.Helper()
	const mark = "=== next line ==="
	var script strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&script, "%s\necho '%s'\n", c.line, mark)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-e")
	shell.Dir, shell.Env = home, environment()
	shell.Stdin = strings.NewReader(strings.NewReplacer(":8080", port(t, s.addr), ":8081", port(t, s.demo)).Replace(script.String()))
	out, err := shell.CombinedOutput()
	printed := strings.Split(string(out), mark+"\n")
	if err != nil || len(printed) != len(commands)+1 || printed[len(commands)] != "" {
		t.Fatalf("%v after\n%s", err, out)
	}
	return printed[:len(commands)]
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return ":" + port
}
