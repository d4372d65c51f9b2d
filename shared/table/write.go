package table

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Op is what a Write does.
type Op int

// The four operations of Apply.
const (
	OpPut    Op = iota + 1 // the whole item, over what stands there
	OpDelete               // absent items may be deleted: no error
	OpCheck                // nothing but the condition
	OpCount                // add to a counter, as long as it is below a limit
)

// Cond is when a write may happen. Its zero value is: always.
type Cond struct {
	state condState
	rev   Rev
}

type condState int

const (
	condAlways condState = iota
	condAbsent
	condPresent
	condRev
)

// Always lets a write happen whatever stands there.
func Always() Cond { return Cond{} }

// Absent demands that no item stands there, or an expired one.
func Absent() Cond { return Cond{state: condAbsent} }

// Present demands an item that has not expired.
func Present() Cond { return Cond{state: condPresent} }

// Is demands the very revision that was read and that it has not expired.
// Is(0) is Absent, so that a read of nothing can be held to as well.
func Is(rev Rev) Cond {
	if rev == 0 {
		return Absent()
	}
	return Cond{state: condRev, rev: rev}
}

// Unconditional tells whether the condition is Always.
func (c Cond) Unconditional() bool { return c.state == condAlways }

// Rev is the revision demanded, or zero if none is.
func (c Cond) Rev() Rev { return c.rev }

// WantsAbsent tells whether the condition is Absent.
func (c Cond) WantsAbsent() bool { return c.state == condAbsent }

// Holds judges the condition against the revision that stands there: zero
// where the item is absent or has expired.
func (c Cond) Holds(current Rev) bool {
	switch c.state {
	case condAlways:
		return true
	case condAbsent:
		return current == 0
	case condPresent:
		return current != 0
	case condRev:
		return current == c.rev
	}
	return false
}

// Write is one step of Apply.
type Write struct {
	Op   Op
	Item Item // for OpDelete and OpCheck only its Key counts
	If   Cond
	// Delta is what OpCount adds to the counter at Item.Key (see Table.Add);
	// Item.Expires is the end of a counter that this makes.
	Delta int64
	// Below is the condition of OpCount: the sum before must be less.
	Below int64
}

// Put writes the item on a condition.
func Put(item Item, cond Cond) Write { return Write{Op: OpPut, Item: item, If: cond} }

// Delete removes the item on a condition.
func Delete(key Key, cond Cond) Write { return Write{Op: OpDelete, Item: Item{Key: key}, If: cond} }

// Check demands a condition and writes nothing.
func Check(key Key, cond Cond) Write { return Write{Op: OpCheck, Item: Item{Key: key}, If: cond} }

// Count adds delta to a counter on the condition that its sum is still below a
// limit: an unraceable reservation within a transaction.
func Count(key Key, delta, below int64, expires time.Time) Write {
	return Write{Op: OpCount, Item: Item{Key: key, Expires: expires}, Delta: delta, Below: below}
}

// Validate is what every adapter asks before it applies: ErrInvalid for no
// writes, more than MaxBatch, two to one key, a malformed key or body.
func Validate(writes []Write) error {
	if len(writes) == 0 || len(writes) > MaxBatch {
		return fmt.Errorf("%w: %d writes, 1 to %d allowed", ErrInvalid, len(writes), MaxBatch)
	}
	seen := make(map[Key]bool, len(writes))
	for _, w := range writes {
		if err := w.validate(); err != nil {
			return err
		}
		if seen[w.Item.Key] {
			return fmt.Errorf("%w: two writes to %s", ErrInvalid, w.Item.Key)
		}
		seen[w.Item.Key] = true
	}
	return nil
}

func (w Write) validate() error {
	if err := ValidateKey(w.Item.Key); err != nil {
		return err
	}
	switch w.Op {
	case OpPut:
		return w.Item.validate()
	case OpDelete, OpCheck, OpCount:
		return nil
	}
	return fmt.Errorf("%w: unknown operation %d", ErrInvalid, w.Op)
}

func (i Item) validate() error {
	switch {
	case i.Kind == "" || strings.ContainsRune(i.Kind, 0):
		return fmt.Errorf("%w: %s has no kind", ErrInvalid, i.Key)
	case len(i.Body) > MaxBody:
		return fmt.Errorf("%w: %s is %d bytes long", ErrInvalid, i.Key, len(i.Body))
	case len(i.Body) == 0 || i.Body[0] != '{' || !json.Valid(i.Body):
		return fmt.Errorf("%w: %s is no JSON object", ErrInvalid, i.Key)
	}
	return nil
}

// ValidateKey answers ErrInvalid for a key with an empty part or a NUL byte.
func ValidateKey(k Key) error {
	if k.Partition == "" || k.Sort == "" || strings.IndexByte(k.Partition, 0) >= 0 || strings.IndexByte(k.Sort, 0) >= 0 {
		return fmt.Errorf("%w: malformed key %q", ErrInvalid, k.String())
	}
	return nil
}
