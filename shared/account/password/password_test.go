package password

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/argon2"
	"pgregory.net/rapid"
)

// cheap keeps tests that are not about the costs quick.
func cheap() Params { return Params{Memory: 64, Time: 1, Threads: 1} }

func newChaCha() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{7}) }

func newHasher(t testing.TB, o Options) *Hasher {
	t.Helper()
	if o.Rand == nil {
		o.Rand = newChaCha()
	}
	h, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func distinctEmoji(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteRune(rune(0x1F300 + (i*7919)%0x300))
	}
	return out.String()
}

func TestHashForm(t *testing.T) {
	h := newHasher(t, Options{})
	phc, err := h.Hash(t.Context(), "correct horse battery staple")
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	if !form.MatchString(phc) {
		t.Errorf("Hash = %q", phc)
	}
	for password, want := range map[string]bool{"correct horse battery staple": true, "correct horse battery stapl": false, "": false} {
		ok, rehash, err := h.Verify(t.Context(), phc, password)
		if ok != want || rehash || err != nil {
			t.Errorf("Verify(%q) = %t, %t, %v", password, ok, rehash, err)
		}
	}
}

// The vector was made by the reference program: argon2 somesalt -id -t 2 -k 65536 -p 1
// (P-H-C/phc-winner-argon2, src/test.c), so that hashes of other programs verify.
func TestVerifyForeignHash(t *testing.T) {
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, rehash, err := newHasher(t, Options{}).Verify(t.Context(), phc, "password")
	if !ok || !rehash || err != nil {
		t.Errorf("Verify = %t, %t, %v", ok, rehash, err)
	}
}

func TestVerifyRehash(t *testing.T) {
	old := newHasher(t, Options{Params: cheap()})
	phc, err := old.Hash(t.Context(), "kq7vz2mwpx4r")
	if err != nil {
		t.Fatal(err)
	}
	today := newHasher(t, Options{Params: Params{Memory: 128, Time: 1, Threads: 1}})
	for password, want := range map[string]bool{"kq7vz2mwpx4r": true, "wrong": false} {
		ok, rehash, err := today.Verify(t.Context(), phc, password)
		if ok != want || rehash != want || err != nil {
			t.Errorf("Verify(%q) = %t, %t, %v", password, ok, rehash, err)
		}
	}
}

func TestHashSaltsDiffer(t *testing.T) {
	h := newHasher(t, Options{Params: cheap()})
	one, err1 := h.Hash(t.Context(), "kq7vz2mwpx4r")
	two, err2 := h.Hash(t.Context(), "kq7vz2mwpx4r")
	if err := errors.Join(err1, err2); err != nil || one == two {
		t.Errorf("%q and %q, %v", one, two, err)
	}
}

func TestHashNormalises(t *testing.T) {
	h := newHasher(t, Options{Params: cheap()})
	phc, err := h.Hash(t.Context(), "caf\u00e9 au lait")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := h.Verify(t.Context(), phc, "cafe\u0301 au lait"); !ok || err != nil {
		t.Errorf("Verify of the decomposed spelling = %t, %v", ok, err)
	}
	if ok, _, err := h.Verify(t.Context(), phc, "cafe au lait"); ok || err != nil {
		t.Errorf("Verify without the accent = %t, %v", ok, err)
	}
}

func TestAttack16UnknownUserCostsTheSame(t *testing.T) {
	var runs atomic.Int64
	h := newHasher(t, Options{Params: cheap(), Ran: func() { runs.Add(1) }})
	phc, err := h.Hash(t.Context(), "kq7vz2mwpx4r")
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"wrong", "", "kq7vz2mwpx4r", "\xff", "a\x00", strings.Repeat("a", 1<<20), strings.Repeat("a", 257)} {
		runs.Store(0)
		_, _, known := h.Verify(t.Context(), phc, password)
		forKnown := runs.Swap(0)
		unknown := h.VerifyAbsent(t.Context(), password)
		forUnknown := runs.Load()
		if forKnown != forUnknown || known != unknown {
			t.Errorf("%.20q: %d and %d runs, %v and %v", password, forKnown, forUnknown, known, unknown)
		}
		if want := int64(1); known == nil && forKnown != want {
			t.Errorf("%.20q: %d runs, want %d", password, forKnown, want)
		}
	}
}

func TestAttack19HugeOrMalformedPasswordIsRefusedWithoutWork(t *testing.T) {
	h := newHasher(t, Options{Ran: func() { panic("argon2 ran") }})
	phc := hash{params: cheap(), salt: make([]byte, 16), tag: make([]byte, 32)}.String()
	cases := []struct {
		name, password string
		want           error
	}{
		{"1 MB", strings.Repeat("a", 1<<20), ErrTooLong},
		{"1 MB, size judged first", strings.Repeat("\x00", 1<<20), ErrTooLong},
		{"1 MB of marks", "a" + strings.Repeat("\u0301", 1<<19), ErrTooLong},
		{"257 emoji", distinctEmoji(257), ErrTooLong},
		{"NUL", "kq7vz2m\x00wpx4r", ErrMalformed},
		{"invalid UTF-8", "kq7vz2mwpx4r\xc3", ErrMalformed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, hashed := h.Hash(t.Context(), c.password)
			_, _, verified := h.Verify(t.Context(), phc, c.password)
			absent := h.VerifyAbsent(t.Context(), c.password)
			checked := NewPolicy().Check(c.password)
			for _, err := range []error{hashed, verified, absent, checked} {
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
			}
		})
	}
}

