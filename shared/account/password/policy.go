package password

import (
	"errors"
	"slices"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Lengths of a password in code points after NFC.
const (
	MinLength = 12
	MaxLength = 256
)

// maxBytes refuses large input before it is even normalised. No code point in
// NFC stems from more than four, of four bytes each.
const maxBytes = MaxLength * 4 * 4

// Why a password was refused. The texts are made to be shown to the person.
// Retrying with the same password is pointless.
var (
	ErrMalformed = errors.New("the password contains characters that cannot be typed reliably, such as line breaks: use letters, digits, signs and spaces")
	ErrTooShort  = errors.New("the password is too short: use at least 12 characters, for example four unrelated words")
	ErrTooLong   = errors.New("the password is too long: use at most 256 characters")
	ErrCommon    = errors.New("the password is too easy to guess, being made of common words, repetitions or keyboard rows: use four unrelated words, or let a password manager make one")
	ErrPersonal  = errors.New("the password is too close to your name, your e-mail address, your company or this service: use words that have nothing to do with them")
)

// Refusal is the reason of these for which a password was refused, or nil if err is
// something else.
func Refusal(err error) error {
	for _, reason := range []error{ErrMalformed, ErrTooShort, ErrTooLong, ErrCommon, ErrPersonal} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return nil
}

// service is what this program is called: a guesser knows that as well.
const service = "Portcullis"

// Policy judges new passwords after NIST SP 800-63B-4 §3.1.1.2: a length, no
// rules of composition, and a list of common passwords. Its methods may be
// called concurrently.
type Policy struct {
	words func() (wordList, error)
}

// NewPolicy builds a Policy. The word list is decoded at the first Check (some
// milliseconds, 2 MB), so that building one is free.
func NewPolicy() *Policy { return &Policy{words: sync.OnceValues(decodeWords)} }

// Check tells why a password may not be chosen: ErrMalformed, ErrTooLong,
// ErrTooShort, ErrPersonal or ErrCommon, in this order; nil if it may. About
// is what is known of the person: name, e-mail address, partner's name; empty
// ones are ignored.
func (p *Policy) Check(password string, about ...string) error {
	text, err := normalise(password)
	if err != nil {
		return err
	}
	if utf8.RuneCountInString(text) < MinLength {
		return ErrTooShort
	}
	words, err := p.words()
	if err != nil {
		return err
	}
	folded, about := fold(text), append(slices.Clone(about), service)
	for _, reading := range [][]rune{folded, leetRunes(folded, leetI), leetRunes(folded, leetL)} {
		if personal(reading, about) {
			return ErrPersonal
		}
	}
	if words.guessable(folded) {
		return ErrCommon
	}
	return nil
}

// normalise gives the NFC form that is hashed, or ErrMalformed or ErrTooLong.
func normalise(password string) (string, error) {
	if len(password) > maxBytes {
		return "", ErrTooLong
	}
	if !utf8.ValidString(password) {
		return "", ErrMalformed
	}
	for _, r := range password {
		if unicode.IsControl(r) {
			return "", ErrMalformed
		}
	}
	text := norm.NFC.String(password)
	if utf8.RuneCountInString(text) > MaxLength {
		return "", ErrTooLong
	}
	return text, nil
}
