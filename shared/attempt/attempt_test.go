package attempt_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/attempt"
)

var start = time.Date(2027, time.March, 1, 9, 0, 0, 0, time.UTC)

// guesser fails at every attempt it is allowed, as the rules of API.md say it.
type guesser struct {
	count    attempt.Count
	now      time.Time
	failures []time.Time // evaluated ones, oldest first
	inARow   int
}

// try makes an attempt and fails; the wait it was told instead, if any.
func (g *guesser) try(t interface{ Fatalf(string, ...any) }) time.Duration {
	next, err := g.count.Reserve(g.now)
	var locked *attempt.LockedError
	if errors.As(err, &locked) {
		if !errors.Is(err, attempt.ErrLocked) || locked.RetryAfter <= 0 || locked.RetryAfter > attempt.Suspension {
			t.Fatalf("refused with %v", err)
		}
		return locked.RetryAfter
	}
	if err != nil {
		t.Fatalf("Reserve: %v", err)
	}
	g.count, g.failures, g.inARow = next, append(g.failures, g.now), g.inARow+1
	return 0
}

func (g *guesser) recent() (n int) {
	for _, at := range g.failures {
		if g.now.Sub(at) < attempt.Window {
			n++
		}
	}
	return n
}

func TestFiveFailuresThenDoublingWaits(t *testing.T) {
	g := &guesser{now: start}
	for range attempt.Limit {
		if wait := g.try(t); wait != 0 {
			t.Fatalf("refused after %d failures", len(g.failures))
		}
	}
	for _, want := range []time.Duration{30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600} {
		want *= time.Second
		if got := g.try(t); got != want {
			t.Fatalf("told to wait %v, want %v", got, want)
		}
		g.now = g.now.Add(want - time.Second)
		if got := g.try(t); got != time.Second {
			t.Fatalf("a second before the end: %v", got)
		}
		g.now = g.now.Add(time.Second)
		if got := g.try(t); got != 0 {
			t.Fatalf("at the end: %v", got)
		}
	}
}

func TestQuietStretchEndsTheDoubling(t *testing.T) {
	g := &guesser{now: start}
	for range attempt.Limit {
		g.try(t)
	}
	g.now = g.now.Add(attempt.FirstWait + attempt.Window - time.Second)
	g.try(t)
	if got := g.try(t); got != 2*attempt.FirstWait {
		t.Errorf("a second before it is quiet: %v", got)
	}
	g.now = g.now.Add(2*attempt.FirstWait + attempt.Window)
	for range attempt.Limit {
		if got := g.try(t); got != 0 {
			t.Fatalf("once it was quiet: %v", got)
		}
	}
	if got := g.try(t); got != attempt.FirstWait {
		t.Errorf("and five failures on: %v", got)
	}
}

func TestWindowSlides(t *testing.T) {
	g := &guesser{now: start}
	for range attempt.Limit - 1 {
		g.try(t)
	}
	g.now = start.Add(attempt.Window - time.Second)
	g.try(t)
	if got := g.try(t); got != attempt.FirstWait {
		t.Errorf("five failures within the window: %v", got)
	}
	g = &guesser{now: start}
	for range attempt.Limit - 1 {
		g.try(t)
	}
	g.now = start.Add(attempt.Window)
	g.try(t)
	if got := g.try(t); got != 0 {
		t.Errorf("the first four are fifteen minutes old: %v", got)
	}
}

func TestHundredInARowSuspend(t *testing.T) {
	for name, pause := range map[string]time.Duration{"slow": attempt.Window, "an attempt an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			g := &guesser{now: start}
			for range attempt.SuspendAfter {
				if got := g.try(t); got != 0 {
					t.Fatalf("refused after %d: %v", g.inARow, got)
				}
				g.now = g.now.Add(pause)
			}
			if got := g.try(t); got != attempt.Suspension-pause {
				t.Fatalf("after %d failures in a row: %v", g.inARow, got)
			}
			g.now = g.now.Add(attempt.Suspension - pause)
			if got := g.try(t); got != 0 {
				t.Errorf("after the day: %v", got)
			}
		})
	}
}

// However attempts are timed: never more than Limit failures within Window
// before a wait, waits between FirstWait and LongestWait or a Suspension, never
// more than SuspendAfter in a row without one, and refusals change nothing.
func TestNoTimingGetsAround(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &guesser{now: start}
		sinceSuspension := 0
		for range rapid.IntRange(1, 300).Draw(t, "attempts") {
			pause := rapid.OneOf(rapid.Int64Range(0, 60), rapid.Int64Range(0, 4000), rapid.SampledFrom([]int64{29, 30, 899, 900, 901, 3599, 3600, 86400})).Draw(t, "pause")
			g.now = g.now.Add(time.Duration(pause) * time.Second)
			before := g.count
			wait := g.try(t)
			if wait > 0 {
				if before.Until != g.now.Add(wait).Unix() {
					t.Fatalf("told to wait %v, the count says %d", wait, before.Until)
				}
				continue
			}
			sinceSuspension++
			next := time.Unix(g.count.Until, 0).Sub(g.now)
			switch {
			case sinceSuspension == attempt.SuspendAfter:
				if next != attempt.Suspension {
					t.Fatalf("%d failures in a row: a wait of %v", sinceSuspension, next)
				}
				sinceSuspension = 0
			case next > 0 && (next < attempt.FirstWait || next > attempt.LongestWait):
				t.Fatalf("a wait of %v", next)
			case g.recent() >= attempt.Limit && next <= 0:
				t.Fatalf("%d failures within the window, and no wait", g.recent())
			}
			if len(g.count.Recent) > attempt.Limit {
				t.Fatalf("the count grows: %v", g.count)
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "::ffff:203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::": "2001:db8:1:2::/64", "2001:db8:1:3::1": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64", "fe80::2%eth1": "fe80::/64",
	} {
		if got := attempt.Network(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
	if got := attempt.Network(netip.Addr{}); got != "unknown" {
		t.Errorf("no address is %s", got)
	}
}

// What is typed as an e-mail may be a password: it stands in no key.
func TestCountKeysTellNothing(t *testing.T) {
	keys := []string{}
	for _, factor := range []attempt.Factor{attempt.Password, attempt.TOTP, attempt.RecoveryCode, attempt.Enrollment} {
		for _, whom := range []string{"alice@acme.example", "bob@acme.example"} {
			for _, device := range []string{"", "d1", "d2"} {
				keys = append(keys, attempt.CountKey(factor, whom, device).String())
			}
		}
	}
	for i, key := range keys {
		if slices.Index(keys, key) != i {
			t.Errorf("two counts stand at %s", key)
		}
		if strings.Contains(key, "alice") || strings.Contains(key, "acme") {
			t.Errorf("the key %s", key)
		}
	}
}
