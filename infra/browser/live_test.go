package browser

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// The first page keeps itself up to date: whose windows are open, how long still,
// and that one is over; times are the reader's, UTC stands behind them.
func TestTheFirstPageIsLive(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem(pbxHost, nil)
	bob := s.User(alice, "bob@acme.example", access.Technician)
	p := s.tab()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Tokyo"})
		return err
	}))
	p.signIn(alice)
	p.see("Locked")
	opened := bob.Unlock(gate, 3600)
	ends, err := time.Parse(time.RFC3339, opened.Text("expires_at"))
	if err != nil {
		t.Fatal(err)
	}
	p.see("bob@acme.example")
	p.see("Unlocked until " + ends.Add(9*time.Hour).Format("15:04"))
	p.until(`[...document.querySelectorAll("time")].some(e => e.title.startsWith("` + ends.Format("2006-01-02 15:04:05") + ` UTC"))`)
	s.Clock.Add(10 * time.Minute)
	p.until(`/(4[0-9]|50) min left/.test(document.body.innerText)`)
	bob.Must(http.StatusOK, "DELETE", "/v1/unlocks/"+opened.Text("id"), nil)
	p.until(`!document.body.innerText.includes("Open now") && document.body.innerText.includes("Locked")`)
	p.quiet()
}

// Password managers and the filling in of codes find what they look for (HTML,
// section 4.10.18.7).
func TestFieldsSayWhatTheyTake(t *testing.T) {
	s := newStage(t)
	admin := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	takes := func(where string, wanted map[string]string) {
		t.Helper()
		for name, autocomplete := range wanted {
			p.until(`document.querySelector('[name=` + name + `]')`)
			if got := evaluate[string](p, `document.querySelector('[name=`+name+`]').autocomplete`); got != autocomplete {
				t.Errorf("%s: %s takes %q, want %q", where, name, got, autocomplete)
			}
		}
	}
	p.open("/")
	takes("signing in", map[string]string{"email": "username", "password": "current-password"})
	p.open("/#forgot")
	takes("a forgotten password", map[string]string{"email": "username"})
	p.open("/#reset?token=made-up")
	takes("a new password", map[string]string{"new_password": "new-password"})
	p.open(s.colleague(admin, "bob@acme.example"))
	takes("an invitation", map[string]string{"password": "new-password"})
	p.enter("Choose a password", localtest.Password)
	p.press("Go on")
	takes("enrolment", map[string]string{"code": "one-time-code"})
	p.signIn(admin)
	p.open("/#profile")
	p.press("Change the password")
	takes("a changed password", map[string]string{"current_password": "current-password", "new_password": "new-password"})
}
