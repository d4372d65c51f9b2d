package attempt

import (
	"context"
	"errors"
	"strings"
	"time"

	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// ErrCleared says that a token ends no suspension: it is another's, or that
// suspension is over.
var ErrCleared = errors.New("attempt: there is no such suspension")

// Clearance is what ends a suspension early. It stands in the count that is
// suspended, so that it ends that suspension and no other.
type Clearance struct {
	// Hash is of the token that was mailed.
	Hash token.Hash `json:"hash"`
	// User is whose count it is: an id, or what Nobody makes of an address.
	User   string `json:"user"`
	Factor Factor `json:"factor"`
}

// Telling is how an attempt that suspends is told of.
type Telling struct {
	Clears Clearance
	// Commit applies the writes of the reservation together with what tells of it.
	Commit func(ctx context.Context, writes []table.Write) error
}

// suspended tells whether the count has just been suspended: failures in a row
// begin anew with it alone.
func (c Count) suspended() bool { return c.InARow == 0 && c.Until > 0 }

// half is how many characters of a browser's hash one id of a token holds.
const half = 32

// ClearanceIDs are the ids that a token carries to name a count.
func ClearanceIDs(count table.Key) []string {
	ids := []string{strings.ToUpper(strings.TrimPrefix(count.Partition, countsPartition))}
	if device := strings.ToUpper(strings.TrimPrefix(count.Sort, countPrefix)); len(device) == 2*half {
		ids = append(ids, device[:half], device[half:])
	}
	return ids
}

// ClearanceKey is the count that a token's ids name, whether or not there is one.
func ClearanceKey(ids []string) table.Key {
	return table.Key{Partition: countsPartition + strings.ToLower(ids[0]), Sort: countPrefix + strings.ToLower(strings.Join(ids[1:], ""))}
}

// Clearing is what a token ends: the suspension that the count as read is under,
// if it is the token's own, lasts at now and began after the store was last
// restored. Errors: ErrCleared.
func Clearing(read table.Item, hash token.Hash, now, restored time.Time) (Clearance, error) {
	count, err := readCount(read)
	if err != nil {
		return Clearance{}, err
	}
	until := time.Unix(count.Until, 0)
	if count.Clears == nil || !count.Clears.Hash.Equal(hash) || !now.Before(until) || until.Add(-Suspension).Before(restored) {
		return Clearance{}, ErrCleared
	}
	return *count.Clears, nil
}
