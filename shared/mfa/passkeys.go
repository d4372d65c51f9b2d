package mfa

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// WebAuthn is the method of passkeys.
const WebAuthn Method = "passkey"

var (
	// ErrNoRelyingParty says that passkeys can't be had under this base URL.
	ErrNoRelyingParty = errors.New("passkeys can't be used here: they are bound to a host name, and the control portal's address is an IP address; use an authenticator app, and ask whoever runs this installation to give the portal a host name (PORTCULLIS_BASE_URL)")
	// ErrAttestation says that what came is no answer to the enrolment that was
	// begun, or that none was.
	ErrAttestation = errors.New("this is no answer to the enrolment that was begun here, or that one is over; begin again with POST /v1/mfa/passkeys/options")
	// ErrPasskeyEnrolled says that the person has this very passkey already.
	ErrPasskeyEnrolled = errors.New("this passkey is enrolled already; sign in with it")
	// ErrTooManyPasskeys says that there is no room for another.
	ErrTooManyPasskeys = fmt.Errorf("a person can have %d passkeys; remove one that is no longer used first", MaxPasskeys)
	// ErrNoPasskey says that the person has no such passkey.
	ErrNoPasskey = errors.New("there is no such passkey")
	// ErrLastFactor says that without this factor there would be none.
	ErrLastFactor = errors.New("this is the last second factor, which can't be removed; enrol another one first")
)

const (
	// MaxPasskeys is how many a person can have: all factors stand in one item,
	// which is read at every sign-in.
	MaxPasskeys = 10
	// ChallengeKept is how long a challenge can be answered, if nothing ends it
	// before: what WebAuthn section 15.1 recommends where the user is verified.
	ChallengeKept = 5 * time.Minute
	// challengeBytes is twice what WebAuthn section 13.4.3 asks for.
	challengeBytes = 32
)

