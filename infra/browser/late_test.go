package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// came waits until so many requests of an address have been answered in full.
func (p *page) came(address string, times int) {
	p.t.Helper()
	p.until(fmt.Sprintf(`performance.getEntriesByType("resource").filter(e => e.name.includes(%q)).length >= %d`, address, times))
}

// The first page comes anew by itself: a press on "more" that failed has not
// happened, and an answer to what was asked before one that did takes nothing away.
func TestMoreIsShownByAPressAlone(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	for i := range 51 {
		alice.PhoneSystem(fmt.Sprintf("pbx-%02d.acme.example", i), nil)
	}
	p := s.tab()
	p.signIn(alice)
	rows := `document.querySelectorAll("main .list > li").length`
	p.until(rows + " === 50")
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("limit") == "100" {
			cut(w)
		}
		return false
	})
	p.press("Show more")
	p.see("No answer came.")
	s.meet(nil)
	unlock := func(host string) {
		p.press("Unlock PBX " + host)
		p.enter("Why?", reason)
		p.press("Unlock")
		p.see("is unlocked")
		p.press("Not now")
	}
	unlock("pbx-00.acme.example")
	p.see("Open now") // the list has come anew
	if n := evaluate[int](p, rows); n != 50 {
		t.Errorf("%d are shown without a press", n)
	}
	evaluate[any](p, "performance.clearResourceTimings()")
	late := make(chan struct{})
	release := sync.OnceFunc(func() { close(late) })
	t.Cleanup(release)
	s.meet(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/phone-systems" && r.URL.Query().Get("limit") == "50" {
			<-late
		}
		return false
	})
	unlock("pbx-01.acme.example") // asks for the list
	p.press("Show more")
	p.until(rows + " === 51")
	release()
	p.came("/v1/phone-systems?limit=50", 1)
	if n := evaluate[int](p, rows); n != 51 {
		t.Errorf("a late answer leaves %d", n)
	}
	p.quiet()
}

// Whoever signs out is not asked to sign in again by an answer to what the page
// had asked before, whether it comes during that or after.
func TestSigningOutIsTheLastWord(t *testing.T) {
	s := newStage(t)
	p, _ := s.atHome()
	evaluate[any](p, "performance.clearResourceTimings()")
	over, seen, out := make(chan struct{}), make(chan struct{}), make(chan struct{})
	end := []func(){sync.OnceFunc(func() { close(over) }), sync.OnceFunc(func() { close(seen) }), sync.OnceFunc(func() { close(out) })}
	for _, release := range end {
		t.Cleanup(release)
	}
	asked := make(chan string, 100)
	s.meet(func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodDelete:
			answer := httptest.NewRecorder()
			s.API.ServeHTTP(answer, r)
			end[0]()
			<-seen
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(answer.Code)
			return true
		case r.URL.Path == "/v1/unlocks":
			asked <- r.URL.Path
			<-over
		case strings.HasPrefix(r.URL.Path, "/v1/phone-systems"):
			asked <- r.URL.Path
			<-out
		}
		return false
	})
	p.enter("Search name, customer or host", "pbx") // asks at once
	<-asked
	<-asked
	p.press("Sign out")
	nobodyAsks := func(when string) {
		if n := evaluate[int](p, "document.querySelectorAll('dialog').length"); n != 0 {
			t.Errorf("%s, the page asks to sign in again", when)
		}
	}
	p.came("/v1/unlocks", 1)
	nobodyAsks("while signing out")
	end[1]()
	p.see("You are signed out.")
	end[2]()
	p.came("/v1/phone-systems", 1)
	nobodyAsks("after signing out")
	p.quiet()
}

// Whoever has signed in again is not asked once more by an answer to what the page
// had asked in the session before.
func TestSigningInAgainIsAskedForOnce(t *testing.T) {
	s := newStage(t)
	p, alice := s.atHome()
	evaluate[any](p, "performance.clearResourceTimings()")
	asked, again := make(chan string, 100), make(chan struct{})
	release := sync.OnceFunc(func() { close(again) })
	t.Cleanup(release)
	s.meet(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/phone-systems" || r.URL.Path == "/v1/unlocks" {
			asked <- r.URL.Path
			<-again
		}
		return false
	})
	p.enter("Search name, customer or host", "pbx") // asks at once
	<-asked
	<-asked
	goOn := s.hold()
	s.Clock.Add(20 * time.Minute)
	p.press("Person")
	goOn()
	p.see("Please sign in again")
	p.enter("Password", localtest.Password)
	p.press("Sign in")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Sign in")
	p.see("This browser")
	release()
	p.came("/v1/phone-systems", 1)
	p.came("/v1/unlocks", 1)
	p.stands("Your account", "0")
	p.quiet()
}
