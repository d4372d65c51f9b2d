package session

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// SignedIn is a completed sign-in.
type SignedIn struct {
	User    account.User
	Session Session
	// Token is the session's, Device this browser's own for the next sign-in.
	// Both are shown once.
	Token  string
	Device string
	// RecoveryCodes are given at enrolment, once.
	RecoveryCodes []string
	// Left is how many recovery codes using one has left; nil: none was used.
	Left *int
}

// SecondFactor completes a sign-in. Errors: ErrBadAttempt, ErrMustEnroll,
// attempt.ErrLocked, table.ErrUnavailable. One attempt is reserved; of parallel
// ones with the same code one succeeds.
func (d *Desk) SecondFactor(ctx context.Context, secret string, proof mfa.Proof, from Origin) (SignedIn, error) {
	return d.complete(ctx, secret, attempt.Factor(proof.Method), from, func(s pendingState) (SignedIn, mfa.Factors, error) {
		proof.Challenge = s.login.Challenge
		factors, err := d.Factors.Verify(ctx, s.user.ID, s.factors, proof, s.tally.At)
		return SignedIn{Session: Session{Method: proof.Method}}, factors, err
	})
}

// Enroll begins an enrolment for somebody who has no second factor. After a
// factor reset it takes the code of the reset, and an attempt at it counts.
// Errors: ErrBadAttempt, mfa.ErrEnrolled, mfa.ErrCodeNeeded, attempt.ErrLocked,
// from.Foreign.
func (d *Desk) Enroll(ctx context.Context, secret, code string, from Origin) (mfa.Enrollment, error) {
	s, err := d.begin(ctx, secret, attempt.Enrollment, from)
	if err != nil {
		return mfa.Enrollment{}, err
	}
	counted, err := d.checkCode(ctx, s, code)
	if err != nil {
		return mfa.Enrollment{}, err
	}
	enrollment, err := d.Factors.Begin(ctx, s.user, s.login.Pending)
	if err != nil {
		return mfa.Enrollment{}, err
	}
	s.login.Pending = enrollment.Sealed
	write, err := s.loginWrite()
	if err != nil {
		return mfa.Enrollment{}, err
	}
	err = d.Journal.Table.Apply(ctx, append(counted, write)...)
	if errors.Is(err, table.ErrConflict) {
		return mfa.Enrollment{}, ErrBadAttempt
	}
	return enrollment, err
}

// checkCode judges the code of a factor reset, and answers the writes that take
// back the attempt which was reserved for it.
func (d *Desk) checkCode(ctx context.Context, s pendingState, code string) ([]table.Write, error) {
	if err := s.factors.TwoMails(s.user.PasswordMailedAt); err != nil {
		return nil, err
	}
	if s.factors.Code == nil || code == "" {
		return nil, d.Factors.MayEnroll(s.factors, code, s.tally.At)
	}
	t := trial{Attempt: s.tally.Attempt, factor: attempt.Enrollment}
	var err error
	if t.locks, err = d.reserve(ctx, s.tally, t.factor, s.user.ID); err != nil {
		return nil, err
	}
	if err := d.Factors.MayEnroll(s.factors, code, s.tally.At); err != nil {
		return nil, d.refused(ctx, s, t, err)
	}
	return t.GiveBack(), nil
}

// ConfirmEnrollment enrols the authenticator and completes the sign-in. Errors:
// as SecondFactor, and mfa.ErrEnrolled.
func (d *Desk) ConfirmEnrollment(ctx context.Context, secret, code string, from Origin) (SignedIn, error) {
	return d.complete(ctx, secret, attempt.Enrollment, from, func(s pendingState) (SignedIn, mfa.Factors, error) {
		if len(s.login.Pending) == 0 {
			return SignedIn{}, s.factors, mfa.ErrNotEnrolled
		}
		factors, codes, err := d.Factors.Confirm(ctx, s.user.ID, s.factors, s.login.Pending, code, s.tally.At)
		return SignedIn{RecoveryCodes: codes, Session: Session{Method: mfa.TOTP}}, factors, err
	})
}

