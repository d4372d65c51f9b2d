package authenticator

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The flags of authenticator data (WebAuthn section 6.1).
const (
	present  = 1 << 0
	verified = 1 << 2
	eligible = 1 << 3
	copied   = 1 << 4
	attested = 1 << 6
)

// data is authenticator data up to the counter.
func (k *Key) data(flags byte) []byte {
	if !k.Absent {
		flags |= present
	}
	if !k.Unverified {
		flags |= verified
	}
	if k.Synced {
		flags |= eligible | copied
	}
	hash := sha256.Sum256([]byte(k.RPID))
	data := binary.BigEndian.AppendUint32(append(hash[:], flags), k.Count)
	if k.Count > 0 {
		k.Count++
	}
	return data
}

// cose is the public key as RFC 9053 writes one of P-256.
func (k *Key) cose() ([]byte, error) {
	point, err := k.private.PublicKey.Bytes()
	if err != nil || len(point) != 65 {
		return nil, fmt.Errorf("authenticator: the public key: %w", err)
	}
	// {1: 2 (EC2), 3: the algorithm, -1: 1 (P-256), -2: x, -3: y}
	key := append([]byte{0xa5, 0x01, 0x02, 0x03}, cborHead(1, int(-1-k.Algorithm))...)
	key = append(key, 0x20, 0x01, 0x21)
	key = append(append(key, cborBytes(point[1:33])...), 0x22)
	return append(key, cborBytes(point[33:])...), nil
}

// The little of CBOR (RFC 8949) that an attestation takes.

func cborHead(major byte, n int) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return []byte{major<<5 | 24, byte(n)}
	default:
		return binary.BigEndian.AppendUint16([]byte{major<<5 | 25}, uint16(n))
	}
}

func cborBytes(raw []byte) []byte { return append(cborHead(2, len(raw)), raw...) }

func cborText(text string) []byte { return append(cborHead(3, len(text)), text...) }

// cborMap takes names and encoded values in turn.
func cborMap(pairs ...any) []byte {
	out := cborHead(5, len(pairs)/2)
	for _, part := range pairs {
		switch p := part.(type) {
		case string:
			out = append(out, cborText(p)...)
		case []byte:
			out = append(out, p...)
		}
	}
	return out
}