func TestAttack19NothingIsCutOff(t *testing.T) {
	h := newHasher(t, Options{Params: cheap()})
	password := distinctEmoji(256)
	phc, err := h.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _, err := h.Verify(t.Context(), phc, password); !ok || err != nil {
		t.Errorf("Verify of 256 emoji = %t, %v", ok, err)
	}
	other := distinctEmoji(255) + "🦊"
	if ok, _, err := h.Verify(t.Context(), phc, other); ok || err != nil {
		t.Errorf("Verify with another last emoji = %t, %v", ok, err)
	}
	if ok, _, err := h.Verify(t.Context(), phc, distinctEmoji(255)); ok || err != nil {
		t.Errorf("Verify without the last emoji = %t, %v", ok, err)
	}
}

// Any change of any code point makes another password.
func TestVerifyTellsEveryCodePoint(t *testing.T) {
	h := newHasher(t, Options{Params: cheap()})
	rapid.Check(t, func(t *rapid.T) {
		runes := []rune(rapid.StringMatching(`[a-z0-9 🔑🚪]{1,256}`).Draw(t, "password"))
		phc, err := h.Hash(context.Background(), string(runes))
		if err != nil {
			t.Fatal(err)
		}
		if ok, _, err := h.Verify(context.Background(), phc, string(runes)); !ok || err != nil {
			t.Fatalf("Verify = %t, %v", ok, err)
		}
		runes[rapid.IntRange(0, len(runes)-1).Draw(t, "at")] ^= 1 << 8
		if ok, _, err := h.Verify(context.Background(), phc, string(runes)); ok || err != nil {
			t.Fatalf("Verify after a change = %t, %v", ok, err)
		}
	})
}

func TestParallelIsBoundedAndWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int64
		leave := make(chan struct{})
		h := newHasher(t, Options{Params: cheap(), Parallel: 2, Ran: func() { inside.Add(1); <-leave }})
		answers := make(chan error, 3)
		ask := func(ctx context.Context) { answers <- h.VerifyAbsent(ctx, "kq7vz2mwpx4r") }
		go ask(context.Background())
		go ask(context.Background())
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go ask(ctx)
		synctest.Wait()
		if n := inside.Load(); n != 2 {
			t.Errorf("%d hashes at once, want 2", n)
		}
		cancel()
		synctest.Wait()
		select {
		case err := <-answers:
			if !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
				t.Errorf("VerifyAbsent = %v, want ErrBusy", err)
			}
		default:
			t.Error("waiting did not end with its context")
		}
		close(leave)
		synctest.Wait()
		if len(h.slots) != 0 {
			t.Errorf("%d places were not given back", len(h.slots))
		}
	})
}

func TestEndedContextRunsNothing(t *testing.T) {
	h := newHasher(t, Options{Params: cheap(), Ran: func() { t.Error("argon2 ran") }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 50 {
		if _, err := h.Hash(ctx, "kq7vz2mwpx4r"); !errors.Is(err, ErrBusy) {
			t.Fatalf("Hash = %v, want ErrBusy", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no randomness":     {},
		"too much memory":   {Rand: newChaCha(), Params: Params{Memory: maxMemory + 1, Time: 1, Threads: 1}},
		"too little memory": {Rand: newChaCha(), Params: Params{Memory: 7, Time: 1, Threads: 1}},
		"no passes":         {Rand: newChaCha(), Params: Params{Memory: 64, Threads: 1}},
	} {
		if _, err := New(o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: New = %v, want ErrOptions", name, err)
		}
	}
}

func TestHashWithoutRandomness(t *testing.T) {
	h := newHasher(t, Options{Rand: strings.NewReader("short"), Params: cheap()})
	if phc, err := h.Hash(t.Context(), "kq7vz2mwpx4r"); !errors.Is(err, io.ErrUnexpectedEOF) || phc != "" {
		t.Errorf("Hash = %q, %v", phc, err)
	}
}

// CPU per Verify beside what argon2 itself takes with the same parameters.
func BenchmarkVerify(b *testing.B) {
	h := newHasher(b, Options{})
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
	h := newHasher(b, Options{})
	password := strings.Repeat("a", 1<<20)
	for b.Loop() {
		if err := h.VerifyAbsent(b.Context(), password); !errors.Is(err, ErrTooLong) {
			b.Fatal(err)
		}
	}
}
