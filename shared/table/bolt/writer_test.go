package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"portcullis.example/shared/table"
)

// gated is a store whose commits wait to be let through, so that a test
// decides what shares a group.
type gated struct {
	*Store
	arrived chan struct{}
	let     chan struct{}
	groups  int
}

func openGated(t *testing.T) *gated {
	g := &gated{Store: openNew(t), arrived: make(chan struct{}), let: make(chan struct{})}
	commit := g.update
	g.update = func(fn func(*bbolt.Tx) error) error {
		g.arrived <- struct{}{}
		<-g.let
		g.groups++
		return commit(fn)
	}
	return g
}

// together runs the calls so that all but the first share one group, in their
// order, and gives their answers.
func (g *gated) together(calls ...func() error) []error {
	errs := make([]error, len(calls))
	var all sync.WaitGroup
	for i, call := range calls {
		all.Go(func() { errs[i] = call() })
		if i == 0 {
			<-g.arrived
			continue
		}
		for len(g.queue) < i {
			runtime.Gosched()
		}
	}
	g.let <- struct{}{}
	<-g.arrived
	g.let <- struct{}{}
	all.Wait()
	return errs
}

// TestOneGroup: calls that share a transaction are judged one after the other,
// and a refused one takes nobody with it.
func TestOneGroup(t *testing.T) {
	g := openGated(t)
	ctx := t.Context()
	apply := func(writes ...table.Write) func() error {
		return func() error { return g.Apply(ctx, writes...) }
	}
	var sum int64
	errs := g.together(
		apply(table.Put(doc("first", 1), table.Absent())),
		apply(table.Put(doc("a", 1), table.Absent())),
		apply(table.Put(doc("b", 1), table.Absent()), table.Put(doc("a", 2), table.Absent())),
		apply(table.Put(doc("c", 1), table.Absent()), table.Check(doc("a", 0).Key, table.Present())),
		apply(table.Delete(doc("a", 0).Key, table.Present())),
		apply(table.Put(doc("a", 3), table.Absent())),
		func() (err error) { sum, err = g.Add(ctx, doc("n", 0).Key, 5, time.Time{}); return err },
		apply(table.Count(doc("n", 0).Key, 1, 5, time.Time{})),
	)
	var conflict *table.ConflictError
	for i, err := range errs {
		if refused := i == 2 || i == 7; refused != errors.As(err, &conflict) || !refused && err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if want := map[string]string{"first": `{"n":1}`, "a": `{"n":3}`, "c": `{"n":1}`, "n": `{"n":5}`}; fmt.Sprint(contents(t, g.Store, "p")) != fmt.Sprint(want) || sum != 5 {
		t.Errorf("got %v and %d, want %v", contents(t, g.Store, "p"), sum, want)
	}
	if g.groups != 2 {
		t.Errorf("%d transactions, want 2", g.groups)
	}
	sound(t, g.Store)
}

func TestCallCancelledInTheQueueIsNotApplied(t *testing.T) {
	g := openGated(t)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	errs := g.together(
		func() error { return g.Apply(t.Context(), table.Put(doc("first", 1), table.Absent())) },
		func() error {
			go func() { answered <- g.Apply(ctx, table.Put(doc("cancelled", 1), table.Absent())) }()
			for len(g.queue) < 1 {
				runtime.Gosched()
			}
			cancel()
			return <-answered
		},
		func() error { return g.Apply(t.Context(), table.Put(doc("last", 1), table.Absent())) },
	)
	if !errors.Is(errs[1], table.ErrUnavailable) || !errors.Is(errs[1], context.Canceled) || errs[0] != nil || errs[2] != nil {
		t.Errorf("got %v", errs)
	}
	if got := contents(t, g.Store, "p"); len(got) != 2 || got["cancelled"] != "" {
		t.Errorf("it was applied: %v", got)
	}
}

// TestCloseDrainsTheQueue: what was queued before Close is done.
func TestCloseDrainsTheQueue(t *testing.T) {
	g := openGated(t)
	answers := make(chan error, 3)
	put := func(sort string) { answers <- g.Apply(t.Context(), table.Put(doc(sort, 1), table.Absent())) }
	go put("a")
	<-g.arrived
	go put("b")
	for len(g.queue) < 1 {
		runtime.Gosched()
	}
	path := g.path
	go func() { answers <- g.Close() }()
	for !closing(g.Store) {
		runtime.Gosched()
	}
	g.let <- struct{}{}
	<-g.arrived
	g.let <- struct{}{}
	if err := errors.Join(<-answers, <-answers, <-answers); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, openAt(t, path, Options{}), "p"); len(got) != 2 {
		t.Errorf("got %v", got)
	}
}

