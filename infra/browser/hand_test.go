package browser

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
)

// open goes to an address of the portal.
func (p *page) open(path string) {
	p.t.Helper()
	p.do(chromedp.Navigate(localtest.BaseURL + path))
}

// front brings the tab before the others.
func (p *page) front() {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, cdppage.BringToFront, cdp.Empty{})
		return err
	}))
}

// hand selects what labelled has found.
const hand = chromedp.CSS("[data-hand]")

// within is where a hand reaches: the dialog on top if there is one, else all.
const within = `(Array.from(document.querySelectorAll('dialog[open]')).at(-1) ?? document)`

// see waits for a text that a person can see.
func (p *page) see(text string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.body.innerText.includes(%s)`, strconv.Quote(text)))
}

// labelled is the element, marked for the hand, of a kind with a name as
// assistive technology would say it.
func (p *page) labelled(kinds, name string) chromedp.CSS {
	p.t.Helper()
	// The accessible name, as far as our pages make it: aria-label, the labels, the text.
	script := fmt.Sprintf(`(() => {
		document.querySelectorAll('[data-hand]').forEach(e => e.removeAttribute('data-hand'));
		const clean = t => (t ?? '').replace(/\s+/g, ' ').trim();
		const names = e => [e.getAttribute('aria-label'), ...[...(e.labels ?? [])].map(l => l.textContent), ['INPUT','SELECT','TEXTAREA'].includes(e.tagName) ? '' : e.textContent].map(clean);
		const shown = e => e.checkVisibility() || e.closest('.chip');
		const all = [...%s.querySelectorAll(%s)].filter(shown);
		const found = all.find(e => names(e).includes(%[3]s)) ?? all.find(e => names(e).some(n => n.startsWith(%[3]s)));
		if (!found) return false;
		found.setAttribute('data-hand', '');
		return true;
	})()`, within, strconv.Quote(kinds), strconv.Quote(name))
	p.until(script)
	return hand
}

// on does something to what has a name. A list that comes anew meanwhile takes
// the hand's mark along: then it is looked for once more, soon where nothing was
// done yet.
func (p *page) on(kinds, name string, act func(chromedp.CSS) chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	for start := time.Now(); ; {
		found := p.labelled(kinds, name)
		err := p.try(5*time.Second, chromedp.WaitVisible(found))
		reached := err == nil
		if reached {
			err = p.try(stepPatience/4, act(found))
		}
		switch {
		case err == nil:
			return
		case time.Since(start) > stepPatience || reached && evaluate[bool](p, "document.querySelector('[data-hand]') !== null"):
			p.fail(fmt.Errorf("%q: %w", name, err))
		}
	}
}

// try runs an action that may not come to its end.
func (p *page) try(within time.Duration, action chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, within)
	defer cancel()
	return chromedp.Do(ctx, action)
}

// press clicks the button or link of a name.
func (p *page) press(name string) {
	p.t.Helper()
	p.done++
	p.on("button, a, summary", name, func(it chromedp.CSS) chromedp.Action[chromedp.Void] { return chromedp.Click(it) })
}

// tick clicks the box or choice of a name.
func (p *page) tick(name string) {
	p.t.Helper()
	p.done++
	p.on("input[type=checkbox], input[type=radio]", name, func(it chromedp.CSS) chromedp.Action[chromedp.Void] { return chromedp.Click(it) })
}

const fields = "input:not([type=checkbox], [type=radio], [type=hidden]), textarea, select"

// enter types into the field of a name, after what stands there is gone.
func (p *page) enter(name, text string) {
	p.t.Helper()
	p.done++
	p.on(fields, name, func(it chromedp.CSS) chromedp.Action[chromedp.Void] {
		evaluate[any](p, "document.querySelector('[data-hand]')?.select?.()")
		return chromedp.SendKeys(it, text)
	})
}

// evaluate runs a script of the test's own.
func evaluate[T any](p *page, script string) T {
	p.t.Helper()
	return get(p, chromedp.Evaluate[T](script))
}

// size has the window be so wide, dark or light.
func (p *page) size(width int64, dark bool) {
	p.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	p.do(chromedp.EmulateViewport(width, 900), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
		return err
	}))
}

// secretOf is the token of the last link mailed to an address.
func (s *stage) secretOf(address string) string {
	s.t.Helper()
	s.Tick()
	letters := s.Mail.To(address)
	if len(letters) == 0 {
		s.t.Fatalf("no mail to %s", address)
	}
	_, link, _ := strings.Cut(letters[len(letters)-1].Text, localtest.BaseURL)
	link, _, _ = strings.Cut(link, "\n")
	return strings.TrimSpace(link)
}
