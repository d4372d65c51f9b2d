// Package unlock opens, extends and closes unlock windows. It guarantees that
// there is at most one open window per user and phone system, that it ends by
// comparison of time and never by deletion, that it never lasts beyond what
// policy and role allow from its opening on, that one window's end never
// touches another, that closing asks for nothing, and that each window's end
// stands in the audit exactly once, whoever notices it first.
package unlock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrNotFound says that the caller's partner has no such unlock.
	ErrNotFound = errors.New("there is no such unlock")
	// ErrEnded says that the window is over.
	ErrEnded = errors.New("this unlock window has ended; open a new one")
	// ErrNoExtension says that the policy's extensions are used up.
	ErrNoExtension = errors.New("this unlock window can't be extended any more; open a new one when it has ended")
)

// AlreadyUnlockedError says that the user has an open window there already.
type AlreadyUnlockedError struct{ UnlockID string }

func (e *AlreadyUnlockedError) Error() string {
	return "you have an open unlock window on this phone system already; extend it or close it"
}

// TicketKept is how long a pass ticket works.
const TicketKept = 60 * time.Second

// How a window ended.
const (
	Expired = "expired"
	Closed  = "closed"
	Revoked = "revoked"
)

// Kind is the kind of the records, for table.Due.
const Kind = "unlock"

// tries is how often a transaction that met another is judged anew.
const tries = 8

// Unlock is the record of one window, kept as long as the audit.
type Unlock struct {
	ID             string              `json:"id"`
	PartnerID      string              `json:"partner_id"`
	PhoneSystemID  string              `json:"phone_system_id"`
	UserID         string              `json:"user_id"`
	UserEmail      string              `json:"user_email,omitempty"`
	OpenedAt       time.Time           `json:"opened_at"`
	ExpiresAt      time.Time           `json:"expires_at"`
	Reason         string              `json:"reason,omitempty"`
	Reference      string              `json:"ticket,omitempty"`
	ClientIP       string              `json:"client_ip,omitempty"`
	Binding        phonesystem.Binding `json:"binding"`
	ExtensionsLeft int64               `json:"extensions_left"`
	// Role is what granted it; empty: the administrator flag.
	Role string `json:"role,omitempty"`
	// SystemEpoch and UserEpoch are those of the opening.
	SystemEpoch int64     `json:"system_epoch"`
	UserEpoch   int64     `json:"user_epoch"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	EndedBy     string    `json:"ended_by,omitempty"`
	End         string    `json:"end,omitempty"`
}

// Open tells whether the window is open at now.
func (u Unlock) Open(now time.Time) bool { return u.End == "" && now.Before(u.ExpiresAt) }

// Told is the record as it will be once somebody has told its end: a window
// whose time is over has expired.
func (u Unlock) Told(now time.Time) Unlock {
	if u.End != "" || u.Open(now) {
		return u
	}
	return u.ended(ending{}, now)
}

func recordKey(partner, id string) table.Key {
	return table.Key{Partition: "unlocks#" + partner, Sort: id}
}

// write keeps the record in the index of what falls due for as long as its end
// is not told.
func (u Unlock) write(cond table.Cond) (table.Write, error) {
	item, err := table.Encode(recordKey(u.PartnerID, u.ID), Kind, u)
	if u.End == "" {
		item.Due = u.ExpiresAt
	}
	return table.Put(item, cond), err
}

// Lease is the living half of a window: what the gate reads, gone after its
// end.
type Lease struct {
	UnlockID    string    `json:"unlock_id"`
	PartnerID   string    `json:"partner_id"`
	OpenedAt    time.Time `json:"opened_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	Role        string    `json:"role,omitempty"`
	SystemEpoch int64     `json:"system_epoch"`
	UserEpoch   int64     `json:"user_epoch"`
	// Passes are the browsers tied to the window, newest last.
	Passes []Pass `json:"passes,omitempty"`
	// Networks are the sources bound to the window, newest last.
	Networks []string `json:"networks,omitempty"`
}

// Pass is one browser's cookie: its hash, and where it was handed out to.
type Pass struct {
	Hash    token.Hash `json:"hash"`
	Network string     `json:"network"`
}

// LeaseKind is the kind of the leases, as the removal of an expired one is
// handed on.
const LeaseKind = "lease"

// keptPasses is how many browsers and sources a window has at once: more than
// a person uses, few enough for the item to stay small.
const keptPasses = 8

// LeaseKey is where the one lease of a user on a phone system stands.
func LeaseKey(partner, system, user string) table.Key {
	return table.Key{Partition: "leases#" + partner, Sort: system + "#" + user}
}

// Write is the write of the lease on a condition; the item ends with it.
func (l Lease) Write(key table.Key, cond table.Cond) (table.Write, error) {
	item, err := table.Encode(key, LeaseKind, l)
	item.Expires = l.ExpiresAt
	return table.Put(item, cond), err
}

// Pass finds the pass with a hash.
func (l Lease) Pass(hash token.Hash) (Pass, bool) {
	for _, pass := range l.Passes {
		if pass.Hash.Equal(hash) {
			return pass, true
		}
	}
	return Pass{}, false
}

// Admit adds a browser's pass and its source.
func (l *Lease) Admit(pass Pass) {
	l.Passes = newest(append(l.Passes, pass))
	l.bind(pass.Network)
}

func (l *Lease) bind(network string) {
	kept := slices.DeleteFunc(slices.Clone(l.Networks), func(n string) bool { return n == network })
	l.Networks = newest(append(kept, network))
}

func newest[T any](list []T) []T { return list[max(0, len(list)-keptPasses):] }

