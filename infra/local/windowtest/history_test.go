package windowtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/unlock"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// play makes one history and settles it.
func play(t *testing.T, store table.Table, clock *tabletest.Clock, seed uint64) *run {
	t.Helper()
	policy := phonesystem.Policy{DefaultSeconds: 60, MaxSeconds: longest, MaxExtensions: extended, Binding: phonesystem.BindPass, Reason: phonesystem.ReasonRequired}
	r := &run{stage: newStage(t, store, clock.Now, users, systems, policy, longest), clock: clock, known: map[[2]int][]held{}}
	random := rand.New(rand.NewPCG(seed, 1000))
	r.pass(0)
	var all []*client
	for i := range clients {
		all = append(all, r.client(i, seed))
	}
	for range phases {
		var done sync.WaitGroup
		for _, c := range all {
			done.Go(func() {
				for range each {
					c.act(t.Context())
				}
			})
		}
		done.Wait()
		r.pass(time.Duration(30+random.IntN(60)) * time.Second)
	}
	r.pass(24 * time.Hour)
	if err := newProcess(r.table, r.now).audits(t.Context()); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	r.resolve(t)
	return r
}

// pass lets time go by while nobody acts.
func (r *run) pass(d time.Duration) {
	r.clock.Advance(d)
	for sys := range systems {
		r.record(0, ask{op: "tick", system: sys, now: r.now().Unix()}, func() answer { return answer{end: "ok"} })
	}
}

// resolve finds what became of the opens without an answer: each left a record
// with its own reason, or happened not.
func (r *run) resolve(t *testing.T) {
	t.Helper()
	records, err := r.records(t.Context())
	r.must(t, err)
	ids := map[string]unlock.Unlock{}
	for _, u := range records {
		ids[u.Reason] = u
	}
	var history []porcupine.Operation
	for _, op := range r.history {
		in, out := op.Input.(ask), op.Output.(answer)
		if strings.HasPrefix(out.end, "unexpected") {
			t.Errorf("%+v: %s", in, out.end)
		}
		if in.op == "open" && out.end == "unknown" {
			u, found := ids[in.id]
			if !found {
				continue
			}
			out = answer{end: "ok", id: u.ID, expires: u.OpenedAt.Unix() + in.seconds}
		}
		op.Output = out
		history = append(history, op)
	}
	r.history = history
}

func boltTable(t *testing.T, clock *tabletest.Clock) table.Table {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "portcullis.db"), bolt.Options{Now: clock.Now, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// 200 random runs of eight clients, with faults of both kinds and deaths between
// any two writes: every history is one that a single window at a time explains.
// The runs wait for the disk more than they work, so some go side by side, each
// on a store of its own.
func TestAttack35HistoriesAreLinearizable(t *testing.T) {
	const stores, runs = 10, 20
	var ops, unknown atomic.Int64
	t.Run("runs", func(t *testing.T) {
		for n := range uint64(stores) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				clock := tabletest.NewClock(start)
				store := boltTable(t, clock)
				for seed := n * runs; seed < (n+1)*runs; seed++ {
					r := explained(t, store, clock, seed)
					ops.Add(int64(len(r.history)))
					unknown.Add(r.unknown())
				}
			})
		}
	})
	t.Logf("%d operations, of %d the outcome is unknown", ops.Load(), unknown.Load())
	if !t.Failed() && (ops.Load() < 10000 || unknown.Load() < ops.Load()/50) {
		t.Error("too few of them to mean anything")
	}
}

// explained is one run that must be explained, by its history and its audit.
func explained(t *testing.T, store table.Table, clock *tabletest.Clock, seed uint64) *run {
	t.Helper()
	r := play(t, store, clock, seed)
	if !r.linearizable() {
		t.Fatalf("seed %d: no order of its operations explains this history:\n%s", seed, r)
	}
	if err := r.settled(t.Context(), extended); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return r
}

// The same on DynamoDB, whose transactions and batches are another engine's.
func TestAttack35HistoriesOnDynamoDBAreLinearizable(t *testing.T) {
	const runs = 20
	ops := 0
	clock := tabletest.NewClock(start)
	store := dynamotest.New(t, nil, clock.Now)
	for seed := range uint64(runs) {
		ops += len(explained(t, store, clock, 1000+seed).history)
	}
	t.Logf("%d operations", ops)
	if ops < 1000 {
		t.Error("too few of them to mean anything")
	}
}

func (r *run) unknown() (n int64) {
	for _, op := range r.history {
		if op.Output.(answer).end == "unknown" {
			n++
		}
	}
	return n
}

// The same finds an open that reads and then writes without a condition.
func TestAttack35CarelessOpenIsCaught(t *testing.T) {
	clock := tabletest.NewClock(start)
	store := careless{boltTable(t, clock)}
	for seed := range uint64(200) { // two must overlap
		if r := play(t, store, clock, seed); !r.linearizable() {
			t.Logf("caught in run %d", seed+1)
			return
		}
	}
	t.Error("200 runs with an open that does not hold to what it read, and none was caught")
}

// careless writes leases over whatever stands there.
type careless struct{ table.Table }

func (c careless) Apply(ctx context.Context, writes ...table.Write) error {
	for i, w := range writes {
		if w.Op == table.OpPut && w.Item.Kind == unlock.LeaseKind && w.If.WantsAbsent() {
			writes[i].If = table.Always()
		}
	}
	return c.Table.Apply(ctx, writes...)
}

func (r *run) linearizable() bool {
	state := windows()
	state.Init = func() any { return []any{stateAt(r.history)} }
	return porcupine.CheckOperations(state, r.history)
}

// stateAt is how a history begins: its first tick says when.
func stateAt(history []porcupine.Operation) state {
	return state{now: history[0].Input.(ask).now}
}

func (r *run) String() string {
	var text strings.Builder
	for _, op := range r.history {
		fmt.Fprintf(&text, "%d-%d client %d: %+v -> %+v\n", op.Call, op.Return, op.ClientId, op.Input, op.Output)
	}
	return text.String()
}