// Passkey is a WebAuthn credential: a key pair of which an authenticator keeps
// the private half. What is kept of it here is no secret.
type Passkey struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Credential is what the authenticator calls it, Key its public key as COSE
	// writes it.
	Credential []byte `json:"credential"`
	Key        []byte `json:"key"`
	// Count is the authenticator's last signature counter; those that keep none
	// say zero.
	Count uint32 `json:"count,omitempty"`
	// Synced says that the authenticator may copy it to others. It never changes.
	Synced     bool      `json:"synced,omitempty"`
	Transports []string  `json:"transports,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
}

// Challenge is what an authenticator signs: for one flow of one person, once.
type Challenge struct {
	Value []byte    `json:"value"`
	Ends  time.Time `json:"ends"`
}

// open tells whether the challenge can be answered; nil: none was issued.
func (c *Challenge) open(now time.Time) bool {
	return c != nil && len(c.Value) == challengeBytes && now.Before(c.Ends)
}

// NewChallenge draws a challenge that can be answered until it is spent, for
// ChallengeKept from now at most, and not after ends.
func (k Keeper) NewChallenge(now, ends time.Time) (*Challenge, error) {
	c := &Challenge{Value: make([]byte, challengeBytes), Ends: now.Add(ChallengeKept)}
	if ends.Before(c.Ends) {
		c.Ends = ends
	}
	if _, err := io.ReadFull(k.Random, c.Value); err != nil {
		return nil, fmt.Errorf("mfa: %w", err)
	}
	return c, nil
}

// Signed is what an authenticator has signed: with which credential, and its
// counter then.
type Signed struct {
	Credential []byte
	Count      uint32
}

// RelyingParty judges what authenticators sign. The one there is stands in
// shared/mfa/passkey, so that only the function that asks it links WebAuthn. The
// user's id is the user handle.
type RelyingParty interface {
	// ID is the relying party's id, or ErrNoRelyingParty.
	ID() (string, error)
	// Attest judges the answer to CreationOptions: the passkey without id, name
	// and times. Errors: ErrAttestation, ErrNoRelyingParty.
	Attest(user string, challenge, answer []byte) (Passkey, error)
	// Assert judges the answer to RequestOptions but for the counter. Errors:
	// ErrWrong, ErrNoRelyingParty.
	Assert(user string, challenge []byte, enrolled []Passkey, answer []byte) (Signed, error)
}

// NewPasskey is one to be enrolled.
type NewPasskey struct {
	ID, Name string
	// Challenge is as the flow issued it, Answer what the browser made of it.
	Challenge *Challenge
	Answer    []byte
}

// EnrollPasskey judges the answer to CreationOptions and answers the factors
// with the new passkey. Errors: ErrAttestation, ErrPasskeyEnrolled,
// ErrTooManyPasskeys, ErrNoRelyingParty.
func (k Keeper) EnrollPasskey(user string, f Factors, n NewPasskey, now time.Time) (Factors, Passkey, error) {
	if !n.Challenge.open(now) {
		return f, Passkey{}, ErrAttestation
	}
	if len(f.Passkeys) >= MaxPasskeys {
		return f, Passkey{}, ErrTooManyPasskeys
	}
	made, err := k.relyingParty().Attest(user, n.Challenge.Value, n.Answer)
	if err != nil {
		return f, Passkey{}, err
	}
	if f.passkey(made.Credential) >= 0 {
		return f, Passkey{}, ErrPasskeyEnrolled
	}
	made.ID, made.Name, made.CreatedAt, made.LastUsedAt = n.ID, n.Name, now, time.Time{}
	f.Passkeys = append(slices.Clone(f.Passkeys), made)
	return f, made, nil
}

// assert judges a passkey and answers the factors with its counter moved on.
func (k Keeper) assert(user string, f Factors, proof Proof, now time.Time) (Factors, error) {
	if !proof.Challenge.open(now) {
		return f, ErrWrong
	}
	signed, err := k.relyingParty().Assert(user, proof.Challenge.Value, f.Passkeys, proof.Assertion)
	if err != nil {
		return f, err
	}
	i := f.passkey(signed.Credential)
	if i < 0 {
		return f, ErrWrong
	}
	if !rises(f.Passkeys[i].Count, signed.Count) {
		return f, &CounterError{Passkey: f.Passkeys[i], Shown: signed.Count}
	}
	f.Passkeys = slices.Clone(f.Passkeys)
	f.Passkeys[i].Count, f.Passkeys[i].LastUsedAt = signed.Count, now
	return f, nil
}

// rises tells whether a counter goes on as that of one authenticator does. Those
// that keep none, as all that copy their keys, say zero (WebAuthn section 6.1.1).
func rises(last, shown uint32) bool { return shown > last || shown == 0 && last == 0 }

// CounterError says that a passkey's counter did not rise: it was right, but
// somebody may have a copy of it. It is an ErrWrong.
type CounterError struct {
	// Passkey is as it stood; Shown is the counter that came.
	Passkey Passkey
	Shown   uint32
}

func (e *CounterError) Error() string { return "mfa: the signature counter of a passkey went back" }

// Is makes errors.Is(err, ErrWrong) true.
func (e *CounterError) Is(target error) bool { return target == ErrWrong }

// RemovePasskey answers the factors without one of the passkeys, and that one.
// Errors: ErrNoPasskey, ErrLastFactor.
func (f Factors) RemovePasskey(id string) (Factors, Passkey, error) {
	i := slices.IndexFunc(f.Passkeys, func(p Passkey) bool { return p.ID == id })
	if i < 0 {
		return f, Passkey{}, ErrNoPasskey
	}
	removed := f.Passkeys[i]
	left := f
	left.Passkeys = slices.Delete(slices.Clone(f.Passkeys), i, i+1)
	if !left.Enrolled() {
		return f, Passkey{}, ErrLastFactor
	}
	return left, removed, nil
}

// passkey is the place of a credential among the passkeys, or -1.
func (f Factors) passkey(credential []byte) int {
	return slices.IndexFunc(f.Passkeys, func(p Passkey) bool { return bytes.Equal(p.Credential, credential) })
}

// nobody is the relying party of functions that judge no passkeys.
type nobody struct{}

func (nobody) ID() (string, error) { return "", ErrNoRelyingParty }

func (nobody) Attest(string, []byte, []byte) (Passkey, error) { return Passkey{}, ErrNoRelyingParty }

func (nobody) Assert(string, []byte, []Passkey, []byte) (Signed, error) {
	return Signed{}, ErrNoRelyingParty
}

func (k Keeper) relyingParty() RelyingParty {
	if k.Passkeys == nil {
		return nobody{}
	}
	return k.Passkeys
}
