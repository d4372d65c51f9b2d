package mfa_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/secrets/keyfile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	start = time.Date(2027, time.March, 1, 9, 0, 0, 0, time.UTC)
	alice = account.User{ID: "ALICE", Email: "alice@acme.example"}
)

func newKeeper(t testing.TB) mfa.Keeper {
	t.Helper()
	key, err := keyfile.Create(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return mfa.Keeper{Sealer: key, Random: rand.Reader}
}

// enrolled has alice enrol at start: her factors, secret and recovery codes.
func enrolled(t testing.TB, k mfa.Keeper) (mfa.Factors, totp.Secret, []string) {
	t.Helper()
	ctx := context.Background()
	begun, err := k.Begin(ctx, alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	f, codes, err := k.Confirm(ctx, alice.ID, mfa.Factors{}, begun.Sealed, code(t, secret, start), start)
	if err != nil {
		t.Fatal(err)
	}
	return f, secret, codes
}

func code(t interface{ Fatal(...any) }, secret totp.Secret, at time.Time) string {
	text, err := totp.Code(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func proof(code string) mfa.Proof { return mfa.Proof{Method: mfa.TOTP, Code: code} }

func TestBeginShowsOneSecretInThreeForms(t *testing.T) {
	k := newKeeper(t)
	begun, err := k.Begin(context.Background(), alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(begun.URI, "otpauth://totp/Portcullis:alice%40acme.example?") || !strings.Contains(begun.URI, "secret="+begun.Secret) {
		t.Errorf("the URI %s", begun.URI)
	}
	picture, found := strings.CutPrefix(begun.QR, "data:image/png;base64,")
	if raw, err := base64.StdEncoding.DecodeString(picture); !found || err != nil || !strings.HasPrefix(string(raw), "\x89PNG") {
		t.Errorf("the picture %.40s", begun.QR)
	}
	if strings.Contains(string(begun.Sealed), begun.Secret) {
		t.Error("the secret is readable where it is kept")
	}
}

func TestEnrolled(t *testing.T) {
	f, _, codes := enrolled(t, newKeeper(t))
	if !f.Enrolled() || !slices.Equal(f.Methods(), []mfa.Method{mfa.TOTP, mfa.RecoveryCode}) || !f.TOTP.EnrolledAt.Equal(start) {
		t.Errorf("enrolled: %+v", f)
	}
	if f.LastStep != totp.Step(start) {
		t.Errorf("the last step is %d", f.LastStep)
	}
	if len(codes) != 10 || len(f.Recovery) != 10 {
		t.Errorf("%d recovery codes, %d kept", len(codes), len(f.Recovery))
	}
	shape := regexp.MustCompile(`^([a-z2-7]{4}-){6}[a-z2-7]{2}$`)
	for i, code := range codes {
		if !shape.MatchString(code) || slices.Index(codes, code) != i || slices.Contains(f.Recovery, "") {
			t.Errorf("recovery code %q", code)
		}
	}
	f.Recovery = nil
	if !slices.Equal(f.Methods(), []mfa.Method{mfa.TOTP}) {
		t.Errorf("without recovery codes: %v", f.Methods())
	}
	f.TOTP = nil
	if (mfa.Factors{Recovery: make([]token.Hash, 3)}).Enrolled() || len((mfa.Factors{Recovery: make([]token.Hash, 3)}).Methods()) > 0 {
		t.Error("recovery codes alone are a second factor")
	}
}

func TestAttack11ConfirmReplacesNothing(t *testing.T) {
	k := newKeeper(t)
	ctx := context.Background()
	f, _, _ := enrolled(t, k)
	begun, err := k.Begin(ctx, alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	later := start.Add(time.Minute)
	after, codes, err := k.Confirm(ctx, alice.ID, f, begun.Sealed, code(t, secret, later), later)
	if !errors.Is(err, mfa.ErrEnrolled) || codes != nil || after.TOTP != f.TOTP {
		t.Errorf("a second confirmation: %v", err)
	}
}

// A secret of one user confirms and proves nothing for another.
func TestSecretsAreBoundToTheirUser(t *testing.T) {
	k := newKeeper(t)
	ctx := context.Background()
	f, secret, _ := enrolled(t, k)
	later := start.Add(time.Minute)
	if _, err := k.Verify(ctx, "BOB", f, proof(code(t, secret, later)), later); !errors.Is(err, secrets.ErrTampered) {
		t.Errorf("moved to another user: %v", err)
	}
	begun, err := k.Begin(ctx, alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Confirm(ctx, "BOB", mfa.Factors{}, begun.Sealed, "000000", later); !errors.Is(err, secrets.ErrTampered) {
		t.Errorf("confirmed for another user: %v", err)
	}
}

func TestConfirmRefusesAWrongCode(t *testing.T) {
	k := newKeeper(t)
	ctx := context.Background()
	begun, err := k.Begin(ctx, alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", " " + code(t, secret, start), code(t, secret, start.Add(-time.Hour)), code(t, secret, start) + "0"} {
		f, codes, err := k.Confirm(ctx, alice.ID, mfa.Factors{}, begun.Sealed, wrong, start)
		if !errors.Is(err, mfa.ErrWrong) || f.Enrolled() || codes != nil {
			t.Errorf("%q: %v %+v", wrong, err, f)
		}
	}
	// A step accepted in an earlier life of the user stays spent.
	old := mfa.Factors{LastStep: totp.Step(start)}
	if _, _, err := k.Confirm(ctx, alice.ID, old, begun.Sealed, code(t, secret, start), start); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a spent step: %v", err)
	}
	f, _, err := k.Confirm(ctx, alice.ID, old, begun.Sealed, code(t, secret, start.Add(totp.Period)), start.Add(totp.Period))
	if err != nil || f.LastStep != old.LastStep+1 {
		t.Errorf("the next step: %v %+v", err, f)
	}
}

// Whatever is tried in whatever order: a code passes once, and the last step
// only ever rises.
func TestAttack02LastStepOnlyRises(t *testing.T) {
	k := newKeeper(t)
	ctx := context.Background()
	first, secret, _ := enrolled(t, k)
	rapid.Check(t, func(t *rapid.T) {
		f, now := first, start
		spent := map[int64]bool{first.LastStep: true}
		for range rapid.IntRange(1, 30).Draw(t, "tries") {
			now = now.Add(time.Duration(rapid.IntRange(-40, 70).Draw(t, "seconds")) * time.Second)
			if now.Before(start) {
				now = start
			}
			step := totp.Step(now) + rapid.Int64Range(-3, 3).Draw(t, "off by")
			next, err := k.Verify(ctx, alice.ID, f, proof(code(t, secret, time.Unix(step*30, 0))), now)
			switch {
			case err != nil && (!errors.Is(err, mfa.ErrWrong) || next.LastStep != f.LastStep):
				t.Fatalf("refused with %v, the last step is %d", err, next.LastStep)
			case err == nil && (spent[step] || next.LastStep <= f.LastStep || next.TOTP != f.TOTP):
				t.Fatalf("step %d passes after %d", step, f.LastStep)
			case err != nil && step > f.LastStep && step >= totp.Step(now)-1 && step <= totp.Step(now)+1:
				t.Fatalf("step %d is refused at step %d after %d", step, totp.Step(now), f.LastStep)
			}
			if err == nil {
				spent[step] = true
			}
			f = next
		}
	})
}

func TestRecoveryCodesWorkOnce(t *testing.T) {
	k := newKeeper(t)
	ctx := context.Background()
	f, _, codes := enrolled(t, k)
	spellings := []func(string) string{
		func(c string) string { return c }, strings.ToUpper, func(c string) string { return strings.ReplaceAll(c, "-", "") },
		func(c string) string { return " " + strings.ReplaceAll(c, "-", " ") + " " },
		func(c string) string { return strings.NewReplacer("o", "0", "l", "1", "b", "8").Replace(c) },
	}
	for i, code := range codes {
		before := slices.Clone(f.Recovery)
		next, err := k.Verify(ctx, alice.ID, f, mfa.Proof{Method: mfa.RecoveryCode, Code: spellings[i%len(spellings)](code)}, start)
		if err != nil || len(next.Recovery) != len(codes)-i-1 {
			t.Fatalf("code %d: %v, %d left", i, err, len(next.Recovery))
		}
		if !slices.Equal(f.Recovery, before) {
			t.Fatal("judging changed what was read")
		}
		f = next
		for _, spelling := range spellings {
			_, err := k.Verify(ctx, alice.ID, f, mfa.Proof{Method: mfa.RecoveryCode, Code: spelling(code)}, start)
			if want := map[bool]error{true: mfa.ErrWrong, false: mfa.ErrNotEnrolled}[len(f.Recovery) > 0]; !errors.Is(err, want) {
				t.Fatalf("code %d again: %v", i, err)
			}
		}
	}
}

func TestRecoveryCodesThatAreNone(t *testing.T) {
	k := newKeeper(t)
	f, _, codes := enrolled(t, k)
	for _, wrong := range []string{"", "-", strings.Repeat("-", 29), codes[0][:28], codes[0] + "a", codes[0] + codes[1], string(f.Recovery[0]), "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"} {
		if got, err := k.Verify(context.Background(), alice.ID, f, mfa.Proof{Method: mfa.RecoveryCode, Code: wrong}, start); !errors.Is(err, mfa.ErrWrong) || len(got.Recovery) != 10 {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestMethodsNotEnrolled(t *testing.T) {
	k := newKeeper(t)
	f, secret, codes := enrolled(t, k)
	for name, p := range map[string]mfa.Proof{"a passkey": {Method: "passkey"}, "no method": {}, "the wrong method": {Method: "TOTP", Code: code(t, secret, start)}} {
		if _, err := k.Verify(context.Background(), alice.ID, f, p, start); !errors.Is(err, mfa.ErrNotEnrolled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, p := range []mfa.Proof{proof(code(t, secret, start)), {Method: mfa.RecoveryCode, Code: codes[0]}} {
		if _, err := k.Verify(context.Background(), alice.ID, mfa.Factors{Recovery: f.Recovery}, p, start); !errors.Is(err, mfa.ErrNotEnrolled) {
			t.Errorf("without an authenticator, %s: %v", p.Method, err)
		}
	}
}

// Without randomness nothing is handed out.
func TestNoRandomness(t *testing.T) {
	k := newKeeper(t)
	begun, err := k.Begin(context.Background(), alice, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for given := range int64(3) {
		k.Random = io.LimitReader(rand.Reader, given*15)
		if _, codes, err := k.Confirm(context.Background(), alice.ID, mfa.Factors{}, begun.Sealed, code(t, secret, start), start); err == nil || codes != nil {
			t.Errorf("%d codes of %d bytes: %v", len(codes), given*15, err)
		}
	}
	k.Random = strings.NewReader("")
	if _, err := k.Begin(context.Background(), alice, nil); err == nil {
		t.Error("a secret of nothing")
	}
}

// A slow writer's step never overwrites a later one, and factors never expire.
func TestAttack04SlowWriter(t *testing.T) {
	clock := localtest.NewClock()
	store := localtest.Bolt(t, clock)
	ctx := context.Background()
	k := newKeeper(t)
	f, secret, _ := enrolled(t, k)
	write, err := f.Write(alice.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Apply(ctx, write); err != nil {
		t.Fatal(err)
	}
	item, err := store.Get(ctx, mfa.Key(alice.ID))
	if err != nil || !item.Expires.IsZero() {
		t.Fatalf("stored: %v, expires %v", err, item.Expires)
	}
	now := start.Add(2 * totp.Period)
	slow, err := k.Verify(ctx, alice.ID, f, proof(code(t, secret, start.Add(totp.Period))), now)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := k.Verify(ctx, alice.ID, f, proof(code(t, secret, now)), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		f    mfa.Factors
		want error
	}{{quick, nil}, {slow, table.ErrConflict}} {
		write, err := c.f.Write(alice.ID, item.Rev)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Apply(ctx, write); !errors.Is(err, c.want) {
			t.Errorf("writing step %d: %v", c.f.LastStep, err)
		}
	}
	item, err = store.Get(ctx, mfa.Key(alice.ID))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mfa.Read(item); err != nil || got.LastStep != quick.LastStep {
		t.Errorf("the last step is %d, %v", got.LastStep, err)
	}
	if none, err := mfa.Read(table.Item{}); err != nil || none.Enrolled() {
		t.Errorf("absent factors: %+v %v", none, err)
	}
}
