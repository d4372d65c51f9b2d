package session

import (
	"context"
	"errors"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
)

// ErrNotJoined says that somebody has no account yet.
var ErrNotJoined = errors.New("this user has not accepted the invitation yet; send it again instead")

// ResetFactors takes a user's second factors away and answers the code that
// enrolling anew takes beside the password, once: it is to be handed over outside
// mail. The user's sessions and windows end at once, and the user is told by
// mail. Administrators, and never for oneself. Errors: account.ErrNotFound,
// access.ErrForbidden (also ErrOneself), access.ErrNotFresh, ErrNotJoined.
func (d *Desk) ResetFactors(ctx context.Context, caller access.Caller, id string) (code string, err error) {
	for range tries {
		code, err = d.resetFactors(ctx, caller, id)
		if !errors.Is(err, table.ErrConflict) {
			return code, err
		}
	}
	return "", table.ErrUnavailable
}

func (d *Desk) resetFactors(ctx context.Context, caller access.Caller, id string) (string, error) {
	m, err := d.Directory.Managed(ctx, caller, id, mfa.Key(id))
	if err != nil {
		return "", err
	}
	if err := m.Caller().MayResetFactor(m.Subject); err != nil {
		return "", err
	}
	now := d.Journal.Second()
	if err := caller.Fresh(now); err != nil {
		return "", err
	}
	if m.User.JoinedAt.IsZero() {
		return "", ErrNotJoined
	}
	factors, err := mfa.Read(m.More[0])
	if err != nil {
		return "", err
	}
	factors, code, err := d.Factors.Reset(factors, now)
	if err != nil {
		return "", err
	}
	factorWrite, err := factors.Write(id, m.More[0].Rev)
	if err != nil {
		return "", err
	}
	letter, err := d.Notices.Post(ctx, notice.Notice{To: m.User.Email, Partner: m.User.PartnerID, Change: notice.FactorsReset(), At: now, Client: caller.Client, By: caller.Email})
	if err != nil {
		return "", err
	}
	return code, d.endWith(ctx, m, audit.MFAReset, factorWrite, letter)
}

// endWith commits a change that voids everything of a user's that is older.
func (d *Desk) endWith(ctx context.Context, m account.Managed, action audit.Action, more ...table.Write) error {
	next := m.User
	next.Methods = nil
	ended, err := d.Directory.EndAll(&next, m.Caller().UserID, action)
	if err != nil {
		return err
	}
	writes, err := d.Directory.Change(ctx, m, next)
	if err != nil {
		return err
	}
	entry := audit.By(m.Caller(), action, next.ID).With("email", next.Email)
	if err := d.Journal.Commit(ctx, append(append(writes, ended), more...), entry); err != nil {
		return err
	}
	d.Directory.EndsTold(ctx, ended)
	return nil
}
