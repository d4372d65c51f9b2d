package mfa_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/totp"
)

// replacing begins to replace alice's authenticator at start.
func replacing(t *testing.T, k mfa.Keeper) (totp.Secret, *mfa.Replacement) {
	t.Helper()
	begun, r, err := k.BeginReplacement(context.Background(), alice, nil, start)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return secret, r
}

func TestReplaceKeepsAllButTheAuthenticator(t *testing.T) {
	k := newKeeper(t)
	f, old, codes := enrolled(t, k)
	secret, r := replacing(t, k)
	now := start.Add(totp.Period)
	next, err := k.Replace(context.Background(), alice.ID, f, r, code(t, secret, now), now)
	if err != nil || next.TOTP.EnrolledAt != now || next.LastStep != totp.Step(now) || k.RecoveryLeft(next) != len(codes) || !next.RecoveryAt.Equal(f.RecoveryAt) {
		t.Fatalf("%+v %v", next, err)
	}
	now = now.Add(totp.Period)
	if _, err := k.Verify(context.Background(), alice.ID, next, mfa.Proof{Method: mfa.TOTP, Code: code(t, old, now)}, now); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("the old authenticator: %v", err)
	}
	if _, err := k.Verify(context.Background(), alice.ID, next, mfa.Proof{Method: mfa.TOTP, Code: code(t, secret, now)}, now); err != nil {
		t.Errorf("the new authenticator: %v", err)
	}
	if f.TOTP.EnrolledAt != start {
		t.Error("the factors given were changed")
	}
}

// A pending secret opens for its user alone, ends by itself and with a restore,
// and is nothing without a factor that it could replace.
func TestAttack11PendingSecretEnds(t *testing.T) {
	k := newKeeper(t)
	f, _, _ := enrolled(t, k)
	secret, r := replacing(t, k)
	late := start.Add(mfa.ReplacementKept)
	restored := k
	restored.RestoredAt = start.Add(time.Second)
	for name, c := range map[string]struct {
		k    mfa.Keeper
		user string
		f    mfa.Factors
		r    *mfa.Replacement
		at   time.Time
		want error
	}{
		"none":              {k, alice.ID, f, nil, start, mfa.ErrNothingBegun},
		"at its end":        {k, alice.ID, f, r, late, mfa.ErrNothingBegun},
		"before a restore":  {restored, alice.ID, f, r, start.Add(2 * totp.Period), mfa.ErrNothingBegun},
		"no factor":         {k, alice.ID, mfa.Factors{}, r, start.Add(totp.Period), mfa.ErrNotEnrolled},
		"the step of a use": {k, alice.ID, f, r, start, mfa.ErrWrong},
		"a second earlier":  {k, alice.ID, f, r, late.Add(-time.Second), nil},
	} {
		got, err := c.k.Replace(context.Background(), c.user, c.f, c.r, code(t, secret, c.at), c.at)
		if !errors.Is(err, c.want) || err != nil && got.TOTP != c.f.TOTP {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := k.Replace(context.Background(), "BOB", f, r, code(t, secret, start.Add(totp.Period)), start.Add(totp.Period)); err == nil || errors.Is(err, mfa.ErrWrong) {
		t.Errorf("it opens for another user: %v", err)
	}
	if _, _, err := k.BeginReplacement(context.Background(), account.User{ID: "BOB"}, r, start); err == nil {
		t.Error("it is shown to another user")
	}
	if _, again, err := k.BeginReplacement(context.Background(), alice, r, late); err != nil || string(again.Sealed) == string(r.Sealed) || again.BegunAt != late {
		t.Errorf("after its end it is shown again: %v", err)
	}
	if _, again, err := k.BeginReplacement(context.Background(), alice, r, late.Add(-time.Second)); err != nil || string(again.Sealed) != string(r.Sealed) || again.BegunAt != start {
		t.Errorf("asking again made it live longer, or another: %v", err)
	}
}

// After a restore, steps that may have been used since the backup confirm nothing.
func TestAttack46ReplacingAfterARestore(t *testing.T) {
	k := newKeeper(t)
	f, _, _ := enrolled(t, k)
	k.RestoredAt = start.Add(time.Hour)
	begun, r, err := k.BeginReplacement(context.Background(), alice, nil, k.RestoredAt)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := totp.ParseSecret(begun.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[time.Duration]error{0: mfa.ErrWrong, totp.Period: mfa.ErrWrong, 2 * totp.Period: nil} {
		at := k.RestoredAt.Add(at)
		if _, err := k.Replace(context.Background(), alice.ID, f, r, code(t, secret, at), at); !errors.Is(err, want) {
			t.Errorf("at %v: %v, want %v", at, err, want)
		}
	}
	if n := k.RecoveryLeft(f); n != 0 {
		t.Errorf("%d recovery codes from before are left", n)
	}
	if next, codes, err := k.RenewRecovery(f, k.RestoredAt); err != nil || len(codes) != 10 || k.RecoveryLeft(next) != 10 {
		t.Errorf("renewed: %d %v", len(codes), err)
	}
}
