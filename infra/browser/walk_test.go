package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
)

// code is the present code of an authenticator's secret.
func (s *stage) code(secret string) string {
	s.t.Helper()
	parsed, err := totp.ParseSecret(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	code, err := totp.Code(parsed, s.Clock.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return code
}

// shot looks at what the page shows now: with axe-core always, with a camera if
// there is a folder for its pictures.
func (p *page) shot(name string) {
	p.t.Helper()
	p.accessible(name)
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	for _, look := range []struct {
		suffix string
		width  int64
		dark   bool
	}{{"1280", 1280, false}, {"1280-dark", 1280, true}, {"360", 360, false}, {"360-dark", 360, true}} {
		p.size(look.width, look.dark)
		png := get(p, chromedp.FullScreenshot(100))
		if err := os.WriteFile(filepath.Join(folder, name+"-"+look.suffix+".png"), png, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.size(1280, false)
}

// colleague invites another administrator and answers the link's path.
func (s *stage) colleague(of *localtest.Person, address string) string {
	s.t.Helper()
	if _, err := s.Directory.Invite(context.Background(), of.Caller(), account.Person{Email: address, Administrator: true}); err != nil {
		s.t.Fatal(err)
	}
	return s.secretOf(address)
}

// From the invitation's link to the open console.
func TestFromTheInvitationToTheConsole(t *testing.T) {
	s := newStage(t)
	admin := s.Administrator("acme", "alice@acme.example")
	s.guard(admin.PhoneSystem(pbxHost, nil).Key)
	admin.PhoneSystem("office.acme.example", nil)
	p := s.tab()
	p.open("/")
	p.see("Sign in")
	p.shot("signin")
	p.open(s.colleague(admin, "bob@acme.example"))
	p.done = 1 // the link in the mail
	p.see("Welcome")
	p.shot("accept")
	p.enter("Choose a password", localtest.Password)
	p.press("Go on")
	p.see("Set up your second factor")
	p.shot("enrol")
	p.press("Can’t scan it?")
	p.done-- // a person scans it
	secret := evaluate[string](p, "document.querySelector('code.secret').textContent.replaceAll(' ', '')")
	p.enter("The code that the app shows now", s.code(secret))
	p.press("Go on")
	p.see("Keep your recovery codes")
	p.shot("codes")
	p.prints(".codes")
	p.tick("I have kept these codes in a safe place.")
	p.press("Go on")
	p.see("PBX office")
	p.shot("home-locked")
	p.press("Unlock PBX " + pbxHost)
	p.see("For how long?")
	p.shot("unlock")
	p.enter("Why?", "a new handset for reception")
	p.press("Unlock")
	p.see("is unlocked")
	p.shot("unlocked")
	console := p.newTab(func() { p.press("Open console") })
	p.asDocumented()
	console.press("Administration console")
	console.until(`[...document.links].some(a => a.textContent === "Web client")`) // both pages have the same form
	console.enter("User name", pbxUser)
	console.enter("Password", pbxPassword)
	console.press("Sign in")
	console.see("Signed in as admin")
	p.front()
	p.see("Open now")
	p.shot("home-open")
	p.press("Extend")
	p.see("By how much?")
	p.shot("extend")
	p.press("Extend")
	p.see("Extended")
	p.shot("extended")
	p.press("Not now")
	p.press("Lock again")
	p.see("your window is closed")
	p.quiet()
}

// asDocumented holds the count of clicks and fields so far against the README's.
func (p *page) asDocumented() {
	p.t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		p.t.Fatal(err)
	}
	if told := fmt.Sprintf("%d clicks and fields", p.done); p.done > 12 || !strings.Contains(string(readme), told) {
		p.t.Errorf("from the invitation to the console it takes %s; at most 12, and the README must say so", told)
	}
}

// newTab is the tab that something opens.
func (p *page) newTab(open func()) *page {
	p.t.Helper()
	opened := chromedp.WaitNewTarget(p.ctx, func(info *target.Info) bool { return info.URL != "" })
	open()
	id := <-opened
	q := &page{stage: p.stage}
	ctx, closed := chromedp.NewContext(p.ctx, chromedp.WithTargetID(id), chromedp.WithListener(q.hear))
	p.t.Cleanup(closed)
	q.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatal(err)
	}
	return q
}
