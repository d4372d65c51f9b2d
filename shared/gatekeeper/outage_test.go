package gatekeeper_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// stalling is a table that does not answer what stall picks until the caller
// gives up.
type stalling struct {
	table.Table
	stall atomic.Pointer[func(op tabletest.Op, key table.Key) bool]
}

func (s *stalling) wait(ctx context.Context, op tabletest.Op, key table.Key) error {
	stall := s.stall.Load()
	if stall == nil || !(*stall)(op, key) {
		return nil
	}
	<-ctx.Done()
	return fmt.Errorf("%w: %w", table.ErrUnavailable, ctx.Err())
}

func (s *stalling) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := s.wait(ctx, tabletest.OpGet, key); err != nil {
		return table.Item{}, err
	}
	return s.Table.Get(ctx, key)
}

func (s *stalling) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	for _, key := range keys {
		if err := s.wait(ctx, tabletest.OpGetAll, key); err != nil {
			return nil, err
		}
	}
	return s.Table.GetAll(ctx, keys...)
}

func (s *stalling) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		if err := s.wait(ctx, tabletest.OpList, table.Key{Partition: r.Partition}); err != nil {
			yield(table.Item{}, err)
			return
		}
		s.Table.List(ctx, r)(yield)
	}
}

func (s *stalling) Apply(ctx context.Context, writes ...table.Write) error {
	if err := s.wait(ctx, tabletest.OpApply, writes[0].Item.Key); err != nil {
		return err
	}
	return s.Table.Apply(ctx, writes...)
}

// op picks every call of one kind, in partitions of which the name begins so.
func op(op tabletest.Op, partition string) func(tabletest.Op, table.Key) bool {
	return func(o tabletest.Op, key table.Key) bool {
		return o == op && strings.HasPrefix(key.Partition, partition)
	}
}

// call is one request of a gate's.
type call struct {
	method, path, cookie string
	// client is the address that the gate names: a new one is told of anew.
	client string
	form   string
	url    string
}

func (s *scene) send(c call) localtest.Answer {
	r := httptest.NewRequest(c.method, localtest.BaseURL+c.path, strings.NewReader(c.form))
	r.Header = s.gate.Header(http.MethodGet, c.url, c.cookie)
	r.Header["Portcullis-Client"] = []string{c.client}
	if c.method == http.MethodPost {
		r.Header["Origin"] = []string{localtest.BaseURL}
		r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	}
	return s.serve(r)
}

// slowest is how long a proxy waits (API.md, "The gate"): the answer is there
// before.
const slowest = 2 * time.Second

func TestAttack30TableThatDoesNotAnswer(t *testing.T) {
	const decision, withNotice, pass, notice = "/v1/gate/decision", "/v1/gate/decision?answer=notice", "/v1/gate/pass", "/v1/gate/notice"
	for _, c := range []struct {
		name   string
		policy string
		stall  func(tabletest.Op, table.Key) bool
		call   call
		want   int
	}{
		{"a decision, nothing answers", "pass", op(tabletest.OpGetAll, ""), call{path: decision, url: restricted, cookie: "PASS"}, 503},
		{"an unrestricted path, nothing answers", "pass", op(tabletest.OpGetAll, ""), call{path: decision, url: free}, 503},
		{"the lease does not answer", "pass", op(tabletest.OpGetAll, "leases#"), call{path: decision, url: restricted, cookie: "PASS"}, 503},
		{"the user does not answer", "ip", op(tabletest.OpGetAll, "user#"), call{path: decision, url: restricted}, 503},
		{"the address does not answer", "ip", op(tabletest.OpGetAll, "address#"), call{path: decision, url: restricted}, 503},
		{"whether anybody has a window does not answer", "pass", op(tabletest.OpList, ""), call{path: decision, url: restricted}, 503},
		{"the audit does not answer", "pass", op(tabletest.OpApply, "audit#"), call{path: decision, url: restricted, client: "203.0.113.1"}, 403},
		{"the audit does not answer, with a notice", "pass", op(tabletest.OpApply, "audit#"), call{path: withNotice, url: restricted, client: "203.0.113.2"}, 403},
		{"the partner does not answer, for a notice", "pass", op(tabletest.OpGet, "partner#"), call{path: withNotice, url: restricted}, 403},
		{"the audit and the partner do not answer", "pass", func(o tabletest.Op, _ table.Key) bool { return o == tabletest.OpApply || o == tabletest.OpGet },
			call{path: withNotice, url: restricted, client: "203.0.113.3"}, 403},
		{"the notice", "pass", op(tabletest.OpGetAll, ""), call{path: notice}, 503},
		{"the notice without whom to ask", "pass", op(tabletest.OpGet, ""), call{path: notice}, 200},
		{"the page of a ticket", "pass", op(tabletest.OpGetAll, ""), call{path: pass + "?ticket=TICKET"}, 503},
		{"a ticket, nothing answers", "pass", op(tabletest.OpGetAll, ""), call{method: "POST", path: pass, form: "ticket=TICKET"}, 503},
		{"a ticket, its window does not answer", "pass", op(tabletest.OpGetAll, "leases#"), call{method: "POST", path: pass, form: "ticket=TICKET"}, 503},
		{"a ticket, nothing is written", "pass", op(tabletest.OpApply, ""), call{method: "POST", path: pass, form: "ticket=TICKET"}, 503},
		{"a used ticket, without whom to ask", "pass", op(tabletest.OpGet, ""), call{method: "POST", path: pass, form: "ticket=no"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				stalled := &stalling{}
				s := sceneWithin(t, 0, map[string]any{"binding": c.policy}, func(under table.Table) table.Table { stalled.Table = under; return stalled })
				opened := s.alice.Unlock(s.gate, 600)
				cookie := s.gate.Pass(opened)
				if c.call.method == "" {
					c.call.method = "GET"
				}
				if c.call.client == "" {
					c.call.client = s.gate.Client
				}
				ticket := s.alice.Must(200, "POST", "/v1/unlocks/"+opened.Text("id")+"/pass", nil).Text("pass.ticket")
				c.call.cookie = strings.ReplaceAll(c.call.cookie, "PASS", cookie)
				c.call.path = strings.ReplaceAll(c.call.path, "TICKET", ticket)
				c.call.form = strings.ReplaceAll(c.call.form, "TICKET", ticket)
				stalled.stall.Store(&c.stall)
				began := time.Now()
				a := s.send(c.call)
				if took := time.Since(began); a.Status != c.want || took >= slowest {
					t.Errorf("%d after %s, want %d before %s", a.Status, took, c.want, slowest)
				}
				stalled.stall.Store(nil)
				reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
			})
		})
	}
}

