package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// media has the browser say what its reader prefers.
func (p *page) media(features ...*emulation.MediaFeature) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// goTo shows a place in a language, from the beginning.
func (p *page) goTo(all texts, to place, language string) {
	p.t.Helper()
	p.open("/help") // the fragment alone would keep what is open
	p.open(to.path)
	for _, key := range to.presses {
		p.press(all.in(language, key, to.about))
	}
	shown, _, _ := strings.Cut(all.in(language, to.shows, to.about), "{")
	p.see(strings.TrimSpace(shown))
}

// beyond lists what reaches beyond the window, so that one would have to scroll
// sideways to read it (WCAG 2.2, 1.4.10).
const beyond = `(() => {
	const wide = document.documentElement.clientWidth + 1;
	const all = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.scroll, .away, svg, .toasts, option') && getComputedStyle(e).clipPath === 'none');
	const out = all.filter(e => e.getBoundingClientRect().right > wide || e.getBoundingClientRect().left < -1 || e.matches('dialog, .card, .act, .state, label, h1, h2') && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'visible' && e.clientWidth > 0);
	return out.slice(0, 5).map(e => e.outerHTML.slice(0, 160));
})()`

// fits demands that nothing reaches beyond the window.
func (p *page) fits(where string) {
	p.t.Helper()
	for _, out := range evaluate[[]string](p, beyond) {
		p.t.Errorf("%s: beyond the window: %s", where, out)
	}
}

// moving lists what moves though its reader wants no motion.
const moving = `document.getAnimations().map(a => a.effect?.target?.outerHTML?.slice(0, 160) ?? 'something').concat(
	[...document.querySelectorAll('*')].filter(e => [null, '::before', '::after'].some(part => {
		const s = getComputedStyle(e, part);
		return s.animationName !== 'none' || s.transitionDuration.split(',').some(d => parseFloat(d) > 0) || s.scrollBehavior === 'smooth';
	})).map(e => e.outerHTML.slice(0, 160)))`

// foreign are the English texts that have a German one, to be looked for on
// German pages, and the keys of all, to be looked for on any.
func (all texts) foreign() (english, keys []string) {
	for key, said := range all {
		keys = append(keys, key)
		// What is short, or has something put in, can be part of anything.
		if said[0] != said[1] && len(said[0]) > 15 && !strings.Contains(said[0], "{") && !strings.Contains(key, "said: ") {
			english = append(english, said[0])
		}
	}
	return english, keys
}

// reads demands that a page speaks one language: no key of a text stands for it,
// nothing that a script left behind, and in German nothing is said in English.
func (p *page) reads(all texts, where, language string) {
	p.t.Helper()
	english, keys := all.foreign()
	if language == "en" {
		english = nil
	}
	script := fmt.Sprintf(`(() => {
		const said = [];
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) if (walk.currentNode.parentElement.checkVisibility()) said.push(walk.currentNode.data.trim());
		for (const e of document.querySelectorAll('[aria-label], [placeholder], [title], [alt]')) if (e.checkVisibility()) for (const a of ['aria-label', 'placeholder', 'title', 'alt']) said.push(e.getAttribute(a) ?? '');
		const english = %s, keys = new Set(%s);
		return said.filter(text => keys.has(text) || /undefined|NaN|null|\[object/.test(text) || english.some(one => text.includes(one)));
	})()`, list(english), list(keys))
	for _, found := range evaluate[[]string](p, script) {
		p.t.Errorf("%s in %s: %q", where, language, found)
	}
	if got := evaluate[string](p, "document.documentElement.lang"); got != language {
		p.t.Errorf("%s: the page says that it is in %s, not in %s", where, got, language)
	}
}

