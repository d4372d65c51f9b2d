package browser

import (
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// factor gives the password and the second factor where a form asks for them.
func (p *page) factor(who *localtest.Person) {
	p.t.Helper()
	p.enter("E-mail", who.Email)
	p.enter("Password", localtest.Password)
	p.press("Sign in")
	p.enter("Code from your authenticator", who.NextCode())
	p.press("Sign in")
}

// Whoever signs out in one tab is signed out in all, and sees so; signing in again
// in one is enough for all, and nothing typed is lost. A tab never goes on as
// somebody who is not signed in any more.
func TestTabsFollowEachOther(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	alice.PhoneSystem(pbxHost, nil)
	bob := s.User(alice, "bob@acme.example", access.Technician)
	p, q := s.tab(), s.tab()
	q.open("/")
	q.see("To unlock the admin consoles")
	p.signIn(alice)
	q.press("Unlock PBX " + pbxHost)
	q.enter("Why?", reason)
	p.press("Sign out")
	p.see("You are signed out.")
	q.see("Please sign in again")
	p.factor(alice)
	p.see("Locked")
	q.until(`document.querySelectorAll("dialog[open]").length === 1`)
	q.typed()
	p.press("Sign out")
	q.see("Please sign in again")
	p.factor(bob)
	p.see("Locked")
	q.until(`document.querySelectorAll("dialog[open]").length === 0 && document.querySelector("nav") && !document.body.innerText.includes("Users")`)
	p.quiet()
	q.quiet()
}
