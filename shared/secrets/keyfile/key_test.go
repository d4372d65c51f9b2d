package keyfile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"portcullis.example/shared/secrets"
)

func secretOf(filler byte) []byte {
	secret := make([]byte, keyBytes)
	for i := range secret {
		secret[i] = filler + byte(i)
	}
	return secret
}

func testKey(t interface{ Fatal(...any) }, filler byte) *Key {
	key, err := newKey(secretOf(filler))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOpenGivesBackWhatWasSealed(t *testing.T) {
	key := testKey(t, 1)
	rapid.Check(t, func(rt *rapid.T) {
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(rt, "plaintext")
		bound := rapid.StringN(1, -1, -1).Draw(rt, "bound")
		sealed, err := key.Seal(t.Context(), plaintext, bound)
		if err != nil {
			rt.Fatal(err)
		}
		opened, err := key.Open(t.Context(), sealed, bound)
		if err != nil || !bytes.Equal(opened, plaintext) || opened == nil {
			rt.Fatalf("Open = %q, %v", opened, err)
		}
		if len(plaintext) > 8 && bytes.Contains(sealed, plaintext) {
			rt.Fatal("sealed in clear")
		}
	})
}

func TestSealTwiceDiffers(t *testing.T) {
	key := testKey(t, 1)
	one, err1 := key.Seal(t.Context(), []byte("a secret"), "u1")
	two, err2 := key.Seal(t.Context(), []byte("a secret"), "u1")
	if err := errors.Join(err1, err2); err != nil || bytes.Equal(one, two) {
		t.Errorf("%x and %x, %v", one, two, err)
	}
}

func TestOpenForAnotherIDIsTampering(t *testing.T) {
	key := testKey(t, 1)
	sealed, err := key.Seal(t.Context(), []byte("a secret"), "u1")
	if err != nil {
		t.Fatal(err)
	}
	for _, bound := range []string{"u2", "u", "u11", "U1", "u1\x00", " u1"} {
		if plaintext, err := key.Open(t.Context(), sealed, bound); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("Open for %q = %q, %v, want ErrTampered", bound, plaintext, err)
		}
	}
}

func TestUnboundIsRefused(t *testing.T) {
	key := testKey(t, 1)
	if _, err := key.Seal(t.Context(), []byte("a secret"), ""); !errors.Is(err, secrets.ErrUnbound) {
		t.Errorf("Seal = %v, want ErrUnbound", err)
	}
	if _, err := key.Open(t.Context(), make([]byte, 64), ""); !errors.Is(err, secrets.ErrUnbound) {
		t.Errorf("Open = %v, want ErrUnbound", err)
	}
}

func TestEveryAlteredByteIsTampering(t *testing.T) {
	key := testKey(t, 1)
	sealed, err := key.Seal(t.Context(), []byte("a secret"), "u1")
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, altered []byte) {
		t.Helper()
		if plaintext, err := key.Open(t.Context(), altered, "u1"); !errors.Is(err, secrets.ErrTampered) {
			t.Errorf("%s: Open = %q, %v, want ErrTampered", what, plaintext, err)
		}
	}
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 0x10
		check(fmt.Sprintf("byte %d altered", i), altered)
		check(fmt.Sprintf("cut to %d", i), sealed[:i])
	}
	check("lengthened", append(bytes.Clone(sealed), 0))
	check("nil", nil)
}

func TestOpenWithAnotherKey(t *testing.T) {
	sealed, err := testKey(t, 1).Seal(t.Context(), []byte("a secret"), "u1")
	if err != nil {
		t.Fatal(err)
	}
	other := testKey(t, 2)
	_, err = other.Open(t.Context(), sealed, "u1")
	if !errors.Is(err, secrets.ErrOtherKey) || !errors.Is(err, secrets.ErrTampered) {
		t.Errorf("Open = %v, want ErrOtherKey and ErrTampered", err)
	}
	// Nor does naming the other key help.
	copy(sealed, other.material().header)
	if _, err := other.Open(t.Context(), sealed, "u1"); !errors.Is(err, secrets.ErrTampered) {
		t.Errorf("Open with the id swapped = %v, want ErrTampered", err)
	}
}

