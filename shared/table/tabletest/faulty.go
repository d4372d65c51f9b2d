package tabletest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"portcullis.example/shared/table"
)

// ErrInjected is in every error that Faulty makes up, beside
// table.ErrUnavailable.
var ErrInjected = errors.New("tabletest: injected fault")

// Fault is what befalls one call.
type Fault int

const (
	// None lets the call through.
	None Fault = iota
	// Fail fails without doing anything.
	Fail
	// FailApplied does it and then answers as Fail does: the answer was lost on
	// the way. A List or Due yields its items before the error.
	FailApplied
)

// Op is a method of table.Table.
type Op string

// The methods of table.Table.
const (
	OpGet    Op = "Get"
	OpGetAll Op = "GetAll"
	OpList   Op = "List"
	OpApply  Op = "Apply"
	OpAdd    Op = "Add"
	OpDue    Op = "Due"
)

// Writes tells whether a method changes anything.
func (o Op) Writes() bool { return o == OpApply || o == OpAdd }

// Plan says what befalls the call with this number (from 0, in order of
// arrival). It is called by one goroutine at a time.
type Plan func(call int, op Op) Fault

// At is a plan with one fault, at one call.
func At(position int, fault Fault) Plan {
	return func(call int, _ Op) Fault {
		if call == position {
			return fault
		}
		return None
	}
}

// Randomly is a plan in which that share of the calls (0 to 1) fails, half of
// them having been applied. The same seed gives the same plan.
func Randomly(seed uint64, share float64) Plan {
	random := rand.New(rand.NewPCG(seed, 0))
	return func(int, Op) Fault {
		if random.Float64() >= share {
			return None
		}
		return Fail + Fault(random.IntN(2))
	}
}

// Faulty is a table that fails by plan. Safe for concurrent use.
type Faulty struct {
	under  table.Table
	outage atomic.Bool

	mu    sync.Mutex
	plan  Plan
	calls int
}

var _ table.Table = (*Faulty)(nil)

// NewFaulty puts faults over a table; a nil plan has none.
func NewFaulty(under table.Table, plan Plan) *Faulty { return &Faulty{under: under, plan: plan} }

// SetPlan changes the plan; the next call has number 0.
func (f *Faulty) SetPlan(plan Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan, f.calls = plan, 0
}

// Outage makes every call fail unapplied (true), or ends that (false). Calls
// during an outage count too.
func (f *Faulty) Outage(on bool) { f.outage.Store(on) }

// Calls is how many calls came since the plan was set.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Faulty) next(op Op) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := f.calls
	f.calls++
	switch {
	case f.outage.Load():
		return Fail
	case f.plan == nil:
		return None
	}
	return f.plan(call, op)
}

func injected(op Op) error { return fmt.Errorf("%w: %s: %w", table.ErrUnavailable, op, ErrInjected) }

// befall does a call under its fault. What the store itself refuses
// (a conflict, say) stays lost, as it would on the wire.
func befall[T any](f *Faulty, op Op, call func() (T, error)) (T, error) {
	var none T
	switch f.next(op) {
	case Fail:
		return none, injected(op)
	case FailApplied:
		_, err := call()
		return none, errors.Join(injected(op), hidden(err))
	}
	return call()
}

// hidden keeps an error's text and nothing that errors.Is could find.
func hidden(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.Error())
}

// Get is Get under the plan.
func (f *Faulty) Get(ctx context.Context, key table.Key) (table.Item, error) {
	return befall(f, OpGet, func() (table.Item, error) { return f.under.Get(ctx, key) })
}

// GetAll is GetAll under the plan.
func (f *Faulty) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	return befall(f, OpGetAll, func() ([]table.Item, error) { return f.under.GetAll(ctx, keys...) })
}

// Apply is Apply under the plan.
func (f *Faulty) Apply(ctx context.Context, writes ...table.Write) error {
	_, err := befall(f, OpApply, func() (struct{}, error) { return struct{}{}, f.under.Apply(ctx, writes...) })
	return err
}

// Add is Add under the plan.
func (f *Faulty) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	return befall(f, OpAdd, func() (int64, error) { return f.under.Add(ctx, key, delta, expires) })
}

// List is List under the plan: one call for each time it is ranged over.
func (f *Faulty) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return f.iterate(OpList, f.under.List(ctx, r))
}

// Due is Due under the plan: one call for each time it is ranged over.
func (f *Faulty) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return f.iterate(OpDue, f.under.Due(ctx, kind, before))
}

func (f *Faulty) iterate(op Op, under iter.Seq2[table.Item, error]) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		fault := f.next(op)
		if fault == Fail {
			yield(table.Item{}, injected(op))
			return
		}
		for item, err := range under {
			if !yield(item, err) || err != nil {
				return
			}
		}
		if fault == FailApplied {
			yield(table.Item{}, injected(op))
		}
	}
}
