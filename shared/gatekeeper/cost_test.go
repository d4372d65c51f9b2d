package gatekeeper_test

import (
	"context"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// The costs of DESIGN.md, "Costs to keep". Warm is an instance that has met the
// phone system; cold is one that has just started.
func TestDecisionCosts(t *testing.T) {
	for _, c := range []struct {
		name      string
		policy    map[string]any
		path      string
		by        string // whose pass: "alice", an administrator; "bob", with a role; "closed", a closed window; or nobody
		warm      bool
		want      string
		trips, ru int
	}{
		{"administrator, warm", nil, restricted, "alice", true, "open_window", 1, 4},
		{"administrator, cold", nil, restricted, "alice", false, "open_window", 1, 4},
		{"role, warm", nil, restricted, "bob", true, "open_window", 1, 4},
		{"role, cold", nil, restricted, "bob", false, "open_window", 1, 4},
		{"pass and address, warm", map[string]any{"binding": "pass+ip"}, restricted, "bob", true, "open_window", 1, 4},
		{"pass and address, cold", map[string]any{"binding": "pass+ip"}, restricted, "bob", false, "open_window", 1, 4},
		{"denied with a pass, warm", nil, restricted, "closed", true, "expired", 1, 4},
		{"denied with a pass, cold", nil, restricted, "closed", false, "expired", 1, 4},
		{"unrestricted, warm", nil, free, "", true, "unrestricted", 1, 1},
		{"unrestricted with a pass, warm", nil, free, "bob", true, "unrestricted", 1, 1},
		{"unrestricted, cold", nil, free, "", false, "unrestricted", 1, 1},
		{"ambiguous with a pass, warm", nil, "/webclient/%2e%2e/xapi", "bob", true, "ambiguous", 1, 1},
		{"by address, warm", map[string]any{"binding": "ip"}, restricted, "", true, "open_window", 2, 5},
		{"by address with a pass, warm", map[string]any{"binding": "ip"}, restricted, "bob", true, "open_window", 2, 5},
		{"by address, cold", map[string]any{"binding": "ip"}, restricted, "", false, "open_window", 3, 5},
		// One List more tells "locked" from "no_pass" and "wrong_address".
		{"denied without a pass, warm", nil, restricted, "", true, "no_pass", 2, 2},
		{"denied without a pass, cold", nil, restricted, "", false, "no_pass", 2, 2},
	} {
		var counting *tabletest.Counting
		s := sceneOver(t, c.policy, func(under table.Table) table.Table {
			counting = tabletest.NewCounting(under)
			return counting
		})
		cookie := s.passOf(c.by)
		keeper := s.Keeper
		if !c.warm {
			keeper = gatekeeper.New(gatekeeper.Options{Journal: s.Journal, Log: nil, BaseURL: localtest.BaseURL})
		} else {
			s.gate.Decide("GET", c.path, cookie)
		}
		counting.Reset()
		h := s.gate.Header("GET", c.path, cookie)
		d, err := keeper.Decide(context.Background(), gatekeeper.Request{
			Authorization: h["Authorization"], Method: h["Portcullis-Method"], URL: h["Portcullis-Url"], Client: h["Portcullis-Client"], Cookie: h["Cookie"],
		})
		n := counting.Reset()
		if !d.Allow && n.Applies <= 1 {
			n.RoundTrips -= n.Applies // the audit, at most once in 5 minutes
		}
		if err != nil || string(d.Reason) != c.want || n.RoundTrips > c.trips || n.ReadUnits > float64(c.ru) {
			t.Errorf("%s: %s %v, %d round trips and %g units, want %s, %d and %d", c.name, d.Reason, err, n.RoundTrips, n.ReadUnits, c.want, c.trips, c.ru)
		}
	}
}

// passOf makes a window and answers its pass.
func (s *scene) passOf(whose string) string {
	bob, _ := s.technician("bob@acme.example")
	opened := bob.Unlock(s.gate, 600)
	cookie := s.gate.Pass(opened)
	switch whose {
	case "alice":
		return s.pass(s.alice, s.gate)
	case "closed":
		bob.Must(200, "DELETE", "/v1/unlocks/"+opened.Text("id"), nil)
		return cookie
	case "bob":
		return cookie
	}
	return ""
}
