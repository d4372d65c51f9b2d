package tabletest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/table"
)

func itemCases() []named {
	return []named{
		{"an item comes back as it was put", itemRoundTrip},
		{"names of any characters are told apart", oddNames},
		{"bodies up to MaxBody come back byte for byte", largeBodies},
		{"changing a body that was read or put changes nothing stored", bodiesAreCopies},
		{"GetAll keeps the order, names twice and marks the absent", getAllOrder},
		{"Apply puts, deletes and checks in one call", mixedApply},
	}
}

func itemRoundTrip(t *trial) {
	full := t.expiring("full", 1, time.Hour)
	full.Due = t.now().Add(30 * time.Minute).Truncate(time.Second)
	full.Rev = 12345 // ignored
	t.apply(table.Put(full, table.Always()), table.Put(t.item("plain", 2), table.Absent()))
	for _, want := range []table.Item{full, t.item("plain", 2)} {
		got := t.get(want.Sort)
		t.sameItem(got, want, "Get")
		if all := t.getAll(want.Sort); t.err == nil {
			t.sameItem(all[0], got, "GetAll")
			t.check(all[0].Rev == got.Rev, "GetAll: revision %d, Get: %d", all[0].Rev, got.Rev)
		}
		for item, err := range t.Table.List(t.ctx, table.Range{Partition: t.partition, Prefix: want.Sort}) {
			if t.noError(err, "List") {
				t.sameItem(item, got, "List")
				t.check(item.Rev == got.Rev, "List: revision %d, Get: %d", item.Rev, got.Rev)
			}
		}
	}
}

// sameItem compares all but the revision.
func (t *trial) sameItem(got, want table.Item, what string) {
	same := got.Key == want.Key && got.Kind == want.Kind && got.Expires.Equal(want.Expires) &&
		got.Due.Equal(want.Due) && bytes.Equal(got.Body, want.Body) &&
		got.Expires.IsZero() == want.Expires.IsZero() && got.Due.IsZero() == want.Due.IsZero()
	t.check(same, "%s: got %+v, want %+v", what, got, want)
}

// oddNames are sort keys and ends of partitions that an adapter might trip on.
func oddNames(t *trial) {
	odd := []string{"a", "a#", "a/", "a#b", "a/b", "ab", "A", "ä", "a\u0308", "日本", "\U0001F512", " ", "a ", "\x01", "\x7f",
		"\u00ff", "\uffff", "\U0010ffff", "%", "_", "'", `"`, "\\", "\n", strings.Repeat("x", 1000)}
	base := t.partition
	for i, end := range odd {
		for j, sort := range odd {
			t.partition = base + end
			if (i+j)%3 == 0 {
				t.apply(table.Put(t.item(sort, i*100+j), table.Absent()))
			}
		}
	}
	for i, end := range odd {
		for j, sort := range odd {
			t.partition = base + end
			if (i+j)%3 == 0 {
				t.holds(sort, i*100+j)
			} else {
				t.absent(sort)
			}
		}
	}
}

func largeBodies(t *trial) {
	for _, size := range []int{8, 4095, 4096, 4097, 65536, table.MaxBody} {
		item := t.item(fmt.Sprint("size", size), 0)
		item.Body = padded(size)
		t.apply(table.Put(item, table.Always()))
		got := t.get(item.Sort)
		t.check(t.err != nil || bytes.Equal(got.Body, item.Body), "a body of %d bytes came back as %d others", size, len(got.Body))
	}
	spaced := t.item("spaced", 0)
	spaced.Body = []byte("{ \"b\" : 1.50,\n\t\"a\":\"\\u00e4<é\", \"b\":2 }")
	t.apply(table.Put(spaced, table.Always()))
	got := t.get("spaced")
	t.check(t.err != nil || bytes.Equal(got.Body, spaced.Body), "got %s, want %s", got.Body, spaced.Body)
}

// padded is a JSON object of that many bytes, 8 or more.
func padded(size int) []byte {
	return []byte(`{"p":"` + strings.Repeat("x", size-8) + `"}`)
}

func bodiesAreCopies(t *trial) {
	item := t.item("a", 1)
	t.apply(table.Put(item, table.Always()))
	item.Body[5] = '9'
	got := t.holds("a", 1)
	if t.err != nil {
		return
	}
	got.Body[5] = '8'
	all := t.getAll("a", "a")
	if t.err == nil {
		all[0].Body[5] = '7'
		t.check(string(all[1].Body) == string(number(1)), "two places of GetAll share one body")
	}
	for item, err := range t.Table.List(t.ctx, table.Range{Partition: t.partition}) {
		if t.noError(err, "List") {
			item.Body[5] = '6'
		}
	}
	t.holds("a", 1)
}

func getAllOrder(t *trial) {
	t.put("c", "a", "b")
	sorts := []string{"b", "none", "a", "c", "b", "none"}
	items := t.getAll(sorts...)
	if t.err != nil {
		return
	}
	for i, sort := range sorts {
		t.check(items[i].Key == t.key(sort), "place %d holds %s, want %s", i, items[i].Key, sort)
		t.check(items[i].Exists() == (sort != "none"), "place %d (%s): Exists is %v", i, sort, items[i].Exists())
		if sort == "none" {
			t.check(items[i].Kind == "" && items[i].Body == nil && items[i].Expires.IsZero() && items[i].Due.IsZero(),
				"the absent place is not empty: %+v", items[i])
		}
	}
	t.check(string(items[0].Body) == string(items[4].Body), "one key, two bodies")
}

func mixedApply(t *trial) {
	t.put("old", "gone", "seen")
	t.apply(table.Put(t.item("old", 7), table.Present()), table.Delete(t.key("gone"), table.Always()),
		table.Check(t.key("seen"), table.Present()), table.Put(t.item("new", 8), table.Absent()),
		table.Delete(t.key("never"), table.Always()))
	t.holds("old", 7)
	t.holds("seen", 2)
	t.holds("new", 8)
	t.absent("gone", "never")
	got := t.list(table.Range{})
	t.check(t.err != nil || slices.Equal(got, []string{"new", "old", "seen"}), "the partition holds %q", got)
}
