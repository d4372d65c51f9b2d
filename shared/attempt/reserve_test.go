package attempt_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

var source = netip.MustParseAddr("203.0.113.9")

func reserve(store table.Table, a attempt.Attempt) (bool, error) {
	items, err := store.GetAll(context.Background(), a.Keys()...)
	if err != nil {
		return false, err
	}
	return attempt.Guard{Table: store}.Reserve(context.Background(), a, items)
}

func at(whom string, now time.Time) attempt.Attempt {
	return attempt.Attempt{Count: attempt.CountKey(attempt.Password, whom, ""), Client: source, At: now}
}

func TestParallelReservations(t *testing.T) {
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	var reserved, locks atomic.Int64
	localtest.Parallel(100, func(int) {
		locked, err := reserve(store, at("alice", clock.Now()))
		if err == nil {
			reserved.Add(1)
		}
		if locked {
			locks.Add(1)
		}
		if err != nil && !errors.Is(err, attempt.ErrLocked) {
			t.Error(err)
		}
	})
	if reserved.Load() != attempt.Limit || locks.Load() != 1 {
		t.Errorf("%d reserved, %d of them the last", reserved.Load(), locks.Load())
	}
}

func TestParallelReservationsOfOneAddress(t *testing.T) {
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	var reserved atomic.Int64
	localtest.Parallel(2*attempt.AddressLimit, func(i int) {
		_, err := reserve(store, at(fmt.Sprint(i), clock.Now()))
		if err == nil {
			reserved.Add(1)
		} else if !errors.Is(err, attempt.ErrLocked) {
			t.Error(err)
		}
	})
	if reserved.Load() != attempt.AddressLimit {
		t.Errorf("%d reserved", reserved.Load())
	}
}

// What is right gives its attempt back and clears the count, and nothing else.
func TestGiveBack(t *testing.T) {
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	for range 3 * attempt.AddressLimit {
		for range attempt.Limit - 1 {
			a := at("alice", clock.Now())
			if _, err := reserve(store, a); err != nil {
				t.Fatal(err)
			}
			if err := store.Apply(context.Background(), a.GiveBack()...); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A table that fails reserves nothing that could be evaluated.
func TestFaultsReserveNothing(t *testing.T) {
	clock := localtest.NewClock()
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), func(_ int, op tabletest.Op) tabletest.Fault {
			if op.Writes() {
				return fault
			}
			return tabletest.None
		})
		evaluated := 0
		for range 20 {
			if _, err := reserve(faulty, at("alice", clock.Now())); err == nil {
				evaluated++
			} else if !errors.Is(err, table.ErrUnavailable) && !errors.Is(err, attempt.ErrLocked) {
				t.Error(err)
			}
		}
		if evaluated > 0 {
			t.Errorf("%d attempts were evaluated", evaluated)
		}
	}
}