// Dead tells whether an epoch closed the window: everything older than it.
func (l Lease) Dead(systemEpoch, userEpoch int64) bool {
	return l.SystemEpoch != systemEpoch || l.UserEpoch != userEpoch
}

// Address is what stands under a source that is bound to windows of a phone
// system: whose.
type Address struct {
	Holders []Holder `json:"holders"`
}

// Holder is one user with a window bound to the source, and the role that
// granted it: where to look, never a permission.
type Holder struct {
	UserID string `json:"user_id"`
	Role   string `json:"role,omitempty"`
}

// AddressKey is where a source's holders on a phone system stand.
func AddressKey(system, network string) table.Key {
	return table.Key{Partition: "address#" + system, Sort: network}
}

// BindAddress is the write that adds a holder to a source, given its item as
// read.
func BindAddress(item table.Item, holder Holder, expires time.Time) (table.Write, error) {
	var address Address
	var err error
	if item.Exists() {
		if address, err = table.Decode[Address](item); err != nil {
			return table.Write{}, err
		}
		if item.Expires.After(expires) {
			expires = item.Expires
		}
	}
	address.Holders = slices.DeleteFunc(address.Holders, func(h Holder) bool { return h.UserID == holder.UserID })
	next, err := table.Encode(item.Key, "address", Address{Holders: append(address.Holders, holder)})
	next.Expires = expires
	return table.Put(next, table.Is(item.Rev)), err
}

// Ticket is a pass that waits to be fetched.
type Ticket struct {
	UnlockID string `json:"unlock_id"`
	UserID   string `json:"user_id"`
}

// TicketKey is where a ticket for a phone system stands.
func TicketKey(system string, hash token.Hash) table.Key {
	return table.Key{Partition: "ticket#" + system, Sort: string(hash)}
}

// Book is the service of this package. Its fields are set once; it is safe for
// concurrent use.
type Book struct {
	Journal *audit.Journal
	Random  io.Reader
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Windows from before may have been closed since: they are void.
	RestoredAt time.Time
}

// ticket makes a ticket and its write.
func (b *Book) ticket(u Unlock) (string, table.Write, error) {
	secret, err := token.New(b.Random, token.Ticket, u.UserID)
	if err != nil {
		return "", table.Write{}, err
	}
	item, err := table.Encode(TicketKey(u.PhoneSystemID, token.HashOf(secret)), "ticket", Ticket{UnlockID: u.ID, UserID: u.UserID})
	item.Expires = b.Journal.Second().Add(TicketKept)
	return secret, table.Put(item, table.Absent()), err
}

// entry is an audit entry about a window.
func entry(caller access.Caller, action audit.Action, u Unlock) audit.Entry {
	return audit.By(caller, action, u.ID).On(u.PhoneSystemID).With("user_id", u.UserID).
		With("expires_at", u.ExpiresAt.Format(time.RFC3339)).With("reason", u.Reason).With("ticket", u.Reference)
}

// rests is what opening and extending rest on, as read in one round trip.
type rests struct {
	// caller is who asks, with the rights that the records read now give.
	caller access.Caller
	system phonesystem.PhoneSystem
	lease  Lease
	items  []table.Item // phone system, user, lease; to open also the address
	roles  []table.Item // the caller's
}

// readRests reads keys, of phone system, user and lease first, and the caller's
// roles along with them.
func (b *Book) readRests(ctx context.Context, caller access.Caller, keys ...table.Key) (rests, error) {
	n := len(keys)
	for _, role := range caller.Roles {
		keys = append(keys, account.RoleKey(caller.PartnerID, role.ID))
	}
	items, err := b.Journal.Table.GetAll(ctx, keys...)
	if err != nil {
		return rests{}, err
	}
	return decodeRests(caller, items[:n], items[n:])
}

func decodeRests(caller access.Caller, items, roles []table.Item) (r rests, err error) {
	r.items, r.roles = items, roles
	if r.system, err = phonesystem.Read(items[0], caller); err != nil {
		return r, err
	}
	if !items[1].Exists() {
		return r, access.ErrForbidden
	}
	user, err := table.Decode[account.User](items[1])
	if err != nil {
		return r, err
	}
	if !user.Stands(caller.Epoch) {
		return r, access.ErrForbidden
	}
	held, err := account.ReadRoles(roles)
	if err != nil {
		return r, err
	}
	r.caller = account.Now(caller, user, held)
	if items[2].Exists() {
		r.lease, err = table.Decode[Lease](items[2])
	}
	return r, err
}

// checks hold the commit to the phone system, the user and the role that grants
// as they were read.
func (r rests) checks(granted string) []table.Write {
	checks := []table.Write{table.Check(r.items[0].Key, table.Is(r.items[0].Rev)), table.Check(r.items[1].Key, table.Is(r.items[1].Rev))}
	for _, item := range r.roles {
		if item.Exists() && item.Sort == granted { // a built-in one stands nowhere
			checks = append(checks, table.Check(item.Key, table.Is(item.Rev)))
		}
	}
	return checks
}

// errNoLimit denies: what can't be read limits to nothing.
var errNoLimit = fmt.Errorf("%w: no readable limit", access.ErrForbidden)

// longest is how long a window may last from its opening on, in seconds.
func longest(policy phonesystem.Policy, grant access.Grant) (int64, error) {
	limit := policy.MaxSeconds
	if limit > phonesystem.LongestWindow {
		return 0, errNoLimit
	}
	if grant.Role != "" {
		limit = min(limit, grant.Longest)
	}
	if limit < phonesystem.ShortestWindow {
		return 0, errNoLimit
	}
	return limit, nil
}
