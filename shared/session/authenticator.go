package session

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
)

// FactorsOf reads the caller's second factors, and how many recovery codes can
// still be used.
func (d *Desk) FactorsOf(ctx context.Context, id Identity) (factors mfa.Factors, left int, err error) {
	items, err := d.Journal.Table.GetAll(ctx, mfa.Key(id.User.ID))
	if err != nil {
		return mfa.Factors{}, 0, err
	}
	factors, err = mfa.Read(items[0])
	return factors, d.Factors.RecoveryLeft(factors), err
}

// RenewRecoveryCodes makes ten new recovery codes, which are shown once; the old
// ones are void. Errors: access.ErrNotFresh, ErrUnauthenticated.
func (d *Desk) RenewRecoveryCodes(ctx context.Context, id Identity, secret string) (codes []string, err error) {
	if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
		return nil, err
	}
	for range tries {
		l, err := d.living(ctx, id, secret)
		if err != nil {
			return nil, err
		}
		factors, codes, err := d.Factors.RenewRecovery(l.factors, l.now)
		if err != nil {
			return nil, err
		}
		told := told{audit.By(id.Caller, audit.RecoveryCodesRenewed, l.user.ID), notice.RecoveryCodesRenewed()}
		if err := d.changeFactors(ctx, id, l, factors, told); !errors.Is(err, table.ErrConflict) {
			return codes, err
		}
	}
	return nil, table.ErrUnavailable
}

// ReplaceAuthenticator begins to replace the caller's authenticator, which stays
// as it is until the new one is confirmed. Again, within mfa.ReplacementKept: the
// same one. Errors: access.ErrNotFresh, ErrUnauthenticated.
func (d *Desk) ReplaceAuthenticator(ctx context.Context, id Identity, secret string) (mfa.Enrollment, error) {
	if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
		return mfa.Enrollment{}, err
	}
	for range tries {
		l, err := d.living(ctx, id, secret)
		if err != nil {
			return mfa.Enrollment{}, err
		}
		var begun mfa.Enrollment
		if begun, l.session.Replacing, err = d.Factors.BeginReplacement(ctx, l.user, l.session.Replacing, l.now); err != nil {
			return mfa.Enrollment{}, err
		}
		write, err := d.livingWrite(l)
		if err != nil {
			return mfa.Enrollment{}, err
		}
		if err = d.Journal.Table.Apply(ctx, write); !errors.Is(err, table.ErrConflict) {
			return begun, err
		}
	}
	return mfa.Enrollment{}, table.ErrUnavailable
}

// ConfirmAuthenticator puts the authenticator that the session has begun in the
// place of the old one, if the code is its own. An attempt is reserved first.
// Errors: access.ErrNotFresh, ErrUnauthenticated, mfa.ErrNothingBegun,
// mfa.ErrWrong, attempt.ErrLocked, table.ErrUnavailable.
func (d *Desk) ConfirmAuthenticator(ctx context.Context, id Identity, secret, code string, from Origin) (factors mfa.Factors, left int, err error) {
	now := d.Journal.Second()
	if err := id.Caller.Fresh(now); err != nil {
		return mfa.Factors{}, 0, err
	}
	tally := newTally(attempt.Enrollment, id.User.ID, id.User.ID, from, now)
	l, err := d.living(ctx, id, secret, tally.keys()...)
	if err != nil {
		return mfa.Factors{}, 0, err
	}
	if !d.Factors.Replacing(l.session.Replacing, now) {
		return mfa.Factors{}, 0, mfa.ErrNothingBegun // no guess
	}
	tally.take(l.items[3:], true)
	tally.Own = true // a living session's
	t := trial{Attempt: tally.Attempt, factor: attempt.Enrollment}
	if _, err := d.reserve(ctx, tally, attempt.Enrollment, id.User.ID); err != nil {
		return mfa.Factors{}, 0, err
	}
	for range tries {
		factors, err := d.confirmAuthenticator(ctx, id, l, code, &t)
		if !errors.Is(err, table.ErrConflict) {
			return factors, d.Factors.RecoveryLeft(factors), d.unconfirmed(ctx, l.user, t, err)
		}
		if l, err = d.living(ctx, id, secret); err != nil {
			return mfa.Factors{}, 0, d.unconfirmed(ctx, id.User, t, err)
		}
	}
	return mfa.Factors{}, 0, table.ErrUnavailable
}

func (d *Desk) confirmAuthenticator(ctx context.Context, id Identity, l living, code string, t *trial) (mfa.Factors, error) {
	factors, err := d.Factors.Replace(ctx, l.user.ID, l.factors, l.session.Replacing, code, t.At)
	if err != nil {
		return mfa.Factors{}, err
	}
	t.right = true
	told := told{audit.By(id.Caller, audit.MFAReplaced, l.user.ID).With("method", string(mfa.TOTP)), notice.AuthenticatorReplaced()}
	if l.factors.TOTP == nil {
		told.entry.Action, told.change = audit.MFAEnrolled, notice.AuthenticatorAdded()
	}
	l.session.Replacing = nil
	kept, err := d.livingWrite(l)
	if err != nil {
		return mfa.Factors{}, err
	}
	return factors, d.changeFactors(ctx, id, l, factors, told, append(t.GiveBack(), kept)...)
}

// unconfirmed records a code that did not confirm, and answers why. One that was
// right and lost to another request is no failure: its attempt is returned.
func (d *Desk) unconfirmed(ctx context.Context, user account.User, t trial, err error) error {
	if !refusal(err) {
		return err
	}
	f := failure{user: user, client: t.Client, entry: failureEntry(user, t.Client, audit.MFAFailed, string(mfa.TOTP)), cause: err}
	if t.right {
		f.writes = t.GiveBack()
	}
	if failed := d.refuse(ctx, f); !errors.Is(failed, ErrBadAttempt) {
		return failed
	}
	return err
}
