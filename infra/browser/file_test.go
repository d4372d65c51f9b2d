package browser

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table"
)

// choose has a person choose a file of some text in the field of a name.
func (p *page) choose(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), "file.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.do(chromedp.SetUploadFiles(p.labelled("input[type=file]", name), []string{path}))
}

const accessLog = `192.0.2.7 - - [25/Nov/2026:10:00:00 +0000] "GET /webclient/ HTTP/1.1" 200 512 "-" "Mozilla/5.0"
192.0.2.8 - - [25/Nov/2026:10:00:01 +0000] "GET /xapi/v1/Users?x=1 HTTP/1.1" 200 512 "-" "Mozilla/5.0"
no line of a log
`

// What a gate would have refused is read from an access log before it stands.
func TestAGateIsRehearsed(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem(pbxHost, nil)
	p := s.tab()
	p.signIn(alice)
	p.press("PBX " + gate.Host)
	p.press("What would the gate have refused?")
	p.choose("The access log", accessLog)
	p.press("Rehearse")
	p.see("Of 3 requests, 1 would have passed without a window, and 1 been refused.")
	p.see("192.0.2.8")
	p.see("no line of a log")
	p.shot("system-rehearsed")
	p.quiet()
}

// Whoever is suspended after a hundred failures ends that with the mailed link,
// by a press: opening the page does nothing yet.
func TestASuspensionIsEnded(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	item, err := table.Encode(attempt.CountKey(attempt.Password, alice.Email, ""), "attempts", attempt.Count{InARow: attempt.SuspendAfter - 1})
	if err == nil {
		err = s.Table.Apply(context.Background(), table.Put(item, table.Always()))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": alice.Email, "password": "not the password"}})
	link := s.secretOf(alice.Email)
	if !strings.HasPrefix(link, "/#unsuspend") {
		t.Fatalf("the mail links to %s", link)
	}
	p := s.tab()
	p.open(link)
	p.see("You end it here at once.")
	p.shot("unsuspend")
	p.press("End the suspension")
	p.see("The suspension is over")
	p.press("Go to sign-in")
	p.enter("E-mail", alice.Email)
	p.enter("Password", localtest.Password)
	p.press("Sign in")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Sign in")
	p.see("Phone systems")
	p.open("/help")
	p.open(link)
	p.press("End the suspension")
	p.see("This link was used already")
	p.quiet()
}
