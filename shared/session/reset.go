package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// ErrReset says that a reset's token is unknown, spent, late or superseded; which of
// these is not told.
var ErrReset = errors.New("this link is not valid: it was used, has ended or was replaced by a newer one; ask for a new one, and use the newest mail")

// resetKept is how long a reset's link works.
const resetKept = time.Hour

// reset is the stored state of a password reset that has been asked for: one at most
// for each user, so that a newer one voids the one before.
type reset struct {
	Hash token.Hash `json:"hash"`
}

func resetKey(user string) table.Key {
	return table.Key{Partition: account.UserKey(user).Partition, Sort: "reset"}
}

// Forgot mails a link by which a new password can be chosen to whom an address signs
// in. It tells nobody whether there is such a person, whether they may sign in, nor
// whether a mail leaves: at most attempt.MailLimit an hour do. All addresses cost
// the same reads and writes, and a letter. Errors: table.ErrUnavailable.
func (d *Desk) Forgot(ctx context.Context, address string, from Origin) error {
	for range tries {
		err := d.forgot(ctx, account.NormaliseEmail(address), from)
		var conflict *table.ConflictError
		switch {
		case errors.As(err, &conflict) && conflict.Index == 0:
			return nil // the source has asked often enough
		case !errors.Is(err, table.ErrConflict):
			return err
		}
	}
	return table.ErrUnavailable
}

func (d *Desk) forgot(ctx context.Context, email string, from Origin) error {
	user, items, err := d.whom(ctx, email, attempt.MailKey(email))
	if err != nil {
		return err
	}
	now := d.Journal.Second()
	writes, err := attempt.Mail(email, from.Client, now, items[0])
	if err != nil || len(writes) == 0 {
		return err
	}
	more, err := d.newReset(ctx, user, now)
	if err != nil {
		return err
	}
	entry := about(user, audit.ResetRequested, from)
	return d.Journal.Commit(ctx, append(writes, more...), entry)
}

// whom reads whom a normalised address signs in, together with what else is asked:
// two round trips, whoever it is. Nobody is an inactive user without an address and
// a partner, under an id that no user has.
func (d *Desk) whom(ctx context.Context, email string, more ...table.Key) (account.User, []table.Item, error) {
	items, err := d.Journal.Table.GetAll(ctx, append(more, account.EmailKey(emailPlace(email)))...)
	if err != nil {
		return account.User{}, nil, err
	}
	user := account.User{ID: attempt.Nobody(email)}
	if claimed := items[len(more)]; claimed.Exists() {
		claim, err := table.Decode[account.Claim](claimed)
		if err != nil {
			return user, nil, err
		}
		user.ID = claim.UserID
	}
	read, err := d.Journal.Table.GetAll(ctx, account.UserKey(user.ID))
	if err == nil && read[0].Exists() {
		user, err = table.Decode[account.User](read[0])
	}
	return user, items, err
}

// about is an entry about a user in their partner's log; about nobody in the
// operators'. Who asks is not known.
func about(user account.User, action audit.Action, from Origin) audit.Entry {
	e := audit.Entry{Action: action, Actor: "unknown", Subject: user.ID, PartnerID: user.PartnerID, Outcome: audit.Success}
	if user.PartnerID == "" {
		e.Subject, e.PartnerID = "unknown", access.Operators
	}
	return e.From(from.Client)
}

// newReset makes the token, which replaces an earlier one, and the mail: a letter to
// nobody where there is nobody who could use it.
func (d *Desk) newReset(ctx context.Context, user account.User, now time.Time) ([]table.Write, error) {
	secret, err := token.New(d.Random, token.Reset, user.ID)
	if err != nil {
		return nil, err
	}
	item, err := table.Encode(resetKey(user.ID), "reset", reset{Hash: token.HashOf(secret)})
	if err != nil {
		return nil, err
	}
	item.Expires = now.Add(resetKept)
	letter := mail.Letter{Subject: "Choose a new password for Portcullis", Text: fmt.Sprintf(resetText, d.Directory.BaseURL+"/#reset?token="+secret)}
	if user.Active {
		letter.To = user.Email
	}
	post, err := d.Directory.Outbox.Post(ctx, letter)
	return []table.Write{table.Put(item, table.Always()), post}, err
}

const resetText = `Hello,

somebody, probably you, says that you have forgotten your password. Choose a new one here:

%s

The link works once and for one hour; a newer mail voids it. Choosing a new password ends
all your sessions and unlock windows. Signing in still takes your second factor.

If you did not ask for this, ignore it: your password stays as it is.
`

// Reset spends a reset's token: it sets the password, ends every session, pending
// sign-in and window of the user, and clears the count of wrong passwords, since
// who reads the mail is no guesser. The second factor stays what it was. A password
// that is refused spends nothing. Errors: ErrReset, *input.Error, password.ErrBusy,
// table.ErrUnavailable.
func (d *Desk) Reset(ctx context.Context, secret, plain string, from Origin) error {
	ids, hash, err := token.Parse(secret, token.Reset, 1)
	if err != nil {
		return ErrReset
	}
	var chosen string // hashed once, however often the record has changed meanwhile
	for range tries {
		user, items, err := d.resetting(ctx, ids[0], hash)
		if err != nil {
			return err
		}
		if chosen == "" {
			if chosen, err = d.Directory.HashPassword(ctx, plain, user); err != nil {
				return atNewPassword(err)
			}
		}
		user.Password, user.PasswordMailedAt = chosen, d.Journal.Second()
		if err = d.reset(ctx, user, items, from); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

// resetting reads the user and the reset that a token names.
func (d *Desk) resetting(ctx context.Context, id string, hash token.Hash) (account.User, []table.Item, error) {
	items, err := d.Journal.Table.GetAll(ctx, account.UserKey(id), resetKey(id))
	if err != nil {
		return account.User{}, nil, err
	}
	if !items[0].Exists() || !items[1].Exists() || items[1].Expires.Add(-resetKept).Before(d.RestoredAt) {
		return account.User{}, nil, ErrReset
	}
	user, err := table.Decode[account.User](items[0])
	if err != nil {
		return user, nil, err
	}
	open, err := table.Decode[reset](items[1])
	if err == nil && (!open.Hash.Equal(hash) || !user.Active || user.JoinedAt.IsZero()) {
		err = ErrReset
	}
	return user, items, err
}

func (d *Desk) reset(ctx context.Context, user account.User, items []table.Item, from Origin) error {
	ended, err := d.Directory.EndAll(&user, user.ID, audit.PasswordReset)
	if err != nil {
		return err
	}
	write, err := user.Write(table.Is(items[0].Rev))
	if err != nil {
		return err
	}
	letter, err := d.Notices.Post(ctx, notice.Notice{To: user.Email, Partner: user.PartnerID, Change: notice.PasswordReset(), At: d.Journal.Second(), Client: from.Client})
	if err != nil {
		return err
	}
	writes := []table.Write{
		write, table.Delete(items[1].Key, table.Is(items[1].Rev)), ended, letter,
		table.Delete(attempt.CountKey(attempt.Password, user.Email, ""), table.Always()),
	}
	entry := about(user, audit.PasswordReset, from).With("actor_email", user.Email)
	entry.Actor = user.ID
	// Whoever signs people in may touch no window: the auditor tells their ends.
	return d.Journal.Commit(ctx, writes, entry)
}

// atNewPassword says of a refused password where it stood in the request.
func atNewPassword(err error) error {
	if reason := password.Refusal(err); reason != nil {
		return input.Invalid("body.new_password", "%s", reason)
	}
	return err
}
