package browser

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
)

// reader has the tab's browser prefer a language.
func (p *page) reader(language string) {
	p.t.Helper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		agent := evaluate[string](p, "navigator.userAgent")
		_, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: language})
		return err
	}))
}

// Whoever's browser prefers German is spoken to in German from the first page on,
// from the invitation to the open console, and in what goes wrong as well.
func TestInGerman(t *testing.T) {
	s := newStage(t)
	admin := s.Administrator("acme", "alice@acme.example")
	s.guard(admin.PhoneSystem(pbxHost, nil).Key)
	p := s.tab()
	p.reader("de-AT")
	p.open(s.colleague(admin, "bob@acme.example"))
	p.see("Willkommen bei Portcullis")
	p.enter("Passwort wählen", "kurz")
	p.press("Weiter")
	p.see("mindestens 12 Zeichen")
	p.enter("Passwort wählen", localtest.Password)
	p.press("Weiter")
	p.see("Zweiten Faktor einrichten")
	p.press("Geht das Scannen nicht?")
	secret := evaluate[string](p, "document.querySelector('code.secret').textContent.replaceAll(' ', '')")
	p.enter("Der Code, den die App jetzt zeigt", "000000")
	p.press("Weiter")
	p.see("Dieser Code wurde nicht angenommen")
	p.enter("Der Code, den die App jetzt zeigt", s.code(secret))
	p.press("Weiter")
	p.see("Wiederherstellungscodes aufbewahren")
	p.tick("Ich habe diese Codes an einem sicheren Ort aufbewahrt.")
	p.press("Weiter")
	p.press("Entsperren PBX " + pbxHost)
	p.see("Wie lange?")
	p.press("Entsperren")
	p.see("Bitte ausfüllen.")
	p.enter("Warum?", "neues Telefon für den Empfang")
	p.press("Entsperren")
	p.see("ist entsperrt")
	console := p.newTab(func() { p.press("Konsole öffnen") })
	console.see("Administration console") // the stand-in speaks English
	p.front()
	p.press("Wieder sperren")
	p.see("Das Zeitfenster ist geschlossen")
	p.press("Schließen") // the word at the edge lies over the foot
	p.press("English")
	p.see("Phone systems")
	p.open("/")
	p.see("Phone systems") // what was chosen stays
	p.quiet()
}
