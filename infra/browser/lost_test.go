package browser

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
)

const reason = "a new handset for reception"

// asking has a technician typed all that an unlock needs.
func (s *stage) asking() (*page, *localtest.Person) {
	s.t.Helper()
	alice := s.Administrator("acme", "alice@acme.example")
	s.guard(alice.PhoneSystem(pbxHost, nil).Key)
	p := s.tab()
	p.signIn(alice)
	p.press("Unlock PBX " + pbxHost)
	p.enter("Why?", reason)
	return p, alice
}

// atHome has an administrator look at the one phone system there is.
func (s *stage) atHome() (*page, *localtest.Person) {
	s.t.Helper()
	alice := s.Administrator("acme", "alice@acme.example")
	alice.PhoneSystem(pbxHost, nil)
	p := s.tab()
	p.signIn(alice)
	p.see("Locked")
	return p, alice
}

// typed demands that the reason still stands in its field.
func (p *page) typed() {
	p.t.Helper()
	if got := evaluate[string](p, `document.querySelector('[name=reason]')?.value ?? 'no field'`); got != reason {
		p.t.Errorf("what was typed is lost: %q", got)
	}
}

// opened counts the windows that there are.
func opened(who *localtest.Person) int {
	return strings.Count(who.Must(http.StatusOK, "GET", "/v1/unlocks?state=open", nil).Body, `"expires_at"`)
}

// cut ends a connection without an answer.
func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// Without a connection a form keeps what was typed and says what to do; an
// answer that was lost does nothing twice.
func TestNothingIsLostWithoutAConnection(t *testing.T) {
	s := newStage(t)
	p, alice := s.asking()
	isUnlock := func(r *http.Request) bool {
		return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/unlocks")
	}
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		if isUnlock(r) {
			cut(w)
		}
		return false
	})
	p.press("Unlock")
	p.see("No answer came.")
	p.typed()
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		if isUnlock(r) {
			s.API.ServeHTTP(httptest.NewRecorder(), r) // done, and nobody hears of it
			cut(w)
		}
		return false
	})
	p.press("Unlock")
	p.until(`!document.querySelector('dialog form [aria-busy]')`)
	p.see("No answer came.")
	p.typed()
	s.meet(nil)
	p.press("Unlock")
	p.see("is unlocked")
	if n := opened(alice); n != 1 {
		t.Errorf("%d windows are open", n)
	}
	p.quiet()
}

// While an answer is on its way, the form says so and sends nothing twice.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	s := newStage(t)
	p, alice := s.asking()
	var asked atomic.Int32
	goOn := make(chan struct{})
	s.meet(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/unlocks") {
			asked.Add(1)
			<-goOn
		}
		return false
	})
	p.press("Unlock")
	p.until(`document.querySelector('dialog form [aria-busy]')`)
	p.press("Unlock")
	p.typed()
	close(goOn)
	p.see("is unlocked")
	if n := opened(alice); n != 1 || asked.Load() != 1 {
		t.Errorf("%d windows from %d requests", n, asked.Load())
	}
	p.quiet()
}

// A session that ended asks for signing in over the page, and does then what was
// asked for. Somebody who declines is not stuck.
func TestAnEndedSessionLosesNothing(t *testing.T) {
	s := newStage(t)
	p, alice := s.asking()
	release := s.hold() // else the page itself could meet the end first, and ask over what is to be pressed
	s.Clock.Add(20 * time.Minute)
	p.press("Unlock")
	p.see("Please sign in again")
	release()
	p.shot("ended")
	p.enter("Password", localtest.Password)
	p.press("Sign in")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Sign in")
	p.see("is unlocked")
	alice.SignIn()
	if n := opened(alice); n != 1 {
		t.Errorf("%d windows are open", n)
	}
	p.press("Not now")
	release = s.hold()
	s.Clock.Add(20 * time.Minute)
	p.press("Audit")
	release()
	p.see("Please sign in again")
	p.press("Leave it, and sign in as somebody else")
	p.until(`document.querySelector('main [name=email]')?.checkVisibility()`)
	p.quiet()
}

// A second factor that is no longer fresh is asked for in place.
func TestStepUpInPlaceLosesNothing(t *testing.T) {
	s := newStage(t)
	p, alice := s.asking()
	s.Clock.Add(6 * time.Minute)
	p.press("Unlock")
	p.enter("Code from your authenticator", "000000")
	p.press("Confirm")
	p.see("This code was not accepted.")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Confirm")
	p.see("is unlocked")
	p.quiet()
}

// A script that fails says so, and what was typed outlives even a reload.
func TestAScriptThatFailsLosesNothing(t *testing.T) {
	s := newStage(t)
	p, _ := s.asking()
	evaluate[any](p, `queueMicrotask(() => { throw new Error('a flaw of ours') })`)
	p.see("Something in this page went wrong.")
	p.typed()
	p.complaints() // the flaw
	p.do(chromedp.Reload())
	p.press("Unlock PBX " + pbxHost)
	p.typed()
	p.press("Unlock")
	p.see("is unlocked")
	p.quiet()
}

// A page whose scripts do not arrive says what to do, in place of doing nothing.
func TestAPageThatIsNotWholeSaysSo(t *testing.T) {
	s := newStage(t)
	p := s.tab()
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/assets/") {
			cut(w)
		}
		return false
	})
	p.open("/")
	p.see("This page did not load completely.")
	p.complaints()
	s.meet(nil)
	p.press("load it again.")
	p.see("To unlock the admin consoles")
	p.until(`document.documentElement.classList.contains('ready')`)
	p.quiet()
}

// A view that could not be fetched offers to try again and the way back.
func TestAViewThatFailsIsNoDeadEnd(t *testing.T) {
	s := newStage(t)
	p, _ := s.atHome()
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/audit") {
			cut(w)
		}
		return false
	})
	p.press("Audit")
	p.see("No answer came.")
	p.shot("failed")
	s.meet(nil)
	p.press("Try again")
	p.see("Signed in")
	p.quiet()
}
