package password

import (
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestCheckRefuses(t *testing.T) {
	about := []string{"Jane Smith", "jane.smith@acme-telecom.example", "Acme Telecom Ltd", ""}
	cases := []struct {
		name, password string
		want           error
	}{
		{"empty", "", ErrTooShort},
		{"eleven", "kq7vz2mwpx4", ErrTooShort},
		{"eleven after NFC", "kq7vz2mwpxe\u0301", ErrTooShort},
		{"257", distinctEmoji(257), ErrTooLong},
		{"NUL", "kq7vz2m\x00wpx4rt", ErrMalformed},
		{"line break", "kq7vz2mwpx4rt\n", ErrMalformed},
		{"delete", "kq7vz2mwpx4rt\x7f", ErrMalformed},
		{"C1 control", "kq7vz2mwpx4rt\u0085", ErrMalformed},
		{"invalid UTF-8", "kq7vz2mwpx4rt\xff", ErrMalformed},
		{"surrogate", "kq7vz2mwpx4rt\xed\xa0\x80", ErrMalformed},
		{"one character", "aaaaaaaaaaaa", ErrCommon},
		{"one emoji", strings.Repeat("🔒", 256), ErrCommon},
		{"digits in a row", "123456789012", ErrCommon},
		{"digits back", "210987654321", ErrCommon},
		{"keyboard row", "qwertyuiopas", ErrCommon},
		{"keyboard row back", "poiuytrewqpo", ErrCommon},
		{"keyboard columns", "1qaz2wsx3edc", ErrCommon},
		{"German keyboard", "qwertzuiopas", ErrCommon},
		{"Russian keyboard", "йцукенгшщзхъ", ErrCommon},
		{"alphabet", "abcdefghijklm", ErrCommon},
		{"common and long", "1q2w3e4r5t6y", ErrCommon},
		{"common, in capitals", "MailCreated5240", ErrCommon},
		{"word twice", "passwordpassword", ErrCommon},
		{"syllable again and again", "blablablablabla", ErrCommon},
		{"pattern again and again", "xk7xk7xk7xk7", ErrCommon},
		{"two common passwords", "dragonmonkey", ErrCommon},
		{"year and sign", "Summer2024!!", ErrCommon},
		{"year and signs", "Winter2024!!!", ErrCommon},
		{"digits", "Liverpool123", ErrCommon},
		{"any six digits", "Dragon849271", ErrCommon},
		{"sign before", "!!Butterfly84", ErrCommon},
		{"letters as digits", "P@ssw0rd2024", ErrCommon},
		{"one as l", "1etmein12345!", ErrCommon},
		{"full-width", "ｐａｓｓｗｏｒｄ１２３４", ErrCommon},
		{"accents", "pásswörd1234", ErrCommon},
		{"letters as digits, any six digits", "Dr4gon849271", ErrCommon},
		{"folding makes it longer than is judged", strings.Repeat("…", 100) + "kq7vz2mwpx4r", ErrCommon},
		{"capitals", "PASSWORD1234", ErrCommon},
		{"one long word", "congratulations", ErrCommon},
		{"sentence of two words", "letmeinplease", ErrCommon},
		{"whole name", "JaneSmith2024!?", ErrPersonal},
		{"name with letters as digits", "J4ne5m1th2024!?", ErrPersonal},
		{"surname and a few", "smith-smith-7q", ErrPersonal},
		{"local part", "x9jane.smithk", ErrPersonal},
		{"domain", "acme-telecom-7", ErrPersonal},
		{"partner", "zAcmeTelecom47", ErrPersonal},
		{"this service", "Portcullis-47", ErrPersonal},
		{"name and partner together", "kSmithTelecom7", ErrPersonal},
		{"short name among signs", "...Jane...4711", ErrPersonal},
	}
	policy := NewPolicy()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := policy.Check(c.password, about...); !errors.Is(err, c.want) {
				t.Errorf("Check(%q) = %v, want %v", c.password, err, c.want)
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	about := []string{"Bob Lee", "Li", "bob@acme.example", "Acme"}
	policy := NewPolicy()
	for _, password := range []string{
		"correct horse battery staple",
		"kq7vz2mwpx4r",
		"Tr0ub4dor&3 in the attic",
		"84-elephant-29-teapot",
		"elephant4913772055",
		"example+k7vq", // the top-level domain of the address is nobody's own
		"li qli vk li7lib li",
		"cat 918 273 645 pond",
		"the acme of perfection, surely",
		"глубокая синяя река",
		"über den dächern von graz",
		"猫が窓から月を見ていた夜だった",
		"493817260549",
		distinctEmoji(12),
		distinctEmoji(256),
	} {
		if err := policy.Check(password, about...); err != nil {
			t.Errorf("Check(%q) = %v", password, err)
		}
	}
}

func TestCheckNamesTheLengths(t *testing.T) {
	for err, length := range map[error]int{ErrTooShort: MinLength, ErrTooLong: MaxLength} {
		if !strings.Contains(err.Error(), fmt.Sprint(length)) {
			t.Errorf("%q does not say %d", err, length)
		}
	}
}

func TestWordListIsLargeAndSmall(t *testing.T) {
	words, err := decodeWords()
	if err != nil {
		t.Fatal(err)
	}
	if len(words) < 30_000 || len(packedWords) > 100_000 {
		t.Errorf("%d words in %d bytes", len(words), len(packedWords))
	}
	for word, bits := range words {
		if n := len(word); n < minWord || n > maxWord || bits < 1 || bits > 16 {
			t.Errorf("%q, of %g bits, is never looked up or too dear", word, bits)
		}
	}
	for word, bits := range map[string]float32{"password": 2, "123456": 1, "1q2w3e4r5t6y": 11, "dragon": 3, "the": 1} {
		if words[word] > bits || words[word] == 0 {
			t.Errorf("%q costs %g bits, at most %g wanted", word, words[word], bits)
		}
	}
}

// variants are what people make of a common word that is too short or known to be
// refused, in the order in which they try.
func variants(word string) []string {
	all := []string{
		word, word + word, word + word + word, word + " " + word, word + "-" + word, word + "123456789", word + "1234!", "1234567890" + word,
		word + "987654", word + "!!!!!!!!!", word + "qwerty", word + "password", "password" + word,
	}
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyz'") == "" {
		title := strings.ToUpper(word[:1]) + word[1:]
		all = append(all, word+"2024!", title+"2024!!", title+"1234", "!!"+title+"99")
	}
	return all
}

// Every entry of the list is refused as it is, if it is long enough to be chosen,
// and a thirtieth of them in all variants.
func TestCheckRefusesTheListAndItsVariants(t *testing.T) {
	words, err := decodeWords()
	if err != nil {
		t.Fatal(err)
	}
	policy, whole := NewPolicy(), 0
	for word := range words {
		candidates := []string{word}
		if crc32.ChecksumIEEE([]byte(word))%30 == 0 {
			candidates = variants(word)
		}
		for _, candidate := range candidates {
			if utf8.RuneCountInString(candidate) < MinLength {
				continue
			}
			whole++
			if err := policy.Check(candidate); !errors.Is(err, ErrCommon) {
				t.Errorf("Check(%q) = %v", candidate, err)
			}
		}
	}
	if whole < 10_000 {
		t.Errorf("only %d were judged", whole)
	}
}

// Whatever digits and signs go around a common word: it stays common.
func TestCheckCommonWordHoweverDecorated(t *testing.T) {
	policy := NewPolicy()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"password", "football", "elephant", "jennifer", "acknowledge"}).Draw(t, "word")
		before := rapid.StringMatching(`[0-9!#?. -]{0,2}`).Draw(t, "before")
		after := rapid.StringMatching(`[0-9!#?. -]{4}`).Draw(t, "after")
		upper := rapid.IntRange(0, len(word)).Draw(t, "upper")
		password := before + strings.ToUpper(word[:upper]) + word[upper:] + after
		if err := policy.Check(password); !errors.Is(err, ErrCommon) {
			t.Fatalf("Check(%q) = %v", password, err)
		}
	})
}

