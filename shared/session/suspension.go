package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// ErrSuspension says that a mailed token ends no suspension; why is not told.
var ErrSuspension = errors.New("this link is not valid: it was used, or the suspension that it ended is over; sign in, and if you are told to wait, use the link of the newest mail")

// reserve takes an attempt before it is judged. Where it is the last of so many in
// a row that it suspends, the letter with the link that ends the suspension, and the
// entry, are written in the same transaction; for whom nobody is, a letter to nobody,
// so that unknown addresses cost the same.
func (d *Desk) reserve(ctx context.Context, t tally, factor attempt.Factor, user string) (locks bool, err error) {
	t.Suspend = func(ctx context.Context, until time.Time) (attempt.Telling, error) {
		return d.suspend(ctx, t, attempt.Clearance{User: user, Factor: factor}, until)
	}
	return d.Guard.Reserve(ctx, t.Attempt, t.read)
}

func (d *Desk) suspend(ctx context.Context, t tally, c attempt.Clearance, until time.Time) (attempt.Telling, error) {
	secret, err := token.New(d.Random, token.Unsuspend, attempt.ClearanceIDs(t.Count)...)
	if err != nil {
		return attempt.Telling{}, err
	}
	c.Hash = token.HashOf(secret)
	user, err := d.person(ctx, c.User)
	if err != nil {
		return attempt.Telling{}, err
	}
	letter := mail.Letter{Subject: "Signing in to Portcullis is suspended", Text: suspensionText(c.Factor, t, until, d.Directory.BaseURL+"/#unsuspend?token="+secret)}
	if user.Active {
		letter.To, letter.Partner = user.Email, user.PartnerID
	}
	post, err := d.Directory.Outbox.Post(ctx, letter)
	if err != nil {
		return attempt.Telling{}, err
	}
	entry := about(user, audit.LoginSuspended, Origin{Client: t.Client}).With("method", string(c.Factor))
	entry.Outcome = audit.Failure
	return attempt.Telling{Clears: c, Commit: func(ctx context.Context, writes []table.Write) error {
		return d.Journal.Commit(ctx, append(writes, post), entry)
	}}, nil
}

// person reads a user; one who is not there has nothing but the id.
func (d *Desk) person(ctx context.Context, id string) (account.User, error) {
	items, err := d.Journal.Table.GetAll(ctx, account.UserKey(id))
	if err != nil || !items[0].Exists() {
		return account.User{ID: id}, err
	}
	return table.Decode[account.User](items[0])
}

// Unsuspend spends a mailed token: it clears the count whose suspension the mail told
// of, while that suspension lasts, and no factor. Errors: ErrSuspension,
// table.ErrUnavailable.
func (d *Desk) Unsuspend(ctx context.Context, secret string, from Origin) error {
	id, more, hash, err := token.ParseHinted(secret, token.Unsuspend)
	if err != nil {
		return ErrSuspension
	}
	count := attempt.ClearanceKey(append([]string{id}, more...))
	for range tries {
		if err = d.unsuspend(ctx, count, hash, from); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (d *Desk) unsuspend(ctx context.Context, count table.Key, hash token.Hash, from Origin) error {
	items, err := d.Journal.Table.GetAll(ctx, count)
	if err != nil {
		return err
	}
	cleared, err := attempt.Clearing(items[0], hash, d.Journal.Second(), d.RestoredAt)
	if errors.Is(err, attempt.ErrCleared) {
		return ErrSuspension
	}
	if err != nil {
		return err
	}
	user, err := d.person(ctx, cleared.User)
	if err != nil {
		return err
	}
	entry := about(user, audit.LoginUnsuspended, from).With("method", string(cleared.Factor)).With("actor_email", user.Email)
	if user.Email != "" {
		entry.Actor = user.ID // who reads the mail
	}
	return d.Journal.Commit(ctx, []table.Write{table.Delete(count, table.Is(items[0].Rev))}, entry)
}

func suspensionText(factor attempt.Factor, t tally, until time.Time, link string) string {
	what, not := "second factor", knowsThePassword
	if factor == attempt.Password {
		what, not = "password", guessesThePassword
	}
	return fmt.Sprintf(suspendedText, attempt.SuspendAfter, what, attempt.Network(t.Client), until.Format("2006-01-02 15:04:05 MST"), link, not)
}

const suspendedText = `Hello,

there were %d failed attempts in a row at the %s of your account, the last one from
the network %s. So it can't be tried again before %s,
by nobody. Sessions that are open and browsers that you have signed in with before are
counted for themselves.

If this was you, end the wait here:

%s

The link works once, while the suspension lasts. It changes neither your password nor your
second factor: signing in takes both, as before.

%s
`

const guessesThePassword = `If it was not you, somebody is trying to guess your password, and has not succeeded. Leave
the link alone, and choose another password if you use this one anywhere else.`

const knowsThePassword = `If it was not you, leave the link alone: somebody knows your password and could not pass your
second factor. Choose a new password now, with "Forgotten password" where you sign in.`
