package browser

import (
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// A person sees factors and sessions, and makes new recovery codes.
func TestOnesOwnAccount(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("Person")
	p.see("10 recovery codes left")
	p.see("This browser")
	p.shot("profile")
	p.press("Sign out everywhere else")
	p.see("This one stays")
	p.press("Sign out everywhere else")
	p.until("document.querySelectorAll('dialog').length === 0 && !document.body.innerText.includes('Sign out everywhere else')")
	p.press("Make new codes")
	p.press("Make new codes")
	p.see("Keep your recovery codes")
	p.prints(".codes")
	p.shot("codes-new")
	p.travel(-1) // they are shown once: no Back takes them away
	p.keys(kb.Escape)
	p.stands("Your account", "1")
	p.tick("I have kept these codes in a safe place.")
	p.press("Go on")
	p.stands("Your account", "0")
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.quiet()
}
