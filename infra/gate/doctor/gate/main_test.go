package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file each for what is examined from inside.
func lay(t *testing.T, texts map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(strings.ReplaceAll(text, "FOLDER", folder)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// The exit code tells scripts what came out, and the text says it to people.
func TestExitCodes(t *testing.T) {
	folder := lay(t, map[string]string{
		"gate.conf": "include FOLDER/gate-key.nginx;\n", "new.conf": "# newer\ninclude  FOLDER/gate-key.nginx;\n", "same.conf": "# newer\n\tinclude FOLDER/gate-key.nginx;\n",
		"gate-key.nginx": "", "access.log": "203.0.113.9 - - \"GET /webclient/portcullis-doctor-ab HTTP/1.1\" 404\n", "roots.pem": "none",
	})
	in := func(name string) string { return filepath.Join(folder, name) }
	inside := []string{"doctor", "-marker", "portcullis-doctor-ab", "-access-log", in("access.log"), "-client", "203.0.113.9", "-installed", in("gate.conf"), "-generated"}
	for what, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"well":            {append(inside, in("same.conf")), well, "ok"},
		"changed":         {append(inside, in("new.conf")), wrong, "it lacks"},
		"one file":        {inside[:len(inside)-1], untold, "-generated"},
		"another address": {append(inside, in("same.conf"), "-client", "203.0.113.10"), wrong, "set_real_ip_from"},
		"nobody there":    {[]string{"doctor", "-url", "http://127.0.0.1:1"}, wrong, "FAILED   Does the gate answer?"},
		"help":            {[]string{"doctor", "-help"}, well, "-access-log"},
		"nothing":         {nil, misused, "usage"},
		"no URL":          {[]string{"doctor"}, misused, "the URL must be"},
		"an odd URL":      {[]string{"doctor", "-url", "https://pbx.example.com/webclient/"}, misused, "the URL must be"},
		"an odd profile":  {[]string{"doctor", "-url", "https://pbx.example.com", "-profile", "x"}, misused, "unknown profile"},
		"an odd port":     {[]string{"doctor", "-url", "https://pbx.example.com", "-port", "70000"}, misused, "-port"},
		"many ports":      {append([]string{"doctor", "-url", "https://pbx.example.com"}, strings.Fields(strings.Repeat("-port 1 ", 13))...), misused, "at most"},
		"many addresses":  {append([]string{"doctor", "-url", "https://pbx.example.com"}, strings.Fields(strings.Repeat("-pbx 192.0.2.1 ", 9))...), misused, "at most"},
		"a word too many": {[]string{"doctor", "x"}, misused, "unexpected x"},
		"no certificates": {[]string{"doctor", "-ca", in("roots.pem")}, misused, "no certificate"},
		"no log":          {[]string{"doctor", "-marker", "x"}, misused, "name that file too"},
	} {
		var out strings.Builder
		if code := run(c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %d, want %d and %q: %s", what, code, c.code, c.says, out.String())
		}
	}
}
