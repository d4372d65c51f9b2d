package gatekeeper

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever asks or waits, before or after, sees what context.WithTimeout shows.
func TestDeadlineIsAContext(t *testing.T) {
	type step func(parent context.CancelFunc, ctx context.Context, release func())
	wait := func(d time.Duration) step {
		return func(context.CancelFunc, context.Context, func()) { <-time.After(d) }
	}
	look := func(_ context.CancelFunc, ctx context.Context, _ func()) { ctx.Done() }
	parent := func(cancel context.CancelFunc, _ context.Context, _ func()) { cancel() }
	release := func(_ context.CancelFunc, _ context.Context, release func()) { release() }
	for _, c := range []struct {
		name  string
		steps []step
		want  error
	}{
		{"at once", nil, nil},
		{"just before", []step{wait(time.Second - 1)}, nil},
		{"at the end", []step{wait(time.Second)}, context.DeadlineExceeded},
		{"at the end, waited for", []step{look, wait(time.Second)}, context.DeadlineExceeded},
		{"the parent ends", []step{parent}, context.Canceled},
		{"the parent ends, waited for", []step{look, parent}, context.Canceled},
		{"released", []step{release}, context.Canceled},
		{"released, waited for", []step{look, release}, context.Canceled},
		{"released, then the end", []step{release, wait(time.Second)}, context.Canceled},
	} {
		synctest.Test(t, func(t *testing.T) {
			outer, cancel := context.WithCancel(context.Background())
			defer cancel()
			ours := within(outer, time.Second)
			std, stop := context.WithTimeout(outer, time.Second)
			for _, step := range c.steps {
				step(cancel, ours, func() { ours.release(); stop() })
			}
			synctest.Wait()
			for name, ctx := range map[string]context.Context{"ours": ours, "the standard": std} {
				ended := false
				if err := ctx.Err(); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
					t.Errorf("%s, %s: %v, want %v", c.name, name, err, c.want)
				}
				select {
				case <-ctx.Done():
					ended = true
				default:
				}
				if ended != (c.want != nil) {
					t.Errorf("%s, %s: done %t", c.name, name, ended)
				}
				if at, ok := ctx.Deadline(); !ok || at.IsZero() {
					t.Errorf("%s, %s: no deadline", c.name, name)
				}
			}
			ours.release()
			stop()
		})
	}
}

func TestDeadlineIsTheSooner(t *testing.T) {
	outer, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	want, _ := outer.Deadline()
	if at, _ := within(outer, 2*time.Hour).Deadline(); !at.Equal(want) {
		t.Errorf("%s, want %s", at, want)
	}
	if at, _ := within(outer, time.Minute).Deadline(); !at.Before(want) {
		t.Errorf("%s, not before %s", at, want)
	}
}

// Somebody who waits in another goroutine is woken at the end.
func TestDeadlineWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, began := within(context.Background(), time.Second), time.Now()
		defer ctx.release()
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		<-inner.Done()
		if took := time.Since(began); took != time.Second || !errors.Is(inner.Err(), context.DeadlineExceeded) {
			t.Errorf("woken after %s: %v", took, inner.Err())
		}
	})
}
