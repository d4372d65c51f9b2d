package unlock

import (
	"context"
	"errors"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// ending is how a window ends.
type ending struct {
	end string
	by  string
	at  time.Time // zero: now
	// caller is who closed it; nobody where it ended by itself.
	caller access.Caller
}

func (e ending) entry(u Unlock) audit.Entry {
	action := map[string]audit.Action{Expired: audit.UnlockExpired, Closed: audit.UnlockClosed, Revoked: audit.UnlockRevoked}[u.End]
	made := entry(e.caller, action, u)
	made.Actor, made.PartnerID = u.EndedBy, u.PartnerID
	return made
}

// read answers one unlock of a partner and the revision of its record, or
// ErrNotFound.
func (b *Book) read(ctx context.Context, partner, id string) (Unlock, table.Rev, error) {
	if !token.ValidID(id) {
		return Unlock{}, 0, ErrNotFound
	}
	item, err := b.Journal.Table.Get(ctx, recordKey(partner, id))
	if errors.Is(err, table.ErrNotFound) {
		return Unlock{}, 0, ErrNotFound
	}
	if err != nil {
		return Unlock{}, 0, err
	}
	u, err := table.Decode[Unlock](item)
	return u, item.Rev, err
}

// Close ends a window: the caller's own, or anybody's with close_unlocks. It
// asks for nothing else, and again answers the same. Errors: ErrNotFound,
// access.ErrForbidden, table.ErrUnavailable.
func (b *Book) Close(ctx context.Context, caller access.Caller, id string) (Unlock, error) {
	u, _, err := b.read(ctx, caller.PartnerID, id)
	if err != nil {
		return Unlock{}, err
	}
	how := ending{end: Closed, by: caller.UserID, caller: caller}
	if u.UserID != caller.UserID {
		if !caller.May(access.CloseUnlocks, u.PhoneSystemID) {
			return Unlock{}, access.ErrForbidden
		}
		how.end = Revoked
	}
	return b.end(ctx, caller.PartnerID, id, how)
}

// end tells a window's end, once: of the sweep, the stream, a close and a
// revocation whoever commits first decides what it was. A window whose time is
// over has expired, whatever was asked.
func (b *Book) end(ctx context.Context, partner, id string, how ending) (Unlock, error) {
	for range tries {
		u, rev, err := b.read(ctx, partner, id)
		if err != nil || u.End != "" {
			return u, err
		}
		lease, err := b.Journal.Table.GetAll(ctx, LeaseKey(partner, u.PhoneSystemID, u.UserID))
		if err != nil {
			return Unlock{}, err
		}
		u = u.ended(how, b.Journal.Second())
		writes, err := endWrites(u, rev, lease[0])
		if err != nil {
			return Unlock{}, err
		}
		if err = b.Journal.Commit(ctx, writes, how.entry(u)); !errors.Is(err, table.ErrConflict) {
			return u, err
		}
	}
	return Unlock{}, table.ErrUnavailable
}

func (u Unlock) ended(how ending, now time.Time) Unlock {
	at := how.at
	if at.IsZero() {
		at = now
	}
	u.End, u.EndedBy, u.EndedAt = how.end, how.by, at
	if !at.Before(u.ExpiresAt) {
		u.End, u.EndedBy, u.EndedAt = Expired, audit.System, u.ExpiresAt
	}
	return u
}

// endWrites takes the lease away with the record, if it is this window's: a
// later window of the same user is not touched.
func endWrites(u Unlock, rev table.Rev, lease table.Item) ([]table.Write, error) {
	write, err := u.write(table.Is(rev))
	writes := []table.Write{write}
	if err != nil || !lease.Exists() {
		return writes, err
	}
	l, err := table.Decode[Lease](lease)
	if l.UnlockID == u.ID {
		writes = append(writes, table.Delete(lease.Key, table.Is(lease.Rev)))
	}
	return writes, err
}

// Sweep tells the end of every window whose time is over, and answers of how
// many it was the first to. Errors of single windows are joined; the others go
// on. For the scheduled auditor; may run anywhere, any number at once.
func (b *Book) Sweep(ctx context.Context) (told int, err error) {
	for item, listErr := range b.Journal.Table.Due(ctx, Kind, b.Journal.Second()) {
		if listErr != nil {
			return told, errors.Join(err, listErr)
		}
		u, one := table.Decode[Unlock](item)
		if one == nil {
			one = b.Expire(ctx, u.PartnerID, u.ID)
		}
		if one != nil {
			err = errors.Join(err, one)
			continue
		}
		told++
	}
	return told, err
}

// Expire tells the end of a window whose time is over, if nobody has. One that
// an epoch closed before was revoked then.
func (b *Book) Expire(ctx context.Context, partner, id string) error {
	u, _, err := b.read(ctx, partner, id)
	if err != nil {
		return err
	}
	if now := b.Journal.Second(); u.End != "" || u.Open(now) {
		return nil
	}
	how, err := b.ended(ctx, u)
	if err != nil {
		return err
	}
	_, err = b.end(ctx, partner, id, how)
	return err
}

// ended finds how a window that is over came to its end.
func (b *Book) ended(ctx context.Context, u Unlock) (ending, error) {
	how := ending{end: Expired, by: audit.System, at: u.ExpiresAt}
	items, err := b.Journal.Table.GetAll(ctx, phonesystem.Key(u.PhoneSystemID), account.UserKey(u.UserID))
	if err != nil {
		return how, err
	}
	if items[0].Exists() {
		system, err := table.Decode[phonesystem.PhoneSystem](items[0])
		if err != nil {
			return how, err
		}
		how.revokedAt(system.Epoch != u.SystemEpoch, system.EpochAt)
	}
	if items[1].Exists() {
		user, err := table.Decode[account.User](items[1])
		if err != nil {
			return how, err
		}
		how.revokedAt(user.Epoch != u.UserEpoch, user.EpochAt)
	}
	return how, nil
}

// revokedAt makes it a revocation at an epoch's beginning, where that came first.
func (e *ending) revokedAt(newer bool, at time.Time) {
	if newer && at.Before(e.at) {
		e.end, e.at = Revoked, at
	}
}

// Removed is called with each expired item that the store removes: a lease's
// removal tells its window's end.
func (b *Book) Removed(ctx context.Context, item table.Item) error {
	if item.Kind != LeaseKind {
		return nil
	}
	l, err := table.Decode[Lease](item)
	if err != nil {
		return err
	}
	return b.Expire(ctx, l.PartnerID, l.UnlockID)
}
