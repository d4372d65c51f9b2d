// Package mfa keeps a person's second factors. It guarantees that a code or a
// recovery code passes once, that the last accepted time step only ever rises,
// that a passkey answers a challenge of the flow it is shown in and its counter
// never goes back, that an authenticator in use is never replaced by one that
// nobody confirmed, and that a second factor can't be made from the table alone.
package mfa

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrWrong says that the proof is wrong, malformed or used before. Which of
	// these is not told.
	ErrWrong = errors.New("this code is wrong or has been used already; wait for the next one")
	// ErrNotEnrolled says that the person has no factor of this method.
	ErrNotEnrolled = errors.New("no second factor of this kind is enrolled")
	// ErrEnrolled says that a second factor is enrolled already.
	ErrEnrolled = errors.New("a second factor is enrolled already; sign in with it")
)

// Method is a way to prove a second factor, as API.md names it.
type Method string

// The methods.
const (
	TOTP         Method = "totp"
	RecoveryCode Method = "recovery_code"
)

const (
	issuer        = "Portcullis"
	recoveryCodes = 10
	recoveryBytes = 16 // 128 bits (ASVS 11.5.1): 26 base32 characters
)

// Factors is what a person has enrolled: one item, so that using up a code and
// what it pays for are one transaction on its revision.
type Factors struct {
	TOTP *Authenticator `json:"totp,omitempty"`
	// LastStep is the last accepted time step. It outlives the authenticator
	// and never falls.
	LastStep int64 `json:"last_step"`
	// Recovery are the hashes of the unused recovery codes.
	Recovery []token.Hash `json:"recovery,omitempty"`
	// RecoveryAt is when they were made.
	RecoveryAt time.Time `json:"recovery_at,omitzero"`
	// Code is what enrolling anew takes after a reset; nil: no code.
	Code *EnrollmentCode `json:"code,omitempty"`
	// Passkeys are at most MaxPasskeys, in the order they were enrolled.
	Passkeys []Passkey `json:"passkeys,omitempty"`
}

// recoveryMade is when the recovery codes were made: those from before that was
// noted came with the authenticator.
func (f Factors) recoveryMade() time.Time {
	if f.RecoveryAt.IsZero() && f.TOTP != nil {
		return f.TOTP.EnrolledAt
	}
	return f.RecoveryAt
}

// Authenticator is a confirmed TOTP secret.
type Authenticator struct {
	Sealed     []byte    `json:"sealed"`
	EnrolledAt time.Time `json:"enrolled_at"`
}

// Key is where a user's factors stand. The item never expires.
func Key(user string) table.Key {
	return account.FactorsKey(user)
}

// Read decodes the factors from an item as GetAll found it; absent is none.
func Read(item table.Item) (Factors, error) {
	if !item.Exists() {
		return Factors{}, nil
	}
	return table.Decode[Factors](item)
}

// Enrolled tells whether there is any second factor. Recovery codes alone are
// none: they stand in for one.
func (f Factors) Enrolled() bool { return f.TOTP != nil || len(f.Passkeys) > 0 }

// Methods lists what can be proved, in the order of API.md.
func (f Factors) Methods() []Method {
	methods := []Method{}
	if f.TOTP != nil {
		methods = append(methods, TOTP)
	}
	if len(f.Passkeys) > 0 {
		methods = append(methods, WebAuthn)
	}
	if f.Enrolled() && len(f.Recovery) > 0 {
		methods = append(methods, RecoveryCode)
	}
	return methods
}

// Write is the write of the factors on the condition of the revision read.
func (f Factors) Write(user string, rev table.Rev) (table.Write, error) {
	item, err := table.Encode(Key(user), "factors", f)
	return table.Put(item, table.Is(rev)), err
}

// Proof is what a person shows.
type Proof struct {
	Method Method
	Code   string
	// Assertion is what an authenticator signed, as the browser's toJSON has it.
	Assertion []byte
	// Challenge is what it must have signed, from the state of the flow and never
	// from the request; nil: none is open.
	Challenge *Challenge
}

// Keeper seals, opens and judges factors. Its fields are set once; it is safe
// for concurrent use.
type Keeper struct {
	Sealer secrets.Sealer
	Random io.Reader
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Codes from before may have been spent since.
	RestoredAt time.Time
	// Passkeys judges passkeys; nil: there can be none.
	Passkeys RelyingParty
}

// risen raises the last accepted step to the latest that could be accepted before
// the restore, one ahead of its time: which were is not known any more.
func (k Keeper) risen(f Factors) Factors {
	if !k.RestoredAt.IsZero() {
		f.LastStep = max(f.LastStep, totp.Step(k.RestoredAt.Add(totp.Period)))
	}
	return f
}

