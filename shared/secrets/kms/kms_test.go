package kms_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"portcullis.example/shared/secrets"
	"portcullis.example/shared/secrets/kms"
)

// keeper is a KMS with one key: it gives a data key back only with the key's id
// and the context that it was made with.
type keeper struct {
	id     string
	made   map[string]made
	calls  int
	broken error
}

type made struct {
	key     []byte
	context map[string]string
}

func (k *keeper) GenerateDataKey(_ context.Context, in *awskms.GenerateDataKeyInput, _ ...func(*awskms.Options)) (*awskms.GenerateDataKeyOutput, error) {
	k.calls++
	if k.broken != nil {
		return nil, k.broken
	}
	if aws.ToString(in.KeyId) != k.id || in.KeySpec != types.DataKeySpecAes256 {
		return nil, &types.NotFoundException{}
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	blob := rand.Text()
	k.made[blob] = made{slices.Clone(key), maps.Clone(in.EncryptionContext)}
	return &awskms.GenerateDataKeyOutput{CiphertextBlob: []byte(blob), Plaintext: key}, nil
}

func (k *keeper) Decrypt(_ context.Context, in *awskms.DecryptInput, _ ...func(*awskms.Options)) (*awskms.DecryptOutput, error) {
	k.calls++
	if k.broken != nil {
		return nil, k.broken
	}
	if len(in.CiphertextBlob) > 6144 {
		return nil, &smithy.GenericAPIError{Code: "ValidationException"}
	}
	if aws.ToString(in.KeyId) != k.id {
		return nil, &types.IncorrectKeyException{}
	}
	m, ok := k.made[string(in.CiphertextBlob)]
	if !ok || !maps.Equal(m.context, in.EncryptionContext) {
		return nil, &types.InvalidCiphertextException{}
	}
	return &awskms.DecryptOutput{Plaintext: slices.Clone(m.key)}, nil
}

func newSealer() (kms.Sealer, *keeper) {
	k := &keeper{id: "key", made: map[string]made{}}
	return kms.Sealer{Client: k, KeyID: "key"}, k
}

func seal(t *testing.T, s kms.Sealer, plaintext, bound string) []byte {
	t.Helper()
	sealed, err := s.Seal(t.Context(), []byte(plaintext), bound)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedOpens(t *testing.T) {
	s, k := newSealer()
	for _, size := range []int{0, 1, 20, 4096, 4097, 100_000} {
		plaintext := bytes.Repeat([]byte("x"), size)
		k.calls = 0
		sealed := seal(t, s, string(plaintext), "user")
		opened, err := s.Open(t.Context(), sealed, "user")
		if err != nil || !bytes.Equal(opened, plaintext) || k.calls != 2 {
			t.Errorf("%d bytes: %v, %d calls", size, err, k.calls)
		}
		if size > 8 && bytes.Contains(sealed, plaintext[:8]) {
			t.Errorf("%d bytes stand there in plain", size)
		}
	}
	if bytes.Equal(seal(t, s, "x", "user"), seal(t, s, "x", "user")) {
		t.Error("sealing twice gives the same")
	}
}

// Each bit counts, and so do the length and the id.
func TestAlteredDoesNotOpen(t *testing.T) {
	s, _ := newSealer()
	sealed := seal(t, s, "secret", "user")
	for i := range sealed {
		altered := slices.Clone(sealed)
		altered[i] ^= 1
		if _, err := s.Open(t.Context(), altered, "user"); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("byte %d altered: %v", i, err)
		}
		if _, err := s.Open(t.Context(), sealed[:i], "user"); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	for _, bound := range []string{"other", "user ", "User"} {
		if _, err := s.Open(t.Context(), sealed, bound); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("opened for %q: %v", bound, err)
		}
	}
}

// Each bit of the length, where the value is long enough for any.
func TestAlteredLengthDoesNotOpen(t *testing.T) {
	s, _ := newSealer()
	sealed := seal(t, s, strings.Repeat("x", 100_000), "user")
	for bit := range 16 {
		altered := slices.Clone(sealed)
		altered[1+bit/8] ^= 1 << (bit % 8)
		if _, err := s.Open(t.Context(), altered, "user"); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("bit %d altered: %v", bit, err)
		}
	}
}

// A data key is worth nothing for another value: the id is in the box as well.
func TestBoxIsBound(t *testing.T) {
	s, k := newSealer()
	sealed := seal(t, s, "secret", "user")
	for blob, m := range k.made { // a keeper that looks at no context
		m.context = map[string]string{kms.ContextName: "other"}
		k.made[blob] = m
	}
	if _, err := s.Open(t.Context(), sealed, "other"); !errors.Is(err, secrets.ErrTampered) {
		t.Errorf("got %v", err)
	}
}

func TestOtherKey(t *testing.T) {
	s, k := newSealer()
	sealed := seal(t, s, "secret", "user")
	if _, err := (kms.Sealer{Client: k, KeyID: "another"}).Open(t.Context(), sealed, "user"); !errors.Is(err, secrets.ErrTampered) || !errors.Is(err, secrets.ErrOtherKey) {
		t.Errorf("got %v", err)
	}
}

func TestUnboundIsRefusedUnasked(t *testing.T) {
	s, k := newSealer()
	_, sealErr := s.Seal(t.Context(), []byte("x"), "")
	_, openErr := s.Open(t.Context(), []byte("x"), "")
	if !errors.Is(sealErr, secrets.ErrUnbound) || !errors.Is(openErr, secrets.ErrUnbound) || k.calls != 0 {
		t.Errorf("%v, %v, %d calls", sealErr, openErr, k.calls)
	}
}

// What KMS can't do now is no tampering.
func TestKeeperThatDoesNotAnswer(t *testing.T) {
	s, k := newSealer()
	sealed := seal(t, s, "secret", "user")
	for _, broken := range []error{&types.KMSInternalException{}, &types.LimitExceededException{}, &types.DependencyTimeoutException{}, &types.KMSInvalidStateException{}, &types.DisabledException{}, context.DeadlineExceeded} {
		k.broken = broken
		_, sealErr := s.Seal(t.Context(), []byte("x"), "user")
		_, openErr := s.Open(t.Context(), sealed, "user")
		if !errors.Is(sealErr, secrets.ErrUnavailable) || !errors.Is(openErr, secrets.ErrUnavailable) || errors.Is(openErr, secrets.ErrTampered) {
			t.Errorf("%T: %v, %v", broken, sealErr, openErr)
		}
	}
}
