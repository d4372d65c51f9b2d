package attempt

import (
	"testing"

	"pgregory.net/rapid"
)

// allowed judges counts as a transaction will at a time: two stretches on,
// neither counts.
func allowed(now, before, at, then int64) bool {
	switch then/windowSeconds - at/windowSeconds {
	case 0:
	case 1:
		now, before = 0, now
	default:
		now, before = 0, 0
	}
	return now < AddressLimit-weighed(before, then)
}

// Retry-After is true to the second, and never longer than two stretches.
func TestAddressWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, before := rapid.Int64Range(0, AddressLimit).Draw(t, "now"), rapid.Int64Range(0, AddressLimit).Draw(t, "before")
		at := rapid.Int64Range(1_800_000_000, 1_800_010_000).Draw(t, "at")
		wait := addressWait(now, before, at)
		if wait < 0 || wait > 2*windowSeconds {
			t.Fatalf("wait %d s", wait)
		}
		if !allowed(now, before, at, at+wait) {
			t.Fatalf("after %d s it is refused", wait)
		}
		for earlier := range wait {
			if allowed(now, before, at, at+earlier) {
				t.Fatalf("told to wait %d s, %d would do", wait, earlier)
			}
		}
	})
}

func TestWeighed(t *testing.T) {
	const stretch = 1_800_000_000 / 900 * 900
	for after, want := range map[int64]int64{0: 100, 1: 99, 450: 50, 891: 1, 892: 0, 899: 0, 900: 100} {
		if got := weighed(100, stretch+after); got != want {
			t.Errorf("%d s into a stretch, 100 before count as %d, want %d", after, got, want)
		}
	}
}
