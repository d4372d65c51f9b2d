package session

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// NewPassword is what changing one's password takes.
type NewPassword struct{ Current, New string }

// ChangePassword replaces the caller's password, ends their other sessions and voids
// a reset's link that waits; windows stay, as they rest on this session's person. It
// needs fresh MFA. The current password counts as an attempt at the password, like
// signing in; a new one that is refused counts for nothing. Errors: access.ErrNotFresh,
// ErrBadAttempt where the current one is wrong, attempt.ErrLocked, *input.Error,
// ErrUnauthenticated, password.ErrBusy, table.ErrUnavailable. (ASVS 6.2.3, 7.4.3.)
func (d *Desk) ChangePassword(ctx context.Context, id Identity, secret string, p NewPassword, from Origin) error {
	if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
		return err
	}
	c := passwordChange{Desk: d, id: id, NewPassword: p, from: from}
	c.rests = []table.Key{account.UserKey(id.User.ID), sessionKey(id.User.ID, token.HashOf(secret))}
	// A place first: an attempt that finds none is not counted, and clears nothing.
	place, err := d.Hasher.Enter()
	if err != nil {
		return err
	}
	defer place.Leave()
	if err := c.reserve(ctx); err != nil {
		return err
	}
	return c.run(ctx, place)
}

// passwordChange is one change on its way.
type passwordChange struct {
	*Desk
	NewPassword
	id    Identity
	from  Origin
	rests []table.Key // user, session
	items []table.Item
	tally tally
	// hash is of the new password: made once, however often the record changes.
	hash string
}

// reserve counts the attempt as one of a living session's person.
func (c *passwordChange) reserve(ctx context.Context) (err error) {
	c.tally = newTally(attempt.Password, account.NormaliseEmail(c.id.User.Email), c.id.User.ID, c.from, c.Journal.Second())
	items, err := c.Journal.Table.GetAll(ctx, append(append([]table.Key{}, c.rests...), c.tally.keys()...)...)
	if err != nil {
		return err
	}
	c.items = items[:2]
	c.tally.take(items[2:], true)
	c.tally.Own = true
	_, err = c.Desk.reserve(ctx, c.tally, attempt.Password, c.id.User.ID)
	return err
}

func (c *passwordChange) run(ctx context.Context, place password.Place) error {
	for range tries {
		user, kept, err := c.Alone(c.items[0], c.items[1])
		if err != nil {
			return err
		}
		if err := c.judge(ctx, place, user); err != nil {
			return err
		}
		user.Password = c.hash
		if err := c.commit(ctx, user, kept); !errors.Is(err, table.ErrConflict) {
			return err
		}
		if c.items, err = c.Journal.Table.GetAll(ctx, c.rests...); err != nil {
			return err
		}
	}
	return table.ErrUnavailable
}

// judge verifies the current password and makes the new one's hash.
func (c *passwordChange) judge(ctx context.Context, place password.Place, user account.User) error {
	ok, _, err := place.Verify(ctx, user.Password, c.Current)
	if err != nil {
		return err
	}
	if !ok {
		return c.failed(ctx, user, c.from.Client, audit.PasswordFailed, "password")
	}
	if c.hash != "" {
		return nil
	}
	if err := c.Directory.CheckPassword(ctx, c.New, user); err != nil {
		return errors.Join(atNewPassword(err), c.returned(ctx))
	}
	c.hash, err = place.Hash(ctx, c.New)
	return err
}

// returned gives the attempt back where nothing was guessed.
func (c *passwordChange) returned(ctx context.Context) error {
	return c.Journal.Table.Apply(ctx, c.tally.GiveBack()...)
}

func (c *passwordChange) commit(ctx context.Context, user account.User, kept table.Write) error {
	write, err := user.Write(table.Is(c.items[0].Rev))
	if err != nil {
		return err
	}
	letter, err := c.Notices.Post(ctx, notice.Notice{To: user.Email, Partner: user.PartnerID, Change: notice.PasswordChanged(), At: c.Journal.Second(), Client: c.from.Client})
	if err != nil {
		return err
	}
	writes := append(c.tally.GiveBack(), write, kept, letter, table.Delete(resetKey(user.ID), table.Always()))
	return c.Journal.Commit(ctx, writes, audit.By(c.id.Caller, audit.PasswordChanged, user.ID).With("kept", c.id.Session.ID))
}
