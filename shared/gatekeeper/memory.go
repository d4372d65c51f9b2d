package gatekeeper

import (
	"slices"
	"sync"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/phonesystem/profile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// maxKnown bounds the memory for items of a kind.
const maxKnown = 4096

// remembered spares decoding what has not changed: each decision reads the
// items, and their revisions say whether the memory still holds. Values are
// shared: whoever gets one does not write to it.
type remembered[T any] struct {
	decode func(table.Item) (*T, error)

	mu    sync.RWMutex
	byKey map[table.Key]memory[T]
}

type memory[T any] struct {
	value *T
	rev   table.Rev
}

func newRemembered[T any](decode func(table.Item) (*T, error)) *remembered[T] {
	return &remembered[T]{decode: decode, byKey: map[table.Key]memory[T]{}}
}

// last answers what stood under a key when last met, or nil: a guess, never a
// ground.
func (r *remembered[T]) last(key table.Key) *T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.byKey[key].value
}

// of answers what an item that exists holds.
func (r *remembered[T]) of(item table.Item) (*T, error) {
	r.mu.RLock()
	last := r.byKey[item.Key]
	r.mu.RUnlock()
	if last.value != nil && last.rev == item.Rev {
		return last.value, nil
	}
	value, err := r.decode(item)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.byKey) >= maxKnown {
		clear(r.byKey)
	}
	r.byKey[item.Key] = memory[T]{value: value, rev: item.Rev}
	return value, nil
}

// acquaintance is a phone system as last read, ready to judge paths.
type acquaintance struct {
	phonesystem.PhoneSystem
	matcher *profile.Matcher
	// fingerprint is the matcher's, made when a gate first says what its file was
	// made from.
	fingerprint func() string
}

func decodeSystem(item table.Item) (*acquaintance, error) {
	system, err := table.Decode[phonesystem.PhoneSystem](item)
	if err != nil {
		return nil, err
	}
	matcher, err := system.Matcher()
	if err != nil {
		return nil, err
	}
	return &acquaintance{PhoneSystem: system, matcher: matcher, fingerprint: sync.OnceValue(matcher.Fingerprint)}, nil
}

func decodeLease(item table.Item) (*unlock.Lease, error) {
	lease, err := table.Decode[unlock.Lease](item)
	// Without room to grow, who adds a pass adds it to a copy.
	lease.Passes, lease.Networks = slices.Clip(lease.Passes), slices.Clip(lease.Networks)
	return &lease, err
}

// decodeUser leaves out what no decision needs.
func decodeUser(item table.Item) (*account.User, error) {
	user, err := table.Decode[account.User](item)
	user.Password = ""
	return &user, err
}

func decodeRole(item table.Item) (*access.Role, error) {
	role, err := table.Decode[access.Role](item)
	return &role, err
}
