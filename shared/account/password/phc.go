package password

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Sizes of new salts and tags in bytes (RFC 9106 §4).
const (
	saltBytes = 16
	tagBytes  = 32
)

// Bounds of what a stored hash may ask for. They keep a forged or damaged
// hash from costing more than about half a second and 64 MiB.
const (
	maxMemory  = 64 << 10 // KiB
	maxTime    = 10
	maxThreads = 4
	minSalt    = 8 // bytes, RFC 9106 §4: what 16 may be reduced to
	maxSalt    = 64
	minTag     = 16
	maxTag     = 64
)

// Params are argon2id's costs. They are fixed per Hasher.
type Params struct {
	Memory  uint32 // KiB, from 8 for each thread to 65536
	Time    uint32 // passes over the memory, 1 to 10
	Threads uint8  // lanes, 1 to 4
}

// DefaultParams are the OWASP Password Storage Cheat Sheet's: 19 MiB, two
// passes, one lane.
func DefaultParams() Params { return Params{Memory: 19456, Time: 2, Threads: 1} }

func (p Params) sound() bool {
	return p.Threads >= 1 && p.Threads <= maxThreads &&
		p.Time >= 1 && p.Time <= maxTime &&
		p.Memory >= 8*uint32(p.Threads) && p.Memory <= maxMemory
}

// hash is a PHC string taken apart.
type hash struct {
	params    Params
	salt, tag []byte
}

var phcBase64 = base64.RawStdEncoding.Strict()

// String gives the PHC string, $argon2id$v=19$m=…,t=…,p=…$salt$tag.
func (h hash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.Memory, h.params.Time, h.params.Threads,
		phcBase64.EncodeToString(h.salt), phcBase64.EncodeToString(h.tag))
}

// below tells whether a guesser has less work with the hash than with today's: the
// memory is what is paid, once a pass. What was made dearer than today stays.
func (h hash) below(today Params) bool {
	return uint64(h.params.Memory)*uint64(h.params.Time) < uint64(today.Memory)*uint64(today.Time) ||
		len(h.salt) < saltBytes || len(h.tag) < tagBytes
}

// parse reads a PHC string or answers ErrMalformedHash. Only the one spelling
// that String would give is accepted.
func parse(phc string) (hash, error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 {
		return hash{}, fmt.Errorf("%w: not six parts", ErrMalformedHash)
	}
	h := hash{params: parseParams(parts[3])}
	if !h.params.sound() {
		return hash{}, fmt.Errorf("%w: parameters out of bounds", ErrMalformedHash)
	}
	var err error
	if h.salt, err = decode(parts[4], minSalt, maxSalt); err != nil {
		return hash{}, err
	}
	if h.tag, err = decode(parts[5], minTag, maxTag); err != nil {
		return hash{}, err
	}
	// This one comparison holds the algorithm, the version, leading zeros,
	// signs and stray characters to the letter.
	if h.String() != phc {
		return hash{}, fmt.Errorf("%w: not in canonical form", ErrMalformedHash)
	}
	return h, nil
}

// parseParams reads m=…,t=…,p=…; what it can't read is zero, which is unsound.
func parseParams(text string) Params {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Params{}
	}
	return Params{
		Memory:  uint32(number(fields[0], "m=", 32)),
		Time:    uint32(number(fields[1], "t=", 32)),
		Threads: uint8(number(fields[2], "p=", 8)),
	}
}

// number reads a field of at most bits bits, or answers zero: every
// parameter's lower bound is above that.
func number(field, name string, bits int) uint64 {
	digits, found := strings.CutPrefix(field, name)
	n, err := strconv.ParseUint(digits, 10, bits)
	if err != nil || !found {
		return 0
	}
	return n
}

func decode(text string, low, high int) ([]byte, error) {
	raw, err := phcBase64.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: not base64", ErrMalformedHash)
	}
	if len(raw) < low || len(raw) > high {
		return nil, fmt.Errorf("%w: salt or tag of %d bytes", ErrMalformedHash, len(raw))
	}
	return raw, nil
}