// Random passwords of the shortest length are never called common.
func TestCheckAcceptsRandomPasswords(t *testing.T) {
	policy := NewPolicy()
	random := newChaCha()
	const letters = "abcdefghijklmnopqrstuvwxyz"
	for range 2000 {
		password := make([]byte, MinLength)
		if _, err := random.Read(password); err != nil {
			t.Fatal(err)
		}
		for i, b := range password {
			password[i] = letters[int(b)%len(letters)]
		}
		if err := policy.Check(string(password)); err != nil {
			t.Errorf("Check(%q) = %v", password, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "password1234", "\xff", strings.Repeat("\ufdfa", 256), "e\u0301", "|i!1", "§§§"} {
		f.Add(seed, "Jane <jane@acme.example>")
	}
	policy := NewPolicy()
	f.Fuzz(func(t *testing.T, password, about string) {
		err := policy.Check(password, about)
		if err == nil {
			if n := utf8.RuneCountInString(mustNormalise(t, password)); n < MinLength || n > MaxLength {
				t.Errorf("accepted %d code points", n)
			}
			return
		}
		for _, known := range []error{ErrMalformed, ErrTooShort, ErrTooLong, ErrCommon, ErrPersonal} {
			if errors.Is(err, known) {
				return
			}
		}
		t.Errorf("Check(%q) = %v", password, err)
	})
}

func mustNormalise(t *testing.T, password string) string {
	t.Helper()
	text, err := normalise(password)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The costliest input for the meter: everything is a copy of everything.
func BenchmarkCheckWorst(b *testing.B) {
	policy := NewPolicy()
	password := strings.Repeat("a", MaxLength)
	for b.Loop() {
		if err := policy.Check(password); !errors.Is(err, ErrCommon) {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	policy := NewPolicy()
	for b.Loop() {
		if err := policy.Check("correct horse battery staple", "Jane Smith"); err != nil {
			b.Fatal(err)
		}
	}
}
