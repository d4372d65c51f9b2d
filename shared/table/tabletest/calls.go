package tabletest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portcullis.example/shared/table"
)

func callCases() []named {
	return []named{
		{"25 writes are one call, 26 are refused", writeLimit},
		{"25 keys are one call, 26 are refused", keyLimit},
		{"two writes to one key are refused", twoWrites},
		{"a malformed call is refused and applies nothing", malformedWrites},
		{"a malformed key is refused by every read", malformedReads},
	}
}

func contextCases() []named {
	return []named{{"after ctx has ended: unavailable, never another answer", endedContext}}
}

func (t *trial) puts(n int) (writes []table.Write, sorts []string) {
	for i := range n {
		sort := fmt.Sprintf("%02d", i)
		writes = append(writes, table.Put(t.item(sort, i), table.Absent()))
		sorts = append(sorts, sort)
	}
	return writes, sorts
}

func writeLimit(t *trial) {
	writes, sorts := t.puts(table.MaxBatch + 1)
	t.invalid(t.Table.Apply(t.ctx, writes...), "26 writes")
	t.absent(sorts...)
	t.apply(writes[:table.MaxBatch]...)
	for i := range table.MaxBatch {
		t.holds(sorts[i], i)
	}
	t.absent(sorts[table.MaxBatch])
	t.invalid(t.Table.Apply(t.ctx), "no writes")
}

func keyLimit(t *trial) {
	writes, sorts := t.puts(table.MaxBatch)
	t.apply(writes...)
	items := t.getAll(sorts...)
	for i := range items {
		t.check(items[i].Exists() && items[i].Sort == sorts[i], "place %d: %+v", i, items[i])
	}
	keys := make([]table.Key, table.MaxBatch+1)
	for i := range keys {
		keys[i] = t.key("00")
	}
	_, err := t.Table.GetAll(t.ctx, keys...)
	t.invalid(err, "26 keys")
}

func twoWrites(t *trial) {
	t.put("a")
	first := []table.Write{table.Put(t.item("a", 5), table.Always()), table.Delete(t.key("a"), table.Always()),
		table.Check(t.key("a"), table.Present())}
	for _, one := range first {
		for _, two := range first {
			t.invalid(t.Table.Apply(t.ctx, one, table.Put(t.item("b", 1), table.Always()), two), "two writes to one key")
		}
	}
	t.holds("a", 0)
	t.absent("b")
}

func malformedWrites(t *trial) {
	good := table.Put(t.item("good", 1), table.Always())
	bad := map[string]table.Write{"an unknown operation": {Op: 77, Item: t.item("bad", 1)}, "no operation": {Item: t.item("bad", 1)}}
	for what, change := range map[string]func(*table.Item){
		"no partition":       func(i *table.Item) { i.Partition = "" },
		"no sort key":        func(i *table.Item) { i.Sort = "" },
		"NUL in a partition": func(i *table.Item) { i.Partition += "\x00" },
		"NUL in a sort key":  func(i *table.Item) { i.Sort = "a\x00b" },
		"no kind":            func(i *table.Item) { i.Kind = "" },
		"NUL in a kind":      func(i *table.Item) { i.Kind = "a\x00" },
		"no body":            func(i *table.Item) { i.Body = nil },
		"an array":           func(i *table.Item) { i.Body = []byte(`[1]`) },
		"half an object":     func(i *table.Item) { i.Body = []byte(`{"a":`) },
		"two objects":        func(i *table.Item) { i.Body = []byte(`{}{}`) },
		"too large a body":   func(i *table.Item) { i.Body = padded(table.MaxBody + 1) },
	} {
		item := t.item("bad", 1)
		change(&item)
		bad[what] = table.Put(item, table.Always())
	}
	for what, write := range bad {
		t.invalid(t.Table.Apply(t.ctx, good, write), what)
		t.absent("good", "bad")
	}
	t.invalid(t.Table.Apply(t.ctx, good, table.Delete(table.Key{Partition: t.partition}, table.Always())), "delete without a key")
	t.invalid(t.Table.Apply(t.ctx, good, table.Check(table.Key{Sort: "a"}, table.Absent())), "check without a partition")
	t.absent("good")
}

func malformedReads(t *trial) {
	for _, key := range []table.Key{{}, {Partition: t.partition}, {Sort: "a"}, t.key("a\x00"), {Partition: "a\x00", Sort: "a"}} {
		what := fmt.Sprintf("%q", key.String())
		_, err := t.Table.Get(t.ctx, key)
		t.invalid(err, "Get "+what)
		_, err = t.Table.GetAll(t.ctx, t.key("a"), key)
		t.invalid(err, "GetAll "+what)
		_, err = t.Table.Add(t.ctx, key, 1, time.Time{})
		t.invalid(err, "Add "+what)
	}
	yielded := 0
	for _, err := range t.Table.List(t.ctx, table.Range{}) {
		t.invalid(err, "List of no partition")
		yielded++
	}
	t.check(yielded == 1, "List of no partition yielded %d times", yielded)
}

func endedContext(t *trial) {
	t.put("a")
	ctx, end := context.WithCancel(t.ctx)
	end()
	calls := map[string]func() error{
		"Get":    func() error { _, err := t.Table.Get(ctx, t.key("none")); return err },
		"GetAll": func() error { _, err := t.Table.GetAll(ctx, t.key("a")); return err },
		"List":   func() error { return last(t.Table.List(ctx, table.Range{Partition: t.partition})) },
		"Due":    func() error { return last(t.Table.Due(ctx, t.kind, t.now())) },
		"Add":    func() error { _, err := t.Table.Add(ctx, t.key("n"), 1, time.Time{}); return err },
		// The condition does not hold, but a conflict after ctx has ended would
		// also be what a retry sees that conflicts with its own first attempt.
		"Apply": func() error { return t.Table.Apply(ctx, table.Put(t.item("a", 5), table.Absent())) },
	}
	for name, call := range calls {
		err := call()
		t.check(errors.Is(err, table.ErrUnavailable), "%s: got %v, want ErrUnavailable", name, err)
	}
	t.holds("a", 0)
	t.endWhileWriting()
}

// endWhileWriting ends ctx at any moment of a write: success or unavailable,
// and never a conflict, since nobody else writes.
func (t *trial) endWhileWriting() {
	errs := sideBySide(40, func(i int) error {
		ctx, end := context.WithCancel(t.ctx)
		go end()
		return t.Table.Apply(ctx, table.Put(t.item(fmt.Sprint("w", i), i), table.Absent()))
	})
	for i, err := range errs {
		t.check(err == nil || errors.Is(err, table.ErrUnavailable), "a cancelled put: got %v", err)
		t.check(err != nil || slices.Contains(t.list(table.Range{Prefix: "w"}), fmt.Sprint("w", i)), "an acknowledged put is lost")
	}
}

// last is the error an iteration ends with.
func last[T any](seq func(func(T, error) bool)) (err error) {
	for _, err = range seq {
		if err != nil {
			return err
		}
	}
	return nil
}
