package attempt

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"portcullis.example/shared/table"
)

// Guard reserves attempts in the table. Safe for concurrent use.
type Guard struct{ Table table.Table }

// Attempt is one attempt to be reserved: at which count, from where, when.
type Attempt struct {
	Count  table.Key
	Client netip.Addr
	At     time.Time
}

// Keys are what Reserve wants to be read in the caller's own round trip.
func (a Attempt) Keys() []table.Key {
	current, previous := AddressKeys(a.Client, a.At)
	return []table.Key{a.Count, current, previous}
}

// Reserve takes the attempt before it is evaluated, given the items of Keys as
// just read. It answers a LockedError if it may not be made, or
// table.ErrUnavailable when the table does not answer or others keep winning:
// then, too, it must not be evaluated. One round trip where nobody else tries
// at the same time.
func (g Guard) Reserve(ctx context.Context, a Attempt, read []table.Item) error {
	for range reservedTries {
		err := g.reserve(ctx, a, read)
		var conflict *table.ConflictError
		if !errors.As(err, &conflict) {
			return err
		}
		if read, err = g.Table.GetAll(ctx, a.Keys()...); err != nil {
			return err
		}
		if conflict.Index == 1 {
			return a.addressLocked()
		}
	}
	return table.ErrUnavailable
}

func (g Guard) reserve(ctx context.Context, a Attempt, read []table.Item) error {
	count, err := readCount(read[0])
	if err != nil {
		return err
	}
	next, err := count.Reserve(a.At)
	if err != nil {
		return err
	}
	below, err := a.addressAllowance(read[2])
	if err != nil {
		return err
	}
	item, err := table.Encode(a.Count, "attempts", next)
	if err != nil {
		return err
	}
	item.Expires = a.At.Add(counterKept)
	return g.Table.Apply(ctx, table.Put(item, table.Is(read[0].Rev)), a.countAddress(1, below))
}

func readCount(item table.Item) (Count, error) {
	if !item.Exists() {
		return Count{}, nil
	}
	return table.Decode[Count](item)
}

// addressAllowance weighs the previous stretch by what of it still lies within
// Window: a sliding count without an item per attempt.
func (a Attempt) addressAllowance(previous table.Item) (int64, error) {
	before, err := table.Counted(previous)
	if err != nil {
		return 0, err
	}
	window := int64(Window / time.Second)
	left := window - a.At.Unix()%window
	return AddressLimit - before*left/window, nil
}

func (a Attempt) countAddress(delta, below int64) table.Write {
	current, _ := AddressKeys(a.Client, a.At)
	return table.Count(current, delta, below, a.At.Add(2*Window))
}

func (a Attempt) addressLocked() error {
	window := int64(Window / time.Second)
	return &LockedError{RetryAfter: time.Duration(window-a.At.Unix()%window) * time.Second}
}

// GiveBack are the writes of a success, to be committed with it: they clear the
// factor's count and return the address's attempt.
func (a Attempt) GiveBack() []table.Write {
	return []table.Write{table.Delete(a.Count, table.Always()), a.countAddress(-1, 1<<62)}
}
