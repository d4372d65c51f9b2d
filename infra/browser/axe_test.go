package browser

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe answers the serious and critical violations of WCAG 2.2 A and AA, and of
// best practice, that axe-core finds; with names, only of those rules.
const axe = `(async only => {
	const options = only.length ? {runOnly: {type: 'rule', values: only}} : {};
	const {violations} = await axe.run(document, {resultTypes: ['violations'], ...options});
	return violations.filter(v => ['serious', 'critical'].includes(v.impact))
		.flatMap(v => v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ' ' + n.html.slice(0, 160) + ' ' + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? '')));
})`

// violations are what axe-core finds serious on what the page shows now.
func (p *page) violations(only string) []string {
	p.t.Helper()
	if !evaluate[bool](p, "'axe' in window") {
		source, err := os.ReadFile("../../.tools/axe/axe.js")
		if err != nil {
			p.t.Fatal("the tests of the portal need axe-core: make engines")
		}
		evaluate[any](p, string(source)+";0")
	}
	return get(p, chromedp.Evaluate[[]string](axe+"(["+only+"])", chromedp.EvalAwaitPromise))
}

// accessible demands that axe-core finds nothing serious, in light and in dark.
func (p *page) accessible(name string) {
	p.t.Helper()
	for _, found := range p.violations("") {
		p.t.Errorf("%s: axe-core finds %s", name, found)
	}
	p.size(1280, true)
	for _, found := range p.violations("'color-contrast'") {
		p.t.Errorf("%s, dark: axe-core finds %s", name, found)
	}
	p.size(1280, false)
}

// What the tests hold against axe-core would be found.
func TestFlawsAreSeen(t *testing.T) {
	s := newStage(t)
	p := s.tab()
	p.open("/")
	p.see("Sign in")
	p.accessible("signin")
	evaluate[any](p, `document.querySelector('label[for=signin-email]').remove()`)
	if found := strings.Join(p.violations(""), "\n"); !strings.Contains(found, "label: ") {
		t.Errorf("a field without a label passes: %s", found)
	}
	p.quiet()
	evaluate[any](p, `document.body.append(Object.assign(document.createElement('img'), {src: 'https://elsewhere.example/x.png'}))`)
	p.until("document.images.length === 1")
	if said := strings.Join(p.complaints(), "\n"); !strings.Contains(said, "Content Security Policy") {
		t.Errorf("a picture from elsewhere is not reported: %s", said)
	}
}
