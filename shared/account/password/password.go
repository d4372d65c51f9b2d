// Package password keeps passwords as argon2id hashes and judges which
// passwords may be chosen. It guarantees that
//
//   - every code point counts: nothing is cut off, and input too large or
//     malformed is refused before any hashing work;
//   - checking a password costs the same hashing work whether or not the user
//     exists, and never more than the bounds of a stored hash's parameters;
//   - at most Options.Parallel hashes run at once, within 80 MiB, and at most
//     Options.Waiting more wait for their turn, so that a flood of sign-ins
//     exhausts neither the memory nor the processors that the gate needs.
//
// Two spellings that Unicode calls equal (NFC) are one password.
//
// Sources: RFC 9106 and the OWASP Password Storage Cheat Sheet for hashing,
// NIST SP 800-63B-4 §3.1.1.2 for the choice of passwords.
package password

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sync/semaphore"
)

var (
	// ErrBusy says that all places were taken, or that ctx ended while others were
	// before. Nothing was computed; retrying later is safe.
	ErrBusy = errors.New("password: too many passwords are being checked at once")
	// ErrMalformedHash says that a stored hash is no argon2id hash in PHC form
	// with parameters within bounds. Retrying is pointless.
	ErrMalformedHash = errors.New("password: malformed hash")
	// ErrOptions says that New was given no randomness or parameters out of bounds.
	ErrOptions = errors.New("password: invalid options")
)

// Bounds of the defaults of Options.
const (
	// budget is what all hashes at once may take, in KiB: 4 with DefaultParams.
	// As much again may be garbage before it is collected, and all of it fits into
	// a function of 256 MB.
	budget = 80 << 10
	// waiting is what one processor hashes in about 4 seconds.
	waiting = 128
)

// Options are what a Hasher depends on.
type Options struct {
	// Rand gives the salts; it must be cryptographically secure. Required.
	Rand io.Reader
	// Parallel is how many hashes run at once, each with Params.Memory. Zero or
	// less: one less than GOMAXPROCS, so that a processor is left to all else, but
	// as many as 80 MiB hold at most, and 1 at least.
	Parallel int
	// Waiting is how many more may have entered and wait for their turn. Zero: 128.
	Waiting int
	// Params are the costs of new hashes. Zero: DefaultParams.
	Params Params
	// Ran, if set, is called once for each argon2 run, from the goroutine that
	// asked for it. It lets tests count the work.
	Ran func()
}

// Hasher makes and verifies hashes for those who have entered. Its methods may be
// called concurrently.
type Hasher struct {
	rand   io.Reader
	params Params
	ran    func()
	places chan struct{}
	memory *semaphore.Weighted // KiB
	whole  int64               // of memory

	collecting sync.Mutex
	taken      int64 // KiB, since the last collection
}

// New builds a Hasher, or answers ErrOptions.
func New(o Options) (*Hasher, error) {
	if o.Params == (Params{}) {
		o.Params = DefaultParams()
	}
	if o.Rand == nil || !o.Params.sound() {
		return nil, fmt.Errorf("%w: randomness set: %t, %+v", ErrOptions, o.Rand != nil, o.Params)
	}
	if o.Parallel <= 0 {
		o.Parallel = max(1, min(runtime.GOMAXPROCS(0)-1, budget/int(o.Params.Memory)))
	}
	if o.Waiting == 0 {
		o.Waiting = waiting
	}
	if o.Ran == nil {
		o.Ran = func() {}
	}
	whole := int64(o.Parallel) * int64(o.Params.Memory)
	return &Hasher{
		rand: o.Rand, params: o.Params, ran: o.Ran, places: make(chan struct{}, o.Parallel+o.Waiting),
		memory: semaphore.NewWeighted(whole), whole: whole,
	}, nil
}

// Place is somebody's among those whose passwords are hashed or wait for it. It is
// taken before an attempt is reserved, so that who is turned away for want of one
// has lost nothing.
type Place struct{ h *Hasher }

// Enter takes a place, or answers ErrBusy at once. It is to be left.
func (h *Hasher) Enter() (Place, error) {
	select {
	case h.places <- struct{}{}:
		return Place{h}, nil
	default:
		return Place{}, fmt.Errorf("%w: all %d places are taken", ErrBusy, cap(h.places))
	}
}

// Leave gives the place to another.
func (p Place) Leave() { <-p.h.places }

// Hash makes the PHC string to store for a password. It does not ask whether
// the password is a good one: Policy.Check does. It answers ErrMalformed or
// ErrTooLong without work, and ErrBusy when ctx ended first.
func (p Place) Hash(ctx context.Context, password string) (phc string, err error) {
	text, err := normalise(password)
	if err != nil {
		return "", err
	}
	made := hash{params: p.h.params, salt: make([]byte, saltBytes)}
	if _, err := io.ReadFull(p.h.rand, made.salt); err != nil {
		return "", fmt.Errorf("password: read salt: %w", err)
	}
	if made.tag, err = p.h.run(ctx, text, made.params, made.salt, tagBytes); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify tells whether password is the one that phc was made of, in constant
// time for one phc. Rehash says that the password is right and phc was made
// with lower parameters than today's: store Hash's answer in its place.
// It answers ErrMalformedHash, ErrMalformed or ErrTooLong without work, and
// ErrBusy when ctx ended first. It may be retried.
func (p Place) Verify(ctx context.Context, phc, password string) (ok, rehash bool, err error) {
	text, err := normalise(password)
	if err != nil {
		return false, false, err
	}
	stored, err := parse(phc)
	if err != nil {
		return false, false, err
	}
	tag, err := p.h.run(ctx, text, stored.params, stored.salt, uint32(len(stored.tag)))
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(tag, stored.tag) == 1
	return ok, ok && stored.below(p.h.params), nil
}

// VerifyAbsent does what Verify does for a hash with today's parameters, for a
// user who does not exist: one hash, the same errors. Nil means that the work
// is done; the password is wrong in any case.
func (p Place) VerifyAbsent(ctx context.Context, password string) error {
	text, err := normalise(password)
	if err != nil {
		return err
	}
	_, err = p.h.run(ctx, text, p.h.params, make([]byte, saltBytes), tagBytes)
	return err
}

// run is the only place that spends argon2 work. It waits for the memory, which
// those who entered earlier have first.
func (h *Hasher) run(ctx context.Context, text string, p Params, salt []byte, tag uint32) ([]byte, error) {
	// Asked first, since the memory is given to whoever asks while there is some.
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	// What takes less memory than today's hashes takes a processor all the same.
	weight := min(h.whole, max(int64(p.Memory), int64(h.params.Memory)))
	if err := h.memory.Acquire(ctx, weight); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	defer h.memory.Release(weight)
	h.collect(weight)
	h.ran()
	return argon2.IDKey([]byte(text), salt, p.Time, p.Memory, p.Threads, tag), nil
}

// collect sees that what earlier hashes left is gone before more of it than the
// budget has come together: a collector that has to share a busy machine would let
// it grow for as long as it takes to finish. One hash after another needs no more
// than the collector does by itself: each one's memory has it begin.
func (h *Hasher) collect(weight int64) {
	h.collecting.Lock()
	defer h.collecting.Unlock()
	if h.taken += weight; h.taken > budget && len(h.places) > 1 {
		runtime.GC()
		h.taken = weight
	}
}
