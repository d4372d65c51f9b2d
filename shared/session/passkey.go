package session

import (
	"context"
	"errors"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// passkeyFactor is where attempts at passkeys count.
const passkeyFactor = attempt.Factor(mfa.WebAuthn)

// longestName is a passkey's, in characters.
const longestName = 100

// PasskeyOptions are what a browser needs to complete a pending sign-in with a
// passkey. They void those given out before. Errors: ErrBadAttempt,
// ErrMustEnroll, mfa.ErrNotEnrolled, mfa.ErrNoRelyingParty, from.Foreign,
// attempt.ErrLocked where a lock has ended the sign-in.
func (d *Desk) PasskeyOptions(ctx context.Context, secret string, from Origin) (mfa.RequestOptions, error) {
	for range tries {
		s, err := d.begin(ctx, secret, passkeyFactor, from)
		if err != nil {
			return mfa.RequestOptions{}, err
		}
		if s.login.Challenge, err = d.Factors.NewChallenge(s.tally.At, s.login.Ends); err != nil {
			return mfa.RequestOptions{}, err
		}
		options, err := d.Factors.RequestOptions(s.factors, s.login.Challenge, s.tally.At)
		if err != nil {
			return mfa.RequestOptions{}, err
		}
		write, err := s.loginWrite()
		if err != nil {
			return mfa.RequestOptions{}, err
		}
		if err = d.Journal.Table.Apply(ctx, write); !errors.Is(err, table.ErrConflict) {
			return options, err
		}
	}
	return mfa.RequestOptions{}, table.ErrUnavailable
}

// loginWrite is the write of the pending sign-in on the revision read.
func (s pendingState) loginWrite() (table.Write, error) {
	item, err := table.Encode(s.items[1].Key, "login", s.login)
	item.Expires = s.login.Ends
	return table.Put(item, table.Is(s.items[1].Rev)), err
}

// living is a session, its user and their factors, as read in one round trip.
type living struct {
	session Session
	user    account.User
	factors mfa.Factors
	items   []table.Item // session, user, factors, and what else was asked for
	now     time.Time
}

// living reads them. Errors: ErrUnauthenticated where the session has ended since
// the request was let in.
func (d *Desk) living(ctx context.Context, id Identity, secret string, more ...table.Key) (living, error) {
	keys := []table.Key{sessionKey(id.User.ID, token.HashOf(secret)), account.UserKey(id.User.ID), mfa.Key(id.User.ID)}
	items, err := d.Journal.Table.GetAll(ctx, append(keys, more...)...)
	if err != nil {
		return living{}, err
	}
	found, err := d.identify(items[1], items[0])
	if err != nil {
		return living{}, err
	}
	factors, err := mfa.Read(items[2])
	return living{session: found.Session, user: found.User, factors: factors, items: items, now: d.Journal.Second()}, err
}

func (d *Desk) livingWrite(l living) (table.Write, error) {
	return d.sessionWrite(l.items[0].Key, l.session, table.Is(l.items[0].Rev))
}

// StepUpOptions are what a browser needs to step up with a passkey. They void
// those given out before. Errors: ErrUnauthenticated, mfa.ErrNotEnrolled,
// mfa.ErrNoRelyingParty.
func (d *Desk) StepUpOptions(ctx context.Context, id Identity, secret string) (options mfa.RequestOptions, err error) {
	err = d.challenge(ctx, id, secret, func(l *living, c *mfa.Challenge) (err error) {
		l.session.StepUp = c
		options, err = d.Factors.RequestOptions(l.factors, c, l.now)
		return err
	})
	return options, err
}

// EnrollPasskey begins to enrol a passkey. It voids an enrolment begun before.
// Errors: access.ErrNotFresh, ErrUnauthenticated, mfa.ErrTooManyPasskeys,
// mfa.ErrNoRelyingParty.
func (d *Desk) EnrollPasskey(ctx context.Context, id Identity, secret string) (options mfa.CreationOptions, err error) {
	if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
		return options, err
	}
	err = d.challenge(ctx, id, secret, func(l *living, c *mfa.Challenge) (err error) {
		l.session.Enrolling = c
		options, err = d.Factors.CreationOptions(l.user, l.factors, c, l.now)
		return err
	})
	return options, err
}

