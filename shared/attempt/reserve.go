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
	// Own says that Count is that of one browser, or one session, which has
	// signed in fully: its own count bounds it, and the strangers behind the same
	// address do not keep it out.
	Own bool
	// Suspend is called where the attempt suspends; nil: nobody is told.
	Suspend func(ctx context.Context, until time.Time) (Telling, error)
}

// Keys are what Reserve wants to be read in the caller's own round trip.
func (a Attempt) Keys() []table.Key {
	current, previous := AddressKeys(a.Client, a.At)
	return []table.Key{a.Count, current, previous}
}

// Reserve takes the attempt before it is evaluated, given the items of Keys as
// just read; locks says that no other may follow for a while, should this one
// fail. It answers a LockedError if the attempt may not be made, or
// table.ErrUnavailable when the table does not answer or others keep winning:
// then, too, it must not be evaluated. One round trip where nobody else tries
// at the same time.
func (g Guard) Reserve(ctx context.Context, a Attempt, read []table.Item) (locks bool, err error) {
	for range reservedTries {
		locks, err = g.reserve(ctx, a, read)
		var conflict *table.ConflictError
		if !errors.As(err, &conflict) {
			return locks, err
		}
		if read, err = g.Table.GetAll(ctx, a.Keys()...); err != nil {
			return false, err
		}
		if err = a.checkAddress(read[1], read[2]); err != nil && !a.Own {
			return false, err
		}
	}
	return false, table.ErrUnavailable
}

func (g Guard) reserve(ctx context.Context, a Attempt, read []table.Item) (locks bool, err error) {
	count, err := readCount(read[0])
	if err != nil {
		return false, err
	}
	next, err := count.Reserve(a.At)
	if err != nil {
		return false, err
	}
	before, err := table.Counted(read[2])
	if err != nil {
		return false, err
	}
	below := AddressLimit - weighed(before, a.At.Unix())
	return next.Until > a.At.Unix(), g.commit(ctx, a, next, table.Is(read[0].Rev), a.countAddress(1, below))
}

// commit writes the count on a condition, with more. A suspension is told of in the
// same transaction.
func (g Guard) commit(ctx context.Context, a Attempt, next Count, cond table.Cond, more []table.Write) error {
	apply := func(ctx context.Context, writes []table.Write) error { return g.Table.Apply(ctx, writes...) }
	if next.suspended() && a.Suspend != nil {
		telling, err := a.Suspend(ctx, time.Unix(next.Until, 0).UTC())
		if err != nil {
			return err
		}
		next.Clears, apply = &telling.Clears, telling.Commit
	}
	item, err := table.Encode(a.Count, "attempts", next)
	if err != nil {
		return err
	}
	item.Expires = a.At.Add(counterKept)
	return apply(ctx, append(more, table.Put(item, cond)))
}

// Wait is a LockedError while the count in an item as read refuses attempts.
func Wait(item table.Item, at time.Time) error {
	count, err := readCount(item)
	if err == nil {
		_, err = count.Reserve(at)
	}
	return err
}

func readCount(item table.Item) (Count, error) {
	if !item.Exists() {
		return Count{}, nil
	}
	return table.Decode[Count](item)
}

const windowSeconds = int64(Window / time.Second)

// weighed is what counts of the attempts in the stretch before that of at: the
// share of it that still lies within Window. A sliding count without an item
// per attempt.
func weighed(before, at int64) int64 {
	return before * (windowSeconds - at%windowSeconds) / windowSeconds
}

// checkAddress answers a LockedError that says when the address may try again,
// if it may not now.
func (a Attempt) checkAddress(current, previous table.Item) error {
	now, err := table.Counted(current)
	if err != nil {
		return err
	}
	before, err := table.Counted(previous)
	if err != nil {
		return err
	}
	if wait := addressWait(now, before, a.At.Unix()); wait > 0 {
		return &LockedError{RetryAfter: time.Duration(wait) * time.Second}
	}
	return nil
}

// addressWait is how many seconds after at the counts of its stretch and the
// one before allow an attempt again.
func addressWait(now, before, at int64) (wait int64) {
	for now+weighed(before, at+wait) >= AddressLimit {
		wait++
		if (at+wait)%windowSeconds == 0 {
			now, before = 0, now
		}
	}
	return wait
}

// countAddress counts for the source address what no own count bounds.
func (a Attempt) countAddress(delta, below int64) []table.Write {
	if a.Own {
		return nil
	}
	current, _ := AddressKeys(a.Client, a.At)
	return []table.Write{table.Count(current, delta, below, a.At.Add(2*Window))}
}

// GiveBack are the writes of an attempt that was right, to be committed with
// what it pays for: they clear the factor's count and return the address's
// attempt.
func (a Attempt) GiveBack() []table.Write {
	return append(a.countAddress(-1, 1<<62), table.Delete(a.Count, table.Always()))
}
