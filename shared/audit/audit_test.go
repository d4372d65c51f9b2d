package audit_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// office is a partner with one phone system and an open window, on a table that
// fails by plan.
type office struct {
	*localtest.World
	faulty *tabletest.Faulty
	alice  *localtest.Person
	gate   *localtest.Gate
	unlock localtest.Answer
}

func newOffice(t *testing.T) office {
	t.Helper()
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	o := office{World: localtest.On(t, faulty, clock), faulty: faulty}
	o.alice = o.Administrator("acme", "alice@acme.example")
	o.gate = o.alice.PhoneSystem("pbx.acme.example", nil)
	return o
}

// items counts and joins the documents of a partition, so that any change shows.
func (o office) items(partition string) string {
	o.T.Helper()
	var all strings.Builder
	for item, err := range o.Table.List(context.Background(), table.Range{Partition: partition}) {
		if err != nil {
			o.T.Fatal(err)
		}
		fmt.Fprintf(&all, "%s %s\n", item.Sort, item.Body)
	}
	return all.String()
}

// entries counts the log's entries of an action.
func (o office) entries(action audit.Action) int {
	o.T.Helper()
	return strings.Count(o.items("audit#"+o.alice.PartnerID), fmt.Sprintf("%q:%q", "action", action))
}

// change is one thing that a person or a gate does: what it changes, and what
// the audit calls it.
type change struct {
	action audit.Action
	do     func(office)
	state  func(office) string
}

func (o office) on(path string) string { return "/v1/phone-systems/" + o.gate.ID + path }

func system(o office) string { return o.items(phonesystem.Key(o.gate.ID).Partition) }

func unlocks(o office) string { return o.items("unlocks#" + o.alice.PartnerID) }

// changes are all that this package's users change, but for signing in.
func changes() map[string]change {
	do := func(method, path string, body any) func(office) {
		return func(o office) {
			path := strings.NewReplacer("{system}", o.gate.ID, "{unlock}", o.unlock.Text("id")).Replace(path)
			o.alice.Do(method, path, body)
		}
	}
	return map[string]change{
		"open":   {audit.UnlockOpened, do("POST", "/v1/phone-systems/{system}/unlocks", map[string]any{"reason": "x"}), unlocks},
		"extend": {audit.UnlockExtended, do("POST", "/v1/unlocks/{unlock}/extend", map[string]any{"seconds": 60}), unlocks},
		"close":  {audit.UnlockClosed, do("DELETE", "/v1/unlocks/{unlock}", nil), unlocks},
		"pass": {audit.PassIssued, do("POST", "/v1/unlocks/{unlock}/pass", nil), func(o office) string {
			return o.items("ticket#" + o.gate.ID)
		}},
		"pass used": {audit.PassUsed, func(o office) { o.gate.Post(o.unlock.Text("pass.ticket"), localtest.BaseURL, "") }, func(o office) string {
			return o.items("leases#" + o.alice.PartnerID)
		}},
		"lock": {audit.PhoneSystemLocked, do("POST", "/v1/phone-systems/{system}/lock", nil), system},
		"create": {audit.PhoneSystemCreated, do("POST", "/v1/phone-systems", map[string]any{"name": "Two", "host": "two.acme.example"}), func(o office) string {
			return o.items("phonesystems#" + o.alice.PartnerID)
		}},
		"change":   {audit.PhoneSystemChanged, do("PATCH", "/v1/phone-systems/{system}", map[string]any{"name": "New", "host": "new.acme.example"}), system},
		"widen":    {audit.PhoneSystemChanged, do("PATCH", "/v1/phone-systems/{system}", map[string]any{"policy": map[string]any{"max_seconds": 86400}}), system},
		"delete":   {audit.PhoneSystemDeleted, do("DELETE", "/v1/phone-systems/{system}", nil), system},
		"gate key": {audit.GateKeyRotated, do("POST", "/v1/phone-systems/{system}/gate-key", map[string]any{}), system},
	}
}

