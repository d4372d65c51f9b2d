package gatekeeper_test

import (
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table/tabletest"
)

// A bad attempt that the store did not take is told with the next one, soon: an
// attacker who stops must not go unrecorded, and a flood must not write at every
// request.
func TestBadAttemptThatCouldNotBeWrittenIsTold(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	w := localtest.On(t, faulty, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op == tabletest.OpApply {
			return tabletest.Fail
		}
		return tabletest.None
	})
	for range 3 {
		reads(t, gate.Decide("GET", restricted, ""), "locked")
	}
	faulty.SetPlan(nil)
	reads(t, gate.Decide("GET", restricted, ""), "locked")
	told := func() []localtest.Answer {
		return alice.Must(http.StatusOK, "GET", "/v1/audit?action=gate.bad_attempt", nil).Items()
	}
	if n := len(told()); n != 0 {
		t.Errorf("%d entries before it is time", n)
	}
	clock.Add(10 * time.Second)
	reads(t, gate.Decide("GET", restricted, ""), "locked")
	if entries := told(); len(entries) != 1 || entries[0].Text("details.further_attempts_before") != "4" {
		t.Errorf("told: %v", entries)
	}
}
