package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// reaped collects what Reap hands on, and refuses some of it.
type reaped struct {
	items  []table.Item
	refuse map[string]bool
}

var errRefused = errors.New("refused")

func (r *reaped) hand(_ context.Context, item table.Item) error {
	r.items = append(r.items, item)
	if r.refuse[item.Sort] {
		return errRefused
	}
	return nil
}

func (r *reaped) sorts() (sorts []string) {
	for _, item := range r.items {
		sorts = append(sorts, item.Sort)
	}
	r.items = nil
	return sorts
}

// withExpired holds items 0 to n-1, which expire one a second, the last first.
func withExpired(t *testing.T, n int) (*Store, *tabletest.Clock) {
	s, clock := openClocked(t)
	for i := range n {
		mustApply(t, s, table.Put(ended(doc(fmt.Sprint(i), i), clock.Now().Add(time.Duration(n-i)*time.Second)), table.Absent()))
	}
	return s, clock
}

// left is what is stored, expired or not.
func left(t *testing.T, s *Store) (n int) {
	t.Helper()
	sound(t, s)
	if err := s.view(t.Context(), func(st *state) error { n = st.items.Stats().KeyN; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestReapOldestFirstAndOnlyExpired(t *testing.T) {
	s, clock := withExpired(t, 6)
	mustApply(t, s, table.Put(doc("forever", 1), table.Absent()))
	before, err := s.Get(t.Context(), doc("4", 0).Key)
	if err != nil {
		t.Fatal(err)
	}
	r := &reaped{}
	for _, step := range []struct {
		seconds, limit int
		want           []string
	}{{0, 9, nil}, {3, 0, nil}, {0, 2, []string{"5", "4"}}, {0, 2, []string{"3"}}, {0, 9, nil}, {9, 9, []string{"2", "1", "0"}}} {
		clock.Advance(time.Duration(step.seconds) * time.Second)
		n, err := s.Reap(t.Context(), step.limit, r.hand)
		if slices.ContainsFunc(r.items, func(i table.Item) bool {
			return i.Sort == "4" && (i.Rev != before.Rev || string(i.Body) != `{"n":4}` || !i.Expires.Equal(before.Expires))
		}) {
			t.Errorf("handed on %+v, want %+v", r.items, before)
		}
		if got := r.sorts(); err != nil || n != len(step.want) || !slices.Equal(got, step.want) {
			t.Errorf("%+v: removed %d: %q, %v", step, n, got, err)
		}
	}
	if n := left(t, s); n != 1 {
		t.Errorf("%d items left, want 1", n)
	}
}

func TestReapCountersToo(t *testing.T) {
	s, clock := openClocked(t)
	if _, err := s.Add(t.Context(), doc("n", 0).Key, 3, clock.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	r := &reaped{}
	if n, err := s.Reap(t.Context(), 9, r.hand); n != 1 || err != nil || string(r.items[0].Body) != `{"n":3}` {
		t.Errorf("removed %d, %v: %+v", n, err, r.items)
	}
}

// TestReapRefused: what is refused stays and starves nobody, even if more is
// refused than fits into one Reap.
func TestReapRefused(t *testing.T) {
	s, clock := withExpired(t, 10) // expire in the order 9, 8, … 0
	clock.Advance(time.Minute)
	r := &reaped{refuse: map[string]bool{"9": true, "8": true, "7": true}}
	n, err := s.Reap(t.Context(), 2, r.hand)
	if n != 0 || !errors.Is(err, errRefused) || !slices.Equal(r.sorts(), []string{"9", "8"}) {
		t.Fatalf("removed %d, %v", n, err)
	}
	total := 0
	for range 5 {
		n, err := s.Reap(t.Context(), 2, r.hand)
		if err != nil && !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		total += n
	}
	if total != 7 || left(t, s) != 3 {
		t.Fatalf("removed %d, left %d, want 7 and 3: looked at %q", total, left(t, s), r.sorts())
	}
	r.sorts()
	if n, err := s.Reap(t.Context(), 9, r.hand); n != 0 || !errors.Is(err, errRefused) || len(r.sorts()) != 3 {
		t.Errorf("once round: removed %d, %v", n, err)
	}
	r.refuse = nil
	if n, err := s.Reap(t.Context(), 9, r.hand); n != 3 || err != nil || left(t, s) != 0 {
		t.Errorf("no longer refused: removed %d, %v", n, err)
	}
	if got := r.sorts(); len(got) != 3 {
		t.Errorf("handed on %q", got)
	}
}

// TestReapWhileWritten: hand may call the store, and what is written anew
// survives.
func TestReapWhileWritten(t *testing.T) {
	s, clock := withExpired(t, 3)
	clock.Advance(time.Minute)
	handed := 0
	n, err := s.Reap(t.Context(), 9, func(ctx context.Context, item table.Item) error {
		handed++
		if item.Sort == "2" { // itself, and the next before its turn
			return s.Apply(ctx, table.Put(doc("2", 22), table.Absent()), table.Put(doc("1", 11), table.Absent()))
		}
		return nil
	})
	if n != 1 || err != nil || handed != 2 {
		t.Errorf("removed %d of %d handed on, %v", n, handed, err)
	}
	if got := contents(t, s, "p"); got["1"] != `{"n":11}` || got["2"] != `{"n":22}` || len(got) != 2 || left(t, s) != 2 {
		t.Errorf("left %v", got)
	}
}

// TestReapAgainAfterExpiringAnew: an item written again with an end that has
// passed too is another revision, and is handed on again.
func TestReapAgainAfterExpiringAnew(t *testing.T) {
	s, clock := withExpired(t, 1)
	clock.Advance(time.Minute)
	r := &reaped{}
	n, err := s.Reap(t.Context(), 9, func(ctx context.Context, item table.Item) error {
		again := ended(doc("0", 1), clock.Now())
		return errors.Join(r.hand(ctx, item), s.Apply(ctx, table.Put(again, table.Absent())))
	})
	if n != 0 || err != nil || left(t, s) != 1 {
		t.Fatalf("removed %d, %v", n, err)
	}
	first := r.items[0]
	if n, err := s.Reap(t.Context(), 9, r.hand); n != 1 || err != nil || r.items[1].Rev == first.Rev {
		t.Errorf("removed %d, %v: %+v", n, err, r.items)
	}
}

// TestReapCrash: handed on but not removed is handed on again.
func TestReapCrash(t *testing.T) {
	s, clock := withExpired(t, 1)
	clock.Advance(time.Minute)
	r := &reaped{}
	ctx, crash := context.WithCancel(t.Context())
	n, err := s.Reap(ctx, 9, func(ctx context.Context, item table.Item) error {
		crash()
		return r.hand(ctx, item)
	})
	if n != 0 || !errors.Is(err, table.ErrUnavailable) || left(t, s) != 1 {
		t.Fatalf("removed %d, %v", n, err)
	}
	if n, err := s.Reap(t.Context(), 9, r.hand); n != 1 || err != nil || len(r.items) != 2 || r.items[0].Rev != r.items[1].Rev {
		t.Errorf("removed %d, %v: %+v", n, err, r.items)
	}
}

// TestReapStopsWithItsContext, and goes on behind the last one looked at.
func TestReapStopsWithItsContext(t *testing.T) {
	s, clock := withExpired(t, 4)
	clock.Advance(time.Minute)
	r := &reaped{refuse: map[string]bool{"3": true}}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := s.Reap(ctx, 9, func(ctx context.Context, item table.Item) error {
		defer cancel()
		return r.hand(ctx, item)
	}); !errors.Is(err, errRefused) || !errors.Is(err, context.Canceled) || !slices.Equal(r.sorts(), []string{"3"}) {
		t.Errorf("got %v", err)
	}
	if n, err := s.Reap(t.Context(), 1, r.hand); n != 1 || err != nil || !slices.Equal(r.sorts(), []string{"2"}) {
		t.Errorf("removed %d, %v", n, err)
	}
}

// TestReapMany goes over more than one page of the index.
func TestReapMany(t *testing.T) {
	const n = 3*pageEntries + 5
	s, clock := withExpired(t, n)
	clock.Advance(time.Hour)
	r := &reaped{}
	got, err := s.Reap(t.Context(), n-1, r.hand)
	if got != n-1 || err != nil || left(t, s) != 1 {
		t.Errorf("removed %d of %d, %v", got, n, err)
	}
}

// TestReapLooksAtExpiredOnly: the living cost it nothing, however many.
func TestReapLooksAtExpiredOnly(t *testing.T) {
	s, clock := withExpired(t, 5)
	clock.Advance(2 * time.Second)
	keys, err := s.expired(t.Context(), 9)
	if len(keys) != 2 || err != nil {
		t.Errorf("%d keys, want 2, %v", len(keys), err)
	}
}