// judge evaluates a second factor against the state as read, without writing.
type judge func(pendingState) (SignedIn, mfa.Factors, error)

// trial is one reserved attempt on its way.
type trial struct {
	attempt.Attempt
	factor attempt.Factor
	// locks says that no other attempt may follow this one, should it fail.
	locks bool
	// right says that the proof was right when it was first judged.
	right bool
}

// complete reserves once, judges, and commits on the revisions that the
// judgement rested on; where another request was first, it judges anew.
func (d *Desk) complete(ctx context.Context, secret string, factor attempt.Factor, from Origin, judge judge) (SignedIn, error) {
	s, err := d.begin(ctx, secret, factor, from)
	if err != nil {
		return SignedIn{}, err
	}
	t := trial{Attempt: s.tally.Attempt, factor: factor}
	if t.locks, err = d.reserve(ctx, s.tally, factor, s.user.ID); err != nil {
		return SignedIn{}, err
	}
	for range tries {
		done, factors, err := judge(s)
		if err != nil {
			return SignedIn{}, d.refused(ctx, s, t, err)
		}
		t.right = true
		done, err = d.signIn(ctx, s, t.Attempt, factors, done)
		if !errors.Is(err, table.ErrConflict) {
			return done, err
		}
		next, err := d.second(ctx, secret, factor, from)
		if err != nil {
			return SignedIn{}, d.refused(ctx, s, t, err)
		}
		s = next
	}
	return SignedIn{}, table.ErrUnavailable
}

// refused answers a proof that did not sign in. A wrong one keeps its attempt,
// and ends the pending sign-in if that was the last one allowed. One that was
// right and lost to another request is no failure: its attempt is returned.
func (d *Desk) refused(ctx context.Context, s pendingState, t trial, err error) error {
	if !refusal(err) {
		return err
	}
	var writes []table.Write
	switch {
	case t.right:
		writes = t.GiveBack()
	case t.locks:
		writes = []table.Write{table.Delete(s.items[1].Key, table.Always())}
	}
	f := failure{user: s.user, client: t.Client, entry: failureEntry(s.user, t.Client, audit.LoginFailed, string(t.factor)), cause: err, writes: writes}
	if t.factor == passkeyFactor && !t.locks && s.login.Challenge != nil {
		s.login.Challenge = nil
		spent, err := s.loginWrite()
		if err != nil {
			return err
		}
		f.spends = []table.Write{spent}
	}
	return d.refuse(ctx, f)
}

// failure is a proof that was refused.
type failure struct {
	user   account.User
	client netip.Addr
	entry  audit.Entry
	cause  error
	writes []table.Write // without conditions
	// spends end the challenge that a passkey answered, on its flow's revision.
	spends []table.Write
}

// refuse records a failure as failed does. The challenge is spent with it, unless
// another request has spent or replaced it; a counter that went back is told.
func (d *Desk) refuse(ctx context.Context, f failure) error {
	entries := []audit.Entry{f.entry}
	var back *mfa.CounterError
	if errors.As(f.cause, &back) {
		letter, err := d.Notices.Post(ctx, notice.Notice{
			To: f.user.Email, Partner: f.user.PartnerID, Change: notice.PasskeyCopied(back.Passkey.Name), At: d.Journal.Second(), Client: f.client,
			Then: "Even if this was you, remove that passkey from your account and add a new one.\nUntil then, use another second factor.",
		})
		if err != nil {
			return err
		}
		f.writes, entries = append(f.writes, letter), append(entries, counterEntry(f.entry, back))
	}
	err := d.Journal.Commit(ctx, slices.Concat(f.spends, f.writes), entries...)
	if len(f.spends) > 0 && errors.Is(err, table.ErrConflict) {
		err = d.Journal.Commit(ctx, f.writes, entries...)
	}
	if err != nil {
		return err
	}
	return ErrBadAttempt
}

