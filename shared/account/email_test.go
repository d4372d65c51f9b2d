package account_test

import (
	"errors"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
)

func TestCheckEmail(t *testing.T) {
	for text, want := range map[string]string{
		"alice@acme.example": "alice@acme.example", " Alice@ACME.Example\n": "alice@acme.example", "ａlice@acme.example": "alice@acme.example",
		"a+b@acme.example": "a+b@acme.example", "STRASSE@acme.example": "strasse@acme.example", "Straße@acme.example": "strasse@acme.example",
	} {
		if got, err := account.CheckEmail(text); got != want || err != nil {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "alice", "@acme.example", "alice@", "a b@acme.example", "alice@acme.example, bob@acme.example", "Alice <alice@acme.example>",
		"alice@acme.example\nBcc: all@acme.example", "alice@acme.example\x00", "alice\u2028@acme.example", "alice\u00a0@acme.example",
		"alice@acme\xff.example", strings.Repeat("a", 250) + "@acme.example", "\"alice\"@acme.example",
	} {
		if got, err := account.CheckEmail(text); !errors.Is(err, account.ErrEmail) {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

// An invitation to straße.example must not go to whoever has strasse.example: the
// folding that tells one person's spellings apart from nobody else's makes another
// domain of these letters, which domains of today have as they are.
func TestAttack18MailGoesToTheDomainThatWasWritten(t *testing.T) {
	for _, text := range []string{"bob@straße.example", "bob@STRAẞE.example ", "bob@βόλος.example", "bob@mail.stra\u00dfe.example"} {
		if got, err := account.CheckEmail(text); !errors.Is(err, account.ErrDomain) {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	a := alice.Must(422, "POST", "/v1/users", map[string]any{"email": "bob@straße.example"})
	if !strings.Contains(a.Body, "body.email") || !strings.Contains(a.Body, "xn--") {
		t.Errorf("refused with %s", a.Body)
	}
	w.Tick()
	if got := w.Mail.To("bob@strasse.example"); len(got) != 0 {
		t.Error("somebody else was invited")
	}
	// Whoever signs in is still found under all spellings that are one.
	if got, err := account.CheckEmail("bob@xn--strae-oqa.example"); err != nil || got != "bob@xn--strae-oqa.example" {
		t.Errorf("in ASCII: %q, %v", got, err)
	}
}

// FuzzCheckEmail: whatever is taken stands in keys, headers and mails as it is.
func FuzzCheckEmail(f *testing.F) {
	for _, seed := range []string{"alice@acme.example", "İ@x.example", "ﬃ@x.example", "a@[127.0.0.1]", "\"a\\\"@x\"@y.example", "ª@x.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		email, err := account.CheckEmail(text)
		if err != nil {
			if !errors.Is(err, account.ErrEmail) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if strings.ContainsAny(email, "\x00\r\n <>,") || len(email) > 254 || strings.Count(email, "@") < 1 {
			t.Errorf("%q is taken as %q", text, email)
		}
		if again, err := account.CheckEmail(email); again != email || err != nil {
			t.Errorf("%q is taken as %q, which is taken as %q, %v", text, email, again, err)
		}
	})
}
