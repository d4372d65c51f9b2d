package mfa

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"portcullis.example/shared/token"
)

// ErrCodeNeeded says that enrolling anew takes a code.
var ErrCodeNeeded = errors.New("your second factor was reset: enrolling anew takes the enrolment code that an administrator of your organisation has; ask them for it")

// CodeKept is how long an enrolment code works.
const CodeKept = time.Hour

// EnrollmentCode is what a person whose factors were reset must show to enrol
// anew, beside the password. It does not go away with its time: without another
// reset nobody enrols.
type EnrollmentCode struct {
	Hash token.Hash `json:"hash"`
	Ends time.Time  `json:"ends"`
}

// Cleared is a person without factors: nothing is left but the last accepted
// time step, which never falls.
func (f Factors) Cleared() Factors { return Factors{LastStep: f.LastStep} }

// Reset takes every factor away and makes the code that enrolling anew takes.
// It is shown once, to be handed over outside mail.
func (k Keeper) Reset(f Factors, now time.Time) (Factors, string, error) {
	code, err := k.code()
	if err != nil {
		return f, "", err
	}
	f = f.Cleared()
	f.Code = &EnrollmentCode{Hash: enrollmentHash(code), Ends: now.Add(CodeKept)}
	return f, code, nil
}

// MayEnroll judges the code of somebody who is to enrol: none is asked for where
// none was made. Errors: ErrEnrolled, ErrCodeNeeded, ErrWrong.
func (k Keeper) MayEnroll(f Factors, code string, now time.Time) error {
	switch {
	case f.Enrolled():
		return ErrEnrolled
	case f.Code == nil:
		return nil
	case code == "":
		return ErrCodeNeeded
	case !f.Code.Hash.Equal(enrollmentHash(code)) || !now.Before(f.Code.Ends):
		return ErrWrong
	case f.Code.Ends.Add(-CodeKept).Before(k.RestoredAt):
		return ErrWrong // whether it was used is not known any more
	}
	return nil
}

// enrollmentHash hashes a code in the one spelling that counts, as that of a
// recovery code.
func enrollmentHash(code string) token.Hash {
	sum := sha256.Sum256([]byte("enrollment\n" + plainCode(code)))
	return token.Hash(hex.EncodeToString(sum[:]))
}
