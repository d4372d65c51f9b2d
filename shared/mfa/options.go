package mfa

import (
	"encoding/base64"
	"time"

	"portcullis.example/shared/account"
)

// The options are named and written as WebAuthn Level 3 does (section 5.1.8 and
// 5.1.9), so that a browser takes them with parseCreationOptionsFromJSON and
// parseRequestOptionsFromJSON. Binary values are base64url without padding.

// CreationOptions ask a browser to make a passkey.
type CreationOptions struct {
	RP                     RPEntity               `json:"rp"`
	User                   UserEntity             `json:"user"`
	Challenge              string                 `json:"challenge"`
	PubKeyCredParams       []CredentialParameter  `json:"pubKeyCredParams" nullable:"false"`
	Timeout                int64                  `json:"timeout" doc:"milliseconds"`
	ExcludeCredentials     []CredentialDescriptor `json:"excludeCredentials" nullable:"false"`
	AuthenticatorSelection AuthenticatorSelection `json:"authenticatorSelection"`
	Attestation            string                 `json:"attestation"`
}

// RequestOptions ask a browser to prove a passkey.
type RequestOptions struct {
	Challenge        string                 `json:"challenge"`
	Timeout          int64                  `json:"timeout" doc:"milliseconds"`
	RPID             string                 `json:"rpId"`
	AllowCredentials []CredentialDescriptor `json:"allowCredentials" nullable:"false"`
	UserVerification string                 `json:"userVerification"`
}

// RPEntity is the relying party: Portcullis.
type RPEntity struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// UserEntity is whose passkey it will be.
type UserEntity struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
}

// CredentialParameter is a signature algorithm by its number at COSE.
type CredentialParameter struct {
	Type string `json:"type"`
	Alg  int    `json:"alg"`
}

// CredentialDescriptor names a passkey to a browser.
type CredentialDescriptor struct {
	Type       string   `json:"type"`
	ID         string   `json:"id"`
	Transports []string `json:"transports,omitempty" nullable:"false"`
}

// AuthenticatorSelection is what an authenticator must be able to do.
type AuthenticatorSelection struct {
	ResidentKey      string `json:"residentKey"`
	UserVerification string `json:"userVerification"`
}

const (
	publicKey = "public-key"
	required  = "required"
)

// Algorithms are the signatures that a passkey may make: ES256, EdDSA over
// Ed25519 and RS256, by their numbers at COSE, the best first.
func Algorithms() []int { return []int{-7, -8, -257} }

// CreationOptions are the options to enrol a passkey. Errors:
// ErrTooManyPasskeys, ErrNoRelyingParty.
func (k Keeper) CreationOptions(user account.User, f Factors, c *Challenge, now time.Time) (CreationOptions, error) {
	rp, err := k.relyingParty().ID()
	if err != nil {
		return CreationOptions{}, err
	}
	if len(f.Passkeys) >= MaxPasskeys {
		return CreationOptions{}, ErrTooManyPasskeys
	}
	o := CreationOptions{
		RP:                     RPEntity{ID: rp, Name: issuer},
		User:                   UserEntity{ID: base64.RawURLEncoding.EncodeToString([]byte(user.ID)), Name: user.Email, DisplayName: user.Name},
		Challenge:              base64.RawURLEncoding.EncodeToString(c.Value),
		Timeout:                c.Ends.Sub(now).Milliseconds(),
		ExcludeCredentials:     f.descriptors(),
		AuthenticatorSelection: AuthenticatorSelection{ResidentKey: "preferred", UserVerification: required},
		Attestation:            "none",
	}
	if o.User.DisplayName == "" {
		o.User.DisplayName = user.Email
	}
	for _, algorithm := range Algorithms() {
		o.PubKeyCredParams = append(o.PubKeyCredParams, CredentialParameter{Type: publicKey, Alg: algorithm})
	}
	return o, nil
}

// RequestOptions are the options to prove a passkey. Errors: ErrNotEnrolled,
// ErrNoRelyingParty.
func (k Keeper) RequestOptions(f Factors, c *Challenge, now time.Time) (RequestOptions, error) {
	rp, err := k.relyingParty().ID()
	if err != nil {
		return RequestOptions{}, err
	}
	if len(f.Passkeys) == 0 {
		return RequestOptions{}, ErrNotEnrolled
	}
	return RequestOptions{
		Challenge: base64.RawURLEncoding.EncodeToString(c.Value), Timeout: c.Ends.Sub(now).Milliseconds(), RPID: rp,
		AllowCredentials: f.descriptors(), UserVerification: required,
	}, nil
}

func (f Factors) descriptors() []CredentialDescriptor {
	found := []CredentialDescriptor{}
	for _, p := range f.Passkeys {
		id := base64.RawURLEncoding.EncodeToString(p.Credential)
		found = append(found, CredentialDescriptor{Type: publicKey, ID: id, Transports: p.Transports})
	}
	return found
}
