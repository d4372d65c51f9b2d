package mfa_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/totp"
)

// Whatever codes come, whenever the store is restored to whatever it held, no
// step is accepted twice and the last one only rises.
func TestAttack46LastStepRises(t *testing.T) {
	k := newKeeper(t)
	first, secret, _ := enrolled(t, k)
	rapid.Check(t, func(rt *rapid.T) {
		k, f, backup := k, first, first
		now, last := start, first.LastStep
		for range rapid.IntRange(1, 30).Draw(rt, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 70).Draw(rt, "seconds")) * time.Second)
			switch rapid.SampledFrom([]string{"code", "code", "backup", "restore"}).Draw(rt, "event") {
			case "backup":
				backup = f
			case "restore":
				f, k.RestoredAt = backup, now
			default:
				shown := now.Add(time.Duration(rapid.IntRange(-1, 1).Draw(rt, "step")) * totp.Period)
				next, err := k.Verify(context.Background(), alice.ID, f, mfa.Proof{Method: mfa.TOTP, Code: code(t, secret, shown)}, now)
				if err != nil {
					continue
				}
				if next.LastStep <= last {
					rt.Fatalf("step %d accepted after %d", next.LastStep, last)
				}
				f, last = next, max(last, next.LastStep)
			}
		}
	})
}

// Recovery codes count from when they were made, whatever the authenticator's
// age: one that is replaced after a restore brings no spent code back, and new
// codes of an old authenticator work.
func TestAttack46RecoveryCodesByTheirAge(t *testing.T) {
	k := newKeeper(t)
	f, _, codes := enrolled(t, k)
	k.RestoredAt = start.Add(time.Hour)
	for name, c := range map[string]struct {
		authenticator, codes time.Time
		works                bool
	}{
		"both from before":          {start, start, false},
		"from before it was noted":  {start, time.Time{}, false},
		"an authenticator replaced": {start.Add(2 * time.Hour), start, false},
		"codes made anew":           {start, start.Add(2 * time.Hour), true},
		"at that very second":       {start, k.RestoredAt, true},
	} {
		f := f
		f.TOTP = &mfa.Authenticator{Sealed: f.TOTP.Sealed, EnrolledAt: c.authenticator}
		f.RecoveryAt = c.codes
		_, err := k.Verify(context.Background(), alice.ID, f, mfa.Proof{Method: mfa.RecoveryCode, Code: codes[0]}, start.Add(3*time.Hour))
		if works := err == nil; works != c.works {
			t.Errorf("%s: %v", name, err)
		}
	}
}
