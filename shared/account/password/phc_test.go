package password

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRefuses(t *testing.T) {
	const salt, tag = "c29tZXNhbHRzb21lc2FsdA", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	head := "$argon2id$v=19$"
	if _, err := parse(head + "m=19456,t=2,p=1$" + salt + "$" + tag); err != nil {
		t.Fatalf("a sound hash: %v", err)
	}
	cases := map[string]string{
		"empty":              "",
		"plain text":         "correct horse battery staple",
		"argon2i":            "$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + tag,
		"bcrypt":             "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"other version":      "$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + tag,
		"no version":         "$argon2id$m=19456,t=2,p=1$" + salt + "$" + tag,
		"4 GiB":              head + "m=4194304,t=2,p=1$" + salt + "$" + tag,
		"memory overflows":   head + "m=4294986752,t=2,p=1$" + salt + "$" + tag,
		"memory below lanes": head + "m=31,t=2,p=4$" + salt + "$" + tag,
		"no memory":          head + "m=0,t=2,p=1$" + salt + "$" + tag,
		"no passes":          head + "m=19456,t=0,p=1$" + salt + "$" + tag,
		"a billion passes":   head + "m=19456,t=1000000000,p=1$" + salt + "$" + tag,
		"no lanes":           head + "m=19456,t=2,p=0$" + salt + "$" + tag,
		"255 lanes":          head + "m=19456,t=2,p=255$" + salt + "$" + tag,
		"257 lanes":          head + "m=19456,t=2,p=257$" + salt + "$" + tag,
		"leading zero":       head + "m=019456,t=2,p=1$" + salt + "$" + tag,
		"plus":               head + "m=+19456,t=2,p=1$" + salt + "$" + tag,
		"order":              head + "t=2,m=19456,p=1$" + salt + "$" + tag,
		"fourth parameter":   head + "m=19456,t=2,p=1,keyid=x$" + salt + "$" + tag,
		"padding":            head + "m=19456,t=2,p=1$" + salt + "==$" + tag,
		"loose last bits":    head + "m=19456,t=2,p=1$" + salt[:21] + "B$" + tag,
		"line break":         head + "m=19456,t=2,p=1$" + salt + "$" + tag[:20] + "\n" + tag[20:],
		"short salt":         head + "m=19456,t=2,p=1$c29tZXM$" + tag,
		"no tag":             head + "m=19456,t=2,p=1$" + salt + "$",
		"tag of 4 bytes":     head + "m=19456,t=2,p=1$" + salt + "$CTFhFQ",
		"tag of 80 bytes":    head + "m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("AAAA", 26) + "AAA",
		"trailing part":      head + "m=19456,t=2,p=1$" + salt + "$" + tag + "$",
		"1 MB":               head + strings.Repeat("9", 1<<20),
	}
	h := newPlace(t, Options{Ran: func() { panic("argon2 ran") }})
	for name, phc := range cases {
		t.Run(name, func(t *testing.T) {
			ok, rehash, err := h.Verify(t.Context(), phc, "password")
			if ok || rehash || !errors.Is(err, ErrMalformedHash) {
				t.Errorf("Verify = %t, %t, %v, want ErrMalformedHash", ok, rehash, err)
			}
		})
	}
}

func TestParseReadsWhatStringWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		threads := rapid.Uint8Range(1, maxThreads).Draw(t, "threads")
		want := hash{
			params: Params{
				Memory:  rapid.Uint32Range(8*uint32(threads), maxMemory).Draw(t, "memory"),
				Time:    rapid.Uint32Range(1, maxTime).Draw(t, "time"),
				Threads: threads,
			},
			salt: rapid.SliceOfN(rapid.Byte(), minSalt, maxSalt).Draw(t, "salt"),
			tag:  rapid.SliceOfN(rapid.Byte(), minTag, maxTag).Draw(t, "tag"),
		}
		got, err := parse(want.String())
		if err != nil || got.String() != want.String() || got.params != want.params {
			t.Fatalf("parse(%q) = %+v, %v", want, got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Add("$argon2id$v=19$m=-8,t=1e3,p=0x1$AA$AA")
	f.Fuzz(func(t *testing.T, phc string) {
		h, err := parse(phc)
		if err != nil {
			if !errors.Is(err, ErrMalformedHash) {
				t.Errorf("parse(%q) = %v", phc, err)
			}
			return
		}
		if h.String() != phc || !h.params.sound() || len(h.salt) < minSalt || len(h.tag) < minTag || len(h.tag) > maxTag {
			t.Errorf("parse(%q) = %+v", phc, h)
		}
	})
}
