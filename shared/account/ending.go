package account

import (
	"context"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/table"
)

// Windows tells the ends of the unlock windows that a change to people closed.
// It is unlock.Book, which rests on this package; ground puts it in.
type Windows interface {
	// ClosingUser makes the task of telling the end of every window of a user
	// that is older than the epoch in the record given. It is to be put in the
	// transaction that raises the epoch: from then on these windows are dead,
	// and the auditor tells their ends if nobody else does.
	ClosingUser(user User, by string, cause audit.Action) (table.Item, error)
	// ClosingGrants makes the task of telling the end of the windows of a user that
	// rest on what the record given does not have any more: a role, or the
	// administrator flag.
	ClosingGrants(user User, by string, cause audit.Action) (table.Item, error)
	// ClosingRole makes the task of telling the end of the windows of a partner that
	// rest on a role and that it does not grant any more as given.
	ClosingRole(partner string, left access.Role, by string, cause audit.Action) (table.Item, error)
	// Follow tells the ends that a committed task names, now. What it can't tell
	// it logs, and the auditor will.
	Follow(ctx context.Context, task table.Item)
}

// EndAll raises the user's epoch: once the record is written, every session,
// pending sign-in and unlock window of theirs is dead. The answered write goes
// into the same transaction; after it, EndsTold tells the ends of the windows as
// the doing of by, with what stands in the audit as their cause.
func (d *Directory) EndAll(user *User, by string, cause audit.Action) (table.Write, error) {
	user.Epoch, user.EpochAt = user.Epoch+1, d.Journal.Second()
	task, err := d.Windows.ClosingUser(*user, by, cause)
	return table.Put(task, table.Absent()), err
}

// EndsTold is called with what EndAll answered, once it is committed.
func (d *Directory) EndsTold(ctx context.Context, ended table.Write) {
	d.Windows.Follow(ctx, ended.Item)
}
