package tabletest_test

import (
	"slices"
	"testing"
	"time"

	"portcullis.example/shared/table/tabletest"
)

// bug is one way in which memory is wrong.
type bug string

const (
	correct             bug = ""
	expiredInConditions bug = "expired items count in conditions"
	readsExpired        bug = "Get shows expired items"
	notAtomic           bug = "Apply writes as it goes"
	revPerKey           bug = "revisions count per item and begin again"
	revOfItem           bug = "revisions are taken from the item put"
	racingAbsent        bug = "conditions are read before the lock"
	losesAdds           bug = "Add reads and writes without a lock"
	afterInclusive      bug = "After is inclusive"
	limitBeforeFilter   bug = "Limit counts expired items"
	ordersByCase        bug = "List orders as a dictionary does"
	mixesPartitions     bug = "List matches partitions by prefix"
	dueNotCleaned       bug = "Due forgets nothing"
	dueExclusive        bug = "Due leaves out its last second"
	sharesBodies        bug = "bodies are handed out uncopied"
	sortsGetAll         bug = "GetAll sorts its answer"
	noKeyLimit          bug = "GetAll takes any number"
	validatesNothing    bug = "Apply takes anything"
	firstIndex          bug = "a conflict always names the first write"
	countsOn            bug = "an expired counter goes on"
	movesCounterEnd     bug = "Add moves the counter's end"
	countsWithoutLimit  bug = "Count has no limit"
	ignoresContext      bug = "an ended ctx is ignored"
)

// refusedBy is the case that each bug is there for.
var refusedBy = []struct {
	bug  bug
	name string
}{
	{expiredInConditions, "an expired item is absent in every condition"},
	{readsExpired, "an item is absent from its second on, to the second"},
	{notAtomic, "a conflict names the first write that failed and nothing is applied"},
	{revPerKey, "a revision is never given twice, even after deleting or expiring"},
	{revOfItem, "writes ignore an item's own revision"},
	{racingAbsent, "of concurrent Puts if Absent exactly one wins"},
	{racingAbsent, "concurrent compare-and-swap loses nothing"},
	{losesAdds, "concurrent Adds answer every sum once"},
	{afterInclusive, "After is exclusive and need not exist"},
	{limitBeforeFilter, "List passes over expired items and they do not count"},
	{ordersByCase, "List goes in byte order, both ways"},
	{mixesPartitions, "a partition's name may begin another's"},
	{dueNotCleaned, "an item put without Due, deleted or expired leaves the index"},
	{dueExclusive, "Due yields what is due, the earliest first"},
	{sharesBodies, "changing a body that was read or put changes nothing stored"},
	{sortsGetAll, "GetAll keeps the order, names twice and marks the absent"},
	{noKeyLimit, "25 keys are one call, 26 are refused"},
	{validatesNothing, "two writes to one key are refused"},
	{validatesNothing, "a malformed call is refused and applies nothing"},
	{firstIndex, "a conflict names the first write that failed and nothing is applied"},
	{countsOn, "an expired counter begins again, and its end is set once"},
	{movesCounterEnd, "an expired counter begins again, and its end is set once"},
	{countsWithoutLimit, "Count adds while the sum is below the limit"},
	{ignoresContext, "after ctx has ended: unavailable, never another answer"},
}

func onMemory(b bug) tabletest.Harness {
	clock := tabletest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC))
	return tabletest.Harness{Table: newMemory(clock.Now, b), Clock: clock}
}

// TestBrokenTablesAreRefused shows that the suite bites: each bug fails the
// case that is there for it.
func TestBrokenTablesAreRefused(t *testing.T) {
	cases := tabletest.Cases()
	for _, c := range refusedBy {
		t.Run(string(c.bug), func(t *testing.T) {
			i := slices.IndexFunc(cases, func(k tabletest.Case) bool { return k.Name == c.name })
			if i < 0 {
				t.Fatalf("no case %q", c.name)
			}
			err := cases[i].Run(t.Context(), onMemory(c.bug))
			if err == nil {
				t.Fatalf("the case %q let it pass", c.name)
			}
			t.Log(err)
		})
	}
}

// TestACorrectTablePasses shows that the suite asks for nothing else, on one
// table for all cases.
func TestACorrectTablePasses(t *testing.T) {
	h := onMemory(correct)
	for _, name := range []string{"first", "second"} {
		h.Name = name
		if err := tabletest.Run(t.Context(), h); err != nil {
			t.Error(err)
		}
	}
}
