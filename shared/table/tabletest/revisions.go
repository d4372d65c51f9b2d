package tabletest

import (
	"time"

	"portcullis.example/shared/table"
)

func revisionCases() []named {
	return []named{
		{"every write changes the revision, and only a write", everyWriteChanges},
		{"a revision is never given twice, even after deleting or expiring", neverRepeated},
		{"writes ignore an item's own revision", ownRevisionIgnored},
	}
}

func everyWriteChanges(t *trial) {
	seen := map[table.Rev]bool{}
	for range 20 {
		t.apply(table.Put(t.item("a", 1), table.Always())) // the same content
		rev := t.get("a").Rev
		t.check(!seen[rev], "revision %d for the second time", rev)
		seen[rev] = true
	}
	rev := t.get("a").Rev
	t.put("b")
	t.apply(table.Check(t.key("a"), table.Present()), table.Put(t.item("b", 2), table.Always()))
	t.conflicts(0, table.Put(t.item("a", 1), table.Absent()))
	t.check(t.get("a").Rev == rev, "it changed without a write")
}

func neverRepeated(t *trial) {
	seen := map[table.Rev]bool{}
	for i := range 12 {
		t.apply(table.Put(t.expiring("a", 1, time.Second), table.Absent()))
		rev := t.get("a").Rev
		t.check(!seen[rev], "revision %d for the second time", rev)
		seen[rev] = true
		if i%2 == 0 {
			t.apply(table.Delete(t.key("a"), table.Is(rev)))
		} else {
			t.Clock.Advance(time.Second)
		}
		t.conflicts(0, table.Check(t.key("a"), table.Is(rev)))
	}
	t.apply(table.Put(t.item("a", 1), table.Absent()))
	for rev := range seen {
		t.conflicts(0, table.Put(t.item("a", 2), table.Is(rev)))
	}
}

func ownRevisionIgnored(t *trial) {
	item := t.item("a", 1)
	item.Rev = 99
	t.apply(table.Put(item, table.Absent()))
	stale := t.get("a")
	t.apply(table.Put(t.item("a", 2), table.Is(stale.Rev)))
	t.apply(table.Put(stale, table.Always()))
	fresh := t.holds("a", 1)
	t.check(t.err != nil || fresh.Rev != stale.Rev, "it took the revision of the item put")
}
