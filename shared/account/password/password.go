// Package password keeps passwords as argon2id hashes and judges which
// passwords may be chosen. It guarantees that
//
//   - every code point counts: nothing is cut off, and input too large or
//     malformed is refused before any hashing work;
//   - checking a password costs the same hashing work whether or not the user
//     exists, and never more than the bounds of a stored hash's parameters;
//   - at most Options.Parallel hashes run at once, so that a flood of sign-ins
//     cannot exhaust the memory.
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

	"golang.org/x/crypto/argon2"
)

var (
	// ErrBusy says that all places for hashing were taken until ctx ended.
	// Nothing was computed; retrying later is safe.
	ErrBusy = errors.New("password: too many passwords are being checked at once")
	// ErrMalformedHash says that a stored hash is no argon2id hash in PHC form
	// with parameters within bounds. Retrying is pointless.
	ErrMalformedHash = errors.New("password: malformed hash")
	// ErrOptions says that New was given no randomness or parameters out of bounds.
	ErrOptions = errors.New("password: invalid options")
)

// maxParallel bounds the default of Options.Parallel: 16 hashes with
// DefaultParams take 304 MiB.
const maxParallel = 16

// Options are what a Hasher depends on.
type Options struct {
	// Rand gives the salts; it must be cryptographically secure. Required.
	Rand io.Reader
	// Parallel is how many hashes run at once, each with Params.Memory.
	// Zero or less: GOMAXPROCS, at most 16.
	Parallel int
	// Params are the costs of new hashes. Zero: DefaultParams.
	Params Params
	// Ran, if set, is called once for each argon2 run, from the goroutine that
	// asked for it. It lets tests count the work.
	Ran func()
}

// Hasher makes and verifies hashes. Its methods may be called concurrently.
type Hasher struct {
	rand   io.Reader
	params Params
	ran    func()
	slots  chan struct{}
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
		o.Parallel = min(runtime.GOMAXPROCS(0), maxParallel)
	}
	if o.Ran == nil {
		o.Ran = func() {}
	}
	return &Hasher{rand: o.Rand, params: o.Params, ran: o.Ran, slots: make(chan struct{}, o.Parallel)}, nil
}

// Hash makes the PHC string to store for a password. It does not ask whether
// the password is a good one: Policy.Check does. It answers ErrMalformed or
// ErrTooLong without work, and ErrBusy when ctx ended first.
func (h *Hasher) Hash(ctx context.Context, password string) (phc string, err error) {
	text, err := normalise(password)
	if err != nil {
		return "", err
	}
	made := hash{params: h.params, salt: make([]byte, saltBytes)}
	if _, err := io.ReadFull(h.rand, made.salt); err != nil {
		return "", fmt.Errorf("password: read salt: %w", err)
	}
	if made.tag, err = h.run(ctx, text, made.params, made.salt, tagBytes); err != nil {
		return "", err
	}
	return made.String(), nil
}

// Verify tells whether password is the one that phc was made of, in constant
// time for one phc. Rehash says that the password is right and phc was made
// with other parameters than today's: store Hash's answer in its place.
// It answers ErrMalformedHash, ErrMalformed or ErrTooLong without work, and
// ErrBusy when ctx ended first. It may be retried.
func (h *Hasher) Verify(ctx context.Context, phc, password string) (ok, rehash bool, err error) {
	text, err := normalise(password)
	if err != nil {
		return false, false, err
	}
	stored, err := parse(phc)
	if err != nil {
		return false, false, err
	}
	tag, err := h.run(ctx, text, stored.params, stored.salt, uint32(len(stored.tag)))
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(tag, stored.tag) == 1
	return ok, ok && !stored.current(h.params), nil
}

// VerifyAbsent does what Verify does for a hash with today's parameters, for a
// user who does not exist: one hash, the same errors. Nil means that the work
// is done; the password is wrong in any case.
func (h *Hasher) VerifyAbsent(ctx context.Context, password string) error {
	text, err := normalise(password)
	if err != nil {
		return err
	}
	_, err = h.run(ctx, text, h.params, make([]byte, saltBytes), tagBytes)
	return err
}

// run is the only place that spends argon2 work.
func (h *Hasher) run(ctx context.Context, text string, p Params, salt []byte, tag uint32) ([]byte, error) {
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	h.ran()
	return argon2.IDKey([]byte(text), salt, p.Time, p.Memory, p.Threads, tag), nil
}

func (h *Hasher) acquire(ctx context.Context) error {
	// Asked first, since select picks at random when both are ready.
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}
