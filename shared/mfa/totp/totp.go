// Package totp makes and checks time-based one-time codes (RFC 6238: 30
// seconds, 6 digits, SHA-1, secrets of 160 bits). It guarantees that
//
//   - a code is six ASCII digits and nothing else;
//   - only the codes of the current step and its two neighbours are accepted;
//   - no step is accepted that is not later than the last accepted one, and no
//     code that an accepted step of the moment shares;
//   - comparing takes the same time whichever step matches, or none.
//
// Whoever calls Match stores the step it gives as the new last step, for good
// and only ever upwards, in the transaction that acts on it.
package totp

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Period is how long a step lasts.
const Period = 30 * time.Second

// digits is the length of a code.
const digits = 6

// skew is how many steps before and after the current one are accepted
// (RFC 6238 §5.2 recommends one for the network and clocks that drift).
const skew = 1

// Never is the last step of a user whose secret has not accepted a code yet.
const Never int64 = -1

var (
	// ErrMalformed says that a code is not six ASCII digits. It is no guess.
	ErrMalformed = errors.New("totp: the code is not six digits")
	// ErrWrong says that the code belongs to no step that counts.
	ErrWrong = errors.New("totp: wrong code")
	// ErrReplayed says that the code is right, but its step is not later than
	// the last accepted one: the next code will do.
	ErrReplayed = errors.New("totp: the code was used before")
)

// Step is the number of the period that now lies in, counted from 1970.
func Step(now time.Time) int64 {
	seconds, period := now.Unix(), int64(Period/time.Second)
	if seconds < 0 {
		// Division rounds towards zero, which would make step 0 twice as long.
		return (seconds+1)/period - 1
	}
	return seconds / period
}

// Code is the code of the step that now lies in, for demonstrations and tests.
// It answers ErrSecret for the zero Secret, ErrWrong before 1970.
func Code(secret Secret, now time.Time) (string, error) { return codeOf(secret, Step(now)) }

// Match tells which step a code belongs to, out of the current one and its two
// neighbours. LastStep is the last step accepted of this user, or Never. It
// answers ErrMalformed, ErrWrong, ErrReplayed, or ErrSecret for a zero Secret.
//
// Now and then (one time in a million) two steps share a code. If one of them
// is not later than lastStep, the code may have been seen: ErrReplayed. If
// both are, the later counts, so that accepting it spends both.
func Match(secret Secret, code string, now time.Time, lastStep int64) (step int64, err error) {
	if !wellFormed(code) {
		return 0, ErrMalformed
	}
	current := Step(now)
	latest, fresh, spent := int64(0), false, false
	for candidate := current - skew; candidate <= current+skew; candidate++ {
		if candidate < 0 {
			continue
		}
		matches, err := compare(secret, code, candidate)
		switch {
		case err != nil:
			return 0, err
		case matches && candidate <= lastStep:
			spent = true
		case matches:
			latest, fresh = candidate, true
		}
	}
	switch {
	case spent:
		return 0, ErrReplayed
	case fresh:
		return latest, nil
	}
	return 0, ErrWrong
}

// wellFormed is stricter than the library, which trims white space.
func wellFormed(code string) bool {
	if len(code) != digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}

func compare(secret Secret, code string, step int64) (bool, error) {
	want, err := codeOf(secret, step)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1, nil
}

func codeOf(secret Secret, step int64) (string, error) {
	if secret.reveal == nil {
		return "", ErrSecret
	}
	if step < 0 {
		return "", fmt.Errorf("%w: time before 1970", ErrWrong)
	}
	options := hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
	code, err := hotp.GenerateCodeCustom(secret.Base32(), uint64(step), options)
	if err != nil {
		return "", fmt.Errorf("totp: %w", err)
	}
	return code, nil
}