// counterEntry makes the entry of a counter that went back out of the failure's.
func counterEntry(entry audit.Entry, back *mfa.CounterError) audit.Entry {
	entry.Action = audit.CounterWentBack
	return entry.With("passkey", back.Passkey.ID).With("name", back.Passkey.Name).
		With("last", strconv.FormatUint(uint64(back.Passkey.Count), 10)).With("shown", strconv.FormatUint(uint64(back.Shown), 10))
}

// refusal tells what judges the proof from what only went wrong.
func refusal(err error) bool {
	for _, judged := range []error{mfa.ErrWrong, mfa.ErrNotEnrolled, mfa.ErrEnrolled, mfa.ErrNothingBegun, ErrBadAttempt, ErrUnauthenticated} {
		if errors.Is(err, judged) {
			return true
		}
	}
	return false
}

// signIn commits a completed sign-in: factor used up, login token spent, session
// made, the browser's former one ended, counts cleared, in one transaction.
func (d *Desk) signIn(ctx context.Context, s pendingState, reserved attempt.Attempt, factors mfa.Factors, done SignedIn) (SignedIn, error) {
	enrolling := !s.factors.Enrolled()
	var err error
	var sessionWrite table.Write
	done.Session, done.Token, sessionWrite, err = d.newSession(s.user, s.login.Delivery, done.Session.Method, s.client())
	if err != nil {
		return SignedIn{}, err
	}
	before := s.user
	s.user.LastLoginAt, s.user.Methods = s.tally.At, methodsOf(factors)
	done.Left = d.left(done.Session.Method, factors)
	done.User = s.user
	userWrites, err := s.user.Writes(table.Is(s.items[0].Rev), before)
	if err != nil {
		return SignedIn{}, err
	}
	factorWrite, err := factors.Write(s.user.ID, s.items[2].Rev)
	if err != nil {
		return SignedIn{}, err
	}
	writes := append(append(reserved.GiveBack(), userWrites...), factorWrite, sessionWrite, table.Delete(s.items[1].Key, table.Is(s.items[1].Rev)))
	if !s.tally.known {
		device, write, err := d.newDevice(s.user.ID)
		if err != nil {
			return SignedIn{}, err
		}
		done.Device, writes = device, append(writes, write)
	}
	letters, err := d.factorLetters(ctx, s, done)
	if err != nil {
		return SignedIn{}, err
	}
	writes, entries, err := d.supersede(s, append(writes, letters...), signInEntries(s.user, done, s.client(), enrolling))
	if err != nil {
		return SignedIn{}, err
	}
	return done, d.Journal.Commit(ctx, writes, entries...)
}

// SteppedUp is a second factor verified again. Token is empty where the level
// did not rise, and the old token lives on.
type SteppedUp struct {
	Session Session
	Token   string
	// Left is how many recovery codes using one has left; nil: none was used.
	Left *int
}

// StepUp verifies a second factor again within a session. Where the session was
// no longer fresh its level rises: it gets a new token and id, and the old ones
// are dead. Errors: ErrBadAttempt for a wrong proof, ErrUnauthenticated where
// the session ended meanwhile, attempt.ErrLocked, table.ErrUnavailable.
func (d *Desk) StepUp(ctx context.Context, id Identity, secret string, proof mfa.Proof, from Origin) (SteppedUp, error) {
	tally := newTally(attempt.Factor(proof.Method), id.User.ID, id.User.ID, from, d.Journal.Second())
	rests := []table.Key{mfa.Key(id.User.ID), sessionKey(id.User.ID, token.HashOf(secret))}
	items, err := d.Journal.Table.GetAll(ctx, append(slices.Clone(rests), tally.keys()...)...)
	if err != nil {
		return SteppedUp{}, err
	}
	if !items[1].Exists() {
		return SteppedUp{}, ErrUnauthenticated
	}
	tally.take(items[2:], true)
	tally.Own = true // a living session's
	t := trial{Attempt: tally.Attempt}
	if _, err := d.reserve(ctx, tally, attempt.Factor(proof.Method), id.User.ID); err != nil {
		return SteppedUp{}, err
	}
	for range tries {
		done, err := d.stepUp(ctx, id, items, proof, &t)
		if refusal(err) {
			return SteppedUp{}, d.stayedDown(ctx, id, t, proof, items[1], err)
		}
		if !errors.Is(err, table.ErrConflict) {
			return done, err
		}
		if items, err = d.Journal.Table.GetAll(ctx, rests...); err != nil {
			return SteppedUp{}, err
		}
	}
	return SteppedUp{}, table.ErrUnavailable
}