// Verify judges a proof at now and answers the factors with the proof used up,
// which must be committed on the revision read before anything is granted.
// Errors: ErrWrong (a *CounterError among them), ErrNotEnrolled,
// ErrNoRelyingParty.
func (k Keeper) Verify(ctx context.Context, user string, f Factors, proof Proof, now time.Time) (Factors, error) {
	switch {
	case !slices.Contains(f.Methods(), proof.Method):
		return f, ErrNotEnrolled
	case proof.Method == RecoveryCode && f.recoveryMade().Before(k.RestoredAt):
		return f, ErrWrong // which of them were spent is not known any more
	case proof.Method == RecoveryCode:
		return f.spend(proof.Code)
	case proof.Method == WebAuthn:
		return k.assert(user, f, proof, now)
	}
	secret, err := k.open(ctx, user, f.TOTP.Sealed)
	if err != nil {
		return f, err
	}
	return k.risen(f).accept(secret, proof.Code, now)
}

func (f Factors) accept(secret totp.Secret, code string, now time.Time) (Factors, error) {
	step, err := totp.Match(secret, code, now, f.LastStep)
	if err != nil {
		return f, ErrWrong
	}
	f.LastStep = step
	return f, nil
}

func (f Factors) spend(code string) (Factors, error) {
	hash := recoveryHash(code)
	kept := slices.DeleteFunc(slices.Clone(f.Recovery), hash.Equal)
	if len(kept) == len(f.Recovery) {
		return f, ErrWrong
	}
	f.Recovery = kept
	return f, nil
}

// Enrollment is an authenticator that awaits its confirmation. Sealed replaces
// nothing; it is kept with the flow that asked for it.
type Enrollment struct {
	Secret string // base32, for typing in
	URI    string // otpauth://
	QR     string // data URI of a PNG
	Sealed []byte
}

// Begin makes a new secret for a user, or shows again the one that the same flow
// has begun with, sealed: asking twice must not void the code already scanned.
func (k Keeper) Begin(ctx context.Context, user account.User, begun []byte) (Enrollment, error) {
	secret, sealed, err := k.begin(ctx, user.ID, begun)
	if err != nil {
		return Enrollment{}, err
	}
	uri := secret.URI(issuer, user.Email)
	qr, err := totp.QRDataURI(uri)
	return Enrollment{Secret: secret.Base32(), URI: uri, QR: qr, Sealed: sealed}, err
}

func (k Keeper) begin(ctx context.Context, user string, begun []byte) (totp.Secret, []byte, error) {
	if len(begun) > 0 {
		secret, err := k.open(ctx, user, begun)
		return secret, begun, err
	}
	secret, err := totp.NewSecret(k.Random)
	if err != nil {
		return secret, nil, err
	}
	sealed, err := k.Sealer.Seal(ctx, []byte(secret.Base32()), bound(user))
	if err != nil {
		return secret, nil, fmt.Errorf("mfa: %w", err)
	}
	return secret, sealed, nil
}

// Confirm judges the first code of a begun enrolment and answers the factors
// with the authenticator and ten new recovery codes, which are shown once.
// Errors: ErrWrong, ErrEnrolled where a factor is enrolled already.
func (k Keeper) Confirm(ctx context.Context, user string, f Factors, sealed []byte, code string, now time.Time) (Factors, []string, error) {
	if f.Enrolled() {
		return f, nil, ErrEnrolled
	}
	secret, err := k.open(ctx, user, sealed)
	if err != nil {
		return f, nil, err
	}
	if f, err = k.risen(f).accept(secret, code, now); err != nil {
		return f, nil, err
	}
	f.TOTP, f.Code = &Authenticator{Sealed: sealed, EnrolledAt: now}, nil
	return k.RenewRecovery(f, now)
}

func (k Keeper) open(ctx context.Context, user string, sealed []byte) (totp.Secret, error) {
	text, err := k.Sealer.Open(ctx, sealed, bound(user))
	if err != nil {
		return totp.Secret{}, fmt.Errorf("mfa: %w", err)
	}
	return totp.ParseSecret(string(text))
}

// bound ties a sealed secret to its user: moved to another, it does not open.
func bound(user string) string { return "totp#" + user }

var recoveryEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (k Keeper) recoveryCodes() ([]string, error) {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		var err error
		if codes[i], err = k.code(); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// code makes a code that people read to each other and type in.
func (k Keeper) code() (string, error) {
	raw := make([]byte, recoveryBytes)
	if _, err := io.ReadFull(k.Random, raw); err != nil {
		return "", fmt.Errorf("mfa: %w", err)
	}
	var groups []string
	for group := range slices.Chunk([]byte(recoveryEncoding.EncodeToString(raw)), 4) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-"), nil
}

// plainCode is the one spelling of a code that counts, whatever a person typed:
// without case, spaces and hyphens, and with the digits that base32 does not
// have read as the letters they look like.
func plainCode(code string) string {
	return strings.NewReplacer("-", "", " ", "", "0", "o", "1", "l", "8", "b").Replace(strings.ToLower(code))
}

func recoveryHash(code string) token.Hash {
	sum := sha256.Sum256([]byte("recovery\n" + plainCode(code)))
	return token.Hash(hex.EncodeToString(sum[:]))
}
