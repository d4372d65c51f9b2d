// Package tabletest says what a table.Table must do, as cases that return
// errors, so that tables which are broken on purpose can be shown to fail. It
// guarantees that a table which passes keeps every promise of the port's
// comments that can be seen from outside; durability can't, and is the
// adapters' own to test.
//
// It also has the wrappers that tests of everything above the port need:
// Faulty, which fails with and without having applied, and Counting, which
// counts round trips and read units.
package tabletest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"portcullis.example/shared/table"
)

// Clock is a clock that stands still until it is told to go on. Safe for
// concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at start.
func NewClock(start time.Time) *Clock { return &Clock{now: start} }

// Now is the time it shows: what a table is opened with.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Harness is what a case runs on. One table may serve all cases one after the
// other, never side by side: they move its clock.
type Harness struct {
	Table table.Table
	// Clock is the one that Table was opened with.
	Clock *Clock
	// Name tells this run from earlier ones on the same table: it stands in all
	// partitions and kinds. Empty is fine for a table used once.
	Name string
	// Pause is called between two looks at the index, which may be late; nil
	// where it is not.
	Pause func(ctx context.Context)
}

// Case is one promise. Run answers nil or what was not kept.
type Case struct {
	Name string
	Run  func(context.Context, Harness) error
}

// Run runs all cases and joins what was not kept, each under its case's name.
func Run(ctx context.Context, h Harness) error {
	var failed error
	for _, c := range Cases() {
		if err := c.Run(ctx, h); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return failed
}

// Cases lists every promise.
func Cases() []Case {
	var cases []Case
	for _, group := range [][]named{itemCases(), conditionCases(), callCases(), expiryCases(),
		revisionCases(), listCases(), dueCases(), counterCases(), raceCases(), contextCases()} {
		for _, n := range group {
			cases = append(cases, Case{Name: n.name, Run: n.runOn})
		}
	}
	return cases
}

// named is a case as it is written down here.
type named struct {
	name string
	run  func(*trial)
}

func (n named) runOn(ctx context.Context, h Harness) error {
	t := &trial{ctx: ctx, Harness: h, partition: "tabletest#" + h.Name + "#" + n.name, kind: h.Name + n.name}
	n.run(t)
	return t.err
}

// trial is a case under way. It remembers the first promise that was not kept
// and does nothing after it.
type trial struct {
	Harness
	ctx       context.Context
	partition string
	kind      string
	err       error
}

func (t *trial) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// check fails the trial unless ok.
func (t *trial) check(ok bool, format string, args ...any) {
	if !ok {
		t.fail(format, args...)
	}
}

// noError fails the trial on an unexpected error and tells whether to go on.
func (t *trial) noError(err error, what string) bool {
	if err != nil {
		t.fail("%s: unexpected %w", what, err)
	}
	return t.err == nil
}

func (t *trial) now() time.Time { return t.Clock.Now() }

func (t *trial) key(sort string) table.Key { return table.Key{Partition: t.partition, Sort: sort} }

func (t *trial) item(sort string, n int) table.Item {
	return table.Item{Key: t.key(sort), Kind: t.kind, Body: number(n)}
}

// expiring is an item that is absent after so long.
func (t *trial) expiring(sort string, n int, after time.Duration) table.Item {
	item := t.item(sort, n)
	item.Expires = t.now().Add(after).Truncate(time.Second)
	return item
}

func number(n int) []byte { return fmt.Appendf(nil, `{"n":%d}`, n) }

func (t *trial) apply(writes ...table.Write) {
	if t.err == nil {
		t.noError(t.Table.Apply(t.ctx, writes...), "Apply")
	}
}

func (t *trial) put(sorts ...string) {
	for i, sort := range sorts {
		t.apply(table.Put(t.item(sort, i), table.Always()))
	}
}

// conflicts demands that the writes are refused for the one at index.
func (t *trial) conflicts(index int, writes ...table.Write) {
	if t.err != nil {
		return
	}
	err := t.Table.Apply(t.ctx, writes...)
	var conflict *table.ConflictError
	switch {
	case !errors.Is(err, table.ErrConflict) || !errors.As(err, &conflict):
		t.fail("Apply: got %v, want a conflict on write %d", err, index)
	case conflict.Index != index || conflict.Key != writes[index].Item.Key:
		t.fail("Apply: got %v, want it on write %d (%s)", err, index, writes[index].Item.Key)
	}
}

func (t *trial) invalid(err error, what string) {
	t.check(errors.Is(err, table.ErrInvalid), "%s: got %v, want ErrInvalid", what, err)
}

// get reads an item that must be there.
func (t *trial) get(sort string) table.Item {
	if t.err != nil {
		return table.Item{}
	}
	item, err := t.Table.Get(t.ctx, t.key(sort))
	if !t.noError(err, "Get "+sort) {
		return table.Item{}
	}
	t.check(item.Exists() && item.Key == t.key(sort), "Get %s: got %+v", sort, item)
	return item
}

// holds demands an item with body n.
func (t *trial) holds(sort string, n int) table.Item {
	item := t.get(sort)
	if t.err == nil {
		t.check(string(item.Body) == string(number(n)), "%s holds %s, want %s", sort, item.Body, number(n))
	}
	return item
}

// absent demands that there is nothing, by Get and by GetAll.
func (t *trial) absent(sorts ...string) {
	for _, sort := range sorts {
		if t.err != nil {
			return
		}
		_, err := t.Table.Get(t.ctx, t.key(sort))
		t.check(errors.Is(err, table.ErrNotFound), "Get %s: got %v, want ErrNotFound", sort, err)
		items := t.getAll(sort)
		t.check(t.err != nil || !items[0].Exists(), "GetAll %s: it exists", sort)
	}
}

func (t *trial) getAll(sorts ...string) []table.Item {
	keys := make([]table.Key, len(sorts))
	for i, sort := range sorts {
		keys[i] = t.key(sort)
	}
	if t.err != nil {
		return nil
	}
	items, err := t.Table.GetAll(t.ctx, keys...)
	if t.noError(err, "GetAll") {
		t.check(len(items) == len(keys), "GetAll: %d items for %d keys", len(items), len(keys))
	}
	return items
}

// list gives the sort keys of a range of the trial's partition.
func (t *trial) list(r table.Range) []string {
	if r.Partition == "" {
		r.Partition = t.partition
	}
	sorts := []string{}
	if t.err != nil {
		return sorts
	}
	for item, err := range t.Table.List(t.ctx, r) {
		if !t.noError(err, fmt.Sprintf("List %+v", r)) {
			return sorts
		}
		t.check(item.Partition == r.Partition && item.Exists(), "List %+v: got %+v", r, item)
		sorts = append(sorts, item.Sort)
	}
	return sorts
}

// looks bounds how often settle looks at the index.
const looks = 100

// settle asks until ok, since the index may be late; at last it fails.
func (t *trial) settle(what string, ok func() bool) {
	for range looks {
		if t.err != nil || ok() {
			return
		}
		t.pause()
	}
	t.fail("%s: not so after %d looks", what, looks)
}

func (t *trial) pause() {
	if t.Pause != nil {
		t.Pause(t.ctx)
		return
	}
	runtime.Gosched()
}

// sideBySide runs n callers at once and gives their answers in their order.
func sideBySide[T any](n int, call func(i int) T) []T {
	answers := make([]T, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	all.Wait()
	return answers
}
