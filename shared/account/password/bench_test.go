package password

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
)

// CPU per Verify beside what argon2 itself takes with the same parameters.
func BenchmarkVerify(b *testing.B) {
	h := newPlace(b, Options{})
	phc, err := h.Hash(b.Context(), "correct horse battery staple")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, _, err := h.Verify(b.Context(), phc, "correct horse battery staple"); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkRawArgon2(b *testing.B) {
	p := DefaultParams()
	for b.Loop() {
		argon2.IDKey([]byte("correct horse battery staple"), make([]byte, saltBytes), p.Time, p.Memory, p.Threads, tagBytes)
	}
}

func BenchmarkRefuse1MB(b *testing.B) {
	h := newPlace(b, Options{})
	password := strings.Repeat("a", 1<<20)
	for b.Loop() {
		if err := h.VerifyAbsent(b.Context(), password); !errors.Is(err, ErrTooLong) {
			b.Fatal(err)
		}
	}
}
