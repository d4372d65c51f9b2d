// Package apikey keeps the API keys that partners' programs come with. It
// guarantees that a key stands in the table as a hash only and is shown once,
// that it is judged anew at each request, so that one that was removed or has
// ended is refused at the next, that it grants no more than whoever made it held
// and than programs may hold, and that what a program does stands in the audit
// under its key.
package apikey

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrUnknown says that a key is none, has ended or was removed; which of these
	// is not told.
	ErrUnknown = errors.New("this API key is not valid: it was removed, has ended or never was one; ask an administrator of your organisation for a new one")
	// ErrNotFound says that the caller's partner has no such key.
	ErrNotFound = errors.New("there is no such API key")
)

// useEvery is how exactly the last use is kept: a request within it of the last
// recorded one writes nothing.
const useEvery = 5 * time.Minute

// longestName is how many characters a key's name has at most.
const longestName = 200

// Key is the stored half of an API key.
type Key struct {
	ID          string              `json:"id"`
	PartnerID   string              `json:"partner_id"`
	Name        string              `json:"name"`
	Permissions []access.Permission `json:"permissions"`
	Hash        token.Hash          `json:"hash"`
	CreatedAt   time.Time           `json:"created_at"`
	// CreatedBy is the user who made it.
	CreatedBy string `json:"created_by"`
	// ExpiresAt is its end; zero: none. It stays listed after that.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// use is when a key was last used. It stands apart from the key, so that the
// functions that programs ask can write it and no key.
type use struct {
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

func keyAt(partner, id string) table.Key {
	return table.Key{Partition: "apikeys#" + partner, Sort: id}
}

func useAt(partner, id string) table.Key {
	return table.Key{Partition: "apikeyuse#" + partner, Sort: id}
}

// Ring is the service of this package. Its fields are set once; it is safe for
// concurrent use.
type Ring struct {
	Journal *audit.Journal
	Outbox  *mail.Outbox
	Random  io.Reader
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Keys from before may have been removed since, and are void.
	RestoredAt time.Time
}

// Authenticate finds the program that a living key stands for. allowed says
// whether what it asks for takes programs at all; then the use is recorded. One
// round trip, and one more every useEvery. Errors: ErrUnknown,
// access.ErrProgram (with the program all the same), table.ErrUnavailable.
func (r *Ring) Authenticate(ctx context.Context, secret string, client netip.Addr, allowed bool) (access.Caller, error) {
	ids, hash, err := token.Parse(secret, token.APIKey, 2)
	if err != nil {
		return access.Caller{}, ErrUnknown
	}
	items, err := r.Journal.Table.GetAll(ctx, keyAt(ids[0], ids[1]), useAt(ids[0], ids[1]))
	if err != nil {
		return access.Caller{}, err
	}
	key, err := r.living(items[0], hash)
	if err != nil {
		return access.Caller{}, err
	}
	program := access.ByProgram(key.PartnerID, key.ID, key.Name, key.Permissions, client)
	if !allowed {
		return program, access.ErrProgram
	}
	return program, r.touch(ctx, items[1])
}

// living decodes a key that is good now. One without a name is refused: it would
// be taken for a person.
func (r *Ring) living(item table.Item, hash token.Hash) (Key, error) {
	if !item.Exists() {
		return Key{}, ErrUnknown
	}
	key, err := table.Decode[Key](item)
	if err != nil {
		return Key{}, err
	}
	ended := !key.ExpiresAt.IsZero() && !r.Journal.Second().Before(key.ExpiresAt)
	if !key.Hash.Equal(hash) || ended || key.CreatedAt.Before(r.RestoredAt) || key.Name == "" {
		return Key{}, ErrUnknown
	}
	return key, nil
}

// touch records a use. Losing to another writer is as good: either it recorded
// one as well, or it removed the key, which the next request will see.
func (r *Ring) touch(ctx context.Context, item table.Item) error {
	if !item.Exists() {
		return nil
	}
	last, err := table.Decode[use](item)
	now := r.Journal.Second()
	if err != nil || now.Sub(last.LastUsedAt) < useEvery {
		return err
	}
	next, err := table.Encode(item.Key, "apikey.use", use{LastUsedAt: now})
	if err != nil {
		return err
	}
	if err := r.Journal.Table.Apply(ctx, table.Put(next, table.Is(item.Rev))); !errors.Is(err, table.ErrConflict) {
		return err
	}
	return nil
}

// mayManage: administrators alone, and to change something with a fresh second
// factor.
func (r *Ring) mayManage(caller access.Caller) error {
	if !caller.Administers() {
		return access.ErrForbidden
	}
	return caller.Fresh(r.Journal.Second())
}

// normalise puts what was asked for into its one form. Errors: *input.Error.
func (k *Key) normalise(now time.Time) error {
	k.Name = strings.TrimSpace(k.Name)
	var wrong input.Errors
	wrong.Line(k.Name, "body.name", 1, longestName)
	given := k.Permissions
	k.Permissions = slices.DeleteFunc(access.ProgramPermissions(), func(p access.Permission) bool { return !slices.Contains(given, p) })
	for _, p := range given {
		wrong.Require(slices.Contains(k.Permissions, p), "body.permissions", "a program can be given view_unlocks, manage_phone_systems and view_audit; all else takes a person")
	}
	k.ExpiresAt = k.ExpiresAt.UTC().Truncate(time.Second)
	wrong.Require(k.ExpiresAt.IsZero() || k.ExpiresAt.After(now), "body.expires_at", "must be in the future; leave it out for a key without an end")
	return wrong.Err()
}
