package browser

import (
	"context"
	"net/url"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// scriptless has the tab run no page's scripts.
func (p *page) scriptless() {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// The pages on the phone system's own host, the notice and the two that hand over
// a pass, fit every window and need no script: with the link of a ticket, somebody
// gets into the console without any.
func TestTheGatesPagesInEveryLook(t *testing.T) {
	s := newStage(t)
	s.rest() // a ticket lasts a minute, and a look at all kinds of windows how long it takes
	alice := s.Administrator("acme", "alice@acme.example")
	bob := s.Invite(alice, "bob@acme.example", "TECHNICIAN")
	gate := alice.PhoneSystem(pbxHost, nil)
	s.guard(gate.Key)
	p := s.tab()
	p.do(chromedp.Navigate("https://" + pbxHost + "/xapi/v1/Users"))
	p.see("Bad attempt")
	p.see("The right user name and password of the phone system alone do not open its console.")
	p.see("help@acme.example")
	p.looked("notice")
	p.narrowly("notice")
	p.accessible("notice")
	p.complaints() // the answer 403 is one of the console's

	page := "https://" + pbxHost + "/.portcullis/pass?ticket="
	ticket := alice.Unlock(gate, 3600).Text("pass.ticket")
	p.do(chromedp.Navigate(page + url.QueryEscape(ticket)))
	p.see("as alice@acme.example")
	p.looked("pass")
	p.narrowly("pass")
	p.accessible("pass")

	q := s.tab()
	q.scriptless()
	q.do(chromedp.Navigate(page+url.QueryEscape(ticket)), chromedp.Click(chromedp.CSS("button")))
	q.see("Web client")
	q.do(chromedp.Navigate(page+url.QueryEscape(s.Join(bob).Unlock(gate, 600).Text("pass.ticket"))), chromedp.Click(chromedp.CSS("button")))
	q.see("This browser holds the pass of alice@acme.example")
	q.looked("pass-other")
	q.do(chromedp.Click(chromedp.CSS("button")))
	q.see("Web client")
	q.do(chromedp.Navigate(page + url.QueryEscape(ticket)))
	q.see("Bad attempt") // spent
}
