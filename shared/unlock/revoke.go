package unlock

import (
	"context"
	"errors"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// RevocationKind is the kind of what Revoke still has to do, for table.Due.
const RevocationKind = "revocation"

// revocation is a closing of many windows that an epoch has decided already:
// the entries of the single windows follow, whatever crashes in between.
type revocation struct {
	PartnerID     string    `json:"partner_id"`
	PhoneSystemID string    `json:"phone_system_id"`
	By            string    `json:"by"`
	At            time.Time `json:"at"`
}

// Lock closes every window of a phone system at once and answers how many were
// open. It needs close_unlocks and no fresh MFA. Errors:
// phonesystem.ErrNotFound, access.ErrForbidden, table.ErrUnavailable.
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
	task, err := b.revocation(caller, system)
	if err != nil {
		return table.Item{}, err
	}
	writes = append(writes, table.Put(task, table.Absent()))
	return task, b.Journal.Commit(ctx, writes, audit.By(caller, audit.PhoneSystemLocked, system.ID).On(system.ID))
}

func (b *Book) revocation(caller access.Caller, system phonesystem.PhoneSystem) (table.Item, error) {
	id, err := b.Journal.IDs.New()
	if err != nil {
		return table.Item{}, err
	}
	now := b.Journal.Second()
	task := revocation{PartnerID: system.PartnerID, PhoneSystemID: system.ID, By: caller.UserID, At: now}
	item, err := table.Encode(table.Key{Partition: "revocation#" + id, Sort: "task"}, RevocationKind, task)
	item.Due = now
	return item, err
}

// Deleting are the writes that end every window of a phone system which is
// being deleted; the entries of the single windows follow by Settle.
func (b *Book) Deleting(caller access.Caller, system phonesystem.PhoneSystem) ([]table.Write, error) {
	task, err := b.revocation(caller, system)
	return []table.Write{table.Put(task, table.Absent())}, err
}

// Settle tells the ends of windows that an epoch or a deletion has closed and
// whose entries are still missing. For the scheduled auditor, and after a
// deletion; may run anywhere, any number at once.
func (b *Book) Settle(ctx context.Context) error {
	var err error
	for item, listErr := range b.Journal.Table.Due(ctx, RevocationKind, b.Journal.Second()) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		_, one := b.revoke(ctx, item)
		err = errors.Join(err, one)
	}
	return err
}

// revoke tells the end of every window that the task closed, then drops it.
func (b *Book) revoke(ctx context.Context, item table.Item) (closed int, err error) {
	task, err := table.Decode[revocation](item)
	if err != nil {
		return 0, err
	}
	for held, err := range b.Journal.Table.List(ctx, LeasesOn(task.PartnerID, task.PhoneSystemID)) {
		if err != nil {
			return closed, err
		}
		lease, err := table.Decode[Lease](held)
		if err != nil {
			return closed, err
		}
		ended, err := b.revokeOne(ctx, task, lease)
		if err != nil {
			return closed, err
		}
		if ended {
			closed++
		}
	}
	return closed, b.Journal.Table.Apply(ctx, table.Delete(item.Key, table.Always()))
}

// revokeOne leaves alone what was opened after the task's epoch began.
func (b *Book) revokeOne(ctx context.Context, task revocation, lease Lease) (bool, error) {
	items, err := b.Journal.Table.GetAll(ctx, phonesystem.Key(task.PhoneSystemID))
	if err != nil {
		return false, err
	}
	if items[0].Exists() {
		system, err := table.Decode[phonesystem.PhoneSystem](items[0])
		if err != nil || system.Epoch == lease.SystemEpoch {
			return false, err
		}
	}
	u, err := b.end(ctx, task.PartnerID, lease.UnlockID, ending{end: Revoked, by: task.By, at: task.At})
	return err == nil && u.End == Revoked, err
}
