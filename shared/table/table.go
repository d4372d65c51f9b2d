// Package table is the storage port: the few operations on which every rule of
// Portcullis rests. It guarantees, for every adapter that passes
// table/tabletest:
//
//   - reads are strongly consistent (all but Due, the one index);
//   - an expired item is an absent item, in reads and in write conditions
//     alike, from the second it names on, whether or not it has been removed;
//   - Apply is all or nothing, and durable once it returned nil;
//   - an error that is neither ErrNotFound, ErrConflict nor ErrInvalid leaves
//     open whether a write was applied: callers compare revisions or repeat
//     with the same conditions.
//
// It knows neither engine: no bbolt and no AWS type appears here.
package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// MaxBatch is how many keys GetAll and how many writes Apply take at most.
const MaxBatch = 25

// MaxBody is the largest Body of an item in bytes. DynamoDB ends at 400 KB
// with names and keys; nothing of ours comes near it.
const MaxBody = 256 << 10

var (
	// ErrNotFound says that the item is absent or has expired.
	ErrNotFound = errors.New("table: not found")
	// ErrConflict is what every ConflictError is: a condition did not hold and
	// nothing was applied. Reading again and retrying is safe.
	ErrConflict = errors.New("table: conflict")
	// ErrUnavailable says that the store did not answer in time. A read may be
	// repeated; a write may or may not have been applied.
	ErrUnavailable = errors.New("table: unavailable")
	// ErrInvalid says that the call itself is wrong (an empty key, two writes to
	// one item, too many of them, a body that is no JSON object). Nothing was
	// applied; repeating it is pointless.
	ErrInvalid = errors.New("table: invalid call")
)

// Key names one item. Neither part is empty or contains a NUL byte.
type Key struct{ Partition, Sort string }

// String is for error texts: keys never carry a secret, only hashes of them.
func (k Key) String() string { return k.Partition + "/" + k.Sort }

// Rev is an item's revision: opaque, set by the store at each write, and never
// repeated for a key. Zero is no revision, that of an absent item.
type Rev int64

// Item is one stored document.
type Item struct {
	Key
	// Kind is the noun, such as "user": what Due asks by, and what a reader of
	// the table sees first.
	Kind string
	// Expires is the second from which on the item is absent; zero: never.
	Expires time.Time
	// Due is when the item shows up in Due; zero: it is not in the index.
	Due time.Time
	// Rev is the revision as read. Writes ignore it: conditions say it.
	Rev Rev
	// Body is one JSON object.
	Body json.RawMessage
}

// Exists tells whether a place in GetAll's answer holds an item.
func (i Item) Exists() bool { return i.Rev != 0 }

// Range is a stretch of one partition, in byte order of the sort key.
type Range struct {
	Partition string
	// Prefix limits the sort keys; empty: all.
	Prefix string
	// After is the last sort key already seen, exclusive, in the direction of
	// travel; empty: from the start (from the end if Reverse).
	After string
	// Limit is how many items at most; zero: all.
	Limit int
	// Reverse walks from the highest sort key to the lowest.
	Reverse bool
}

// Table is the port. All methods may be called concurrently. Every method
// answers ErrUnavailable (wrapped) when the store can't be reached or ctx ends.
type Table interface {
	// Get reads one item, or ErrNotFound.
	Get(ctx context.Context, key Key) (Item, error)
	// GetAll reads up to MaxBatch items in one round trip. The answer has the
	// keys' order; for an absent one Exists is false and only Key is set.
	// A key may be named twice.
	GetAll(ctx context.Context, keys ...Key) ([]Item, error)
	// List walks a range. It ends after the first error it yields.
	List(ctx context.Context, r Range) iter.Seq2[Item, error]
	// Apply does all writes or none. A condition that fails is a
	// ConflictError. Two writes to one key are ErrInvalid, as are none.
	Apply(ctx context.Context, writes ...Write) error
	// Add adds delta to the counter at key, which starts at zero and ends at
	// expires (set by the call that makes it), and returns the sum. It is not
	// idempotent: after ErrUnavailable do not repeat it. Counters live apart
	// from documents: Get answers one as {"n":sum}, Put must not name its key.
	Add(ctx context.Context, key Key, delta int64, expires time.Time) (int64, error)
	// Due yields the items of a kind whose Due is not after before, earliest
	// first. It is an index: an item may appear late or twice, so whoever acts
	// on it re-reads and writes on condition of the revision.
	Due(ctx context.Context, kind string, before time.Time) iter.Seq2[Item, error]
}

// ConflictError says which write's condition failed. It is an ErrConflict.
type ConflictError struct {
	Index int // of the first write whose condition failed
	Key   Key
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("table: conflict on write %d (%s)", e.Index, e.Key)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Counted reads the sum of a counter as GetAll found it; zero where absent.
func Counted(item Item) (int64, error) {
	if !item.Exists() {
		return 0, nil
	}
	count, err := Decode[struct {
		N int64 `json:"n"`
	}](item)
	return count.N, err
}

// Encode makes an item of value, which must marshal to a JSON object.
func Encode(key Key, kind string, value any) (Item, error) {
	body, err := json.Marshal(value)
	if err != nil {
		return Item{}, fmt.Errorf("encode %s: %w", kind, err)
	}
	return Item{Key: key, Kind: kind, Body: body}, nil
}

// Decode reads an item's document into a value of type T.
func Decode[T any](item Item) (T, error) {
	var value T
	if err := json.Unmarshal(item.Body, &value); err != nil {
		return value, fmt.Errorf("decode %s %s: %w", item.Kind, item.Key, err)
	}
	return value, nil
}
