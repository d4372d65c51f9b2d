package recovery_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/table"
)

// An administrator, signed in or with the mailed link, and the operators cancel; then
// nothing comes of it, all administrators know, and another one may begin.
func TestWhoCancels(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		for i, who := range []struct {
			by     string
			actor  string
			cancel func()
		}{
			{"administrator", s.alice.ID, func() { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/partner/recovery", nil) }},
			{"administrator", s.alice.ID, func() { s.cancelByLink(http.StatusNoContent, s.links(s.alice.Email)[1]) }},
			{"operator", s.operator.ID, func() { s.operator.Must(http.StatusNoContent, "DELETE", s.path(), nil) }},
		} {
			s.begun()
			s.Clock.Add(recovery.Wait - time.Hour)
			s.alice.SignIn()
			s.operator.SignIn()
			who.cancel()
			s.Clock.Add(2 * time.Hour)
			s.Tick()
			s.keepsFactor()
			if n := s.subjects(s.alice.Email, "The recovery of your organisation's access was cancelled"); n != i+1 || len(s.codes(s.alice.Email)) != 0 {
				t.Errorf("%d letters say that it was cancelled, codes %v", n, s.codes(s.alice.Email))
			}
			own := s.audited(s.alice, "recovery.cancelled")
			s.operator.SignIn()
			theirs := s.audited(s.operator, "recovery.cancelled")
			if len(own) != i+1 || len(theirs) != i+1 || own[0].Text("actor") != who.actor || theirs[0].Text("details.by") != who.by || strings.Contains(theirs[0].Text("actor"), s.alice.ID) {
				t.Errorf("by %s: the entries are %v and %v", who.by, own, theirs)
			}
		}
	})
}

// Who may not cancel, and what no longer cancels.
func TestWhoDoesNotCancel(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		eve := s.Administrator("other", "eve@other.example")
		s.begun()
		s.alice.SignIn()
		s.bob.SignIn()
		eve.SignIn()
		s.bob.Must(http.StatusForbidden, "DELETE", "/v1/partner/recovery", nil)
		eve.Must(http.StatusNotFound, "DELETE", "/v1/partner/recovery", nil)
		for _, p := range []*localtest.Person{s.alice, s.bob, eve} {
			p.Must(http.StatusNotFound, "DELETE", s.path(), nil)
			p.Must(http.StatusNotFound, "GET", s.path(), nil)
			p.Must(http.StatusNotFound, "POST", s.path(), map[string]any{"administrator_email": s.alice.Email})
		}
		s.Clock.Add(10 * time.Minute) // no fresh second factor
		s.alice.Must(http.StatusForbidden, "DELETE", "/v1/partner/recovery", nil)
		s.operator.Must(http.StatusForbidden, "DELETE", s.path(), nil)
		s.operator.Must(http.StatusForbidden, "POST", s.path(), map[string]any{"administrator_email": s.alice.Email})
		link := s.links(s.alice.Email)[0]
		for name, token := range map[string]string{
			"nothing": "", "cut off": link[:len(link)-1], "in capitals": strings.ToUpper(link), "a session": s.alice.Token, "a device": s.alice.Device,
			"another's": strings.Replace(link, s.alice.ID, s.bob.ID, 1),
		} {
			t.Run(name, func(*testing.T) { s.cancelByLink(http.StatusGone, token) })
		}
		if _, err := s.stored(); err != nil {
			t.Fatalf("it is gone: %v", err)
		}
		s.cancelByLink(http.StatusNoContent, link)
		s.cancelByLink(http.StatusGone, link)
		s.begun()
		s.cancelByLink(http.StatusGone, link) // that of the one before
		newest := s.links(s.alice.Email)[1]
		s.over()
		s.cancelByLink(http.StatusGone, newest)
	})
}

// A link cancels the recovery that its letter told of, not the next one, of which its
// administrator has not been told yet.
func TestLinkCancelsItsOwnRecovery(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		s.begun()
		link := s.links(s.alice.Email)[0]
		s.operator.SignIn()
		s.operator.Must(http.StatusNoContent, "DELETE", s.path(), nil)
		s.begin(http.StatusCreated, s.alice.Email)
		s.cancelByLink(http.StatusGone, link)
		if _, err := s.stored(); err != nil {
			t.Errorf("the next one is gone: %v", err)
		}
	})
}