func list(of []string) string {
	quoted := make([]string, len(of))
	for i, one := range of {
		quoted[i] = strconv.Quote(one)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// prints demands that what is to be kept is on the paper, and the buttons are not.
func (p *page) prints(kept string) {
	p.t.Helper()
	media := func(medium string) {
		p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium})
			return err
		}))
	}
	media("print")
	if !evaluate[bool](p, fmt.Sprintf("document.querySelector(%q).checkVisibility()", kept)) {
		p.t.Errorf("%s is not printed", kept)
	}
	if evaluate[bool](p, "[...document.querySelectorAll('.act, nav')].some(e => e.checkVisibility())") {
		p.t.Error("buttons are printed")
	}
	media("")
}

// picture keeps what the page shows, if there is a folder for it.
func (p *page) picture(name string) {
	p.t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), get(p, chromedp.FullScreenshot(100)), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// looked looks at what is shown as all kinds of readers see it.
func (p *page) looked(where string) {
	p.t.Helper()
	for _, look := range []struct {
		name   string
		width  int64
		dark   bool
		scale  float64
		script string
	}{
		{name: "1280", width: 1280}, {name: "1280-dark", width: 1280, dark: true},
		{name: "360", width: 360}, {name: "360-dark", width: 360, dark: true},
		// A window of 1280 pixels at 200 % and at 400 %, and letters of twice the size.
		{name: "zoom-200", width: 640, scale: 2}, {name: "zoom-400", width: 320, scale: 4},
		{name: "letters-200", width: 1280, script: "document.documentElement.style.fontSize = '200%'"},
	} {
		p.do(chromedp.EmulateViewport(look.width, 900, chromedp.EmulateScale(max(look.scale, 1))))
		p.media(&emulation.MediaFeature{Name: "prefers-color-scheme", Value: map[bool]string{false: "light", true: "dark"}[look.dark]})
		if look.script != "" {
			evaluate[any](p, look.script)
		}
		p.fits(where + " " + look.name)
		if look.scale == 0 && look.script == "" {
			p.picture(where + "-" + look.name)
		}
	}
	p.do(chromedp.EmulateViewport(1280, 900))
	evaluate[any](p, "document.documentElement.style.fontSize = ''")
	p.media(&emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"})
	for _, found := range evaluate[[]string](p, moving) {
		p.t.Errorf("%s: moves: %s", where, found)
	}
}

// narrowly has axe-core look at what is shown in a narrow window.
func (p *page) narrowly(where string) {
	p.t.Helper()
	p.do(chromedp.EmulateViewport(360, 900))
	for _, found := range p.violations("") {
		p.t.Errorf("%s, 360 px: axe-core finds %s", where, found)
	}
}

// Every page and dialog, in both languages: it reads as one language, fits at 360
// and 1280 px, at 200 % and 400 %, and with letters of twice the size, and stands
// still for whoever wants no motion. SCREENSHOTS=folder keeps the pictures.
func TestEveryPageInEveryLook(t *testing.T) {
	s, all := newStage(t), readTexts(t)
	alice, hers := s.inhabited()
	operator := s.Operator()
	for _, language := range []string{"en", "de"} {
		p := s.tab()
		everything := func(places []place) {
			p.speak(language)
			for _, to := range places {
				p.goTo(all, to, language)
				p.reads(all, to.name, language)
				p.looked(to.name + "-" + language)
				if language == "de" { // in English, each test of a flow has asked axe-core
					p.narrowly(to.name)
				}
			}
			p.speak("en")
		}
		p.open("/help?lang=" + language)
		p.reads(all, "help", language)
		p.looked("help-" + language)
		p.narrowly("help")
		p.open("/")
		everything(everybodys())
		p.signIn(alice)
		everything(hers)
		p.signOut()
		p.signInAs(operator, "Partners")
		everything(operators())
		p.signOut()
		p.quiet()
	}
}

// speak has the portal use a language from the next page on.
func (p *page) speak(language string) {
	p.t.Helper()
	evaluate[any](p, fmt.Sprintf("localStorage.setItem('portcullis.language', %q)", language))
}

func (p *page) signOut() {
	p.t.Helper()
	p.open("/")
	p.press("Sign out")
	p.see("You are signed out.")
}
