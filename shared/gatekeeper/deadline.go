package gatekeeper

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadline is a context that ends at a time. context.WithTimeout would start a
// timer, and wake a thread to watch it, at every decision, for a store that
// nearly always answers at once. Here it starts when somebody waits for the end.
type deadline struct {
	context.Context
	at       time.Time
	released atomic.Bool

	once   sync.Once
	timed  context.Context // what Done waits for; nil where nobody waited
	cancel context.CancelFunc
}

func within(ctx context.Context, d time.Duration) *deadline {
	return &deadline{Context: ctx, at: time.Now().Add(d)}
}

// release ends the context, as a CancelFunc does.
func (d *deadline) release() {
	d.released.Store(true)
	d.once.Do(func() {})
	if d.cancel != nil {
		d.cancel()
	}
}

func (d *deadline) Deadline() (time.Time, bool) {
	if sooner, ok := d.Context.Deadline(); ok && sooner.Before(d.at) {
		return sooner, true
	}
	return d.at, true
}

func (d *deadline) Done() <-chan struct{} {
	d.once.Do(func() { d.timed, d.cancel = context.WithDeadline(d.Context, d.at) })
	if d.timed == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return d.timed.Done()
}

func (d *deadline) Err() error {
	switch err := d.Context.Err(); {
	case err != nil:
		return err
	case d.released.Load():
		return context.Canceled
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	}
	return nil
}
