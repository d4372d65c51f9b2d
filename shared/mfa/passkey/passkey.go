// Package passkey is the relying party of WebAuthn Level 3, over go-webauthn. It
// guarantees that only a passkey made for the host of the base URL, on a page of
// exactly its origin, with the user verified by the authenticator, passes, that
// nothing of a request but the answer itself is believed, and that an answer
// which can't be read is one more that is wrong.
//
// No authenticator is asked who made it (attestation "none"): a statement that
// would need certificates is refused unread.
package passkey

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"portcullis.example/shared/mfa"
)

// longestKey is far above the keys of Algorithms, in bytes.
const longestKey = 1024

// Party is the relying party of one base URL. Safe for concurrent use.
type Party struct {
	id  string
	web *webauthn.WebAuthn
	err error
}

// New makes the relying party of a base URL: its id is the host, whatever a
// request says, and its origin the whole. Under an IP address there is none:
// every method then answers mfa.ErrNoRelyingParty.
func New(baseURL string) *Party {
	none := &Party{err: mfa.ErrNoRelyingParty}
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return none
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return none
	}
	// Extensions that nobody asked for mean nothing here: some password managers
	// send them all the same (WebAuthn section 7.1, step 19, leaves that to us).
	web, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPOrigins: []string{baseURL}, RPDisplayName: u.Hostname(),
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return none
	}
	return &Party{id: u.Hostname(), web: web}
}

// ID implements mfa.RelyingParty.
func (p *Party) ID() (string, error) { return p.id, p.err }

// session is what an answer is held against.
func (p *Party) session(user string, challenge []byte) webauthn.SessionData {
	s := webauthn.SessionData{
		Challenge: base64.RawURLEncoding.EncodeToString(challenge), RelyingPartyID: p.id, UserID: []byte(user),
		UserVerification: protocol.VerificationRequired,
	}
	for _, algorithm := range mfa.Algorithms() {
		s.CredParams = append(s.CredParams, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(algorithm)})
	}
	return s
}

// Attest implements mfa.RelyingParty.
func (p *Party) Attest(user string, challenge, answer []byte) (mfa.Passkey, error) {
	if p.err != nil {
		return mfa.Passkey{}, p.err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil || !unsigned(parsed.Response.AttestationObject) {
		return mfa.Passkey{}, mfa.ErrAttestation
	}
	made, err := p.web.CreateCredential(person{id: user}, p.session(user, challenge), parsed)
	if err != nil || !usable(made.PublicKey) {
		return mfa.Passkey{}, mfa.ErrAttestation
	}
	return mfa.Passkey{
		Credential: made.ID, Key: made.PublicKey, Count: made.Authenticator.SignCount, Synced: made.Flags.BackupEligible, Transports: transports(made.Transport),
	}, nil
}

// unsigned tells whether the authenticator says nothing about its maker: no
// statement, or one by the new key itself, which browsers let through where none
// is asked for (WebAuthn section 5.1.3).
func unsigned(o protocol.AttestationObject) bool {
	_, certified := o.AttStatement["x5c"]
	return o.Format == string(protocol.AttestationFormatNone) || o.Format == string(protocol.AttestationFormatPacked) && !certified
}

// usable tells whether a key can be read again.
func usable(key []byte) bool {
	if len(key) > longestKey {
		return false
	}
	_, err := webauthncose.ParsePublicKey(key)
	return err == nil
}

// transports keeps the ways to an authenticator that WebAuthn section 5.8.4
// knows, each once: they come from the request and go back to the browser.
func transports(said []protocol.AuthenticatorTransport) []string {
	var known []string
	for _, t := range []protocol.AuthenticatorTransport{protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal} {
		if slices.Contains(said, t) {
			known = append(known, string(t))
		}
	}
	return known
}

// Assert implements mfa.RelyingParty.
func (p *Party) Assert(user string, challenge []byte, enrolled []mfa.Passkey, answer []byte) (mfa.Signed, error) {
	if p.err != nil {
		return mfa.Signed{}, p.err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return mfa.Signed{}, mfa.ErrWrong
	}
	session, owner := p.session(user, challenge), newPerson(user, enrolled)
	for _, c := range owner.credentials {
		session.AllowedCredentialIDs = append(session.AllowedCredentialIDs, c.ID)
	}
	if _, err := p.web.ValidateLogin(owner, session, parsed); err != nil {
		return mfa.Signed{}, mfa.ErrWrong
	}
	return mfa.Signed{Credential: parsed.RawID, Count: parsed.Response.AuthenticatorData.Counter}, nil
}

// person is a user as go-webauthn wants one.
type person struct {
	id          string
	credentials []webauthn.Credential
}

func newPerson(id string, enrolled []mfa.Passkey) person {
	p := person{id: id}
	for _, k := range enrolled {
		p.credentials = append(p.credentials, webauthn.Credential{ID: k.Credential, PublicKey: k.Key, Flags: webauthn.CredentialFlags{BackupEligible: k.Synced}})
	}
	return p
}

// WebAuthnID is the user handle.
func (p person) WebAuthnID() []byte { return []byte(p.id) }

// WebAuthnName is asked for options alone, which are made elsewhere.
func (p person) WebAuthnName() string { return p.id }

// WebAuthnDisplayName is the same.
func (p person) WebAuthnDisplayName() string { return p.id }

// WebAuthnCredentials are the passkeys.
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }
