package tabletest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"portcullis.example/shared/table"
)

func counterCases() []named {
	return []named{
		{"Add counts from zero and answers the sum", addCounts},
		{"a counter reads as {\"n\":sum}", counterReads},
		{"an expired counter begins again, and its end is set once", counterExpires},
		{"a counter can be deleted", counterDeleted},
		{"Count adds while the sum is below the limit", countBelow},
		{"Count is one write among others: all or none", countAmongOthers},
		{"concurrent Adds answer every sum once", concurrentAdds},
		{"concurrent Counts never pass the limit", concurrentCounts},
	}
}

func (t *trial) add(sort string, delta int64, expires time.Time, want int64) {
	if t.err != nil {
		return
	}
	sum, err := t.Table.Add(t.ctx, t.key(sort), delta, expires)
	if t.noError(err, "Add") {
		t.check(sum == want, "Add %d to %s: got %d, want %d", delta, sort, sum, want)
	}
}

// counted demands what a counter stands at, by every read.
func (t *trial) counted(sort string, want int64) {
	item := t.get(sort)
	all := t.getAll(sort)
	if t.err != nil {
		return
	}
	for _, item := range []table.Item{item, all[0]} {
		sum, err := table.Counted(item)
		var body map[string]json.Number
		if t.noError(err, "Counted") && t.noError(json.Unmarshal(item.Body, &body), "body") {
			t.check(sum == want && len(body) == 1, "%s reads as %s, want {\"n\":%d}", sort, item.Body, want)
		}
	}
}

func addCounts(t *trial) {
	t.add("a", 1, time.Time{}, 1)
	t.add("a", 1, time.Time{}, 2)
	t.add("a", 40, time.Time{}, 42)
	t.add("a", -50, time.Time{}, -8)
	t.add("a", 0, time.Time{}, -8)
	t.add("b", 0, time.Time{}, 0)
	t.add("b", 1<<40, time.Time{}, 1<<40)
	t.add("c", -1, time.Time{}, -1)
}

func counterReads(t *trial) {
	t.absent("a")
	if none := t.getAll("a"); t.err == nil {
		sum, err := table.Counted(none[0])
		t.check(sum == 0 && err == nil, "an absent counter: %d, %v", sum, err)
	}
	t.add("a", 7, time.Time{}, 7)
	t.counted("a", 7)
	before := t.get("a").Rev
	t.add("a", -9, time.Time{}, -2)
	t.counted("a", -2)
	t.check(t.get("a").Rev != before, "Add left the revision as it was")
}

func counterExpires(t *trial) {
	t.onTheSecond()
	end := t.now().Add(time.Minute)
	t.add("a", 5, end, 5)
	t.add("a", 1, end.Add(time.Hour), 6)
	t.check(t.err != nil || t.get("a").Expires.Equal(end), "its end has moved to %s", t.get("a").Expires)
	t.Clock.Advance(time.Minute - time.Second)
	t.add("a", 1, end.Add(time.Hour), 7)
	t.Clock.Advance(time.Second)
	t.absent("a")
	again := t.now().Add(time.Minute)
	t.add("a", 1, again, 1)
	t.check(t.err != nil || t.get("a").Expires.Equal(again), "it ends at %s, want %s", t.get("a").Expires, again)
	t.apply(table.Count(t.key("a"), 1, 2, time.Time{}))
	t.Clock.Advance(time.Minute)
	t.apply(table.Count(t.key("a"), 3, 1, t.now().Add(time.Minute)))
	t.counted("a", 3)
	t.Clock.Advance(time.Minute)
	t.absent("a")
	t.add("a", 1, time.Time{}, 1)
	t.check(t.err != nil || t.get("a").Expires.IsZero(), "it ends at %s, want never", t.get("a").Expires)
}

func counterDeleted(t *trial) {
	t.add("a", 5, time.Time{}, 5)
	t.conflicts(0, table.Delete(t.key("a"), table.Absent()))
	t.apply(table.Delete(t.key("a"), table.Present()))
	t.absent("a")
	t.add("a", 1, time.Time{}, 1)
	t.apply(table.Delete(t.key("a"), table.Is(t.get("a").Rev)))
	t.absent("a")
}

func countBelow(t *trial) {
	count := func(delta, below int64) table.Write { return table.Count(t.key("a"), delta, below, time.Time{}) }
	t.conflicts(0, count(1, 0))
	t.absent("a")
	t.apply(count(1, 1))
	t.counted("a", 1)
	t.conflicts(0, count(1, 1))
	t.apply(count(10, 2)) // the sum before is what counts
	t.counted("a", 11)
	t.conflicts(0, count(1, 11))
	t.apply(count(1, 12))
	t.add("a", 1, time.Time{}, 13)
	t.apply(count(-13, 14))
	t.apply(count(1, 1))
	t.counted("a", 1)
}

func countAmongOthers(t *trial) {
	count := table.Count(t.key("n"), 1, 2, time.Time{})
	t.apply(table.Put(t.item("a", 1), table.Absent()), count)
	t.conflicts(1, count, table.Put(t.item("a", 2), table.Absent()))
	t.counted("n", 1)
	t.apply(count, table.Put(t.item("a", 3), table.Present()))
	t.conflicts(1, table.Put(t.item("a", 4), table.Present()), count)
	t.counted("n", 2)
	t.holds("a", 3)
	t.invalid(t.Table.Apply(t.ctx, count, count), "two counts of one key")
	t.invalid(t.Table.Apply(t.ctx, table.Put(t.item("b", 1), table.Always()), table.Count(table.Key{}, 1, 2, time.Time{})), "count without a key")
	t.absent("b")
}

// many is how many callers a race has.
const many = 50

func concurrentAdds(t *trial) {
	type answer struct {
		sum int64
		err error
	}
	sums := []int64{}
	for _, a := range sideBySide(many, func(int) answer {
		sum, err := t.Table.Add(t.ctx, t.key("a"), 1, time.Time{})
		return answer{sum, err}
	}) {
		t.noError(a.err, "Add")
		sums = append(sums, a.sum)
	}
	slices.Sort(sums)
	for i, sum := range sums {
		t.check(sum == int64(i+1), "the sums are not 1 to %d: %v", many, sums)
	}
	t.counted("a", many)
}

func concurrentCounts(t *trial) {
	const limit = 5
	errs := sideBySide(many, func(i int) error {
		return t.Table.Apply(t.ctx, table.Count(t.key("n"), 1, limit, time.Time{}), table.Put(t.item(fmt.Sprint("w", i), i), table.Absent()))
	})
	t.check(t.won(errs) == limit, "%d of %d passed a limit of %d", t.won(errs), many, limit)
	t.counted("n", limit)
	t.check(len(t.list(table.Range{Prefix: "w"})) == limit, "the writes beside the counts do not agree with them")
}
