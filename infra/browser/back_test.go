package browser

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// travel presses the browser's Back (-1) or Forward (1) button.
func (p *page) travel(step int64) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		past, err := chromedp.Call(ctx, cdppage.GetNavigationHistory, cdp.Empty{})
		if err != nil {
			return err
		}
		to := past.Entries[past.CurrentIndex+step]
		_, err = chromedp.Call(ctx, cdppage.NavigateToHistoryEntry, cdppage.NavigateToHistoryEntryParams{EntryID: to.ID})
		return err
	}))
}

// stands waits until a page's heading is shown, so many dialogs over it, and the
// history is at rest: at an entry of the page, or at the dialogs' own.
func (p *page) stands(heading string, dialogs string) {
	p.t.Helper()
	p.until(`document.querySelector("main h1")?.textContent === "` + heading + `" && document.querySelectorAll("dialog[open]").length === ` + dialogs +
		` && Boolean(history.state?.over) === (` + dialogs + ` > 0)`)
}

// onUsers has an administrator come to the users by way of the first page.
func (s *stage) onUsers() (*page, *localtest.Person) {
	s.t.Helper()
	alice := s.Administrator("acme", "alice@acme.example")
	alice.PhoneSystem(pbxHost, nil)
	s.User(alice, "bob@acme.example", access.Technician)
	p := s.tab()
	p.signIn(alice)
	p.press("Users")
	p.see("bob@acme.example")
	return p, alice
}

// Back closes a dialog and stays on the page; Forward then does nothing, nor does
// loading anew; and Back once more goes to the page before.
func TestBackClosesADialog(t *testing.T) {
	s := newStage(t)
	p, _ := s.onUsers()
	p.press("Invite somebody")
	p.stands("Users", "1")
	p.travel(-1)
	p.stands("Users", "0")
	p.until(`document.activeElement.textContent === "Invite somebody"`)
	p.travel(1)
	p.stands("Users", "0")
	p.press("Invite somebody")
	p.stands("Users", "1")
	p.do(chromedp.Reload())
	p.stands("Users", "0")
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.quiet()
}

// A dialog that was closed in another way leaves nothing behind in the history:
// by its buttons, by Escape, by what it was for, or by going elsewhere.
func TestBackAfterADialogGoesToThePageBefore(t *testing.T) {
	s := newStage(t)
	p, _ := s.onUsers()
	for _, shut := range []func(){
		func() { p.press("Cancel") }, func() { p.press("Close") }, func() { p.keys(kb.Escape) },
		func() { p.enter("E-mail", "carol@acme.example"); p.press("Invite") },
	} {
		p.press("Invite somebody")
		p.stands("Users", "1")
		shut()
		p.stands("Users", "0")
		p.travel(-1)
		p.stands("Phone systems", "0")
		p.travel(1)
		p.stands("Users", "0")
	}
	p.press("carol@acme.example")
	p.press("Remove")
	p.press("Remove")
	p.see("is removed.")
	p.stands("Users", "0")
	p.travel(-2) // over the page of whom was removed
	p.stands("Users", "0")
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.quiet()
}

// What was typed in a dialog is not lost unasked, whether by Back, Escape or the
// cross; what is kept anyway is not asked about.
func TestBackAsksBeforeTypingIsLost(t *testing.T) {
	s := newStage(t)
	p, _ := s.onUsers()
	p.press("Invite somebody")
	p.enter("Name", "Carol")
	for _, shut := range []func(){func() { p.travel(-1) }, func() { p.keys(kb.Escape) }, func() { p.press("Close") }} {
		shut()
		p.see("Discard what you typed?")
		p.stands("Users", "2")
		p.travel(-1) // closes the question
		p.stands("Users", "1")
		if typed := evaluate[string](p, `document.querySelector("dialog [name=name]").value`); typed != "Carol" {
			t.Errorf("what was typed is %q", typed)
		}
	}
	p.shot("discard-not")
	p.travel(-1)
	p.shot("discard")
	p.press("Go on typing")
	p.stands("Users", "1")
	p.travel(-1)
	p.press("Discard")
	p.stands("Users", "0")
	p.until(`document.activeElement.textContent === "Invite somebody"`)
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.press("Unlock PBX " + pbxHost)
	p.enter("Why?", reason)
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.press("Unlock PBX " + pbxHost)
	p.typed()
	p.quiet()
}

// Back while a second factor is asked for closes that alone: what was typed below
// stays, and can be sent again. What must not be lost is not closed by Back at all.
func TestBackWhileAFactorIsAskedFor(t *testing.T) {
	s := newStage(t)
	p, alice := s.onUsers()
	p.press("Invite somebody")
	p.enter("E-mail", "carol@acme.example")
	s.Clock.Add(access.FreshFor)
	p.press("Invite")
	p.enter("Code from your authenticator", "123")
	p.stands("Users", "2")
	p.travel(-1)
	p.stands("Users", "1")
	p.see("Nothing was done, and what you typed is still here.")
	p.press("Invite")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Confirm")
	p.see("An invitation is on its way to carol@acme.example")
	p.enter("Search e-mail or name", "bob")
	p.until(`!document.body.innerText.includes("alice@")`)
	p.press("Person")
	p.press("Reset the second factor")
	p.press("Reset the second factor")
	p.see("The code to hand over")
	for range 2 {
		p.travel(-1)
		p.keys(kb.Escape)
		p.stands("Person", "1")
		p.see("The code to hand over")
	}
	p.press("I have it")
	p.stands("Person", "0")
	p.travel(-1)
	p.stands("Users", "0")
	p.until(`document.querySelector("[name=q]").value === "bob"`)
	p.quiet()
}

// Back comes to where one was: as far down, at the link that was followed, with
// the same search.
func TestBackKeepsThePlace(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	for i := range 20 {
		alice.PhoneSystem(fmt.Sprintf("pbx-%02d.acme.example", i), nil)
	}
	p := s.tab()
	p.signIn(alice)
	p.press("PBX pbx-17.acme.example")
	p.stands("PBX pbx-17.acme.example", "0")
	if down := evaluate[int](p, "scrollY"); down != 0 {
		t.Errorf("another page begins at %d", down)
	}
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.until(`scrollY > 300 && document.activeElement.textContent === "PBX pbx-17.acme.example"`)
	p.enter("Search name, customer or host", "pbx-03")
	p.until(`document.querySelectorAll(".list .title").length === 1 && location.hash === "#?q=pbx-03"`)
	p.press("PBX pbx-03.acme.example")
	p.stands("PBX pbx-03.acme.example", "0")
	p.travel(-1)
	p.stands("Phone systems", "0")
	p.until(`document.querySelector("[type=search]").value === "pbx-03" && document.querySelectorAll(".list .title").length === 1`)
	p.press("Phone systems")
	p.until(`document.querySelectorAll(".list .title").length === 20 && scrollY === 0`)
	p.quiet()
}
