package token_test

import (
	"crypto/rand"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/token"
)

func TestRoundTrip(t *testing.T) {
	secret, err := token.New(rand.Reader, token.Pass, "A1", "B2")
	if err != nil {
		t.Fatal(err)
	}
	ids, hash, err := token.Parse(secret, token.Pass, 2)
	if err != nil || ids[0] != "A1" || ids[1] != "B2" || !hash.Equal(token.HashOf(secret)) {
		t.Fatalf("Parse(%q) = %v, %v, %v", secret, ids, hash, err)
	}
}

// A truncated, extended or case-changed token never passes for the original.
func TestAttack21AlteredTokens(t *testing.T) {
	secret, err := token.New(rand.Reader, token.Session, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := token.Parse(secret, token.Session, 1)
	if err != nil {
		t.Fatal(err)
	}
	altered := []string{
		secret[:len(secret)-1], secret + "a", secret + "=", " " + secret, secret + "\n",
		strings.ToUpper(secret), strings.ToLower(secret), "pcl" + secret[3:], secret + "_a",
		strings.Replace(secret, "_", "__", 1), strings.Replace(secret, "_", ".", 1), "", strings.Repeat("a", 300),
	}
	for _, text := range altered {
		if _, hash, err := token.Parse(text, token.Session, 1); err == nil && hash.Equal(want) {
			t.Errorf("%q passes for %q", text, secret)
		}
	}
}

func TestOneKindIsNeverAnother(t *testing.T) {
	kinds := []token.Kind{token.Session, token.Login, token.Invitation, token.Device, token.GateKey, token.Ticket, token.Pass}
	for _, made := range kinds {
		secret, err := token.New(rand.Reader, made, "A")
		if err != nil {
			t.Fatal(err)
		}
		for _, wanted := range kinds {
			_, _, err := token.Parse(secret, wanted, 1)
			if (err == nil) != (made == wanted) {
				t.Errorf("a %s read as a %s: %v", made, wanted, err)
			}
		}
	}
}

func TestEmptyHashEqualsNothing(t *testing.T) {
	if token.Hash("").Equal("") {
		t.Error("two absent hashes are equal")
	}
}

func TestIDsAscend(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	ids := token.NewIDs(func() time.Time { return now }, rand.Reader)
	last := token.FirstID(now)
	for range 1000 {
		id, err := ids.New()
		if err != nil {
			t.Fatal(err)
		}
		if id <= last || !token.ValidID(id) {
			t.Fatalf("%q after %q", id, last)
		}
		last = id
	}
	if token.FirstID(now.Add(time.Millisecond)) <= last {
		t.Error("a later first id is not above earlier ids")
	}
}

func TestParseNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`pcs_[0-9A-Z.]{0,50}_[a-z2-7]{50,54}`)).Draw(t, "text")
		ids, hash, err := token.Parse(text, token.Session, 1)
		if err != nil && !errors.Is(err, token.ErrMalformed) || err == nil && (len(ids) != 1 || hash != token.HashOf(text)) {
			t.Fatalf("Parse(%q) = %v %v %v", text, ids, hash, err)
		}
	})
}

func TestFirstIDAtTheEndsOfTime(t *testing.T) {
	first, last := strings.Repeat("0", 26), strings.Repeat("Z", 26)
	for at, want := range map[time.Time]string{
		time.Unix(-1, 0): first, time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC): first, time.Unix(0, 0): first, time.Date(11000, 1, 1, 0, 0, 0, 0, time.UTC): last,
	} {
		if got := token.FirstID(at); got != want {
			t.Errorf("%v: %s, want %s", at, got, want)
		}
	}
}

// The shape, written a second time.
func TestParseTakesTheShapeAndNothingElse(t *testing.T) {
	shape := regexp.MustCompile(`^pcp_[0-9A-Z]{1,40}\.[0-9A-Z]{1,40}_[a-z2-7]{52}$`)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`pcp_[0-9A-Z]{1,40}\.[0-9A-Z]{1,40}_[a-z2-7]{52}`),
			rapid.StringMatching(`(pcp|pcg|pc|)_?[0-9A-Za.]{0,42}\.?[0-9A-Z_]{0,41}_?[a-z1-8A]{50,54}`),
		).Draw(t, "text")
		_, _, err := token.Parse(text, token.Pass, 2)
		if (err == nil) != shape.MatchString(text) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("pcp_A1.B2_" + strings.Repeat("a", 52))
	f.Add("pcp__" + strings.Repeat("a", 52))
	f.Add("pcp_")
	shape := regexp.MustCompile(`\Apcp_[0-9A-Z]{1,40}\.[0-9A-Z]{1,40}_[a-z2-7]{52}\z`)
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := token.Parse(text, token.Pass, 2); (err == nil) != shape.MatchString(text) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
