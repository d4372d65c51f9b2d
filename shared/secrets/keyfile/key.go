// Package keyfile seals with a key from a file, for running on one machine. It
// guarantees that
//
//   - a key is never overwritten, never half written, and never read from a
//     file that others may read;
//   - the key shows up in no text, log line or JSON document;
//   - keys derived for other uses tell nothing of the sealing key.
//
// Sealing is AES-256-GCM with random nonces (NIST SP 800-38D), good for 2^32
// values under one key; derivation is HKDF-SHA256 (RFC 5869).
package keyfile

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"

	"portcullis.example/shared/secrets"
)

const (
	keyBytes         = 32
	keyIDBytes       = 4
	fingerprintBytes = 8
	// sealedVersion is the first byte of a sealed value, before the key's id.
	sealedVersion = 1
	headerBytes   = 1 + keyIDBytes
)

// What each derived key is for. Labels of Derive stand behind a prefix of
// their own, so that none of them gives one of these.
const (
	purposeSeal        = "portcullis seal v1"
	purposeKeyID       = "portcullis key id v1"
	purposeFingerprint = "portcullis fingerprint v1"
	purposeDerive      = "portcullis derive v1:"
)

// redacted stands for a key wherever one is printed.
const redacted = "[key]"

// Key is a key read by Load or made by Create; its zero value is not usable.
// It is a secrets.Sealer. Its methods may be called concurrently.
type Key struct {
	// A function, since fmt prints unexported fields without asking their
	// methods, and looks through pointers when a verb does not fit.
	material func() *material
}

type material struct {
	secret []byte
	header []byte // of sealed values: version and key id
	aead   cipher.AEAD
}

var _ secrets.Sealer = Key{}

func newKey(secret []byte) (*Key, error) {
	m := &material{secret: secret}
	block, err := aes.NewCipher(m.derive(purposeSeal, keyBytes))
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	if m.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	m.header = append([]byte{sealedVersion}, m.derive(purposeKeyID, keyIDBytes)...)
	return &Key{material: func() *material { return m }}, nil
}

func (m *material) derive(purpose string, length int) []byte {
	out, err := hkdf.Key(sha256.New, m.secret, nil, purpose, length)
	if err != nil {
		// Only for lengths over 8160 bytes; ours are constants.
		panic("keyfile: " + err.Error())
	}
	return out
}

// Seal implements secrets.Sealer. Sealed is a version byte, four bytes of key
// id, twelve of nonce, the ciphertext and sixteen of tag. Ctx is not looked at.
func (k Key) Seal(_ context.Context, plaintext []byte, bound string) ([]byte, error) {
	if bound == "" {
		return nil, secrets.ErrUnbound
	}
	m := k.material()
	return m.aead.Seal(bytes.Clone(m.header), nil, plaintext, m.associated(bound)), nil
}

// Open implements secrets.Sealer. Ctx is not looked at.
func (k Key) Open(_ context.Context, sealed []byte, bound string) ([]byte, error) {
	m := k.material()
	switch {
	case bound == "":
		return nil, secrets.ErrUnbound
	case len(sealed) < headerBytes || sealed[0] != sealedVersion:
		return nil, fmt.Errorf("%w: unknown form", secrets.ErrTampered)
	case !bytes.Equal(sealed[:headerBytes], m.header):
		return nil, fmt.Errorf("%w: %w", secrets.ErrTampered, secrets.ErrOtherKey)
	}
	plaintext, err := m.aead.Open([]byte{}, nil, sealed[headerBytes:], m.associated(bound))
	if err != nil {
		// The inner error says nothing more, by design of GCM.
		return nil, secrets.ErrTampered
	}
	return plaintext, nil
}

// associated is what is authenticated beside the plaintext; the header's fixed
// length keeps it unambiguous.
func (m *material) associated(bound string) []byte {
	return append(bytes.Clone(m.header), bound...)
}

// Fingerprint is 16 hex digits to store beside the data: a key with another
// fingerprint is not the one the data was sealed with. It is no secret.
func (k Key) Fingerprint() string {
	return hex.EncodeToString(k.material().derive(purposeFingerprint, fingerprintBytes))
}

// Derive gives a key of 32 bytes for another use, the same for the same label,
// such as the MAC of list cursors.
func (k Key) Derive(label string) []byte { return k.material().derive(purposeDerive+label, keyBytes) }

// String implements fmt.Stringer.
func (Key) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Key) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
