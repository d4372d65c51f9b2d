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
	// cause is the change that closed it; empty where there is none.
	cause audit.Action
}

// entry names the caller only if the end is the caller's doing: who closes a
// window whose time is over did not end it.
func (e ending) entry(u Unlock) audit.Entry {
	action := map[string]audit.Action{Expired: audit.UnlockExpired, Closed: audit.UnlockClosed, Revoked: audit.UnlockRevoked}[u.End]
	if u.EndedBy != e.caller.UserID {
		e.caller = access.Caller{}
	}
	made := entry(e.caller, action, u).With("ended_at", u.EndedAt.Format(time.RFC3339)).With("cause", string(e.cause))
	made.Actor, made.PartnerID = u.EndedBy, u.PartnerID
	return made
}

// verdict says how a window comes to its end, judged on the record as it stands
// at each try; over is false where it does not.
type verdict func(context.Context, Unlock) (how ending, over bool, err error)

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
	u, _, err = b.end(ctx, caller.PartnerID, id, func(context.Context, Unlock) (ending, bool, error) { return how, true, nil })
	return u, err
}

// end tells a window's end, once: of the sweep, the stream, a close and a
// revocation whoever commits first decides what it was, and is answered told. A
// window whose time is over has expired, whatever was asked.
func (b *Book) end(ctx context.Context, partner, id string, judge verdict) (u Unlock, told bool, err error) {
	for range tries {
		u, rev, err := b.read(ctx, partner, id)
		if err != nil || u.End != "" {
			return u, false, err
		}
		how, over, err := judge(ctx, u)
		if err != nil || !over {
			return u, false, err
		}
		u = u.ended(how, b.Journal.Second())
		if err = b.commitEnd(ctx, u, rev, how); !errors.Is(err, table.ErrConflict) {
			return u, err == nil, err
		}
	}
	return Unlock{}, false, table.ErrUnavailable
}

func (b *Book) commitEnd(ctx context.Context, u Unlock, rev table.Rev, how ending) error {
	lease, err := b.Journal.Table.GetAll(ctx, LeaseKey(u.PartnerID, u.PhoneSystemID, u.UserID))
	if err != nil {
		return err
	}
	writes, err := endWrites(u, rev, lease[0])
	if err != nil {
		return err
	}
	return b.Journal.Commit(ctx, writes, how.entry(u))
}

func (u Unlock) ended(how ending, now time.Time) Unlock {
	at := how.at
	if at.IsZero() {
		at = now
	}
	if at.Before(u.OpenedAt) { // a clock went back
		at = u.OpenedAt
	}
	u.End, u.EndedBy, u.EndedAt = how.end, how.by, at
	if !at.Before(u.ExpiresAt) {
		u.End, u.EndedBy, u.EndedAt = Expired, audit.System, u.ExpiresAt
	}
	return u
}

// endWrites takes the lease away with the record, if it is this window's: a
// later window of the same user is not touched. One that has expired goes as
// well, so that no clock that is set back brings it to life again.
func endWrites(u Unlock, rev table.Rev, lease table.Item) ([]table.Write, error) {
	write, err := u.write(table.Is(rev))
	writes := []table.Write{write}
	if err != nil {
		return nil, err
	}
	if lease.Exists() {
		l, err := table.Decode[Lease](lease)
		if err != nil {
			return nil, err
		}
		if l.UnlockID != u.ID {
			return writes, nil
		}
	}
	return append(writes, table.Delete(lease.Key, table.Is(lease.Rev))), nil
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
		first := false
		if one == nil {
			first, one = b.Expire(ctx, u.PartnerID, u.ID)
		}
		if first {
			told++
		}
		err = errors.Join(err, one)
	}
	return told, err
}

// Expire tells the end of a window whose time is over, if nobody has, and
// answers whether it was the first to. One that an epoch closed before was
// revoked then.
func (b *Book) Expire(ctx context.Context, partner, id string) (told bool, err error) {
	_, told, err = b.end(ctx, partner, id, func(ctx context.Context, u Unlock) (ending, bool, error) {
		if u.Open(b.Journal.Second()) {
			return ending{}, false, nil
		}
		how, err := b.passed(ctx, u)
		return how, true, err
	})
	return told, err
}

// raised is what phone systems and users have in common, and all that the end
// of a window asks of them: what else stands there may be unreadable.
type raised struct {
	Epoch   int64     `json:"epoch"`
	EpochAt time.Time `json:"epoch_at"`
}

// passed finds how a window ends or ended without anybody's asking: with a
// restore of the store or an epoch that rose before its time was over, else with
// its time.
func (b *Book) passed(ctx context.Context, u Unlock) (ending, error) {
	how := ending{end: Expired, by: audit.System, at: u.ExpiresAt}
	if u.OpenedAt.Before(b.RestoredAt) && b.RestoredAt.Before(u.ExpiresAt) {
		how.end, how.at = Revoked, b.RestoredAt
	}
	items, err := b.Journal.Table.GetAll(ctx, phonesystem.Key(u.PhoneSystemID), account.UserKey(u.UserID))
	if err != nil {
		return how, err
	}
	for i, epoch := range []int64{u.SystemEpoch, u.UserEpoch} {
		if !items[i].Exists() {
			continue
		}
		now, err := table.Decode[raised](items[i])
		if err != nil {
			return how, err
		}
		if now.Epoch != epoch && now.EpochAt.Before(how.at) {
			how.end, how.at = Revoked, now.EpochAt
		}
	}
	return how, nil
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
	_, err = b.Expire(ctx, l.PartnerID, l.UnlockID)
	return err
}
