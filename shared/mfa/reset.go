package mfa

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"portcullis.example/shared/token"
)

// ErrCodeNeeded says that enrolling anew takes a code.
var ErrCodeNeeded = errors.New("your second factor was reset: enrolling anew takes the enrolment code that an administrator of your organisation has, or that was mailed to you; ask them for it")

// ErrTwoMails says that a code came by mail, and the password as well.
var ErrTwoMails = errors.New("your enrolment code came by mail, and so did the link with which your password was chosen since: two mails together let nobody in; ask an administrator of your organisation to reset your second factor, or the operators of this Portcullis to begin another recovery")

// CodeKept is how long an enrolment code works.
const CodeKept = time.Hour

// EnrollmentCode is what a person whose factors were reset must show to enrol
// anew, beside the password. It does not go away with its time: without another
// reset nobody enrols.
type EnrollmentCode struct {
	Hash token.Hash `json:"hash"`
	Ends time.Time  `json:"ends"`
	// Since is, of a code that was mailed, when that was decided; zero: it was handed
	// over outside mail.
	Since time.Time `json:"since,omitzero"`
}

// MailedCodeKept is how long a code works that was mailed (NIST SP 800-63B-4 section
// 4.2.1.2: at most 24 hours).
const MailedCodeKept = 24 * time.Hour

func (c EnrollmentCode) made() time.Time {
	if c.Since.IsZero() {
		return c.Ends.Add(-CodeKept)
	}
	return c.Ends.Add(-MailedCodeKept)
}

// TwoMails is ErrTwoMails where the code that enrolling takes came by mail and the
// password was chosen with a mailed link since that was decided.
func (f Factors) TwoMails(passwordMailed time.Time) error {
	if f.Code != nil && !f.Code.Since.IsZero() && !passwordMailed.Before(f.Code.Since) {
		return ErrTwoMails
	}
	return nil
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

// ResetByMail is Reset with a code that is mailed, as was decided at since.
func (k Keeper) ResetByMail(f Factors, since, now time.Time) (Factors, string, error) {
	f, code, err := k.Reset(f, now)
	if err == nil {
		f.Code.Since, f.Code.Ends = since, now.Add(MailedCodeKept)
	}
	return f, code, err
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
	case f.Code.made().Before(k.RestoredAt):
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