// challenge keeps a new challenge with the session.
func (d *Desk) challenge(ctx context.Context, id Identity, secret string, keep func(*living, *mfa.Challenge) error) error {
	for range tries {
		l, err := d.living(ctx, id, secret)
		if err != nil {
			return err
		}
		c, err := d.Factors.NewChallenge(l.now, l.session.Ends)
		if err != nil {
			return err
		}
		if err := keep(&l, c); err != nil {
			return err
		}
		write, err := d.livingWrite(l)
		if err != nil {
			return err
		}
		if err := d.Journal.Table.Apply(ctx, write); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

// AddPasskey enrols the passkey that answers EnrollPasskey, under a name: empty
// gives it one. Right or wrong, the answer ends the enrolment. Errors:
// access.ErrNotFresh, ErrUnauthenticated, mfa.ErrAttestation,
// mfa.ErrPasskeyEnrolled, mfa.ErrTooManyPasskeys, mfa.ErrNoRelyingParty,
// *input.Error, idempotency.ErrReused.
func (d *Desk) AddPasskey(ctx context.Context, id Identity, secret string, once idempotency.Key, n mfa.NewPasskey) (mfa.Passkey, error) {
	made, _, err := idempotency.Do(ctx, d.Journal.Table, d.Journal.Second(), once, func(record func(mfa.Passkey) ([]table.Write, error)) (mfa.Passkey, error) {
		if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
			return mfa.Passkey{}, err
		}
		if err := named(&n); err != nil {
			return mfa.Passkey{}, err
		}
		for range tries {
			made, err := d.addPasskey(ctx, id, secret, n, record)
			if !errors.Is(err, table.ErrConflict) {
				return made, err
			}
		}
		return mfa.Passkey{}, table.ErrUnavailable
	})
	return made, err
}

func named(n *mfa.NewPasskey) error {
	if n.Name == "" {
		n.Name = "Passkey"
	}
	var wrong input.Errors
	wrong.Line(n.Name, "body.name", 1, longestName)
	return wrong.Err()
}

func (d *Desk) addPasskey(ctx context.Context, id Identity, secret string, n mfa.NewPasskey, record func(mfa.Passkey) ([]table.Write, error)) (mfa.Passkey, error) {
	l, err := d.living(ctx, id, secret)
	if err != nil {
		return mfa.Passkey{}, err
	}
	if n.ID, err = d.Journal.IDs.New(); err != nil {
		return mfa.Passkey{}, err
	}
	n.Challenge, l.session.Enrolling = l.session.Enrolling, nil
	factors, made, err := d.Factors.EnrollPasskey(l.user.ID, l.factors, n, l.now)
	if err != nil {
		return mfa.Passkey{}, d.spent(ctx, l, err)
	}
	made = mfa.Passkey{ID: made.ID, Name: made.Name, CreatedAt: made.CreatedAt}
	writes, err := record(made)
	if err != nil {
		return mfa.Passkey{}, err
	}
	spent, err := d.livingWrite(l)
	if err != nil {
		return mfa.Passkey{}, err
	}
	told := told{passkeyEntry(id, audit.MFAEnrolled, made), notice.PasskeyAdded(made.Name)}
	return made, d.changeFactors(ctx, id, l, factors, told, append(writes, spent)...)
}

// spent ends the enrolment that an answer failed, unless another request has.
func (d *Desk) spent(ctx context.Context, l living, failed error) error {
	write, err := d.livingWrite(l)
	if err != nil {
		return err
	}
	if err := d.Journal.Table.Apply(ctx, write); err != nil && !errors.Is(err, table.ErrConflict) {
		return err
	}
	return failed
}

// RemovePasskey removes one of the caller's passkeys. Errors:
// access.ErrNotFresh, ErrUnauthenticated, mfa.ErrNoPasskey, mfa.ErrLastFactor.
func (d *Desk) RemovePasskey(ctx context.Context, id Identity, secret, passkey string) error {
	if err := id.Caller.Fresh(d.Journal.Second()); err != nil {
		return err
	}
	for range tries {
		l, err := d.living(ctx, id, secret)
		if err != nil {
			return err
		}
		factors, removed, err := l.factors.RemovePasskey(passkey)
		if err != nil {
			return err
		}
		told := told{passkeyEntry(id, audit.MFARemoved, removed), notice.PasskeyRemoved(removed.Name)}
		if err = d.changeFactors(ctx, id, l, factors, told); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

// told is how a change is told: in the audit, and to whose account it is.
type told struct {
	entry  audit.Entry
	change notice.Change
}

// changeFactors commits factors on the revisions that were read, together with
// what the user's record says of them, the entry and the mail.
func (d *Desk) changeFactors(ctx context.Context, id Identity, l living, factors mfa.Factors, told told, writes ...table.Write) error {
	factorWrite, err := factors.Write(l.user.ID, l.items[2].Rev)
	if err != nil {
		return err
	}
	before := l.user
	l.user.Methods = methodsOf(factors)
	userWrites, err := l.user.Writes(table.Is(l.items[1].Rev), before)
	if err != nil {
		return err
	}
	letter, err := d.Notices.Post(ctx, notice.Notice{To: l.user.Email, Partner: l.user.PartnerID, Change: told.change, At: l.now, Client: id.Caller.Client})
	if err != nil {
		return err
	}
	return d.Journal.Commit(ctx, append(append(writes, factorWrite, letter), userWrites...), told.entry)
}

func passkeyEntry(id Identity, action audit.Action, p mfa.Passkey) audit.Entry {
	return audit.By(id.Caller, action, id.User.ID).With("method", string(mfa.WebAuthn)).With("passkey", p.ID).With("name", p.Name)
}

// methodsOf are the factors' methods as the user's record has them.
func methodsOf(factors mfa.Factors) []string {
	methods := []string{}
	for _, method := range factors.Methods() {
		methods = append(methods, string(method))
	}
	return methods
}
