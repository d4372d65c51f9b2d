package mfa

import (
	"context"
	"errors"
	"time"

	"portcullis.example/shared/account"
)

// ErrNothingBegun says that there is no authenticator to confirm.
var ErrNothingBegun = errors.New("no new authenticator was begun here, or it is over; begin again with POST /v1/mfa/totp")

// ReplacementKept is how long an authenticator that was begun can be confirmed.
const ReplacementKept = 10 * time.Minute

// Replacement is an authenticator that awaits its confirmation in a session. It
// replaces nothing until then.
type Replacement struct {
	Sealed  []byte    `json:"sealed"`
	BegunAt time.Time `json:"begun_at"`
}

// Replacing tells whether the authenticator can be confirmed; nil: none was begun.
func (k Keeper) Replacing(r *Replacement, now time.Time) bool {
	return r != nil && now.Before(r.BegunAt.Add(ReplacementKept)) && !r.BegunAt.Before(k.RestoredAt)
}

// BeginReplacement is Begin for somebody who has a second factor and a session: it shows
// again what the session has begun with, for as long as that can be confirmed.
func (k Keeper) BeginReplacement(ctx context.Context, user account.User, begun *Replacement, now time.Time) (Enrollment, *Replacement, error) {
	next := &Replacement{BegunAt: now}
	if k.Replacing(begun, now) {
		next = begun
	}
	enrollment, err := k.Begin(ctx, user, next.Sealed)
	return enrollment, &Replacement{Sealed: enrollment.Sealed, BegunAt: next.BegunAt}, err
}

// Replace judges the first code of a begun authenticator and answers the factors
// with it in the place of the old one. Its step must rise above the last
// accepted one, whichever authenticator that was of. Recovery codes stay. Errors:
// ErrWrong, ErrNothingBegun, ErrNotEnrolled where there is nothing to replace.
func (k Keeper) Replace(ctx context.Context, user string, f Factors, r *Replacement, code string, now time.Time) (Factors, error) {
	switch {
	case !f.Enrolled():
		return f, ErrNotEnrolled
	case !k.Replacing(r, now):
		return f, ErrNothingBegun
	}
	secret, err := k.open(ctx, user, r.Sealed)
	if err != nil {
		return f, err
	}
	if f, err = k.risen(f).accept(secret, code, now); err != nil {
		return f, err
	}
	f.TOTP = &Authenticator{Sealed: r.Sealed, EnrolledAt: now}
	return f, nil
}

// RenewRecovery answers the factors with ten new recovery codes in the place of
// all others, and the codes, which are shown once.
func (k Keeper) RenewRecovery(f Factors, now time.Time) (Factors, []string, error) {
	codes, err := k.recoveryCodes()
	if err != nil {
		return f, nil, err
	}
	f.Recovery, f.RecoveryAt = nil, now
	for _, code := range codes {
		f.Recovery = append(f.Recovery, recoveryHash(code))
	}
	return f, codes, nil
}

// RecoveryLeft is how many recovery codes can still be used: after a restore none
// of those from before, since some may have been spent meanwhile.
func (k Keeper) RecoveryLeft(f Factors) int {
	if f.recoveryMade().Before(k.RestoredAt) {
		return 0
	}
	return len(f.Recovery)
}
