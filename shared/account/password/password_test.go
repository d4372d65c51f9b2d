package password

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

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

// newPlace is a place with a hasher of its own.
func newPlace(t testing.TB, o Options) Place {
	t.Helper()
	p, err := newHasher(t, o).Enter()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func distinctEmoji(n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteRune(rune(0x1F300 + (i*7919)%0x300))
	}
	return out.String()
}

func TestHashForm(t *testing.T) {
	h := newPlace(t, Options{})
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
	ok, rehash, err := newPlace(t, Options{}).Verify(t.Context(), phc, "password")
	if !ok || !rehash || err != nil { // since its salt is short
		t.Errorf("Verify = %t, %t, %v", ok, rehash, err)
	}
}

// Whatever is cheaper for a guesser than today's is to be hashed anew, once the
// password is known to be right.
func TestVerifyRehash(t *testing.T) {
	today := Params{Memory: 128, Time: 2, Threads: 1}
	for _, c := range []struct {
		made Params
		want bool
	}{
		{Params{Memory: 64, Time: 2, Threads: 1}, true},
		{Params{Memory: 128, Time: 1, Threads: 1}, true},
		{Params{Memory: 64, Time: 3, Threads: 1}, true},
		{today, false},
		{Params{Memory: 64, Time: 4, Threads: 1}, false},
		{Params{Memory: 128, Time: 2, Threads: 4}, false},
		{Params{Memory: 256, Time: 2, Threads: 1}, false},
	} {
		phc, err := newPlace(t, Options{Params: c.made}).Hash(t.Context(), "kq7vz2mwpx4r")
		if err != nil {
			t.Fatal(err)
		}
		for password, right := range map[string]bool{"kq7vz2mwpx4r": true, "wrong": false} {
			ok, rehash, err := newPlace(t, Options{Params: today}).Verify(t.Context(), phc, password)
			if ok != right || rehash != (c.want && right) || err != nil {
				t.Errorf("%+v: Verify(%q) = %t, %t, %v", c.made, password, ok, rehash, err)
			}
		}
	}
	short := hash{params: today, salt: make([]byte, minSalt), tag: make([]byte, tagBytes)}
	if !short.below(today) {
		t.Error("a short salt stays")
	}
}

func TestHashSaltsDiffer(t *testing.T) {
	h := newPlace(t, Options{Params: cheap()})
	one, err1 := h.Hash(t.Context(), "kq7vz2mwpx4r")
	two, err2 := h.Hash(t.Context(), "kq7vz2mwpx4r")
	if err := errors.Join(err1, err2); err != nil || one == two {
		t.Errorf("%q and %q, %v", one, two, err)
	}
}

func TestHashNormalises(t *testing.T) {
	h := newPlace(t, Options{Params: cheap()})
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
	h := newPlace(t, Options{Params: cheap(), Ran: func() { runs.Add(1) }})
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
	h := newPlace(t, Options{Ran: func() { panic("argon2 ran") }})
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
	h := newPlace(t, Options{Params: cheap()})
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
	h := newPlace(t, Options{Params: cheap()})
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

// A flood: as many hashes at once as there is memory for, a bounded number that
// waits, the rest turned away at once; whoever waited gets a turn.
func TestFloodIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		inside, most := 0, 0
		enter := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			inside += n
			most = max(most, inside)
		}
		leave := make(chan struct{})
		h := newHasher(t, Options{Params: cheap(), Parallel: 2, Waiting: 4, Ran: func() {
			enter(1)
			<-leave
			enter(-1)
		}})
		answers := make(chan error, 100)
		for range cap(answers) {
			go func() {
				p, err := h.Enter()
				if err == nil {
					err = p.VerifyAbsent(t.Context(), "kq7vz2mwpx4r")
					p.Leave()
				}
				answers <- err
			}()
		}
		synctest.Wait()
		if inside != 2 || len(answers) != 94 {
			t.Errorf("%d hashes at once and %d turned away, want 2 and 94", inside, len(answers))
		}
		for range len(answers) {
			if err := <-answers; !errors.Is(err, ErrBusy) {
				t.Errorf("turned away with %v", err)
			}
		}
		close(leave)
		for range 6 {
			if err := <-answers; err != nil {
				t.Errorf("who waited is answered %v", err)
			}
		}
		if most != 2 || len(h.places) != 0 || !h.memory.TryAcquire(h.whole) {
			t.Errorf("%d at once at most; %d places are not given back", most, len(h.places))
		}
	})
}

// Waiting ends with its context, and a hash that takes more memory waits for more.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int64
		leave := make(chan struct{})
		h := newHasher(t, Options{Params: cheap(), Parallel: 2, Ran: func() { inside.Add(1); <-leave }})
		large := hash{params: Params{Memory: 65 * 2, Time: 1, Threads: 1}, salt: make([]byte, saltBytes), tag: make([]byte, tagBytes)}.String()
		p, err := h.Enter()
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 2)
		verify := func(ctx context.Context) {
			_, _, err := p.Verify(ctx, large, "kq7vz2mwpx4r")
			answers <- err
		}
		go verify(context.Background())
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go verify(ctx)
		synctest.Wait()
		if n := inside.Load(); n != 1 {
			t.Errorf("%d hashes of twice the memory at once, want 1", n)
		}
		cancel()
		if err := <-answers; !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
			t.Errorf("Verify = %v, want ErrBusy", err)
		}
		close(leave)
		if err := <-answers; err != nil {
			t.Errorf("Verify = %v", err)
		}
	})
}

// What the defaults allow at once, garbage included, leaves a quarter of a function
// of 256 MB to all else, for as long as the flood goes on.
func TestFloodFitsTheMemory(t *testing.T) {
	runtime.GC()
	debug.FreeOSMemory()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h := newHasher(t, Options{Parallel: 4})
	var done sync.WaitGroup
	for range 24 {
		done.Go(func() {
			p, err := h.Enter()
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Leave()
			if err := p.VerifyAbsent(t.Context(), "kq7vz2mwpx4r"); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	runtime.ReadMemStats(&after)
	if grown := after.Sys - before.Sys; grown > 192<<20 {
		t.Errorf("it took %d MiB", grown>>20)
	}
}

// What the defaults allow at once fits into a function of 256 MB.
func TestDefaultsFitTheMemory(t *testing.T) {
	for _, procs := range []int{1, 2, 3, 64} {
		before := runtime.GOMAXPROCS(procs)
		h := newHasher(t, Options{})
		runtime.GOMAXPROCS(before)
		want := max(1, min(procs-1, 4)) * 19456
		if h.whole != int64(want) || cap(h.places) != want/19456+waiting {
			t.Errorf("%d processors: %d KiB for %d places, want %d KiB", procs, h.whole, cap(h.places), want)
		}
	}
}

func TestEndedContextRunsNothing(t *testing.T) {
	h := newPlace(t, Options{Params: cheap(), Ran: func() { t.Error("argon2 ran") }})
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
	h := newPlace(t, Options{Rand: strings.NewReader("short"), Params: cheap()})
	if phc, err := h.Hash(t.Context(), "kq7vz2mwpx4r"); !errors.Is(err, io.ErrUnexpectedEOF) || phc != "" {
		t.Errorf("Hash = %q, %v", phc, err)
	}
}