// storedValue is "a secret", sealed with testKey(1) for u1.
func storedValue(t interface{ Fatal(...any) }) []byte {
	sealed, err := hex.DecodeString("01f1b0caec000102030405060708090a0b0e9be58ca77a69247a3e4c3058994d7a88e63937319276b5")
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// The stored form and the derived keys may never change: stores hold them. The
// values were made by another program (Python, cryptography and hmac).
func TestFormIsFixed(t *testing.T) {
	key := testKey(t, 1)
	if got := key.Fingerprint(); got != "6bd7e36098f65093" {
		t.Errorf("Fingerprint = %s", got)
	}
	if got := hex.EncodeToString(key.Derive("cursor")); got != "71c96ecc1959a8d13d7d3ce7f8496db47c0018d7ea767877cc9ffb77c7692cb0" {
		t.Errorf("Derive = %s", got)
	}
	if opened, err := key.Open(t.Context(), storedValue(t), "u1"); string(opened) != "a secret" || err != nil {
		t.Errorf("Open of a stored value = %q, %v", opened, err)
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	one, two := testKey(t, 1), testKey(t, 2)
	derived := [][]byte{
		one.Derive("cursor"), one.Derive("csrf"), one.Derive(""), two.Derive("cursor"), secretOf(1),
		one.Derive(purposeSeal), one.material().derive(purposeSeal, keyBytes), one.Derive(purposeFingerprint),
	}
	for i, d := range derived {
		if len(d) != 32 {
			t.Errorf("key %d is %d bytes long", i, len(d))
		}
		for j := range i {
			if bytes.Equal(d, derived[j]) {
				t.Errorf("keys %d and %d are the same", j, i)
			}
		}
	}
	if !bytes.Equal(one.Derive("cursor"), testKey(t, 1).Derive("cursor")) {
		t.Error("the same label gives another key")
	}
	if one.Fingerprint() == two.Fingerprint() || len(one.Fingerprint()) != 16 {
		t.Errorf("fingerprints %s and %s", one.Fingerprint(), two.Fingerprint())
	}
}

func TestKeyDoesNotLeak(t *testing.T) {
	key := testKey(t, 1)
	type inner struct{ hidden *Key }
	holder := struct {
		Open   *Key
		hidden Key
		deep   inner
		list   []Key
	}{key, *key, inner{key}, []Key{*key}}
	var out bytes.Buffer
	for _, v := range []any{key, *key, &key, holder, &holder, []*Key{key}, map[string]Key{"k": *key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "k", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "k", v)
		body, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(body)
	}
	out.WriteString(key.String() + key.GoString())
	for _, secret := range [][]byte{secretOf(1), key.Derive("cursor"), key.material().derive(purposeSeal, keyBytes)} {
		for _, leak := range slices.Concat(spellings(secret), spellings(secret[:4])) {
			if at := strings.Index(out.String(), leak); at >= 0 {
				t.Errorf("%q leaks: %q", leak, out.String()[max(0, at-150):at+20])
			}
		}
	}
	for _, form := range []string{redacted + "\n", "msg=text k=" + redacted, `"msg":"json","k":"` + redacted + `"`} {
		if !strings.Contains(out.String(), form) {
			t.Errorf("nothing reads %q", form)
		}
	}
}

// spellings are the ways in which bytes show up in a text.
func spellings(b []byte) []string {
	return []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)),
		strings.TrimRight(base64.StdEncoding.EncodeToString(b), "="), strings.Trim(fmt.Sprint(b), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"),
	}
}

func FuzzOpen(f *testing.F) {
	// A fixed value: each of the fuzzer's processes would seal another.
	key, sealed := testKey(f, 1), storedValue(f)
	f.Add(sealed, "u1")
	f.Add(sealed, "u2")
	f.Add(sealed[:headerBytes], "u1")
	f.Fuzz(func(t *testing.T, altered []byte, bound string) {
		plaintext, err := key.Open(t.Context(), altered, bound)
		if genuine := bytes.Equal(altered, sealed) && bound == "u1"; genuine != (err == nil) {
			t.Errorf("Open = %q, %v", plaintext, err)
		}
	})
}