// A link is its administrator's for as long as they are one.
func TestLinkOfSomebodyWhoIsNoAdministratorAnyMore(t *testing.T) {
	for name, change := range map[string]func(*account.User){
		"demoted":     func(u *account.User) { u.Administrator = false },
		"deactivated": func(u *account.User) { u.Active = false },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.begun()
			user, rev, err := s.Directory.User(t.Context(), s.alice.ID)
			if err != nil {
				t.Fatal(err)
			}
			change(&user)
			write, err := user.Write(table.Is(rev))
			if err == nil {
				err = s.Table.Apply(t.Context(), write)
			}
			if err != nil {
				t.Fatal(err)
			}
			s.cancelByLink(http.StatusGone, s.links(s.alice.Email)[0])
			s.over() // and they are no administrator to be recovered
			if codes := s.codes(s.alice.Email); len(codes) != 0 {
				t.Errorf("codes %v", codes)
			}
		})
	}
}

// Of a cancellation and the end that meet, one is too late, whichever reads first.
func TestCancellingMeetsTheEnd(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		s.begun()
		link := s.links(s.alice.Email)[0]
		s.Clock.Add(recovery.Wait)
		s.meet.Before(0, func() { s.cancelByLink(http.StatusNoContent, link) })
		s.Tick()
		s.keepsFactor()
		if codes := s.codes(s.alice.Email); len(codes) != 0 {
			t.Fatalf("cancelled first: codes %v", codes)
		}

		s.begun()
		link = s.links(s.alice.Email)[1]
		s.Clock.Add(recovery.Wait)
		s.meet.Before(0, func() {
			if err := s.Recovery.Complete(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.cancelByLink(http.StatusGone, link)
		s.Tick()
		codes := s.codes(s.alice.Email)
		if len(codes) != 1 {
			t.Fatalf("ended first: codes %v", codes)
		}
		s.enroll(http.StatusOK, codes[0])
	})
}

// Of parallel beginnings one begins, of parallel cancellations one cancels, and
// parallel auditors mail one code.
func TestRecoveryInParallel(t *testing.T) {
	const requests = 8
	onBoth(t, func(t *testing.T, s *scene) {
		begin := localtest.Request{Method: "POST", Path: s.path(), Body: map[string]any{"administrator_email": s.alice.Email}, Header: http.Header{"Authorization": {"Bearer " + s.operator.Token}}}
		if got := s.Together(requests, func(int) localtest.Request { return begin }); got[http.StatusCreated] != 1 || got[http.StatusConflict] != requests-1 {
			t.Errorf("beginning: %v", got)
		}
		localtest.Parallel(4, func(int) {
			if err := s.Recovery.Notify(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.Tick()
		links := s.links(s.alice.Email)
		if len(links) != 1 || s.subjects(s.bob.Email, "Your organisation's access") != 1 {
			t.Fatalf("links %v", links)
		}
		cancel := localtest.Request{Method: "POST", Path: "/v1/recovery/cancel", Body: map[string]any{"token": links[0]}}
		if got := s.Together(requests, func(int) localtest.Request { return cancel }); got[http.StatusNoContent] != 1 || got[http.StatusGone] != requests-1 {
			t.Errorf("cancelling: %v", got)
		}
		begin.Header.Set("Idempotency-Key", "again")
		if got := s.Together(requests, func(int) localtest.Request { return begin }); got[http.StatusCreated] != requests {
			t.Errorf("with one Idempotency-Key: %v", got)
		}
		s.Tick()
		s.Clock.Add(recovery.Wait)
		localtest.Parallel(4, func(int) {
			if err := s.Recovery.Complete(context.Background()); err != nil {
				t.Error(err)
			}
		})
		s.Tick()
		if codes := s.codes(s.alice.Email); len(codes) != 1 {
			t.Errorf("codes %v", codes)
		}
	})
}

// A restored backup may bring back what was cancelled: what was begun before is void,
// told, and followed by another; a code from before enrols nobody.
func TestAttack46RecoveryFromBeforeARestore(t *testing.T) {
	for name, told := range map[string]bool{"told already": true, "not told yet": false} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.begin(http.StatusCreated, s.alice.Email)
			if told {
				s.Tick()
			}
			s.Clock.Add(time.Hour)
			s.Restore()
			s.Clock.Add(time.Minute) // no code from before it is taken
			s.operator.SignIn()
			s.operator.Must(http.StatusNotFound, "GET", s.path(), nil)
			if told {
				s.cancelByLink(http.StatusGone, s.links(s.alice.Email)[0])
			}
			s.Clock.Add(recovery.Wait)
			s.Tick()
			s.Tick()
			if _, err := s.stored(); !errors.Is(err, table.ErrNotFound) || len(s.codes(s.alice.Email)) != 0 || s.subjects(s.alice.Email, "The recovery of your organisation's access was cancelled") != 1 {
				t.Errorf("it is still there, or not told (%v); codes %v", err, s.codes(s.alice.Email))
			}
			s.keepsFactor()
			s.begun()
			s.over()
			s.Clock.Add(time.Second)
			s.Restore()
			s.enroll(http.StatusUnauthorized, s.codes(s.alice.Email)[0])
		})
	}
}
