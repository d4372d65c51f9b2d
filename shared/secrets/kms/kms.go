// Package kms seals under a key of AWS KMS that never leaves it. It guarantees,
// beside what secrets.Sealer promises, that a sealed value opens only with the
// id that it was sealed for as KMS's encryption context (so that a role may be
// held to some ids by its policy, and each use stands in CloudTrail), and that
// what KMS can't do just now is secrets.ErrUnavailable.
//
// It seals by envelope: a data key for each value, made and encrypted by KMS,
// and AES-256-GCM here (NIST SP 800-38D), since KMS itself takes 4 KB at most.
package kms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"portcullis.example/shared/secrets"
)

// Client is what is used of *kms.Client.
type Client interface {
	// GenerateDataKey makes a data key, in plain and encrypted.
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	// Decrypt gives a data key back in plain.
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Sealer seals under one key. It is a secrets.Sealer; each call is one request
// to KMS. Its methods may be called concurrently and retried.
type Sealer struct {
	Client Client
	// KeyID is the key's id or ARN.
	KeyID string
}

var _ secrets.Sealer = Sealer{}

// ContextName is the name of the encryption context, whose value is the id that
// a value is bound to.
const ContextName = "bound"

// sealedVersion is the first byte of a sealed value; then the encrypted data
// key's length in two bytes, the encrypted data key, nonce, ciphertext and tag.
const (
	sealedVersion = 2 // 1 is keyfile's
	headerBytes   = 3
	// maxEncrypted is the longest CiphertextBlob that KMS's API takes: a longer
	// one is an altered length, not a KMS that does not answer.
	maxEncrypted = 6144
)

// Seal implements secrets.Sealer.
func (s Sealer) Seal(ctx context.Context, plaintext []byte, bound string) ([]byte, error) {
	if bound == "" {
		return nil, secrets.ErrUnbound
	}
	key, err := s.Client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &s.KeyID, KeySpec: types.DataKeySpecAes256, EncryptionContext: map[string]string{ContextName: bound},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", secrets.ErrUnavailable, err)
	}
	defer clear(key.Plaintext)
	aead, err := newAEAD(key.Plaintext)
	if err != nil {
		return nil, err
	}
	sealed := binary.BigEndian.AppendUint16([]byte{sealedVersion}, uint16(len(key.CiphertextBlob)))
	sealed = append(sealed, key.CiphertextBlob...)
	return aead.Seal(sealed, nil, plaintext, []byte(bound)), nil
}

// Open implements secrets.Sealer.
func (s Sealer) Open(ctx context.Context, sealed []byte, bound string) ([]byte, error) {
	if bound == "" {
		return nil, secrets.ErrUnbound
	}
	encrypted, box, err := split(sealed)
	if err != nil {
		return nil, err
	}
	key, err := s.Client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &s.KeyID, CiphertextBlob: encrypted, EncryptionContext: map[string]string{ContextName: bound},
	})
	if err != nil {
		return nil, refused(err)
	}
	defer clear(key.Plaintext)
	aead, err := newAEAD(key.Plaintext)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open([]byte{}, nil, box, []byte(bound))
	if err != nil {
		return nil, secrets.ErrTampered // GCM says no more
	}
	return plaintext, nil
}

func split(sealed []byte) (encrypted, box []byte, err error) {
	if len(sealed) < headerBytes || sealed[0] != sealedVersion {
		return nil, nil, fmt.Errorf("%w: unknown form", secrets.ErrTampered)
	}
	length := int(binary.BigEndian.Uint16(sealed[1:headerBytes]))
	if length == 0 || length > maxEncrypted || len(sealed) < headerBytes+length {
		return nil, nil, fmt.Errorf("%w: wrong length", secrets.ErrTampered)
	}
	return sealed[headerBytes : headerBytes+length], sealed[headerBytes+length:], nil
}

// refused tells a value that does not open from a KMS that does not answer.
func refused(err error) error {
	otherKey := (*types.IncorrectKeyException)(nil)
	altered := (*types.InvalidCiphertextException)(nil)
	switch {
	case errors.As(err, &otherKey):
		return fmt.Errorf("%w: %w", secrets.ErrTampered, secrets.ErrOtherKey)
	case errors.As(err, &altered):
		return secrets.ErrTampered
	}
	return fmt.Errorf("%w: %w", secrets.ErrUnavailable, err)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("kms: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("kms: %w", err)
	}
	return aead, nil
}