func closing(s *Store) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// TestFailedCommit: every call of the group hears of it, those with a verdict
// too, since it may rest on what was not written.
func TestFailedCommit(t *testing.T) {
	g := openGated(t)
	commit := g.update
	g.update = func(fn func(*bbolt.Tx) error) error {
		return commit(func(tx *bbolt.Tx) error {
			err := fn(tx)
			if g.groups == 2 {
				return errors.Join(err, &fs.PathError{Op: "write", Path: g.path, Err: syscall.ENOSPC})
			}
			return err
		})
	}
	put := func(sort string) func() error {
		return func() error { return g.Apply(t.Context(), table.Put(doc(sort, 1), table.Absent())) }
	}
	errs := g.together(put("first"), put("a"), put("a"), put("b"))
	for i, err := range errs[1:] {
		if !errors.Is(err, table.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) || errors.Is(err, table.ErrConflict) {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
	if errs := g.together(put("c"), put("a"), put("b")); errors.Join(errs...) != nil || len(contents(t, g.Store, "p")) != 4 {
		t.Errorf("with room again: %v, %v", errs, contents(t, g.Store, "p"))
	}
	sound(t, g.Store)
}

// TestFailedSyncStopsTheStore: after it nobody knows what is on the disk.
func TestFailedSyncStopsTheStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := openAt(t, path, Options{Create: true})
	mustApply(t, s, table.Put(doc("a", 1), table.Absent()))
	commit := s.update
	s.update = func(fn func(*bbolt.Tx) error) error {
		s.update = commit
		return errors.Join(commit(fn), syscall.EIO)
	}
	calls := []func() error{
		func() error { return s.Apply(t.Context(), table.Put(doc("b", 1), table.Absent())) },
		func() error { return s.Apply(t.Context(), table.Put(doc("c", 1), table.Absent())) },
		func() error { _, err := s.Get(t.Context(), doc("a", 0).Key); return err },
	}
	for i, call := range calls {
		if err := call(); !errors.Is(err, table.ErrUnavailable) || !errors.Is(err, syscall.EIO) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got := contents(t, openAt(t, path, Options{}), "p")
	if got["a"] == "" || got["c"] != "" {
		t.Errorf("opened anew: %v", got)
	}
}

// TestConflictsNeedNoDisk: a group that changes nothing is not committed.
func TestConflictsNeedNoDisk(t *testing.T) {
	s := openNew(t)
	mustApply(t, s, table.Put(doc("a", 1), table.Absent()))
	var outcomes []error
	commit := s.update
	s.update = func(fn func(*bbolt.Tx) error) error {
		err := commit(fn)
		outcomes = append(outcomes, err)
		return err
	}
	if err := s.Apply(t.Context(), table.Put(doc("a", 2), table.Absent())); !errors.Is(err, table.ErrConflict) {
		t.Error(err)
	}
	mustApply(t, s, table.Check(doc("a", 0).Key, table.Present()))
	mustApply(t, s, table.Delete(doc("none", 0).Key, table.Absent()))
	if len(outcomes) != 3 || slices.ContainsFunc(outcomes, func(err error) bool { return !errors.Is(err, errUnchanged) }) {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// TestBodyMayBeReusedAfterCancelling: the caller gives up while its write is
// on the way, and uses its memory for something else.
func TestBodyMayBeReusedAfterCancelling(t *testing.T) {
	s := openNew(t)
	item, answered := doc("a", 1), make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	commit := s.update
	s.update = func(fn func(*bbolt.Tx) error) error {
		s.update = commit
		return commit(func(tx *bbolt.Tx) error {
			err := fn(tx)
			cancel()
			if gaveUp := <-answered; !errors.Is(gaveUp, table.ErrUnavailable) {
				t.Errorf("got %v", gaveUp)
			}
			copy(item.Body, "garbage")
			return err
		})
	}
	go func() { answered <- s.Apply(ctx, table.Put(item, table.Absent())) }()
	for ctx.Err() == nil {
		runtime.Gosched()
	}
	mustApply(t, s, table.Put(doc("b", 1), table.Absent())) // comes after it
	if got := contents(t, s, "p")["a"]; got != `{"n":1}` {
		t.Errorf("got %s", got)
	}
}
