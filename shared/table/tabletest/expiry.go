package tabletest

import (
	"slices"
	"time"

	"portcullis.example/shared/table"
)

func expiryCases() []named {
	return []named{
		{"an item is absent from its second on, to the second", expiryToTheSecond},
		{"an expired item is absent in every condition", expiredConditions},
		{"an item put with an end that has passed is absent", putExpired},
		{"a new item over an expired one lives", overExpired},
		{"List passes over expired items and they do not count", listExpired},
	}
}

// seen is what every read says of one item.
func (t *trial) seen(sort string, want bool) {
	if !want {
		t.absent(sort)
	} else {
		t.get(sort)
		t.check(t.err != nil || t.getAll(sort)[0].Exists(), "GetAll: it is absent")
	}
	listed := slices.Contains(t.list(table.Range{}), sort)
	t.check(listed == want, "List shows %s: %v, want %v (clock %s)", sort, listed, want, t.now())
}

// onTheSecond moves the clock to the next whole second.
func (t *trial) onTheSecond() {
	t.Clock.Advance(t.now().Truncate(time.Second).Add(time.Second).Sub(t.now()))
}

func expiryToTheSecond(t *trial) {
	t.onTheSecond()
	t.apply(table.Put(t.expiring("a", 1, 2*time.Second), table.Always()), table.Put(t.item("forever", 2), table.Always()))
	for _, step := range []struct {
		by   time.Duration
		want bool
	}{{0, true}, {time.Second, true}, {999 * time.Millisecond, true}, {time.Millisecond, false}, {time.Second, false}, {1000 * time.Hour, false}} {
		t.Clock.Advance(step.by)
		t.seen("a", step.want)
		t.seen("forever", true)
	}
}

func expiredConditions(t *trial) {
	t.onTheSecond()
	t.apply(table.Put(t.expiring("a", 1, 2*time.Second), table.Always()))
	rev := t.get("a").Rev
	t.Clock.Advance(2*time.Second - time.Nanosecond)
	t.apply(table.Check(t.key("a"), table.Present()))
	t.apply(table.Check(t.key("a"), table.Is(rev)))
	t.conflicts(0, table.Check(t.key("a"), table.Absent()))
	t.Clock.Advance(time.Nanosecond)
	t.conflicts(0, table.Check(t.key("a"), table.Present()))
	t.conflicts(0, table.Check(t.key("a"), table.Is(rev)))
	t.conflicts(0, table.Put(t.item("a", 2), table.Is(rev)))
	t.conflicts(0, table.Delete(t.key("a"), table.Present()))
	t.apply(table.Check(t.key("a"), table.Absent()))
}

func putExpired(t *trial) {
	past := t.expiring("a", 1, 0)
	t.apply(table.Put(past, table.Absent()))
	t.seen("a", false)
	t.apply(table.Put(past, table.Absent()))
	past.Expires = t.now().Add(-1000 * time.Hour)
	t.apply(table.Put(past, table.Absent()), table.Put(t.item("b", 1), table.Absent()))
	t.seen("a", false)
	t.seen("b", true)
}

func overExpired(t *trial) {
	t.apply(table.Put(t.expiring("a", 1, time.Second), table.Absent()), table.Put(t.expiring("b", 1, time.Second), table.Absent()))
	t.Clock.Advance(time.Minute)
	t.apply(table.Put(t.item("a", 2), table.Absent()), table.Put(t.expiring("b", 3, time.Minute), table.Always()))
	t.seen("a", true)
	t.seen("b", true)
	t.holds("a", 2)
	t.check(t.holds("a", 2).Expires.IsZero(), "the old item's end is still there")
	t.Clock.Advance(time.Minute)
	t.seen("a", true)
	t.seen("b", false)
}

func listExpired(t *trial) {
	for i, sort := range []string{"a", "b", "c", "d", "e", "f"} {
		item := t.item(sort, i)
		if i%2 == 0 {
			item = t.expiring(sort, i, time.Minute)
		}
		t.apply(table.Put(item, table.Always()))
	}
	t.Clock.Advance(time.Minute)
	t.lists(table.Range{}, "b", "d", "f")
	t.lists(table.Range{Limit: 2}, "b", "d")
	t.lists(table.Range{Limit: 2, After: "b"}, "d", "f")
	t.lists(table.Range{Limit: 2, Reverse: true}, "f", "d")
	t.lists(table.Range{Prefix: "c"})
}
