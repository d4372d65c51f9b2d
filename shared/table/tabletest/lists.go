package tabletest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/table"
)

func listCases() []named {
	return []named{
		{"List goes in byte order, both ways", listOrder},
		{"every prefix, after, limit and direction", listEverything},
		{"After is exclusive and need not exist", listAfter},
		{"a partition's name may begin another's", neighbours},
		{"an empty range is no error", emptyRanges},
		{"List may be broken off and run again", listAgain},
		{"a long range comes whole, while the loop's body writes", listLong},
	}
}

// tricky are sort keys whose order is easily got wrong, in byte order.
var tricky = []string{
	"\x01", " ", "!", "#", "#a", "/", "0", "1", "10", "2", "A", "B", "a", "a\x01", "a ", "a#", "a#1", "a#10", "a#2", "a/",
	"a0", "aa", "ab", "b", "~", "\x7f", "\u00e4", "\u00ff", "\u0100", "\u65e5\u672c", "\uffff", "\U0001f512", "\U0010ffff",
}

func (t *trial) lists(r table.Range, want ...string) {
	got := t.list(r)
	t.check(slices.Equal(got, want), "List %+v: got %q, want %q", r, got, want)
}

func (t *trial) putTricky() []string {
	sorts := slices.Clone(tricky)
	slices.Sort(sorts)
	for i := range sorts { // not in their order
		t.apply(table.Put(t.item(sorts[(i*7)%len(sorts)], i), table.Absent()))
	}
	return sorts
}

func listOrder(t *trial) {
	want := t.putTricky()
	t.lists(table.Range{}, want...)
	slices.Reverse(want)
	t.lists(table.Range{Reverse: true}, want...)
}

// within is what List must answer, said in another way.
func within(sorts []string, r table.Range) []string {
	way := cmp.Compare[string]
	if r.Reverse {
		way = func(a, b string) int { return cmp.Compare(b, a) }
	}
	kept := []string{}
	for _, sort := range slices.SortedFunc(slices.Values(sorts), way) {
		if strings.HasPrefix(sort, r.Prefix) && (r.After == "" || way(sort, r.After) > 0) && (r.Limit == 0 || len(kept) < r.Limit) {
			kept = append(kept, sort)
		}
	}
	return kept
}

func listEverything(t *trial) {
	sorts := t.putTricky()
	for _, prefix := range []string{"", "a", "a#", "a#1", "aa", "\u00ff", "\uffff", "\U0010ffff", "\x01", "none"} {
		for _, after := range []string{"", "a", "a#1", "a#15", "\x01", "b", "\U0010ffff", "zz"} {
			for _, limit := range []int{0, 1, 3} {
				for _, reverse := range []bool{false, true} {
					r := table.Range{Prefix: prefix, After: after, Limit: limit, Reverse: reverse}
					t.lists(r, within(sorts, r)...)
				}
			}
		}
	}
}

func listAfter(t *trial) {
	t.put("a", "b", "c", "d")
	t.lists(table.Range{After: "b"}, "c", "d")
	t.lists(table.Range{After: "b", Reverse: true}, "a")
	t.lists(table.Range{After: "bb"}, "c", "d")
	t.lists(table.Range{After: "bb", Reverse: true}, "b", "a")
	t.lists(table.Range{After: "d"})
	t.lists(table.Range{After: "a", Reverse: true})
	seen, after := []string{}, ""
	for range 4 { // pages of one
		page := t.list(table.Range{After: after, Limit: 1})
		if t.check(len(page) == 1, "after %q: %q", after, page); t.err != nil {
			return
		}
		seen, after = append(seen, page[0]), page[0]
	}
	t.check(slices.Equal(seen, []string{"a", "b", "c", "d"}), "pages of one: %q", seen)
}

func neighbours(t *trial) {
	base := t.partition
	ends := []string{"", "x", "x#", "x#y", "x/", "xx", "x\u00e4", "y"}
	for i, end := range ends {
		t.partition = base + end
		t.apply(table.Put(t.item("a", i), table.Absent()), table.Put(t.item("x#a", i), table.Absent()), table.Put(t.item(end+"z", i), table.Absent()))
	}
	for i, end := range ends {
		t.partition = base + end
		t.lists(table.Range{}, within([]string{"a", "x#a", end + "z"}, table.Range{})...)
		t.lists(table.Range{Reverse: true}, within([]string{"a", "x#a", end + "z"}, table.Range{Reverse: true})...)
		t.holds("a", i)
	}
}

func emptyRanges(t *trial) {
	t.lists(table.Range{})
	t.lists(table.Range{Reverse: true, Limit: 5, Prefix: "a", After: "b"})
	t.put("m")
	t.lists(table.Range{Prefix: "n"})
	t.lists(table.Range{Prefix: "mm"})
	t.lists(table.Range{Prefix: "m"}, "m")
	t.apply(table.Delete(t.key("m"), table.Present()))
	t.lists(table.Range{})
}

func listAgain(t *trial) {
	t.put("a", "b", "c")
	seq := t.Table.List(t.ctx, table.Range{Partition: t.partition, Limit: 2})
	for range 2 {
		for item, err := range seq {
			if t.noError(err, "List") {
				t.check(item.Sort == "a", "the first is %s", item.Sort)
			}
			break
		}
		n := 0
		for _, err := range seq {
			t.noError(err, "List")
			n++
		}
		t.check(n == 2, "the same sequence again: %d items, want 2", n)
	}
}

// long is more than adapters read at once; its bodies come to over 1 MB, which
// is where DynamoDB ends a page.
const long = 300

func listLong(t *trial) {
	var want []string
	for i := range long {
		item := t.item(fmt.Sprintf("%04d", i), i)
		item.Body = padded(4000)
		want = append(want, item.Sort)
		t.apply(table.Put(item, table.Absent()))
	}
	seen := 0
	for item, err := range t.Table.List(t.ctx, table.Range{Partition: t.partition}) {
		if !t.noError(err, "List") {
			return
		}
		t.check(seen < len(want) && item.Sort == want[seen], "place %d is %s", seen, item.Sort)
		seen++
		t.apply(table.Put(t.expiring(item.Sort, 1, time.Hour), table.Is(item.Rev)))
	}
	t.check(seen == long, "saw %d of %d", seen, long)
	slices.Reverse(want)
	t.lists(table.Range{Reverse: true}, want...)
	t.lists(table.Range{Reverse: true, Limit: 200, After: "0250"}, want[50:250]...)
}
