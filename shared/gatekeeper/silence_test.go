package gatekeeper_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/gatekeeper"
)

// told are the entries about silence, oldest first, and how many letters.
func (s *scene) told() (actions []string, letters int) {
	for _, action := range []string{"gate.silent", "gate.back"} {
		for range s.alice.Must(http.StatusOK, "GET", "/v1/audit?action="+action, nil).Items() {
			actions = append(actions, action)
		}
	}
	for _, letter := range s.Mail.To(s.alice.Email) {
		if strings.Contains(letter.Subject, "gate of") && !strings.Contains(letter.Subject, "key") {
			letters++
		}
	}
	return actions, letters
}

// passes lets time go by with the auditor at work.
func (s *scene) passes(d time.Duration) {
	for ; d > 0; d -= 10 * time.Minute {
		s.Clock.Add(10 * time.Minute)
		s.Tick()
	}
}

func (s *scene) silence(t *testing.T, when string, letters int, want ...string) {
	t.Helper()
	s.alice.SignIn()
	if actions, mailed := s.told(); !slices.Equal(actions, want) || mailed != letters {
		t.Errorf("%s: %q told, %d letters; want %q and %d", when, actions, mailed, want, letters)
	}
}

// A gate's silence and its return are told once each, by entry and by mail; mails
// come once a day at most.
func TestSilentGateIsToldOnce(t *testing.T) {
	s := newScene(t, nil)
	s.passes(10 * time.Minute)
	s.silence(t, "a gate that was never seen", 0)
	s.asks(free, "")
	s.Tick()
	s.passes(gatekeeper.SilentAfter - 20*time.Minute)
	s.silence(t, "seen lately", 0)
	s.asks(free, "")
	s.Tick()
	s.passes(gatekeeper.SilentAfter + time.Hour)
	s.silence(t, "silent", 1, "gate.silent")
	s.passes(time.Hour)
	s.silence(t, "still silent", 1, "gate.silent")
	if a := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil); a.Text("gate.silent_since") == "" {
		t.Errorf("%s", a.Body)
	}
	s.asks(free, "")
	s.Tick()
	s.passes(10 * time.Minute)
	s.silence(t, "back", 2, "gate.silent", "gate.back")
	if a := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil); a.Text("gate.silent_since") != "" {
		t.Errorf("%s", a.Body)
	}
	s.passes(gatekeeper.SilentAfter + time.Hour)
	s.silence(t, "silent again on the same day", 2, "gate.silent", "gate.silent", "gate.back")
}

// When Portcullis itself was away, no gate was silent: each gets its time anew.
func TestPortcullisAwayIsNoSilence(t *testing.T) {
	s := newScene(t, nil)
	s.asks(free, "")
	s.Tick()
	s.Clock.Add(20 * time.Hour)
	s.Tick()
	s.silence(t, "after 20 hours away", 0)
	s.passes(gatekeeper.SilentAfter + 10*time.Minute)
	s.silence(t, "and silent since", 1, "gate.silent")
}

// A removed phone system's gate is forgotten, and told of by nobody.
func TestRemovedGateIsForgotten(t *testing.T) {
	s := newScene(t, nil)
	s.asks(free, "")
	s.Tick()
	s.alice.Must(http.StatusNoContent, "DELETE", "/v1/phone-systems/"+s.gate.ID, nil)
	s.passes(gatekeeper.SilentAfter + time.Hour)
	s.silence(t, "removed", 0)
	for item, err := range s.Table.Due(t.Context(), gatekeeper.ReportKind, s.Clock.Now().Add(1000*time.Hour)) {
		t.Errorf("%v is still there, %v", item.Key, err)
	}
}
