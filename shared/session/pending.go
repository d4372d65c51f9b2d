package session

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// tally is where an attempt at a factor counts: with the person, or, from a
// browser that has fully signed in before, with that browser alone, so that a
// stranger's failures do not keep it out.
type tally struct {
	attempt.Attempt
	own    table.Key // the browser's own count
	device table.Key // the proof that there is such a browser
	known  bool
	read   []table.Item
}

// newTally counts under whom; owner is the user whose browser it claims to be.
func newTally(factor attempt.Factor, whom, owner string, from Origin, now time.Time) tally {
	device := token.HashOf(from.Device)
	return tally{
		Attempt: attempt.Attempt{Count: attempt.CountKey(factor, whom, ""), Client: from.Client, At: now},
		own:     attempt.CountKey(factor, whom, string(device)),
		device:  deviceKey(owner, device),
	}
}

func (t *tally) keys() []table.Key { return append([]table.Key{t.device, t.own}, t.Keys()...) }

// wait is a LockedError while a lock lasts.
func (t *tally) wait() error { return attempt.Wait(t.read[0], t.At) }

// take sorts what keys read; entitled says whether the browser's owner is the
// one who signs in.
func (t *tally) take(items []table.Item, entitled bool) {
	t.read = items[2:]
	if t.known = entitled && items[0].Exists(); t.known {
		t.Count, t.Own = t.own, true
		t.read = []table.Item{items[1], items[3], items[4]}
	}
}

// pendingState is all that the second step rests on, as read in one round trip.
type pendingState struct {
	user    account.User
	login   login
	factors mfa.Factors
	items   []table.Item // user, login, factors
	former  []table.Item // as formerKeys has them
	tally   tally
}

// second reads the state of a pending sign-in. ErrBadAttempt where the token is
// unknown, has ended, or belongs to somebody who may not sign in any more;
// mfa.ErrEnrolled or ErrMustEnroll where the user's record says that it is the
// other step's turn, whatever this flow believes.
func (d *Desk) second(ctx context.Context, secret string, factor attempt.Factor, from Origin) (pendingState, error) {
	ids, hash, err := token.Parse(secret, token.Login, 1)
	if err != nil {
		return pendingState{}, ErrBadAttempt
	}
	user := ids[0]
	s := pendingState{tally: newTally(factor, user, user, from, d.Journal.Second())}
	keys := append([]table.Key{account.UserKey(user), loginKey(user, hash), mfa.Key(user)}, s.tally.keys()...)
	items, err := d.Journal.Table.GetAll(ctx, append(keys, formerKeys(from.Session, user)...)...)
	if err != nil {
		return s, err
	}
	s.items, s.former = items[:3], items[len(keys):]
	s.tally.take(items[3:len(keys)], true)
	if err := s.decode(); err != nil {
		return s, err
	}
	if s.login.Ends.Add(-loginKept).Before(d.RestoredAt) {
		return s, ErrBadAttempt
	}
	switch enrolling, enrolled := factor == attempt.Enrollment, s.factors.Enrolled(); {
	case s.login.Delivery == Cookie && from.Foreign != nil:
		return s, from.Foreign
	case enrolling && enrolled:
		return s, mfa.ErrEnrolled
	case !enrolling && !enrolled:
		return s, ErrMustEnroll
	}
	return s, nil
}

// begin is second for a new attempt: while a lock lasts it says how long, though
// the lock has ended the pending sign-in.
func (d *Desk) begin(ctx context.Context, secret string, factor attempt.Factor, from Origin) (pendingState, error) {
	s, err := d.second(ctx, secret, factor, from)
	if !errors.Is(err, ErrBadAttempt) || s.tally.read == nil {
		return s, err
	}
	if locked := s.tally.wait(); locked != nil {
		return s, locked
	}
	return s, err
}

func (s *pendingState) decode() (err error) {
	if !s.items[0].Exists() || !s.items[1].Exists() {
		return ErrBadAttempt
	}
	if s.user, err = table.Decode[account.User](s.items[0]); err != nil {
		return err
	}
	if s.login, err = table.Decode[login](s.items[1]); err != nil {
		return err
	}
	if s.factors, err = mfa.Read(s.items[2]); err != nil {
		return err
	}
	if !s.user.Active || s.user.SessionEpoch() != s.login.Epoch {
		return ErrBadAttempt
	}
	return nil
}

// client is the address a session is opened from.
func (s pendingState) client() netip.Addr { return s.tally.Client }
