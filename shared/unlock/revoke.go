package unlock

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// RevocationKind is the kind of what Revoke still has to do, for table.Due.
const RevocationKind = "revocation"

// revocation is a closing of many windows that a change has decided already: the
// entries of the single windows follow, whatever crashes in between.
type revocation struct {
	PartnerID string `json:"partner_id"`
	// Exactly one of these says whose windows: those on a phone system, those of a
	// user, or those that a role granted.
	PhoneSystemID string       `json:"phone_system_id,omitempty"`
	UserID        string       `json:"user_id,omitempty"`
	Role          *access.Role `json:"role,omitempty"` // as it is from then on
	// Epoch is the phone system's or the user's from then on: older windows are
	// closed.
	Epoch int64 `json:"epoch,omitempty"`
	// Kept, where it is there, closes by grant instead: the roles that the user
	// still has, with an empty one for the administrator flag.
	Kept []string  `json:"kept"`
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	// Cause is what the change stands under in the audit.
	Cause audit.Action `json:"cause,omitempty"`
}

// closed tells whether the task closed a window: not what was opened after it,
// nor what was over before.
func (t revocation) closed(u Unlock) bool {
	switch {
	case u.PartnerID != t.PartnerID || !t.At.Before(u.ExpiresAt):
		return false
	case t.Role != nil:
		return u.Role == t.Role.ID && !u.OpenedAt.After(t.At) && !t.roleGrants(u)
	case t.Kept != nil:
		return u.UserID == t.UserID && !u.OpenedAt.After(t.At) && !slices.Contains(t.Kept, u.Role)
	case t.UserID != "":
		return u.UserID == t.UserID && u.UserEpoch < t.Epoch
	}
	return u.PhoneSystemID == t.PhoneSystemID && u.SystemEpoch < t.Epoch
}

// roleGrants tells whether the role as it is from the task on lets the window
// last.
func (t revocation) roleGrants(u Unlock) bool {
	longest := time.Duration(t.Role.MaxUnlockSeconds) * time.Second
	return t.Role.Grants(access.Unlock, u.PhoneSystemID) && t.At.Before(u.OpenedAt.Add(longest))
}

// concerns tells whether a lease may be of a window that the task closed.
func (t revocation) concerns(key table.Key, l Lease) bool {
	if t.Role != nil {
		return l.Role == t.Role.ID
	}
	return t.UserID == "" || strings.HasSuffix(key.Sort, "#"+t.UserID)
}

// Lock closes every window of a phone system at once and answers of how many it
// told the end: of several at once each window counts for one. It needs
// close_unlocks and no fresh MFA. Errors: phonesystem.ErrNotFound,
// access.ErrForbidden; table.ErrUnavailable, after which the windows may be
// closed, and their entries follow by Settle. May be repeated.
func (b *Book) Lock(ctx context.Context, caller access.Caller, id string) (closed int, err error) {
	for range tries {
		item, err := b.lockable(ctx, caller, id)
		if err != nil {
			return 0, err
		}
		task, err := b.lock(ctx, caller, item)
		if errors.Is(err, table.ErrConflict) {
			continue
		}
		if err != nil {
			return 0, err
		}
		return b.revoke(ctx, task)
	}
	return 0, table.ErrUnavailable
}

func (b *Book) lockable(ctx context.Context, caller access.Caller, id string) (table.Item, error) {
	if !token.ValidID(id) {
		return table.Item{}, phonesystem.ErrNotFound
	}
	items, err := b.Journal.Table.GetAll(ctx, phonesystem.Key(id))
	if err != nil {
		return table.Item{}, err
	}
	if _, err := phonesystem.Read(items[0], caller); err != nil {
		return table.Item{}, err
	}
	if !caller.May(access.CloseUnlocks, id) {
		return table.Item{}, access.ErrForbidden
	}
	return items[0], nil
}

// lock raises the epoch: from this transaction on every older window is dead.
func (b *Book) lock(ctx context.Context, caller access.Caller, item table.Item) (table.Item, error) {
	system, err := table.Decode[phonesystem.PhoneSystem](item)
	if err != nil {
		return table.Item{}, err
	}
	system.Epoch++
	system.EpochAt = b.Journal.Second()
	writes, err := system.Writes(table.Is(item.Rev))
	if err != nil {
		return table.Item{}, err
	}
	task, err := b.closingSystem(caller, system, audit.PhoneSystemLocked)
	if err != nil {
		return table.Item{}, err
	}
	writes = append(writes, table.Put(task, table.Absent()))
	return task, b.Journal.Commit(ctx, writes, audit.By(caller, audit.PhoneSystemLocked, system.ID).On(system.ID))
}

func (b *Book) closingSystem(caller access.Caller, system phonesystem.PhoneSystem, cause audit.Action) (table.Item, error) {
	return b.revocation(revocation{PartnerID: system.PartnerID, PhoneSystemID: system.ID, Epoch: system.Epoch, By: caller.UserID, Cause: cause})
}