// No change without an entry and no entry without its change, whichever call to
// the table fails, having been applied or not.
func TestChangeAndEntryAreOne(t *testing.T) {
	for name, c := range changes() {
		t.Run(name, func(t *testing.T) {
			applied := 0
			for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
				for call := 0; ; call++ {
					o := newOffice(t)
					if name != "open" && name != "create" {
						o.unlock = o.alice.Unlock(o.gate, 300)
					}
					state, entries := c.state(o), o.entries(c.action)
					o.faulty.SetPlan(tabletest.At(call, fault))
					c.do(o)
					reached := o.faulty.Calls() > call
					o.faulty.SetPlan(nil)
					changed, told := c.state(o) != state, o.entries(c.action)-entries
					if changed && told != 1 || !changed && told != 0 {
						t.Errorf("fault %v at call %d: changed %v, %d entries", fault, call, changed, told)
					}
					if changed {
						applied++
					}
					if !reached {
						break
					}
				}
			}
			if applied < 3 {
				t.Errorf("it was applied %d times only: the test tests nothing", applied)
			}
		})
	}
}

// An entry says who, what, from where and on what.
func TestEntriesSayWho(t *testing.T) {
	o := newOffice(t)
	a := o.alice.Unlock(o.gate, 300)
	e := o.alice.Must(200, "GET", "/v1/audit?action=unlock.opened", nil).Items()[0]
	for path, want := range map[string]string{
		"actor": o.alice.ID, "subject": a.Text("id"), "phone_system_id": o.gate.ID, "client_ip": "192.0.2.1", "outcome": "success",
		"at": "2027-03-01T09:00:00Z", "details.actor_email": "alice@acme.example", "details.reason": "test", "details.expires_at": a.Text("expires_at"),
	} {
		if got := e.Text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// A change that names nothing to tell, or tells it without saying who, is none.
func TestCommitRefusesWhatTellsNothing(t *testing.T) {
	o := newOffice(t)
	item, err := table.Encode(table.Key{Partition: "x", Sort: "x"}, "x", struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	whole := audit.Entry{Action: "x.done", Actor: "a", PartnerID: "p", Outcome: audit.Success}
	noActor, noPartner, noOutcome := whole, whole, whole
	noActor.Actor, noPartner.PartnerID, noOutcome.Outcome = "", "", ""
	for name, entries := range map[string][]audit.Entry{"none": nil, "no actor": {noActor}, "no partner": {whole, noPartner}, "no outcome": {noOutcome}} {
		if err := o.Journal.Commit(t.Context(), []table.Write{table.Put(item, table.Always())}, entries...); err == nil {
			t.Errorf("%s: committed", name)
		}
	}
	if _, err := o.Table.Get(t.Context(), item.Key); err == nil {
		t.Error("the change was made")
	}
}

// With answers a new entry: what was handed on before stays as it was.
func TestWithLeavesTheOriginalAlone(t *testing.T) {
	first := audit.Entry{}.With("a", "1")
	second := first.With("b", "2").With("c", "")
	if len(first.Details) != 1 || len(second.Details) != 2 {
		t.Errorf("%v, %v", first.Details, second.Details)
	}
}

// Refused and failed requests change nothing and tell nothing.
func TestRefusalsTellNothing(t *testing.T) {
	o := newOffice(t)
	before := o.items("audit#" + o.alice.PartnerID)
	for _, c := range []struct {
		status       int
		method, path string
		body         any
	}{
		{422, "POST", o.on("/unlocks"), map[string]any{"reason": "x", "duration_seconds": 1}},
		{422, "POST", o.on("/unlocks"), map[string]any{}},
		{422, "PATCH", o.on(""), map[string]any{"host": "no host"}},
		{409, "POST", "/v1/phone-systems", map[string]any{"name": "Two", "host": "pbx.acme.example"}},
		{404, "DELETE", "/v1/unlocks/01JZZZZZZZZZZZZZZZZZZZZZZZ", nil},
		{404, "DELETE", "/v1/phone-systems/01JZZZZZZZZZZZZZZZZZZZZZZZ", nil},
	} {
		if a := o.alice.Do(c.method, c.path, c.body); a.Status != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.Status, a.Body)
		}
	}
	if after := o.items("audit#" + o.alice.PartnerID); after != before {
		t.Errorf("the audit grew:\n%s", after)
	}
	if http.StatusOK != o.alice.Do("GET", "/v1/audit", nil).Status {
		t.Error("the audit can't be read")
	}
}
