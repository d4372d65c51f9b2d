package unlock

import (
	"context"
	"errors"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Request is what opening a window takes.
type Request struct {
	PhoneSystemID string
	// Seconds is the wanted length; nil: the policy's default.
	Seconds   *int64
	Reason    string
	Reference string
}

// Opened is a window with the ticket for its first pass. The ticket never
// marshals: it is shown once.
type Opened struct {
	Unlock Unlock `json:"unlock"`
	// PassURL is where the ticket is spent, on the phone system's own host.
	PassURL string `json:"pass_url"`
	Ticket  string `json:"-"`
}

// PassPath is where a ticket is spent, on the phone system's own host.
const PassPath = "/.portcullis/pass"

// Open opens a window for the caller. It needs fresh MFA and a grant to unlock.
// Errors: phonesystem.ErrNotFound, access.ErrForbidden, access.ErrNotFresh,
// *AlreadyUnlockedError, *input.OutOfRangeError, *input.Error,
// idempotency.ErrReused, table.ErrUnavailable. Of parallel ones one succeeds.
func (b *Book) Open(ctx context.Context, caller access.Caller, once idempotency.Key, req Request) (Opened, error) {
	opened, _, err := idempotency.Do(ctx, b.Journal.Table, b.Journal.Second(), once, func(record func(Opened) ([]table.Write, error)) (Opened, error) {
		for range tries {
			opened, err := b.open(ctx, caller, req, record)
			if !errors.Is(err, table.ErrConflict) {
				return opened, err
			}
		}
		return Opened{}, table.ErrUnavailable
	})
	return opened, err
}

func (b *Book) open(ctx context.Context, caller access.Caller, req Request, record func(Opened) ([]table.Write, error)) (Opened, error) {
	if !token.ValidID(req.PhoneSystemID) {
		return Opened{}, phonesystem.ErrNotFound
	}
	req.Reason, req.Reference = strings.TrimSpace(req.Reason), strings.TrimSpace(req.Reference)
	network := attempt.Network(caller.Client)
	r, err := b.readRests(ctx, caller, phonesystem.Key(req.PhoneSystemID), account.UserKey(caller.UserID),
		LeaseKey(caller.PartnerID, req.PhoneSystemID, caller.UserID), AddressKey(req.PhoneSystemID, network))
	if err != nil {
		return Opened{}, err
	}
	u, err := b.judge(r, req)
	if err != nil {
		return Opened{}, err
	}
	if r.items[2].Exists() {
		return Opened{}, b.standing(ctx, r)
	}
	return b.commitOpen(ctx, r, u, network, record)
}

// judge makes the record of the window asked for, if it may be opened.
func (b *Book) judge(r rests, req Request) (Unlock, error) {
	caller, now := r.caller, b.Journal.Second()
	grant, err := caller.UnlockGrant(r.system.ID)
	if err != nil {
		return Unlock{}, err
	}
	if err := caller.Fresh(now); err != nil {
		return Unlock{}, err
	}
	seconds, err := length(r.system.Policy, grant, req.Seconds)
	if err != nil {
		return Unlock{}, err
	}
	if err := req.check(r.system.Policy); err != nil {
		return Unlock{}, err
	}
	id, err := b.Journal.IDs.New()
	return Unlock{
		ID: id, PartnerID: caller.PartnerID, PhoneSystemID: r.system.ID, UserID: caller.UserID, UserEmail: caller.Email,
		OpenedAt: now, ExpiresAt: now.Add(time.Duration(seconds) * time.Second), Reason: req.Reason, Reference: req.Reference,
		ClientIP: clientText(caller), Binding: r.system.Policy.Binding, ExtensionsLeft: r.system.Policy.MaxExtensions,
		Role: grant.Role, SystemEpoch: r.system.Epoch, UserEpoch: caller.Epoch,
	}, err
}

func clientText(caller access.Caller) string {
	if !caller.Client.IsValid() {
		return ""
	}
	return caller.Client.String()
}

func length(policy phonesystem.Policy, grant access.Grant, wanted *int64) (int64, error) {
	limit, err := longest(policy, grant)
	if err != nil {
		return 0, err
	}
	if wanted == nil && policy.DefaultSeconds >= phonesystem.ShortestWindow {
		return min(policy.DefaultSeconds, limit), nil
	}
	if wanted == nil {
		return 0, errNoLimit
	}
	if *wanted < phonesystem.ShortestWindow || *wanted > limit {
		return 0, &input.OutOfRangeError{Location: "body.duration_seconds", Min: phonesystem.ShortestWindow, Max: limit}
	}
	return *wanted, nil
}

func (r Request) check(policy phonesystem.Policy) error {
	var e input.Errors
	e.Line(r.Reason, "body.reason", 0, 500)
	e.Line(r.Reference, "body.ticket", 0, 200)
	e.Require(policy.Reason == phonesystem.ReasonOptional || r.Reason != "", "body.reason", "this phone system's policy requires a reason")
	return e.Err()
}

// standing answers for a lease that stands already: an open window, or one that
// the gate lets nobody through any more, which is first told its end.
func (b *Book) standing(ctx context.Context, r rests) error {
	if !r.lease.OpenedAt.Before(b.RestoredAt) && r.lease.stands(r.caller, r.system, b.Journal.Second()) {
		return &AlreadyUnlockedError{UnlockID: r.lease.UnlockID}
	}
	_, _, err := b.end(ctx, r.caller.PartnerID, r.lease.UnlockID, func(ctx context.Context, u Unlock) (ending, bool, error) {
		how, err := b.passed(ctx, u)
		if how.end == Expired && u.Open(b.Journal.Second()) {
			how = ending{end: Revoked, by: audit.System} // what granted it was narrowed
		}
		return how, true, err
	})
	if err != nil {
		return err
	}
	return table.ErrConflict // the way is clear: judge anew
}

// stands tells whether the window still opens the gate: nothing closed it, and
// what granted it grants it still, this long.
func (l Lease) stands(caller access.Caller, system phonesystem.PhoneSystem, now time.Time) bool {
	limit, err := permitted(caller, system, l.Role)
	return err == nil && !l.Dead(system.Epoch, caller.Epoch) && now.Before(l.OpenedAt.Add(time.Duration(limit)*time.Second))
}

func (b *Book) commitOpen(ctx context.Context, r rests, u Unlock, network string, record func(Opened) ([]table.Write, error)) (Opened, error) {
	opened := Opened{Unlock: u, PassURL: r.system.URL(PassPath)}
	var ticket table.Write
	var err error
	if opened.Ticket, ticket, err = b.ticket(u); err != nil {
		return Opened{}, err
	}
	lease := Lease{UnlockID: u.ID, PartnerID: u.PartnerID, OpenedAt: u.OpenedAt, ExpiresAt: u.ExpiresAt, Role: u.Role, SystemEpoch: u.SystemEpoch, UserEpoch: u.UserEpoch}
	writes := append(r.checks(u.Role), ticket)
	if u.Binding.ByAddress() && !u.Binding.ByPass() {
		lease.bind(network)
		bound, err := BindAddress(r.items[3], Holder{UserID: u.UserID, Role: u.Role}, u.ExpiresAt)
		if err != nil {
			return Opened{}, err
		}
		writes = append(writes, bound)
	}
	leaseWrite, err := lease.Write(r.items[2].Key, table.Absent())
	if err != nil {
		return Opened{}, err
	}
	recordWrite, err := u.write(table.Absent())
	if err != nil {
		return Opened{}, err
	}
	recorded, err := record(opened)
	if err != nil {
		return Opened{}, err
	}
	writes = append(append(writes, leaseWrite, recordWrite), recorded...)
	return opened, b.Journal.Commit(ctx, writes, entry(r.caller, audit.UnlockOpened, u).With("binding", string(u.Binding)))
}

// Extend makes a window of the caller's longer, counted from its present end,
// and answers a ticket as Open does: the browser drops a pass at the end that it
// was given with. It needs fresh MFA. Errors: ErrNotFound, access.ErrForbidden (another user's,
// or what granted it is gone), access.ErrNotFresh, ErrEnded, ErrNoExtension,
// *input.OutOfRangeError, table.ErrUnavailable.
func (b *Book) Extend(ctx context.Context, caller access.Caller, id string, seconds int64) (Opened, error) {
	for range tries {
		extended, err := b.extend(ctx, caller, id, seconds)
		if !errors.Is(err, table.ErrConflict) {
			return extended, err
		}
	}
	return Opened{}, table.ErrUnavailable
}

func (b *Book) extend(ctx context.Context, caller access.Caller, id string, seconds int64) (Opened, error) {
	u, rev, err := b.mine(ctx, caller, id)
	if err != nil {
		return Opened{}, err
	}
	if err := caller.Fresh(b.Journal.Second()); err != nil {
		return Opened{}, err
	}
	r, err := b.living(ctx, caller, u)
	if err != nil {
		return Opened{}, err
	}
	if u.ExtensionsLeft <= 0 {
		return Opened{}, ErrNoExtension
	}
	limit, err := extensible(r.caller, r.system, u)
	if err != nil {
		return Opened{}, err
	}
	if seconds < 1 || seconds > limit {
		return Opened{}, &input.OutOfRangeError{Location: "body.seconds", Min: 1, Max: limit}
	}
	u.ExpiresAt = u.ExpiresAt.Add(time.Duration(seconds) * time.Second)
	u.ExtensionsLeft--
	extended := Opened{Unlock: u, PassURL: r.system.URL(PassPath)}
	var ticket table.Write
	if extended.Ticket, ticket, err = b.ticket(u); err != nil {
		return Opened{}, err
	}
	return extended, b.commitExtend(ctx, r, u, rev, ticket)
}

// extensible is how many seconds may still be added.
func extensible(caller access.Caller, system phonesystem.PhoneSystem, u Unlock) (int64, error) {
	limit, err := permitted(caller, system, u.Role)
	return max(0, limit-int64(u.ExpiresAt.Sub(u.OpenedAt)/time.Second)), err
}

// permitted is how long a window may last by now, in seconds from its opening
// on, given the role that granted it; access.ErrForbidden where nothing grants
// it any more.
func permitted(caller access.Caller, system phonesystem.PhoneSystem, granted string) (int64, error) {
	if granted == "" {
		if !caller.Administrator {
			return 0, access.ErrForbidden
		}
		return longest(system.Policy, access.Grant{})
	}
	role, ok := caller.Role(granted)
	if !ok || !role.Grants(access.Unlock, system.ID) {
		return 0, access.ErrForbidden
	}
	return longest(system.Policy, access.Grant{Role: role.ID, Longest: role.MaxUnlockSeconds})
}

func (b *Book) commitExtend(ctx context.Context, r rests, u Unlock, rev table.Rev, ticket table.Write) error {
	r.lease.ExpiresAt = u.ExpiresAt
	leaseWrite, err := r.lease.Write(r.items[2].Key, table.Is(r.items[2].Rev))
	if err != nil {
		return err
	}
	recordWrite, err := u.write(table.Is(rev))
	if err != nil {
		return err
	}
	writes := append(r.checks(u.Role), leaseWrite, recordWrite, ticket)
	addresses, err := b.prolong(ctx, r, u)
	if err != nil {
		return err
	}
	return b.Journal.Commit(ctx, append(writes, addresses...), entry(r.caller, audit.UnlockExtended, u))
}

// prolong keeps the bound sources findable until the new end, by the binding
// that the gate judges by: the phone system's own, whatever it was at the
// opening.
func (b *Book) prolong(ctx context.Context, r rests, u Unlock) ([]table.Write, error) {
	if r.system.Policy.Binding.ByPass() || len(r.lease.Networks) == 0 {
		return nil, nil
	}
	keys := make([]table.Key, len(r.lease.Networks))
	for i, network := range r.lease.Networks {
		keys[i] = AddressKey(u.PhoneSystemID, network)
	}
	items, err := b.Journal.Table.GetAll(ctx, keys...)
	if err != nil {
		return nil, err
	}
	writes := make([]table.Write, len(items))
	for i, item := range items {
		if writes[i], err = BindAddress(item, Holder{UserID: u.UserID, Role: u.Role}, u.ExpiresAt); err != nil {
			return nil, err
		}
	}
	return writes, nil
}

// NewPass makes another ticket for the caller's own open window. Errors:
// ErrNotFound, access.ErrForbidden, ErrEnded, table.ErrUnavailable.
func (b *Book) NewPass(ctx context.Context, caller access.Caller, id string) (Opened, error) {
	u, _, err := b.mine(ctx, caller, id)
	if err != nil {
		return Opened{}, err
	}
	r, err := b.living(ctx, caller, u)
	if err != nil {
		return Opened{}, err
	}
	opened := Opened{Unlock: u, PassURL: r.system.URL(PassPath)}
	var write table.Write
	if opened.Ticket, write, err = b.ticket(u); err != nil {
		return Opened{}, err
	}
	return opened, b.Journal.Commit(ctx, []table.Write{write}, entry(caller, audit.PassIssued, u))
}

// mine reads an unlock that must be the caller's own.
func (b *Book) mine(ctx context.Context, caller access.Caller, id string) (Unlock, table.Rev, error) {
	u, rev, err := b.read(ctx, caller.PartnerID, id)
	if err != nil {
		return Unlock{}, 0, err
	}
	if u.UserID != caller.UserID {
		return Unlock{}, 0, access.ErrForbidden
	}
	return u, rev, nil
}

// living reads what an open window rests on; ErrEnded where it is over.
func (b *Book) living(ctx context.Context, caller access.Caller, u Unlock) (rests, error) {
	if !u.Open(b.Journal.Second()) || u.OpenedAt.Before(b.RestoredAt) {
		return rests{}, ErrEnded
	}
	r, err := b.readRests(ctx, caller, phonesystem.Key(u.PhoneSystemID), account.UserKey(u.UserID), LeaseKey(u.PartnerID, u.PhoneSystemID, u.UserID))
	switch {
	case err != nil:
		return r, err
	case r.lease.UnlockID != u.ID || r.lease.Dead(r.system.Epoch, caller.Epoch):
		return r, ErrEnded
	}
	return r, nil
}
