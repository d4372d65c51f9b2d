package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// TestMain turns the test binary into one of the children that tests kill or
// starve of space.
func TestMain(m *testing.M) {
	child, ok := children[os.Getenv("BOLT_TEST_CHILD")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv("BOLT_TEST_PATH")); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

var children = map[string]func(path string) error{
	"writer":  writeUntilKilled,
	"starved": writeWithoutSpace,
}

func openAt(t testing.TB, path string, o Options) *Store {
	t.Helper()
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openNew(t testing.TB) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store"), Options{Create: true})
}

func openClocked(t *testing.T) (*Store, *tabletest.Clock) {
	t.Helper()
	clock := tabletest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	return openAt(t, filepath.Join(t.TempDir(), "store"), Options{Create: true, Now: clock.Now}), clock
}

func doc(sort string, n int) table.Item {
	return table.Item{Key: table.Key{Partition: "p", Sort: sort}, Kind: "k", Body: fmt.Appendf(nil, `{"n":%d}`, n)}
}

func ended(item table.Item, at time.Time) table.Item {
	item.Expires = at
	return item
}

func mustApply(t testing.TB, s *Store, writes ...table.Write) {
	t.Helper()
	if err := s.Apply(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

// contents is what a partition holds.
func contents(t testing.TB, s *Store, partition string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for item, err := range s.List(t.Context(), table.Range{Partition: partition}) {
		if err != nil {
			t.Fatal(err)
		}
		found[item.Sort] = string(item.Body)
	}
	return found
}

// sound demands that the indexes say what the items say, no more and no less.
func sound(t testing.TB, s *Store) {
	t.Helper()
	due, expiry := map[string]bool{}, map[string]bool{}
	err := s.view(t.Context(), func(st *state) error {
		err := st.items.ForEach(func(k, v []byte) error {
			r, err := decodeRecord(v)
			if r.due != never {
				due[string(dueKey(r, k))] = true
			}
			if r.expires != never {
				expiry[string(expiryKey(r, k))] = true
			}
			return err
		})
		return errors.Join(err, sameKeys(st.due(), due), sameKeys(st.expiry(), expiry))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sameKeys(b *bbolt.Bucket, want map[string]bool) error {
	got := map[string]bool{}
	err := b.ForEach(func(k, _ []byte) error {
		got[string(k)] = true
		return nil
	})
	if !maps.Equal(got, want) {
		return fmt.Errorf("the index has %d entries, the items say %d", len(got), len(want))
	}
	return err
}

// TestConformance runs the suite, each case on a store of its own.
func TestConformance(t *testing.T) {
	for _, c := range tabletest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			s, clock := openClocked(t)
			if err := c.Run(t.Context(), tabletest.Harness{Table: s, Clock: clock}); err != nil {
				t.Fatal(err)
			}
			sound(t, s)
		})
	}
}

// TestConformanceOfOneStore runs the suite twice on one store, which is closed
// and opened in between.
func TestConformanceOfOneStore(t *testing.T) {
	clock := tabletest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 987654321, time.UTC))
	path := filepath.Join(t.TempDir(), "store")
	for _, name := range []string{"first", "second"} {
		s, err := Open(path, Options{Create: true, Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if err := tabletest.Run(t.Context(), tabletest.Harness{Table: s, Clock: clock, Name: name}); err != nil {
			t.Error(err)
		}
		sound(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestContentOutlivesClosing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	var before table.Item
	for round := range 3 {
		s, err := Open(path, Options{Create: round == 0})
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			mustApply(t, s, table.Put(doc("a", 1), table.Absent()))
			before, err = s.Get(t.Context(), doc("a", 0).Key)
		} else if got, getErr := s.Get(t.Context(), before.Key); getErr != nil || got.Rev != before.Rev || !bytes.Equal(got.Body, before.Body) {
			t.Errorf("got %+v, %v, want %+v", got, getErr, before)
		}
		if err := errors.Join(err, s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRevisionsGoOnAfterReopening shows that the sequence is stored with the
// write that used it.
func TestRevisionsGoOnAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	seen := map[table.Rev]bool{}
	for range 5 {
		s, err := Open(path, Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		mustApply(t, s, table.Put(doc("a", 1), table.Absent()))
		item, err := s.Get(t.Context(), doc("a", 0).Key)
		if err != nil || seen[item.Rev] {
			t.Errorf("revision %d again, %v", item.Rev, err)
		}
		seen[item.Rev] = true
		mustApply(t, s, table.Delete(item.Key, table.Is(item.Rev)))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCallsAfterClose(t *testing.T) {
	s := openNew(t)
	mustApply(t, s, table.Put(doc("a", 1), table.Absent()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, reapErr := s.Reap(t.Context(), 5, nil)
	_, addErr := s.Add(t.Context(), doc("n", 0).Key, 1, time.Time{})
	_, getErr := s.Get(t.Context(), doc("a", 0).Key)
	for name, err := range map[string]error{"Apply": s.Apply(t.Context(), table.Put(doc("a", 1), table.Always())), "Add": addErr, "Get": getErr, "Reap": reapErr} {
		if !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOverlongNamesAreInvalid(t *testing.T) {
	s := openNew(t)
	long := func(n int) string { return string(bytes.Repeat([]byte("x"), n)) }
	for name, c := range map[string]struct {
		change func(*table.Item)
		valid  bool
	}{
		"longest partition":  {func(i *table.Item) { i.Partition = long(maxPartition) }, true},
		"partition too long": {func(i *table.Item) { i.Partition = long(maxPartition + 1) }, false},
		"longest sort key":   {func(i *table.Item) { i.Sort = long(maxSort) }, true},
		"sort key too long":  {func(i *table.Item) { i.Sort = long(maxSort + 1) }, false},
		"longest kind":       {func(i *table.Item) { i.Kind = long(maxKind) }, true},
		"kind too long":      {func(i *table.Item) { i.Kind = long(maxKind + 1) }, false},
	} {
		item := ended(doc("a", 1), time.Now().Add(time.Hour))
		item.Due = item.Expires
		c.change(&item)
		err := s.Apply(t.Context(), table.Put(item, table.Always()))
		if c.valid && err != nil || !c.valid && !errors.Is(err, table.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := s.Get(t.Context(), item.Key); c.valid && (err != nil || got.Kind != item.Kind) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestCountersAndDocumentsStayApart: the port forbids mixing them; here it is
// noticed.
func TestCountersAndDocumentsStayApart(t *testing.T) {
	s, clock := openClocked(t)
	mustApply(t, s, table.Put(doc("doc", 1), table.Always()), table.Count(doc("count", 0).Key, 5, 9, clock.Now().Add(time.Minute)))
	_, addErr := s.Add(t.Context(), doc("doc", 0).Key, 1, time.Time{})
	_, overErr := s.Add(t.Context(), doc("count", 0).Key, 1<<63-1, time.Time{})
	for name, err := range map[string]error{
		"Add to a document":   addErr,
		"Count of a document": s.Apply(t.Context(), table.Count(doc("doc", 0).Key, 1, 9, time.Time{})),
		"Put over a counter":  s.Apply(t.Context(), table.Put(doc("count", 1), table.Always())),
		"Add past the end":    overErr,
	} {
		if !errors.Is(err, table.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	clock.Advance(time.Minute)
	mustApply(t, s, table.Put(doc("count", 1), table.Absent())) // nothing lives there any more
	sound(t, s)
}
