// Package attempt counts failures so that nobody can guess. It guarantees that
// an attempt is reserved durably before the check it is for, that of any number
// of parallel attempts no more than the limit is ever evaluated, that nothing
// lowers a count but an attempt that was right, and that what ends a suspension
// early ends that one alone.
//
// The rules are API.md's: 5 failures in 15 minutes, then a doubling wait of
// 30 s to 1 h; 100 in a row suspend for 24 h; 100 per source address in 15
// minutes. The 100 are those of NIST SP 800-63B-4 section 3.2.2; what comes then
// is milder than there, for the reason that docs/threat-model.md gives.
package attempt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"portcullis.example/shared/table"
)

// The limits.
const (
	Window       = 15 * time.Minute
	Limit        = 5
	FirstWait    = 30 * time.Second
	LongestWait  = time.Hour
	SuspendAfter = 100
	Suspension   = 24 * time.Hour
	AddressLimit = 100
	counterKept  = 30 * 24 * time.Hour
	// reservedTries is above any crowd that is no attack: of wrong attempts the
	// fifth locks the rest out, right ones give back what they took.
	reservedTries = 64
)

// ErrLocked is what every LockedError is.
var ErrLocked = errors.New("too many attempts")

// LockedError says how long to wait. It is an ErrLocked.
type LockedError struct{ RetryAfter time.Duration }

func (e *LockedError) Error() string {
	return fmt.Sprintf("there were too many failed attempts; try again in %d seconds", int(math.Ceil(e.RetryAfter.Seconds())))
}

// Is makes errors.Is(err, ErrLocked) true.
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// Count is the stored state of one factor of one person (or one browser of
// theirs): values in, values out.
type Count struct {
	// Recent are the unix seconds of the attempts within Window.
	Recent []int64 `json:"recent"`
	// InARow are the failures since the last success.
	InARow int `json:"in_a_row"`
	// Waits is how many waits have been imposed since things were last quiet.
	Waits int `json:"waits"`
	// Until is the unix second before which every attempt is refused.
	Until int64 `json:"until"`
	// Clears is what ends a suspension before Until; nil: nothing does.
	Clears *Clearance `json:"clears,omitempty"`
}

// Reserve takes one attempt at now: the count as it stands if the attempt
// fails, or a LockedError if it may not be made at all.
func (c Count) Reserve(now time.Time) (Count, error) {
	if wait := time.Unix(c.Until, 0).Sub(now); wait > 0 {
		return c, &LockedError{RetryAfter: wait}
	}
	next := Count{InARow: c.InARow + 1, Waits: c.Waits, Until: c.Until}
	for _, at := range c.Recent {
		if now.Sub(time.Unix(at, 0)) < Window {
			next.Recent = append(next.Recent, at)
		}
	}
	if len(next.Recent) == 0 && now.Sub(time.Unix(c.Until, 0)) >= Window {
		next.Waits = 0
	}
	next.Recent = append(next.Recent, now.Unix())
	return next.wait(now), nil
}

func (c Count) wait(now time.Time) Count {
	switch {
	case c.InARow >= SuspendAfter:
		c.Until = now.Add(Suspension).Unix()
		c.InARow = 0
	case len(c.Recent) >= Limit || c.Waits > 0:
		c.Until = now.Add(min(FirstWait<<min(c.Waits, 10), LongestWait)).Unix()
		c.Waits++
	}
	if len(c.Recent) > Limit {
		c.Recent = c.Recent[len(c.Recent)-Limit:]
	}
	return c
}

const (
	countsPartition = "attempts#"
	countPrefix     = "count#"
)

// Factor is what is being guessed.
type Factor string

// The factors, each with a count of its own.
const (
	Password     Factor = "password"
	TOTP         Factor = "totp"
	RecoveryCode Factor = "recovery_code"
	Enrollment   Factor = "enrollment"
)

// CountKey is where a count stands: for a factor of whom (a user's id, or a
// normalised e-mail known or not), apart for each browser that has fully signed
// in (device is empty for others). Both are hashed: what people type as an
// e-mail may be a password.
func CountKey(factor Factor, whom, device string) table.Key {
	return table.Key{Partition: countsPartition + digest(string(factor)+"\n"+whom), Sort: countPrefix + device}
}

// AddressKeys are the counters of a source address for now and for the time
// before, IPv6 by /64.
func AddressKeys(client netip.Addr, now time.Time) (current, previous table.Key) {
	bucket := now.Unix() / int64(Window/time.Second)
	partition := countsPartition + digest("address\n"+Network(client))
	return table.Key{Partition: partition, Sort: strconv.FormatInt(bucket, 10)},
		table.Key{Partition: partition, Sort: strconv.FormatInt(bucket-1, 10)}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// Network is what counts as one source: an IPv4 address (v4-mapped unwrapped)
// or the /64 of an IPv6 address, without zone; "unknown" for the zero address.
func Network(client netip.Addr) string {
	client = client.Unmap().WithZone("")
	if !client.IsValid() {
		return "unknown"
	}
	if client.Is4() {
		return client.String()
	}
	prefix, err := client.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return prefix.String()
}
