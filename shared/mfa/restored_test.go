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
