package mfa_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// party is a relying party that believes what it is told: an answer is the name
// of a credential and, to prove it, a counter.
type party struct{}

func (party) ID() (string, error) { return "portal.example", nil }

func (party) Attest(_ string, _, answer []byte) (mfa.Passkey, error) {
	if len(answer) == 0 {
		return mfa.Passkey{}, mfa.ErrAttestation
	}
	return mfa.Passkey{Credential: answer, Key: []byte("key"), ID: "not theirs to say", Name: "nor this"}, nil
}

func (party) Assert(_ string, _ []byte, _ []mfa.Passkey, answer []byte) (mfa.Signed, error) {
	var signed mfa.Signed
	_, err := fmt.Sscanf(string(answer), "%s %d", &signed.Credential, &signed.Count)
	if err != nil {
		return signed, mfa.ErrWrong
	}
	return signed, nil
}

func withPasskeys(t *testing.T) mfa.Keeper {
	k := newKeeper(t)
	k.Passkeys = party{}
	return k
}

func challengeOf(t *testing.T, k mfa.Keeper) *mfa.Challenge {
	t.Helper()
	c, err := k.NewChallenge(start, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// holding are factors with passkeys of these names.
func holding(t *testing.T, k mfa.Keeper, names ...string) mfa.Factors {
	t.Helper()
	var f mfa.Factors
	for _, name := range names {
		next, made, err := k.EnrollPasskey(alice.ID, f, mfa.NewPasskey{ID: "ID-" + name, Name: name, Challenge: challengeOf(t, k), Answer: []byte(name)}, start)
		if err != nil || made.ID != "ID-"+name || made.Name != name || !made.CreatedAt.Equal(start) || !made.LastUsedAt.IsZero() {
			t.Fatalf("enrolling %s: %+v %v", name, made, err)
		}
		f = next
	}
	return f
}

func shown(c *mfa.Challenge, answer string) mfa.Proof {
	return mfa.Proof{Method: mfa.WebAuthn, Assertion: []byte(answer), Challenge: c}
}

func TestPasskeysAreAFactor(t *testing.T) {
	f := holding(t, withPasskeys(t), "a", "b")
	if !f.Enrolled() || !slices.Equal(f.Methods(), []mfa.Method{mfa.WebAuthn}) {
		t.Errorf("alone: %v", f.Methods())
	}
	f.Recovery, f.TOTP = make([]token.Hash, 1), &mfa.Authenticator{}
	if !slices.Equal(f.Methods(), []mfa.Method{mfa.TOTP, mfa.WebAuthn, mfa.RecoveryCode}) {
		t.Errorf("with all: %v", f.Methods())
	}
}

func TestChallengeIsRandomAndEnds(t *testing.T) {
	k := withPasskeys(t)
	a, b := challengeOf(t, k), challengeOf(t, k)
	if len(a.Value) != 32 || string(a.Value) == string(b.Value) || !a.Ends.Equal(start.Add(mfa.ChallengeKept)) {
		t.Errorf("%+v %+v", a, b)
	}
	if c, err := k.NewChallenge(start, start.Add(time.Minute)); err != nil || !c.Ends.Equal(start.Add(time.Minute)) {
		t.Errorf("in a flow that ends: %+v %v", c, err)
	}
	k.Random = io.LimitReader(strings.NewReader("short"), 5)
	if c, err := k.NewChallenge(start, start); err == nil {
		t.Errorf("without randomness: %+v", c)
	}
}

func TestVerifyPasskey(t *testing.T) {
	k := withPasskeys(t)
	f, c := holding(t, k, "a", "b"), challengeOf(t, k)
	now := start.Add(mfa.ChallengeKept - time.Second)
	next, err := k.Verify(context.Background(), alice.ID, f, shown(c, "b 7"), now)
	if err != nil || next.Passkeys[1].Count != 7 || !next.Passkeys[1].LastUsedAt.Equal(now) || !next.Passkeys[0].LastUsedAt.IsZero() {
		t.Errorf("%+v %v", next.Passkeys, err)
	}
	if f.Passkeys[1].Count != 0 {
		t.Error("judging changed what was read")
	}
	for name, p := range map[string]mfa.Proof{
		"another's passkey": shown(c, "x 1"), "no answer": shown(c, ""), "no challenge": shown(nil, "b 8"), "an empty one": shown(&mfa.Challenge{Ends: now.Add(time.Hour)}, "b 8"),
		"a late one": shown(&mfa.Challenge{Value: c.Value, Ends: now}, "b 8"),
	} {
		if got, err := k.Verify(context.Background(), alice.ID, next, p, now); !errors.Is(err, mfa.ErrWrong) || got.Passkeys[1].Count != 7 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.Verify(context.Background(), alice.ID, mfa.Factors{}, shown(c, "b 8"), now); !errors.Is(err, mfa.ErrNotEnrolled) {
		t.Errorf("none enrolled: %v", err)
	}
}

// Whatever counters come, one never passes that does not rise, unless there is
// none at all.
func TestAttack15CounterOnlyRises(t *testing.T) {
	k := withPasskeys(t)
	first, c := holding(t, k, "a"), challengeOf(t, k)
	rapid.Check(t, func(t *rapid.T) {
		f := first
		for range rapid.IntRange(1, 20).Draw(t, "shown") {
			n := rapid.Uint32Range(0, 6).Draw(t, "counter")
			next, err := k.Verify(context.Background(), alice.ID, f, shown(c, fmt.Sprintf("a %d", n)), start)
			last := f.Passkeys[0].Count
			var back *mfa.CounterError
			switch {
			case n > last || n == 0 && last == 0:
				if err != nil || next.Passkeys[0].Count != n {
					t.Fatalf("%d after %d: %v", n, last, err)
				}
			case !errors.As(err, &back) || !errors.Is(err, mfa.ErrWrong) || back.Shown != n || back.Passkey.Count != last || next.Passkeys[0].Count != last:
				t.Fatalf("%d after %d: %v", n, last, err)
			}
			f = next
		}
	})
}

func TestEnrollPasskeyRefuses(t *testing.T) {
	k := withPasskeys(t)
	f, c := holding(t, k, "a"), challengeOf(t, k)
	full := f
	for i := range mfa.MaxPasskeys - 1 {
		full.Passkeys = append(slices.Clone(full.Passkeys), mfa.Passkey{Credential: fmt.Append(nil, i)})
	}
	late := &mfa.Challenge{Value: c.Value, Ends: start}
	for name, refused := range map[string]struct {
		keeper mfa.Keeper
		from   mfa.Factors
		n      mfa.NewPasskey
		want   error
	}{
		"again":                   {k, f, mfa.NewPasskey{Challenge: c, Answer: []byte("a")}, mfa.ErrPasskeyEnrolled},
		"one too many":            {k, full, mfa.NewPasskey{Challenge: c, Answer: []byte("b")}, mfa.ErrTooManyPasskeys},
		"no challenge":            {k, f, mfa.NewPasskey{Answer: []byte("b")}, mfa.ErrAttestation},
		"a late challenge":        {k, f, mfa.NewPasskey{Challenge: late, Answer: []byte("b")}, mfa.ErrAttestation},
		"no answer":               {k, f, mfa.NewPasskey{Challenge: c}, mfa.ErrAttestation},
		"without a relying party": {newKeeper(t), f, mfa.NewPasskey{Challenge: c, Answer: []byte("b")}, mfa.ErrNoRelyingParty},
	} {
		got, _, err := refused.keeper.EnrollPasskey(alice.ID, refused.from, refused.n, start)
		if !errors.Is(err, refused.want) || len(got.Passkeys) != len(refused.from.Passkeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := k.CreationOptions(alice, full, c, start); !errors.Is(err, mfa.ErrTooManyPasskeys) {
		t.Errorf("options for one too many: %v", err)
	}
}

// Recovery codes are no factor: the last one stays, whatever codes there are.
func TestLastFactorIsNotRemoved(t *testing.T) {
	f := holding(t, withPasskeys(t), "a", "b")
	f.Recovery = make([]token.Hash, 10)
	left, removed, err := f.RemovePasskey("ID-a")
	if err != nil || removed.Name != "a" || len(left.Passkeys) != 1 || left.Passkeys[0].Name != "b" || len(f.Passkeys) != 2 || f.Passkeys[0].Name != "a" {
		t.Fatalf("%+v %v", left, err)
	}
	if got, _, err := left.RemovePasskey("ID-b"); !errors.Is(err, mfa.ErrLastFactor) || !got.Enrolled() {
		t.Errorf("the last one: %v", err)
	}
	if _, _, err := left.RemovePasskey("ID-a"); !errors.Is(err, mfa.ErrNoPasskey) {
		t.Errorf("again: %v", err)
	}
	left.TOTP = &mfa.Authenticator{}
	if got, _, err := left.RemovePasskey("ID-b"); err != nil || len(got.Passkeys) > 0 || !got.Enrolled() {
		t.Errorf("beside an authenticator: %v", err)
	}
}

func TestOptionsNameWhatCounts(t *testing.T) {
	k := withPasskeys(t)
	f, c := holding(t, k, "a", "b"), challengeOf(t, k)
	written := base64.RawURLEncoding.EncodeToString(c.Value)
	creation, err := k.CreationOptions(alice, f, c, start.Add(time.Minute))
	if err != nil || creation.RP.ID != "portal.example" || creation.Challenge != written || creation.Timeout != 240_000 || creation.Attestation != "none" ||
		creation.AuthenticatorSelection.UserVerification != "required" || len(creation.ExcludeCredentials) != 2 || creation.User.ID != "QUxJQ0U" || creation.User.DisplayName != alice.Email {
		t.Errorf("%+v %v", creation, err)
	}
	request, err := k.RequestOptions(f, c, start)
	if err != nil || request.RPID != "portal.example" || request.Challenge != written || request.UserVerification != "required" || len(request.AllowCredentials) != 2 || request.AllowCredentials[1].ID != "Yg" {
		t.Errorf("%+v %v", request, err)
	}
	if _, err := k.RequestOptions(mfa.Factors{}, c, start); !errors.Is(err, mfa.ErrNotEnrolled) {
		t.Errorf("none enrolled: %v", err)
	}
	none := newKeeper(t)
	if _, err := none.RequestOptions(f, c, start); !errors.Is(err, mfa.ErrNoRelyingParty) {
		t.Errorf("without a relying party: %v", err)
	}
	if _, err := none.CreationOptions(alice, f, c, start); !errors.Is(err, mfa.ErrNoRelyingParty) {
		t.Errorf("without a relying party: %v", err)
	}
	if _, err := none.Verify(context.Background(), alice.ID, f, shown(c, "a 1"), start); !errors.Is(err, mfa.ErrNoRelyingParty) {
		t.Errorf("without a relying party: %v", err)
	}
}

// The largest passkeys that can be enrolled fit into the item, with room to spare.
func TestFactorsStaySmall(t *testing.T) {
	var f mfa.Factors
	for range mfa.MaxPasskeys {
		f.Passkeys = append(f.Passkeys, mfa.Passkey{
			ID: strings.Repeat("x", 26), Name: strings.Repeat("😀", 100), Credential: make([]byte, 1023), Key: make([]byte, 1024), Count: 1 << 31,
			Transports: []string{"usb", "nfc", "ble", "smart-card", "hybrid", "internal"}, CreatedAt: start, LastUsedAt: start,
		})
	}
	item, err := table.Encode(mfa.Key(alice.ID), "factors", f)
	if err != nil || len(item.Body) > 64<<10 {
		t.Errorf("%d bytes, %v", len(item.Body), err)
	}
}
