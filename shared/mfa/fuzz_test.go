package mfa_test

import (
	"context"
	"strings"
	"testing"

	"portcullis.example/shared/mfa"
)

// FuzzRecoveryCode shows anything as a recovery code: what passes is one of the
// ten, read as a person may have written it down, and spends that one alone.
func FuzzRecoveryCode(f *testing.F) {
	k := newKeeper(f)
	factors, _, codes := enrolled(f, k)
	read := strings.NewReplacer("-", "", " ", "", "0", "o", "1", "l", "8", "b")
	of := map[string]bool{}
	for _, code := range codes {
		of[read.Replace(code)] = true
		f.Add(code)
		f.Add(strings.ToUpper(read.Replace(code)))
	}
	for _, text := range []string{"", "-", "\x00", codes[0] + "\n", codes[0] + codes[1], "ａ" + codes[0][1:], "K" + codes[0][1:], strings.Repeat("a", 256)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		next, err := k.Verify(context.Background(), alice.ID, factors, mfa.Proof{Method: mfa.RecoveryCode, Code: text}, start)
		right := of[read.Replace(strings.ToLower(text))]
		if (err == nil) != right || right && len(next.Recovery) != len(codes)-1 || !right && len(next.Recovery) != len(codes) {
			t.Errorf("%q: %v, %d left", text, err, len(next.Recovery))
		}
	})
}
