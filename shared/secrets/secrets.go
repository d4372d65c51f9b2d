// Package secrets seals what must be read back, such as the secret of a second
// factor, under a key that lives outside the store. It guarantees, for every
// adapter, that a sealed value
//
//   - tells nothing of its plaintext but the length;
//   - opens only unaltered, with the key that sealed it, and for the id it was
//     sealed for: moved to another user's item it does not open.
package secrets

import (
	"context"
	"errors"
)

var (
	// ErrTampered says that a sealed value was altered, cut, moved to another
	// id, or sealed with another key. Retrying is pointless.
	ErrTampered = errors.New("secrets: the sealed value does not open")
	// ErrOtherKey says more of an ErrTampered: the value names another key than
	// the one at hand.
	ErrOtherKey = errors.New("secrets: sealed with another key")
	// ErrUnavailable says that whoever keeps the key did not answer; retry later.
	ErrUnavailable = errors.New("secrets: the key's keeper did not answer")
	// ErrUnbound says that Seal or Open was given no id to bind the value to.
	ErrUnbound = errors.New("secrets: no id to bind the value to")
)

// Sealer is the port. Its methods may be called concurrently and retried.
type Sealer interface {
	// Seal encrypts plaintext for the id bound, that of the user or item the
	// value belongs to; sealing the same twice gives different values.
	// It answers ErrUnbound for an empty id, or ErrUnavailable.
	Seal(ctx context.Context, plaintext []byte, bound string) ([]byte, error)
	// Open gives the plaintext back, or ErrTampered; ErrUnbound for an empty id;
	// ErrUnavailable.
	Open(ctx context.Context, sealed []byte, bound string) ([]byte, error)
}
