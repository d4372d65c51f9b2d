package gatekeeper_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// asks has the gate ask, saying what its file was made from.
func (s *scene) asks(path, config string) localtest.Answer {
	s.T.Helper()
	h := s.gate.Header("GET", path, "")
	if config != "" {
		h["Portcullis-Config"] = []string{config}
	}
	return s.ask(h)
}

func (s *scene) fingerprint() string {
	s.T.Helper()
	p, _, err := s.Registry.Get(context.Background(), s.alice.Caller(), s.gate.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	matcher, err := p.Matcher()
	if err != nil {
		s.T.Fatal(err)
	}
	return matcher.Fingerprint()
}

// A stale file changes no decision, is told once for each change, and is written
// by no question.
func TestStaleConfigIsToldOnceAndDecidesNothing(t *testing.T) {
	var counting *tabletest.Counting
	s := sceneOver(t, nil, func(under table.Table) table.Table {
		counting = tabletest.NewCounting(under)
		return counting
	})
	told := func(action string) int {
		return len(s.alice.Must(http.StatusOK, "GET", "/v1/audit?action="+action, nil).Items())
	}
	shown := func() any {
		gate, _ := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil).JSON["gate"].(map[string]any)
		return gate["config_stale"]
	}
	s.asks(free, "")
	s.Tick()
	if got := shown(); got != nil {
		t.Errorf("a gate that says nothing: %v", got)
	}
	for _, config := range []string{"0123456789abcdef", s.fingerprint(), "x,y"} {
		counting.Reset()
		for range 20 {
			reads(t, s.asks(free, config), "unrestricted")
		}
		reads(t, s.asks(restricted, config), "locked")
		if n := counting.Reset(); n.Applies > 1 { // the bad attempt
			t.Errorf("%s: %d writes", config, n.Applies)
		}
		s.Tick()
		s.Clock.Add(2 * time.Minute)
		s.Tick()
		if got := shown(); got != (config != s.fingerprint()) {
			t.Errorf("%s: stale is %v", config, got)
		}
	}
	if stale, current := told("gate.config_stale"), told("gate.config_current"); stale != 2 || current != 1 {
		t.Errorf("told %d and %d times", stale, current)
	}
	s.alice.StepUp()
	s.alice.Must(http.StatusOK, "PATCH", "/v1/phone-systems/"+s.gate.ID, map[string]any{"restricted_paths": []string{"/webclient/x"}})
	if got := shown(); got != true {
		t.Errorf("after the rules were changed: %v", got)
	}
}

// The hourly request that an installed file makes shows the gate, and its file.
func TestNoticeShowsTheGate(t *testing.T) {
	s := newScene(t, nil)
	h := s.gate.Header("GET", "/", "")
	h["Portcullis-Config"] = []string{s.fingerprint()}
	s.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/v1/gate/notice", Header: h})
	s.Tick()
	gate, _ := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil).JSON["gate"].(map[string]any)
	if gate["last_seen_at"] == nil || gate["config_stale"] != false {
		t.Errorf("%v", gate)
	}
}

// Counts that could not be written are written later, and only once.
func TestCountsSurviveAFailingStore(t *testing.T) {
	var faulty *tabletest.Faulty
	s := sceneOver(t, nil, func(under table.Table) table.Table {
		faulty = tabletest.NewFaulty(under, nil)
		return faulty
	})
	s.asks(free, "")
	s.asks(restricted, "")
	faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op == tabletest.OpApply {
			return tabletest.Fail
		}
		return tabletest.None
	})
	if err := s.Keeper.Flush(context.Background()); !errors.Is(err, table.ErrUnavailable) {
		t.Fatal(err)
	}
	faulty.SetPlan(nil)
	s.asks(free, "")
	s.Tick()
	s.Tick()
	gate, _ := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil).JSON["gate"].(map[string]any)
	decisions, _ := gate["decisions"].(map[string]any)
	if decisions["allowed"] != 2.0 || decisions["denied"] != 1.0 {
		t.Errorf("%v", decisions)
	}
}

// Keepers that write at once lose nothing of each other.
func TestKeepersWriteSideBySide(t *testing.T) {
	s := newScene(t, nil)
	other := s.Ground.Keeper()
	for range 10 {
		if _, err := s.Keeper.Decide(context.Background(), s.question("")); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Decide(context.Background(), s.question("")); err != nil {
			t.Fatal(err)
		}
		localtest.Parallel(2, func(i int) {
			if err := []interface{ Flush(context.Context) error }{s.Keeper, other}[i].Flush(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	a := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems/"+s.gate.ID, nil)
	if a.Number("gate.decisions.denied") != 20 {
		t.Errorf("%s", a.Body)
	}
}

// Whoever sees the phone system but not the audit sees no addresses.
func TestAddressesAreForTheAudit(t *testing.T) {
	s := newScene(t, nil)
	bob, _ := s.technician("bob@acme.example")
	s.gate.Client = "2001:db8::1"
	s.asks(restricted, "")
	s.Tick()
	path := "/v1/phone-systems/" + s.gate.ID
	alice, hers := s.alice.Must(http.StatusOK, "GET", path, nil), bob.Must(http.StatusOK, "GET", path, nil)
	sources := alice.JSON["gate"].(map[string]any)["bad_attempts"].([]any)
	if len(sources) != 1 || sources[0].(map[string]any)["from"] != "2001:db8::/64" {
		t.Errorf("%s", alice.Body)
	}
	if hers.JSON["gate"].(map[string]any)["bad_attempts"] != nil || hers.Number("gate.decisions.denied") != 1 {
		t.Errorf("%s", hers.Body)
	}
	if list := s.alice.Must(http.StatusOK, "GET", "/v1/phone-systems", nil).Items(); list[0].JSON["gate"].(map[string]any)["bad_attempts"] != nil {
		t.Errorf("%v", list)
	}
}
