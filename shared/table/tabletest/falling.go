package tabletest

import (
	"fmt"
	"slices"
	"time"

	"portcullis.example/shared/table"
)

func dueCases() []named {
	return []named{
		{"Due yields what is due, the earliest first", dueOrder},
		{"Due is told by kind", dueKinds},
		{"an item put without Due, deleted or expired leaves the index", dueLeaves},
		{"an item put with another Due moves", dueMoves},
		{"many items fall due, while the loop's body settles them", dueMany},
	}
}

func (t *trial) due(sort string, after time.Duration) table.Item {
	item := t.item(sort, 1)
	item.Due = t.now().Add(after).Truncate(time.Second)
	return item
}

// falling gives the sort keys of what is due after so long, without repeats.
func (t *trial) falling(kind string, after time.Duration) []string {
	sorts := []string{}
	if t.err != nil {
		return sorts
	}
	for item, err := range t.Table.Due(t.ctx, kind, t.now().Add(after)) {
		if !t.noError(err, "Due") {
			return sorts
		}
		t.check(item.Kind == kind && item.Exists() && !item.Due.After(t.now().Add(after)), "Due: got %+v", item)
		if !slices.Contains(sorts, item.Sort) {
			sorts = append(sorts, item.Sort)
		}
	}
	return sorts
}

// falls waits until exactly these are due after so long.
func (t *trial) falls(after time.Duration, want ...string) {
	var got []string
	t.settle(fmt.Sprintf("due in %s: want %q", after, want), func() bool {
		got = t.falling(t.kind, after)
		return slices.Equal(got, want)
	})
	if t.err != nil {
		t.err = fmt.Errorf("%w, last seen: %q", t.err, got)
	}
}

func dueOrder(t *trial) {
	t.onTheSecond()
	t.falls(time.Hour)
	for sort, after := range map[string]time.Duration{"b": time.Minute, "a": 3 * time.Minute, "c": 2 * time.Minute, "past": -time.Hour} {
		t.apply(table.Put(t.due(sort, after), table.Absent()))
	}
	t.put("never")
	t.falls(-2 * time.Hour)
	t.falls(-time.Hour, "past")
	t.falls(time.Minute-time.Second, "past")
	t.falls(time.Minute, "past", "b")
	t.falls(2*time.Minute+time.Second/2, "past", "b", "c")
	t.falls(1000*time.Hour, "past", "b", "c", "a")
	for item, err := range t.Table.Due(t.ctx, t.kind, t.now()) {
		if t.noError(err, "Due") {
			t.check(string(item.Body) == string(number(1)) && item.Rev == t.get("past").Rev && item.Key == t.key("past"), "Due: got %+v", item)
		}
	}
}

func dueKinds(t *trial) {
	own := t.kind
	for _, kind := range []string{own, own + "x", own + "#", own[:len(own)-1]} {
		item := t.due(kind, 0)
		item.Kind = kind
		t.apply(table.Put(item, table.Always()))
	}
	for _, kind := range []string{own, own + "x", own + "#", own[:len(own)-1]} {
		t.kind = kind
		t.falls(0, kind)
	}
	t.kind = own + "none"
	t.falls(time.Hour)
}

func dueLeaves(t *trial) {
	names := []string{"deleted", "expired", "gone over", "put", "stays"}
	for i, sort := range names { // one after the other: of those due at once the order is open
		t.apply(table.Put(t.due(sort, time.Duration(i-len(names))*time.Second), table.Always()))
	}
	ending := t.due("expired", -4*time.Second)
	ending.Expires = t.now().Add(time.Minute).Truncate(time.Second)
	t.apply(table.Put(ending, table.Present()))
	t.falls(0, "deleted", "expired", "gone over", "put", "stays")
	kind := t.item("gone over", 1)
	kind.Kind, kind.Due = t.kind+"other", t.now()
	t.apply(table.Delete(t.key("deleted"), table.Present()), table.Put(t.item("put", 2), table.Present()), table.Put(kind, table.Present()))
	t.falls(0, "expired", "stays")
	t.Clock.Advance(time.Minute)
	t.falls(0, "stays")
	t.conflicts(1, table.Delete(t.key("stays"), table.Always()), table.Check(t.key("none"), table.Present()))
	t.falls(0, "stays")
}

func dueMoves(t *trial) {
	t.onTheSecond()
	t.apply(table.Put(t.due("a", time.Minute), table.Absent()), table.Put(t.due("b", 2*time.Minute), table.Absent()))
	t.falls(time.Hour, "a", "b")
	t.apply(table.Put(t.due("a", 3*time.Minute), table.Present()))
	t.falls(time.Minute)
	t.falls(time.Hour, "b", "a")
	t.apply(table.Put(t.due("a", 0), table.Present()))
	t.falls(time.Hour, "a", "b")
}

func dueMany(t *trial) {
	for i := range long {
		t.apply(table.Put(t.due(fmt.Sprintf("%04d", i), time.Duration(i)*time.Second), table.Absent()))
	}
	settled := map[string]bool{}
	t.settle("all of many", func() bool {
		for item, err := range t.Table.Due(t.ctx, t.kind, t.now().Add(time.Hour)) {
			if !t.noError(err, "Due") {
				return false
			}
			if !settled[item.Sort] {
				t.apply(table.Put(t.item(item.Sort, 2), table.Is(item.Rev)))
			}
			settled[item.Sort] = true
		}
		return len(settled) == long
	})
	t.falls(time.Hour)
}
