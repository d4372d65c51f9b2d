// Package token makes and reads what Portcullis hands out: identifiers, which
// are public and sort by time, and bearer secrets, of which only the SHA-256 is
// ever stored. It guarantees that a secret carries 256 random bits, that a
// secret of one kind is never read as another, and that reading has exactly one
// spelling: a shortened, lengthened or re-cased secret is malformed or hashes
// to something else.
package token

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// Kind is a secret's prefix. It tells secret scanners and readers what they
// found.
type Kind string

// The kinds of secrets.
const (
	Session    Kind = "pcs"
	Login      Kind = "pcl"
	Invitation Kind = "pci"
	Device     Kind = "pcd"
	GateKey    Kind = "pcg"
	Ticket     Kind = "pct"
	Pass       Kind = "pcp"
	APIKey     Kind = "pck"
	Reset      Kind = "pcr"
	Unsuspend  Kind = "pcu"

	CancelRecovery Kind = "pcc"
)

// ErrMalformed is any text that is no secret of the wanted kind. What was wrong
// with it is not told: the text may be somebody's secret.
var ErrMalformed = errors.New("token: malformed")

const (
	secretBytes = 32
	randomChars = 52 // secretBytes in base32
	maxIDs      = 4
	maxID       = 40
	maxSecret   = 256
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Hash is the lower-case hex SHA-256 of a whole secret: what is stored.
type Hash string

// HashOf hashes any secret text.
func HashOf(secret string) Hash {
	var short [128]byte // as nearly all are: nothing is copied to the heap
	sum := sha256.Sum256(append(short[:0], secret...))
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], sum[:])
	return Hash(text[:])
}

// Equal compares in constant time.
func (h Hash) Equal(other Hash) bool {
	return len(h) > 0 && subtle.ConstantTimeCompare([]byte(h), []byte(other)) == 1
}

// New makes a secret of a kind that names the ids under which its hash is
// stored (one to four; each of digits and capitals). It fails only if random
// does.
func New(random io.Reader, kind Kind, ids ...string) (string, error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	secret := string(kind) + "_" + strings.Join(ids, ".") + "_" + encoding.EncodeToString(raw)
	if _, _, err := Parse(secret, kind, len(ids)); err != nil || len(ids) > maxIDs {
		return "", fmt.Errorf("token: ids %q can't stand in a %s", ids, kind)
	}
	return secret, nil
}

// Parse reads a secret of the wanted kind with exactly n ids and answers them
// with its hash, or ErrMalformed.
func Parse(secret string, kind Kind, n int) (ids []string, hash Hash, err error) {
	// kind_id.id_random, by hand: every decision at a gate reads two of these.
	start, end := len(kind)+1, len(secret)-randomChars-1
	if len(secret) > maxSecret || end <= start || secret[:start-1] != string(kind) || secret[start-1] != '_' || secret[end] != '_' {
		return nil, "", ErrMalformed
	}
	ids = strings.Split(secret[start:end], ".")
	if len(ids) != n || !isRandom(secret[end+1:]) {
		return nil, "", ErrMalformed
	}
	for _, id := range ids {
		if !Shaped(id) {
			return nil, "", ErrMalformed
		}
	}
	return ids, HashOf(secret), nil
}

func isID(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func isRandom(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// Is tells whether a text claims to be a secret of a kind, which it need not be.
func (k Kind) Is(text string) bool { return strings.HasPrefix(text, string(k)+"_") }

// ParseHinted reads a secret of the wanted kind that carries one id and up to
// three further ones, which are hints of what to read beside it.
func ParseHinted(secret string, kind Kind) (id string, hints []string, hash Hash, err error) {
	for n := 1; n <= maxIDs; n++ {
		if ids, hash, err := Parse(secret, kind, n); err == nil {
			return ids[0], ids[1:], hash, nil
		}
	}
	return "", nil, "", ErrMalformed
}

// IDs makes identifiers: ULIDs, 26 characters, ascending in the order they were
// made within one IDs and by the millisecond across several. Safe for
// concurrent use.
type IDs struct {
	now     func() time.Time
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
}

// NewIDs makes a source of identifiers from a clock and a source of randomness.
func NewIDs(now func() time.Time, random io.Reader) *IDs {
	return &IDs{now: now, entropy: ulid.Monotonic(random, 0)}
}

// New makes one identifier. It fails only if the randomness does.
func (s *IDs) New() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := ulid.New(ulid.Timestamp(s.now()), s.entropy)
	if err != nil {
		return "", fmt.Errorf("token: %w", err)
	}
	return id.String(), nil
}

// FirstID is below every identifier made at or after t, to the millisecond; for
// ranges by time.
func FirstID(t time.Time) string {
	var id ulid.ULID
	switch {
	case t.Before(time.Unix(0, 0)):
	case id.SetTime(ulid.Timestamp(t)) != nil:
		return strings.Repeat("Z", ulid.EncodedSize)
	}
	return id.String()
}

// MadeAt is when an identifier was made, to the millisecond; zero for what is none.
func MadeAt(id string) time.Time {
	made, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(made.Time()).UTC()
}

// Shaped tells whether a text from outside may stand in a key and in a secret as
// an id: digits and capitals, of any length that New takes.
func Shaped(id string) bool { return len(id) >= 1 && len(id) <= maxID && isID(id) }

// ValidID tells whether a text from outside has the shape of an identifier, so
// that it may stand in a key.
func ValidID(id string) bool {
	if len(id) != ulid.EncodedSize {
		return false
	}
	_, err := ulid.ParseStrict(id)
	return err == nil && id == strings.ToUpper(id)
}
