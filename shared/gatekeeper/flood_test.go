package gatekeeper_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// flooded is a scene that counts what its table is asked.
func flooded(t *testing.T) (*scene, *tabletest.Counting) {
	t.Helper()
	var counting *tabletest.Counting
	s := sceneOver(t, nil, func(under table.Table) table.Table {
		counting = tabletest.NewCounting(under)
		return counting
	})
	return s, counting
}

// from asks in vain, from an address.
func (s *scene) from(client string) localtest.Answer {
	g := *s.gate
	g.Client = client
	return g.Decide("GET", restricted, "")
}

// attempts lists the bad attempts of the last 5 minutes and before, newest first.
func (s *scene) attempts() []localtest.Answer {
	s.alice.SignIn() // the session may have idled out
	var all []localtest.Answer
	path := "/v1/audit?action=gate.bad_attempt&limit=200"
	for next := ""; ; {
		page := s.alice.Must(http.StatusOK, "GET", path+next, nil)
		all = append(all, page.Items()...)
		cursor := page.Text("next")
		if cursor == "" {
			return all
		}
		next = "&cursor=" + cursor
	}
}

func TestAttack47FloodFromOneAddress(t *testing.T) {
	s, counting := flooded(t)
	counting.Reset()
	const flood = 5000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range flood / 4 {
				if a := s.from("203.0.113.9"); a.Status != http.StatusForbidden {
					t.Error(a.Status)
				}
			}
		})
	}
	wg.Wait()
	if n := counting.Reset(); n.Applies != 1 || n.Adds != 0 {
		t.Errorf("%d writes for %d denials", n.Applies+n.Adds, flood)
	}
	// One source, however it is spelled, and however soon it comes again.
	s.Clock.Add(5*time.Minute - time.Second)
	for _, spelled := range []string{"203.0.113.9", "::ffff:203.0.113.9", "::ffff:cb00:7109"} {
		s.from(spelled)
	}
	if n := counting.Reset(); n.Applies != 0 {
		t.Errorf("%d writes within 5 minutes", n.Applies)
	}
	s.Clock.Add(time.Second)
	s.from("203.0.113.9")
	s.from("203.0.113.9")
	if n := counting.Reset(); n.Applies != 1 {
		t.Errorf("%d writes after 5 minutes", n.Applies)
	}
	all := s.attempts()
	if len(all) != 2 || all[0].Text("details.further_attempts_before") != fmt.Sprint(flood-1+3) || all[0].Text("client_ip") != "203.0.113.9" ||
		all[0].Text("details.from") != "203.0.113.9" || all[0].Text("details.reason") != "locked" || all[0].Text("details.path") != restricted ||
		all[1].Text("details.further_attempts_before") != "" {
		t.Errorf("%v", all)
	}
}

// An address that rotates through its network is one source; another phone
// system's gate is told of it apart.
func TestAttack47FloodFromOneNetwork(t *testing.T) {
	s, counting := flooded(t)
	second := s.alice.PhoneSystem("two.acme.example", nil)
	counting.Reset()
	for i := range 100 {
		s.from(fmt.Sprintf("2001:db8:1:2:%x::%x", i, i))
	}
	if n := counting.Reset(); n.Applies != 1 {
		t.Errorf("%d writes for one /64", n.Applies)
	}
	s.from("2001:db8:1:3::1")
	second.Client = "2001:db8:1:2::1"
	second.Decide("GET", restricted, "")
	if n := counting.Reset(); n.Applies != 2 {
		t.Errorf("%d writes for another /64 and another phone system", n.Applies)
	}
}

func TestAttack47FloodFromManyAddresses(t *testing.T) {
	s, counting := flooded(t)
	cookie := s.pass(s.alice, s.gate)
	counting.Reset()
	const known, flood = 1000, 2000
	for i := range flood {
		s.from(fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if n := counting.Reset(); n.Applies != known+1 {
		t.Errorf("%d writes for %d addresses", n.Applies, flood)
	}
	reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
	for _, e := range s.attempts() {
		if e.Text("details.from") == "others" {
			if e.Text("client_ip") != "" || e.Text("details.path") != restricted {
				t.Errorf("others: %v", e)
			}
			return
		}
	}
	t.Error("nothing of the others")
}

// What is allowed writes nothing, however often; what a gate was seen is
// written by the schedule alone.
func TestAllowedRequestsWriteNothing(t *testing.T) {
	s, counting := flooded(t)
	cookie := s.pass(s.alice, s.gate)
	counting.Reset()
	for range 200 {
		reads(t, s.gate.Decide("GET", free, ""), "unrestricted")
		reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
	}
	n := counting.Reset()
	if n.Applies != 0 || n.Adds != 0 || n.Lists != 0 || n.GetAlls != 400 || n.RoundTrips != 400 {
		t.Errorf("%+v", n)
	}
	seen := func() string {
		return s.alice.Must(200, "GET", "/v1/phone-systems/"+s.gate.ID, nil).Text("gate.last_seen_at")
	}
	if seen() != "" {
		t.Error("seen before it was written")
	}
	s.Tick()
	if want := localtest.Start.Format(time.RFC3339); seen() != want {
		t.Errorf("seen at %q, want %q", seen(), want)
	}
	counting.Reset()
	s.Tick()
	if n := counting.Reset(); n.Applies != 0 {
		t.Errorf("%d writes of a gate that did not ask", n.Applies)
	}
}

// A path in the audit is short and without the query, where secrets travel.
func TestAuditOfAnAttemptHoldsNoQuery(t *testing.T) {
	s, _ := flooded(t)
	s.gate.Decide("GET", "/xapi/"+strings.Repeat("x", 300)+"?token=SECRET", "")
	all := s.attempts()
	if len(all) != 1 || len(all[0].Text("details.path")) != 200 || strings.Contains(fmt.Sprint(all), "SECRET") {
		t.Errorf("%v", all)
	}
}