func (b *Book) revocation(task revocation) (table.Item, error) {
	id, err := b.Journal.IDs.New()
	if err != nil {
		return table.Item{}, err
	}
	task.At = b.Journal.Second()
	item, err := table.Encode(table.Key{Partition: "revocation#" + id, Sort: "task"}, RevocationKind, task)
	item.Due = task.At
	return item, err
}

// Closing makes the task that ends every window of a phone system as it stands
// now, to be put with what closes them: its deletion, or a raised epoch. Follow
// then tells the ends, or the auditor does.
func (b *Book) Closing(caller access.Caller, system phonesystem.PhoneSystem, cause audit.Action) (table.Item, error) {
	system.Epoch++
	return b.closingSystem(caller, system, cause)
}

// ClosingUser is account.Windows'.
func (b *Book) ClosingUser(user account.User, by string, cause audit.Action) (table.Item, error) {
	return b.revocation(revocation{PartnerID: user.PartnerID, UserID: user.ID, Epoch: user.Epoch, By: by, Cause: cause})
}

// ClosingGrants is account.Windows'.
func (b *Book) ClosingGrants(user account.User, by string, cause audit.Action) (table.Item, error) {
	kept := append([]string{}, user.Roles...)
	if user.Administrator {
		kept = append(kept, "")
	}
	return b.revocation(revocation{PartnerID: user.PartnerID, UserID: user.ID, Kept: kept, By: by, Cause: cause})
}

// ClosingRole is account.Windows'.
func (b *Book) ClosingRole(partner string, left access.Role, by string, cause audit.Action) (table.Item, error) {
	return b.revocation(revocation{PartnerID: partner, Role: &left, By: by, Cause: cause})
}

// Follow tells the ends of the windows that a committed task closed. They are
// closed whatever it answers, and the auditor does what it leaves undone.
func (b *Book) Follow(ctx context.Context, task table.Item) error {
	_, err := b.revoke(ctx, task)
	return err
}

// Settle tells the ends of windows that an epoch, a deletion or a restore of the
// store has closed and whose entries are still missing. For the scheduled auditor; may run anywhere,
// any number at once.
func (b *Book) Settle(ctx context.Context) error {
	var err error
	for item, listErr := range b.Journal.Table.Due(ctx, RevocationKind, b.Journal.Second()) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		_, one := b.revoke(ctx, item)
		err = errors.Join(err, one)
	}
	return errors.Join(err, b.settleRestored(ctx))
}

// settleRestored tells the ends of the windows that a restore of the store
// voided, as long as there can be any.
func (b *Book) settleRestored(ctx context.Context) error {
	last := b.RestoredAt.Add(phonesystem.LongestWindow * time.Second)
	if !b.Journal.Second().Before(last) {
		return nil
	}
	var err error
	for item, listErr := range b.Journal.Table.Due(ctx, Kind, last) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		u, one := table.Decode[Unlock](item)
		if one == nil && u.OpenedAt.Before(b.RestoredAt) {
			_, _, one = b.end(ctx, u.PartnerID, u.ID, func(ctx context.Context, u Unlock) (ending, bool, error) {
				how, err := b.passed(ctx, u)
				return how, true, err
			})
		}
		err = errors.Join(err, one)
	}
	return err
}

// revoke tells the end of every window that the task closed, then drops it.
// Where an end can't be told, the others go on and the task stays.
func (b *Book) revoke(ctx context.Context, item table.Item) (closed int, err error) {
	task, err := table.Decode[revocation](item)
	if err != nil {
		return 0, err
	}
	for id, one := range b.closedBy(ctx, task) {
		first := false
		if one == nil {
			first, one = b.revokeOne(ctx, task, id)
		}
		if first {
			closed++
		}
		err = errors.Join(err, one)
	}
	if err != nil {
		return closed, err
	}
	return closed, b.Journal.Table.Apply(ctx, table.Delete(item.Key, table.Always()))
}

// closedBy yields the windows that the task may have closed and whose end is
// not told: those that live by their lease, and those whose time passed since.
func (b *Book) closedBy(ctx context.Context, task revocation) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for held, err := range b.Journal.Table.List(ctx, LeasesOn(task.PartnerID, task.PhoneSystemID)) {
			var lease Lease
			if err == nil {
				lease, err = table.Decode[Lease](held)
			}
			if err == nil && !task.concerns(held.Key, lease) {
				continue
			}
			if !yield(lease.UnlockID, err) {
				return
			}
		}
		for due, err := range b.Journal.Table.Due(ctx, Kind, b.Journal.Second()) {
			if err != nil {
				yield("", err)
				return
			}
			// One that can't be read may be anybody's: Sweep reports it.
			u, unreadable := table.Decode[Unlock](due)
			if unreadable == nil && task.closed(u) && !yield(u.ID, nil) {
				return
			}
		}
	}
}

func (b *Book) revokeOne(ctx context.Context, task revocation, id string) (bool, error) {
	_, told, err := b.end(ctx, task.PartnerID, id, func(_ context.Context, u Unlock) (ending, bool, error) {
		return ending{end: Revoked, by: task.By, at: task.At, cause: task.Cause}, task.closed(u), nil
	})
	return told, err
}
