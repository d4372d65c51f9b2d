package session

import (
	"context"
	"errors"
	"slices"

	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Sessions answers a page of the caller's living sessions: on each page the
// caller's own first, if it stands there, then newest first. Which page a session
// stands on says nothing: the store has them by their hashes.
func (d *Desk) Sessions(ctx context.Context, id Identity, after string, limit int) (page []Session, next string, err error) {
	r := table.Range{Partition: account.UserKey(id.User.ID).Partition, Prefix: sessionPrefix, After: after}
	page, next, err = table.Page(ctx, d.Journal.Table, r, limit, func(item table.Item) (Session, bool, error) {
		s, err := table.Decode[Session](item)
		return s, err == nil && d.lives(id.User, s), err
	})
	slices.SortFunc(page, func(a, b Session) int {
		switch id.Session.ID {
		case a.ID:
			return -1
		case b.ID:
			return 1
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return page, next, err
}

// lives tells whether a session of a user's may be used now.
func (d *Desk) lives(user account.User, s Session) bool {
	return user.Active && s.Epoch == user.SessionEpoch() && d.Journal.Second().Before(s.IdleEnds(d.Lifetimes)) && !s.CreatedAt.Before(d.RestoredAt)
}

// EndOthers ends every session and every pending sign-in of the caller but the
// session that secret is of, at once and however many they are; windows stay.
// Again: the same. Errors: ErrUnauthenticated where the session ended meanwhile.
func (d *Desk) EndOthers(ctx context.Context, id Identity, secret string) error {
	for range tries {
		err := d.endOthers(ctx, id, secret)
		if !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (d *Desk) endOthers(ctx context.Context, id Identity, secret string) error {
	items, err := d.Journal.Table.GetAll(ctx, account.UserKey(id.User.ID), sessionKey(id.User.ID, token.HashOf(secret)))
	if err != nil {
		return err
	}
	user, kept, err := d.Alone(items[0], items[1])
	if err != nil {
		return err
	}
	write, err := user.Write(table.Is(items[0].Rev))
	if err != nil {
		return err
	}
	return d.Journal.Commit(ctx, []table.Write{write, kept}, audit.By(id.Caller, audit.SessionsEnded, user.ID).With("kept", id.Session.ID))
}

// Alone has one living session outlive all others of its user, given both items
// as just read: once the answered user's record is written on the revision read
// and the answered write with it, every other session and pending sign-in is
// dead, while windows stay. Errors: ErrUnauthenticated.
func (d *Desk) Alone(user, own table.Item) (account.User, table.Write, error) {
	id, err := d.identify(user, own)
	if err != nil {
		return account.User{}, table.Write{}, err
	}
	id.User.SessionsEnded++
	id.Session.Epoch = id.User.SessionEpoch()
	kept, err := d.sessionWrite(own.Key, id.Session, table.Is(own.Rev))
	return id.User, kept, err
}