// Each single call may fail, done or not done: what was denied stays denied,
// and nothing needs a push to be well again.
func TestAttack30TableThatFails(t *testing.T) {
	for _, binding := range []string{"pass", "ip", "pass+ip"} {
		var faulty *tabletest.Faulty
		s := sceneOver(t, map[string]any{"binding": binding}, func(under table.Table) table.Table {
			faulty = tabletest.NewFaulty(under, nil)
			return faulty
		})
		cookie := s.pass(s.alice, s.gate)
		own := s.gate.Client
		ask := func(url, cookie, client string) localtest.Answer {
			return s.send(call{method: "GET", path: "/v1/gate/decision", url: url, cookie: cookie, client: client})
		}
		for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
			for position := range 4 {
				client := fmt.Sprintf("203.0.113.%d", 10*int(fault)+position)
				faulty.SetPlan(tabletest.At(position, fault))
				if a := ask(restricted, "", client); a.Status != 403 && a.Status != 503 {
					t.Errorf("%s: fault %d at call %d: %d", binding, fault, position, a.Status)
				}
				faulty.SetPlan(tabletest.At(position, fault))
				a := ask(restricted, cookie, own)
				if wanted := faulty.Calls() > position; wanted && a.Status != 503 || !wanted && a.Status != 204 {
					t.Errorf("%s, with a pass: fault %d at call %d of %d: %d", binding, fault, position, faulty.Calls(), a.Status)
				}
			}
		}
		faulty.SetPlan(nil)
		faulty.Outage(true)
		for _, url := range []string{restricted, free} {
			if a := ask(url, cookie, own); a.Status != 503 || a.Header.Get("Retry-After") == "" || a.Header.Get("Portcullis-Decision") != "deny" {
				t.Errorf("%s: %d %v", url, a.Status, a.Header)
			}
		}
		faulty.Outage(false)
		reads(t, ask(restricted, cookie, own), "open_window")
		reads(t, ask(free, "", own), "unrestricted")
	}
}

// late is a table whose reads take time.
type late struct {
	table.Table
	clock *localtest.Clock
	takes time.Duration
}

func (l *late) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := l.Table.GetAll(ctx, keys...)
	if l.takes > 0 {
		l.clock.Add(l.takes)
	}
	return items, err
}

// A window that ends while its decision is read is over: the time after the read
// counts.
func TestAttack30TableThatIsSlowerThanTheWindow(t *testing.T) {
	var store *late
	s := sceneOver(t, nil, func(inner table.Table) table.Table {
		store = &late{Table: inner}
		return store
	})
	store.clock = s.Clock
	cookie := s.gate.Pass(s.alice.Unlock(s.gate, 60))
	s.Clock.Add(59 * time.Second)
	reads(t, s.gate.Decide("GET", restricted, cookie), "open_window")
	store.takes = time.Second
	reads(t, s.gate.Decide("GET", restricted, cookie), "expired")
}

// That a denial can't be recorded changes nothing about it.
func TestAttack30AuditThatFails(t *testing.T) {
	var faulty *tabletest.Faulty
	s := sceneOver(t, nil, func(under table.Table) table.Table {
		faulty = tabletest.NewFaulty(under, nil)
		return faulty
	})
	well := s.gate.Decide("GET", restricted, "")
	faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op.Writes() {
			return tabletest.Fail
		}
		return tabletest.None
	})
	other := *s.gate
	other.Client = "203.0.113.77"
	ill := other.Decide("GET", restricted, "")
	reads(t, ill, "locked")
	if fmt.Sprint(well) != fmt.Sprint(ill) {
		t.Errorf("%v\n%v", well, ill)
	}
	if !strings.Contains(s.Log.String(), "could not be recorded") {
		t.Error("nothing was logged")
	}
}
