package browser

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"portcullis.example/infra/local/localtest"
)

// keys presses keys, or types text.
func (p *page) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// focused tells of what has the focus: its name, and what a person without a mouse
// would miss: that it can be seen, and that a dialog keeps it.
const focused = `(() => {
	const e = document.activeElement;
	if (!e || e === document.body) return {name: '', flaw: ''};
	const clean = t => (t ?? '').replace(/\s+/g, ' ').trim();
	const name = [e.getAttribute('aria-label'), ...[...(e.labels ?? [])].map(l => l.innerText), ['INPUT','SELECT','TEXTAREA'].includes(e.tagName) ? '' : e.textContent].map(clean).find(Boolean) ?? '';
	const box = e.getBoundingClientRect(), mark = getComputedStyle(e.closest('.chip') ? e.nextElementSibling : e);
	const dialog = [...document.querySelectorAll('dialog[open]')].at(-1);
	const flaws = e.tabIndex < 0 ? [] : [ // a heading that a script has put the reader at is none of Tab's
		[mark.outlineStyle === 'none' || parseFloat(mark.outlineWidth) < 2, 'has no outline'],
		[box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth, 'is out of sight'],
		[dialog && !dialog.contains(e), 'lies under a dialog'],
	];
	return {name, flaw: flaws.filter(([is]) => is).map(([, what]) => what).join(', ')};
})()`

type focus struct{ Name, Flaw string }

// tabTo presses Tab until the focus is on what has a name, as somebody does who
// has no mouse; everything on the way must be seen to have the focus.
func (p *page) tabTo(name string) {
	p.t.Helper()
	for range 80 {
		p.keys(kb.Tab)
		at := evaluate[focus](p, focused)
		if at.Flaw != "" {
			p.t.Errorf("on the way to %q: %q has the focus and %s", name, at.Name, at.Flaw)
		}
		if at.Name == name {
			return
		}
	}
	p.fail(fmt.Errorf("Tab never comes to %q", name))
}

// focusIn waits until the focus is in something.
func (p *page) focusIn(selector string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.activeElement.closest(%s)", strconv.Quote(selector)))
}

// A day's work with the keyboard alone: signing in, unlocking, extending, locking
// again, inviting somebody, reading the audit. What has the focus is always seen,
// a dialog keeps it and gives it back.
func TestKeyboardAlone(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	s.guard(alice.PhoneSystem(pbxHost, nil).Key)
	p := s.tab()
	p.open("/")
	p.see("Sign in")
	p.tabTo("E-mail")
	p.keys(alice.Email)
	p.tabTo("Password")
	p.keys(localtest.Password + kb.Enter)
	p.see("Code from your authenticator")
	p.focusIn("input")
	p.keys(alice.NextCode() + kb.Enter)
	p.see("Locked")
	p.unlockByKeyboard()
	p.tabTo("Users")
	p.keys(kb.Enter)
	p.see("You are alone here")
	p.enterOn("Invite somebody", "E-mail")
	p.tabTo("E-mail")
	p.keys("bob@acme.example")
	p.tabTo("Technician unlock up to 24 h · all phone systems")
	p.keys(" ")
	p.enterOn("Invite", "An invitation is on its way to bob@acme.example")
	p.enterOn("Audit", "Details")
	p.tabTo("Details")
	p.keys(kb.Enter)
	p.until(`document.querySelector("details[open]")`)
	p.quiet()
}

// enterOn comes to what has a name, presses it, and waits for what it brings.
func (p *page) enterOn(name, brings string) {
	p.t.Helper()
	p.tabTo(name)
	p.keys(kb.Enter)
	p.see(brings)
}

func (p *page) unlockByKeyboard() {
	p.t.Helper()
	unlock := "Unlock PBX " + pbxHost
	p.enterOn(unlock, "For how long?")
	p.keys(kb.Escape)
	p.until(`document.querySelectorAll('dialog').length === 0`)
	if at := evaluate[focus](p, focused); at.Name != unlock {
		p.t.Errorf("a dialog that was left gives the focus to %q", at.Name)
	}
	p.keys(kb.Enter)
	p.see("For how long?")
	p.focusIn("dialog")
	p.tabTo("30 min") // what is chosen has the focus for all lengths
	p.keys(kb.ArrowRight)
	p.tabTo("Why?")
	p.keys("a new handset for reception")
	p.enterOn("Unlock", "is unlocked")
	p.focusIn("dialog")
	p.enterOn("Not now", " min left")
	p.enterOn("Extend PBX "+pbxHost, "By how much?")
	p.enterOn("Extend", "Extended")
	p.keys(kb.Escape)
	p.enterOn("Lock again PBX "+pbxHost, "your window is closed")
	p.until(`!document.querySelector(".windows").checkVisibility()`)
	p.focusIn("h1") // the button that was pressed is gone
}

// Where a press brings more of a list, the reader goes on there; where nothing
// comes, it is said; and two presses bring it once.
func TestMoreGoesOnWhereItWasPressed(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	for i := range 51 {
		alice.PhoneSystem(fmt.Sprintf("pbx-%02d.acme.example", i), nil)
		s.Invite(alice, fmt.Sprintf("user-%02d@acme.example", i))
	}
	p := s.tab()
	p.signIn(alice)
	for i, list := range []struct {
		name, more, row string
		then            int
	}{{"Phone systems", "Show more", ".list > li", 51}, {"Users", "Show more", ".list > li", 52}, {"Audit", "Show older ones", "tbody tr", 100}} {
		if i > 0 { // the first is there: shown anew, it could meet what is to meet the press
			p.press(list.name)
		}
		rows := `document.querySelectorAll("main ` + list.row + `")`
		p.stands(list.name, "0")
		p.until(rows + `.length === 50`)
		s.meet(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/session" {
				cut(w)
			}
			return false
		})
		p.press(list.more)
		p.see("No answer came.")
		p.press("Close")
		goOn := make(chan struct{})
		release := sync.OnceFunc(func() { close(goOn) })
		t.Cleanup(release)
		s.meet(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/v1/session" {
				<-goOn
			}
			return false
		})
		p.press(list.more)
		p.press(list.more) // the first is under way
		release()
		p.until(rows + `[50]?.contains(document.activeElement)`)
		s.meet(nil)
		if n := evaluate[int](p, rows+`.length`); n != list.then {
			t.Errorf("%s: %d are shown", list.name, n)
		}
	}
	p.quiet()
}

// A telephone can't scan its own screen: there the key stands beside the picture.
func TestATelephoneIsShownTheKey(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	for _, c := range []struct {
		address string
		as      []chromedp.EmulateViewportOption
		shown   bool
	}{{"bob@acme.example", nil, false}, {"carol@acme.example", []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulateTouch}, true}} {
		p := s.tab()
		p.do(chromedp.EmulateViewport(390, 844, c.as...))
		p.open(s.colleague(alice, c.address))
		p.enter("Choose a password", localtest.Password)
		p.press("Go on")
		p.see("Set up your second factor")
		if shown := evaluate[bool](p, `document.querySelector("code.secret").checkVisibility()`); shown != c.shown {
			t.Errorf("%s: the key is shown: %v", c.address, shown)
		}
		p.quiet()
	}
}