// stayedDown is refused for a step-up.
func (d *Desk) stayedDown(ctx context.Context, id Identity, t trial, proof mfa.Proof, item table.Item, err error) error {
	f := failure{user: id.User, client: t.Client, entry: failureEntry(id.User, t.Client, audit.StepUpFailed, string(proof.Method)), cause: err}
	if t.right {
		f.writes = t.GiveBack()
	}
	if proof.Method == mfa.WebAuthn && item.Exists() {
		s, err := table.Decode[Session](item)
		if err != nil {
			return err
		}
		s.StepUp = nil
		spent, err := d.sessionWrite(item.Key, s, table.Is(item.Rev))
		if err != nil {
			return err
		}
		f.spends = []table.Write{spent}
	}
	failed := d.refuse(ctx, f)
	if errors.Is(failed, ErrBadAttempt) && errors.Is(err, ErrUnauthenticated) {
		return ErrUnauthenticated
	}
	return failed
}

func (d *Desk) stepUp(ctx context.Context, id Identity, items []table.Item, proof mfa.Proof, t *trial) (SteppedUp, error) {
	if !items[1].Exists() {
		return SteppedUp{}, ErrUnauthenticated
	}
	factors, err := mfa.Read(items[0])
	if err != nil {
		return SteppedUp{}, err
	}
	current, err := table.Decode[Session](items[1])
	if err != nil {
		return SteppedUp{}, err
	}
	proof.Challenge = current.StepUp
	factors, err = d.Factors.Verify(ctx, id.User.ID, factors, proof, t.At)
	if err != nil {
		return SteppedUp{}, err
	}
	t.right = true
	factorWrite, err := factors.Write(id.User.ID, items[0].Rev)
	if err != nil {
		return SteppedUp{}, err
	}
	done, writes, err := d.raised(id, current, items[1], t.Attempt)
	if err != nil {
		return SteppedUp{}, err
	}
	done.Left = d.left(proof.Method, factors)
	letters, err := d.spentLetters(ctx, id.User, t.Client, done.Left)
	if err != nil {
		return SteppedUp{}, err
	}
	writes = append(append(append(writes, factorWrite), t.GiveBack()...), letters...)
	entry := audit.By(id.Caller, audit.StepUpSucceeded, done.Session.ID).With("method", string(proof.Method)).With(leftDetail, leftText(done.Left))
	return done, d.Journal.Commit(ctx, writes, entry)
}

// raised is the session after a step-up: itself where it was fresh still, else
// a new one in its place that ends when the old one would have. Either way no
// challenge to step up is left.
func (d *Desk) raised(id Identity, s Session, item table.Item, try attempt.Attempt) (SteppedUp, []table.Write, error) {
	if id.Caller.Fresh(try.At) == nil {
		s.MFAAt, s.SeenAt, s.StepUp = try.At, try.At, nil
		write, err := d.sessionWrite(item.Key, s, table.Is(item.Rev))
		return SteppedUp{Session: s}, []table.Write{write}, err
	}
	risen, secret, _, err := d.newSession(id.User, s.Delivery, s.Method, try.Client)
	if err != nil {
		return SteppedUp{}, nil, err
	}
	risen.CreatedAt, risen.Ends, risen.Replacing = s.CreatedAt, s.Ends, s.Replacing
	write, err := d.sessionWrite(sessionKey(id.User.ID, token.HashOf(secret)), risen, table.Absent())
	return SteppedUp{Session: risen, Token: secret}, []table.Write{table.Delete(item.Key, table.Is(item.Rev)), write}, err
}
