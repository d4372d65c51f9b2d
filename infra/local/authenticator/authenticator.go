// Package authenticator is a browser's passkeys in software, for scenarios and
// tests: it answers WebAuthn's options as navigator.credentials does, with a key
// of its own. It guarantees that it does so without the library that judges the
// answers, and that what a test wants wrong is wrong and signed all the same.
package authenticator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// Key is one passkey. Its fields are what it says of itself: a test may make it
// lie. Not safe for concurrent use.
type Key struct {
	// Credential is its own name, RPID whom it was made for, User whose it is.
	Credential []byte
	RPID       string
	User       []byte
	// Count is said with the next signature and then rises; while it is zero it
	// stays so, as that of keys that are copied.
	Count uint32
	// Unverified has it say that nobody was asked who they are, Absent that nobody
	// was there; Synced says that it is copied to others.
	Unverified, Absent, Synced bool
	// Algorithm is what its public key says it signs with, by COSE's number, and
	// Format how its maker is attested; as made: ES256 and none.
	Algorithm int8
	Format    string

	private *ecdsa.PrivateKey
	random  io.Reader
}

// options are the parts of creation and request options that count.
type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
}

// Create makes a passkey for a page of an origin that got creation options, and
// the answer, as PublicKeyCredential.toJSON writes it.
func Create(random io.Reader, origin string, creation []byte) (*Key, json.RawMessage, error) {
	k := &Key{random: random, Credential: make([]byte, 32), Algorithm: -7, Format: "none"}
	o, err := k.read(creation)
	if err != nil {
		return nil, nil, err
	}
	k.RPID = o.RP.ID
	if k.User, err = base64.RawURLEncoding.DecodeString(o.User.ID); err != nil {
		return nil, nil, fmt.Errorf("authenticator: the user's id: %w", err)
	}
	if _, err := io.ReadFull(random, k.Credential); err != nil {
		return nil, nil, err
	}
	if k.private, err = ecdsa.GenerateKey(elliptic.P256(), random); err != nil {
		return nil, nil, err
	}
	answer, err := k.Attest(origin, creation)
	return k, answer, err
}

func (k *Key) read(text []byte) (options, error) {
	var o options
	if err := json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("authenticator: unreadable options: %w", err)
	}
	return o, nil
}

// Attest answers creation options once more with the same key.
func (k *Key) Attest(origin string, creation []byte) (json.RawMessage, error) {
	o, err := k.read(creation)
	if err != nil {
		return nil, err
	}
	public, err := k.cose()
	if err != nil {
		return nil, err
	}
	data := k.data(attested)
	data = append(data, make([]byte, 16)...) // an AAGUID that names nobody
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.Credential)))
	data = append(append(data, k.Credential...), public...)
	return k.answer(map[string]any{
		"clientDataJSON":    url64(clientData("webauthn.create", o.Challenge, origin)),
		"attestationObject": url64(cborMap("fmt", cborText(k.Format), "attStmt", []byte{0xa0}, "authData", cborBytes(data))),
		"transports":        []string{"internal"},
	})
}

// Sign answers request options for a page of an origin.
func (k *Key) Sign(origin string, request []byte) (json.RawMessage, error) {
	o, err := k.read(request)
	if err != nil {
		return nil, err
	}
	return k.SignAs("webauthn.get", o.Challenge, origin)
}

// SignAs signs client data of a type with a challenge.
func (k *Key) SignAs(kind, challenge, origin string) (json.RawMessage, error) {
	data, client := k.data(0), clientData(kind, challenge, origin)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(k.random, k.private, digest[:])
	if err != nil {
		return nil, err
	}
	response := map[string]any{"clientDataJSON": url64(client), "authenticatorData": url64(data), "signature": url64(signature)}
	if len(k.User) > 0 {
		response["userHandle"] = url64(k.User)
	}
	return k.answer(response)
}

func (k *Key) answer(response map[string]any) (json.RawMessage, error) {
	return json.Marshal(map[string]any{
		"id": url64(k.Credential), "rawId": url64(k.Credential), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}

func clientData(kind, challenge, origin string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
	if err != nil {
		panic(err) // three texts and a truth are always JSON
	}
	return text
}

func url64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
