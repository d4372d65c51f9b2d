package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
	"portcullis.example/shared/table/tabletest"
)

func doc(sort string, n int) table.Item {
	return table.Item{Key: table.Key{Partition: "p", Sort: sort}, Kind: "k", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
}

// rev is the revision that stands, zero where nothing does.
func rev(ctx context.Context, t table.Table, sort string) (table.Rev, error) {
	item, err := t.Get(ctx, doc(sort, 0).Key)
	if errors.Is(err, table.ErrNotFound) {
		return 0, nil
	}
	return item.Rev, err
}

type writeStep func(context.Context, table.Table) error

func put(cond func() table.Cond, sorts ...string) writeStep {
	return func(ctx context.Context, t table.Table) error {
		var writes []table.Write
		for i, sort := range sorts {
			writes = append(writes, table.Put(doc(sort, i), cond()))
		}
		return t.Apply(ctx, writes...)
	}
}

// swap reads and writes both on condition of what it read.
func swap(sorts ...string) writeStep {
	return func(ctx context.Context, t table.Table) error {
		var writes []table.Write
		for _, sort := range sorts {
			r, err := rev(ctx, t, sort)
			if err != nil {
				return err
			}
			writes = append(writes, table.Put(doc(sort, 100), table.Is(r)))
		}
		return t.Apply(ctx, writes...)
	}
}

func move(from, to string) writeStep {
	return func(ctx context.Context, t table.Table) error {
		return t.Apply(ctx, table.Delete(doc(from, 0).Key, table.Present()), table.Put(doc(to, 7), table.Absent()))
	}
}

func add(ctx context.Context, t table.Table) error {
	_, err := t.Add(ctx, doc("counter", 0).Key, 1, time.Time{})
	return err
}

func reserve(ctx context.Context, t table.Table) error {
	return t.Apply(ctx, table.Count(doc("counter", 0).Key, 1, 3, time.Time{}), table.Put(doc("reserved", 1), table.Always()))
}

var writeSequences = map[string][]writeStep{
	"create a pair, swap it, move one":    {put(table.Absent, "a", "b"), swap("a", "b"), move("a", "c")},
	"count, reserve, count, reserve":      {add, reserve, add, reserve},
	"a conflict in the middle":            {put(table.Absent, "a"), put(table.Absent, "b", "a"), swap("a"), move("b", "a")},
	"move to and fro":                     {put(table.Always, "a"), move("a", "b"), move("b", "a"), move("a", "b")},
	"write over and over, with a counter": {put(table.Always, "a", "b"), add, put(table.Always, "b", "a"), add, swap("b")},
}

// snapshot is all that the sequences can change, but for revisions.
func snapshot(t *testing.T, under table.Table) string {
	t.Helper()
	var text string
	for item, err := range under.List(t.Context(), table.Range{Partition: "p"}) {
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%s=%s ", item.Sort, item.Body)
	}
	return text
}

func openBolt(t *testing.T) table.Table {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "store"), bolt.Options{Create: true})
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

// TestFaultsLeaveOldOrNew runs each sequence with each fault at each call: the
// step that met it has left the state before it or the one after it.
func TestFaultsLeaveOldOrNew(t *testing.T) {
	for name, steps := range writeSequences {
		for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
			t.Run(fmt.Sprintf("%s/%d", name, fault), func(t *testing.T) {
				for at := 0; ; at++ {
					if calls := runFaulted(t, openBolt(t), steps, at, fault); at >= calls {
						break
					}
				}
			})
		}
	}
}

// runFaulted runs the steps with a fault at one call, beside a table without
// faults, and gives how many calls there were.
func runFaulted(t *testing.T, under table.Table, steps []writeStep, at int, fault tabletest.Fault) int {
	t.Helper()
	var met tabletest.Op
	faulty, sound := tabletest.NewFaulty(under, func(call int, op tabletest.Op) tabletest.Fault {
		if call != at {
			return tabletest.None
		}
		met = op
		return fault
	}), openBolt(t)
	for i, step := range steps {
		met = ""
		before := snapshot(t, under)
		err := step(t.Context(), faulty)
		wanted := step(t.Context(), sound)
		after := snapshot(t, sound)
		want := after
		if met != "" && !(fault == tabletest.FailApplied && met.Writes()) {
			want = before
		}
		if got := snapshot(t, under); got != want {
			t.Fatalf("step %d, fault at call %d (%s): %q; before %q, without faults %q", i, at, met, got, before, after)
		}
		if met == "" {
			sameOutcome(t, err, wanted)
			continue
		}
		if !errors.Is(err, tabletest.ErrInjected) || !errors.Is(err, table.ErrUnavailable) || errors.Is(err, table.ErrConflict) {
			t.Fatalf("step %d, fault at call %d (%s): %v", i, at, met, err)
		}
		if want != after { // once more, and now it goes through
			sameOutcome(t, step(t.Context(), faulty), wanted)
		}
	}
	return faulty.Calls()
}

func sameOutcome(t *testing.T, got, want error) {
	t.Helper()
	if (got == nil) != (want == nil) || errors.Is(got, table.ErrConflict) != errors.Is(want, table.ErrConflict) {
		t.Fatalf("got %v, without faults %v", got, want)
	}
}

func TestFaultyReadsFailAndSayPartial(t *testing.T) {
	under := newMemory(time.Now, correct)
	faulty := tabletest.NewFaulty(under, nil)
	if err := put(table.Absent, "a", "b")(t.Context(), faulty); err != nil {
		t.Fatal(err)
	}
	for fault, want := range map[tabletest.Fault]int{tabletest.None: 2, tabletest.Fail: 0, tabletest.FailApplied: 2} {
		faulty.SetPlan(tabletest.At(0, fault))
		seen, failed := 0, 0
		for _, err := range faulty.List(t.Context(), table.Range{Partition: "p"}) {
			if err != nil {
				failed++
			} else {
				seen++
			}
		}
		if seen != want || (failed == 1) != (fault != tabletest.None) {
			t.Errorf("fault %d: %d items and %d errors", fault, seen, failed)
		}
	}
}

func TestOutageFailsEveryCallAndEnds(t *testing.T) {
	faulty := tabletest.NewFaulty(newMemory(time.Now, correct), nil)
	steps := map[string]writeStep{
		"apply": put(table.Always, "a"), "add": add, "get": swap("a"),
		"all": func(ctx context.Context, t table.Table) error { _, err := t.GetAll(ctx, doc("a", 0).Key); return err },
		"list": func(ctx context.Context, t table.Table) (err error) {
			for _, err = range t.List(ctx, table.Range{Partition: "p"}) {
			}
			return err
		},
		"due": func(ctx context.Context, t table.Table) (err error) {
			for _, err = range t.Due(ctx, "k", time.Now()) {
			}
			return err
		},
	}
	for name, step := range steps {
		faulty.Outage(true)
		if err := step(t.Context(), faulty); !errors.Is(err, table.ErrUnavailable) || !errors.Is(err, tabletest.ErrInjected) {
			t.Errorf("%s during an outage: %v", name, err)
		}
		faulty.Outage(false)
		if err := step(t.Context(), faulty); err != nil {
			t.Errorf("%s after it: %v", name, err)
		}
	}
}

func TestRandomFaultsAreRepeatable(t *testing.T) {
	one, two := tabletest.Randomly(7, 0.5), tabletest.Randomly(7, 0.5)
	met := map[tabletest.Fault]int{}
	for i := range 1000 {
		a, b := one(i, tabletest.OpApply), two(i, tabletest.OpApply)
		if a != b {
			t.Fatalf("call %d: %d and %d", i, a, b)
		}
		met[a]++
	}
	if met[tabletest.None] < 400 || met[tabletest.Fail] < 150 || met[tabletest.FailApplied] < 150 {
		t.Errorf("lopsided: %v", met)
	}
}

// TestFaultyWithoutFaultsAndCountingPass shows that the wrappers change
// nothing.
func TestFaultyWithoutFaultsAndCountingPass(t *testing.T) {
	h := onMemory(correct)
	h.Table = tabletest.NewCounting(tabletest.NewFaulty(h.Table, nil))
	if err := tabletest.Run(t.Context(), h); err != nil {
		t.Error(err)
	}
}

func TestCounting(t *testing.T) {
	under := newMemory(time.Now, correct)
	large := doc("large", 0)
	large.Body = fmt.Appendf(nil, `{"p":"%09000d"}`, 0)
	if err := errors.Join(put(table.Always, "a", "b")(t.Context(), under), under.Apply(t.Context(), table.Put(large, table.Always()))); err != nil {
		t.Fatal(err)
	}
	a, none, counting := doc("a", 0).Key, doc("none", 0).Key, tabletest.NewCounting(under)
	for name, c := range map[string]struct {
		call func(context.Context, table.Table) error
		want tabletest.Counts
	}{
		"get":        {func(ctx context.Context, t table.Table) error { _, err := t.Get(ctx, a); return err }, tabletest.Counts{Gets: 1, RoundTrips: 1, Keys: 1, ReadUnits: 1}},
		"get absent": {func(ctx context.Context, t table.Table) error { _, _ = t.Get(ctx, none); return nil }, tabletest.Counts{Gets: 1, RoundTrips: 1, Keys: 1, ReadUnits: 1}},
		"get large":  {func(ctx context.Context, t table.Table) error { _, err := t.Get(ctx, large.Key); return err }, tabletest.Counts{Gets: 1, RoundTrips: 1, Keys: 1, ReadUnits: 3}},
		"get all": {func(ctx context.Context, t table.Table) error {
			_, err := t.GetAll(ctx, a, none, large.Key, a)
			return err
		}, tabletest.Counts{GetAlls: 1, RoundTrips: 1, Keys: 3, ReadUnits: 5}},
		"list":        {func(ctx context.Context, t table.Table) error { return drain(t.List(ctx, table.Range{Partition: "p"})) }, tabletest.Counts{Lists: 1, RoundTrips: 1, ReadUnits: 3}},
		"list none":   {func(ctx context.Context, t table.Table) error { return drain(t.List(ctx, table.Range{Partition: "q"})) }, tabletest.Counts{Lists: 1, RoundTrips: 1, ReadUnits: 1}},
		"due":         {func(ctx context.Context, t table.Table) error { return drain(t.Due(ctx, "k", time.Now())) }, tabletest.Counts{Dues: 1, RoundTrips: 1, ReadUnits: 0.5}},
		"apply, read": {swap("b"), tabletest.Counts{Gets: 1, Applies: 1, RoundTrips: 2, Keys: 1, ReadUnits: 1}},
		"add":         {add, tabletest.Counts{Adds: 1, RoundTrips: 1}},
	} {
		counting.Reset()
		if err := c.call(t.Context(), counting); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := counting.Counts(); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func drain(seq func(func(table.Item, error) bool)) (err error) {
	for _, err = range seq {
		if err != nil {
			return err
		}
	}
	return nil
}
