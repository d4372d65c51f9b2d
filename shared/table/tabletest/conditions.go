package tabletest

import (
	"fmt"
	"slices"
	"time"

	"portcullis.example/shared/table"
)

func conditionCases() []named {
	return []named{
		{"every condition with every operation", everyCondition},
		{"a conflict names the first write that failed and nothing is applied", conflictAppliesNothing},
		{"a failed check alone is a conflict", checkAlone},
		{"Is(0) is Absent", isZero},
		{"a revision of another key does not count", foreignRevision},
	}
}

// standing is what a condition meets.
type standing string

const (
	nothing  standing = "nothing"
	living   standing = "a living item"
	expired  standing = "an expired item"
	replaced standing = "an item written since it was read"
	deleted  standing = "an item deleted since it was read"
)

func everyCondition(t *trial) {
	n := 0
	for _, found := range []standing{nothing, living, expired, replaced, deleted} {
		for _, cond := range []string{"always", "absent", "present", "rev"} {
			for _, op := range []table.Op{table.OpPut, table.OpDelete, table.OpCheck} {
				sort := fmt.Sprintf("%03d", n)
				n++
				t.tryCondition(sort, found, cond, op)
				if t.err != nil {
					t.err = fmt.Errorf("operation %d, if %s, on %s: %w", op, cond, found, t.err)
					return
				}
			}
		}
	}
}

// tryCondition sets the scene, writes on the condition and looks at the result.
func (t *trial) tryCondition(sort string, found standing, cond string, op table.Op) {
	rev := t.stage(sort, found)
	write := table.Write{Op: op, Item: t.item(sort, 9), If: conditionOf(cond, rev)}
	there := found == living || found == replaced
	allowed := cond == "always" || cond == "absent" && !there || cond == "present" && there || cond == "rev" && found == living
	if !allowed {
		t.conflicts(0, write)
	} else {
		t.apply(write)
	}
	switch {
	case allowed && op == table.OpPut:
		t.holds(sort, 9)
	case allowed && op == table.OpDelete, !there:
		t.absent(sort)
	default:
		t.holds(sort, 1)
	}
}

// stage brings a key to where a condition should find it, and gives the
// revision that was read before.
func (t *trial) stage(sort string, found standing) table.Rev {
	if found == nothing {
		return 424242
	}
	t.apply(table.Put(t.expiring(sort, 1, time.Minute), table.Absent()))
	rev := t.get(sort).Rev
	switch found {
	case expired:
		t.Clock.Advance(time.Minute)
	case replaced:
		t.apply(table.Put(t.item(sort, 1), table.Is(rev)))
	case deleted:
		t.apply(table.Delete(t.key(sort), table.Is(rev)))
	}
	return rev
}

func conditionOf(name string, rev table.Rev) table.Cond {
	switch name {
	case "absent":
		return table.Absent()
	case "present":
		return table.Present()
	case "rev":
		return table.Is(rev)
	}
	return table.Always()
}

func conflictAppliesNothing(t *trial) {
	t.put("a", "b")
	rev := t.get("a").Rev
	good := []table.Write{
		table.Put(t.item("a", 9), table.Always()), table.Delete(t.key("b"), table.Present()),
		table.Put(t.item("new", 9), table.Absent()), table.Count(t.key("n"), 1, 5, time.Time{}),
	}
	bad := []table.Write{
		table.Check(t.key("none"), table.Present()), table.Put(t.item("none2", 1), table.Is(rev)),
	}
	for at := range len(good) + 1 {
		t.conflicts(at, slices.Insert(slices.Clone(good), at, bad...)...)
		t.holds("a", 0)
		t.check(t.get("a").Rev == rev, "the revision changed")
		t.holds("b", 1)
		t.absent("new", "none", "none2", "n")
	}
}

func checkAlone(t *trial) {
	t.conflicts(0, table.Check(t.key("a"), table.Present()))
	t.apply(table.Check(t.key("a"), table.Absent()))
	t.put("a")
	t.conflicts(0, table.Check(t.key("a"), table.Absent()))
	before := t.get("a").Rev
	t.apply(table.Check(t.key("a"), table.Is(before)))
	t.check(t.get("a").Rev == before, "a check changed the revision")
	t.absent("b")
}

func isZero(t *trial) {
	t.apply(table.Put(t.expiring("a", 1, time.Second), table.Is(0)))
	t.conflicts(0, table.Put(t.item("a", 2), table.Is(0)))
	t.Clock.Advance(time.Second)
	t.apply(table.Put(t.item("a", 3), table.Is(0)))
	t.holds("a", 3)
}

func foreignRevision(t *trial) {
	t.put("a", "b")
	a, b := t.get("a").Rev, t.get("b").Rev
	if a != b { // they may be equal: revisions are unique per key only
		t.conflicts(0, table.Delete(t.key("a"), table.Is(b)))
	}
	t.conflicts(0, table.Delete(t.key("c"), table.Is(a)))
	t.conflicts(1, table.Check(t.key("a"), table.Is(a)), table.Delete(t.key("b"), table.Is(b+1_000_000)))
	t.holds("a", 0)
	t.holds("b", 1)
}
