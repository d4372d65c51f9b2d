package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"runtime/debug"
	"syscall"

	"go.etcd.io/bbolt"
)

// maxGroup and maxGroupBytes bound what shares one transaction.
const (
	maxGroup      = 256
	maxGroupBytes = 4 << 20
)

// change is what one caller wants done.
type change interface {
	// check judges the conditions and reads only. Its error is the answer to
	// this caller; the others of the group go on.
	check(*state) error
	// write does it and tells whether anything changed. Its error ends the
	// whole group.
	write(*state) (bool, error)
	// size is about how many bytes will be written.
	size() int
}

// call is a change in the queue.
type call struct {
	change
	ctx    context.Context
	answer error
	done   chan error // takes one answer without a reader
}

// submit queues a change and waits for its answer. It stops waiting when ctx
// ends: the change is then done later or never.
func (s *Store) submit(ctx context.Context, ch change) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	c := &call{change: ch, ctx: ctx, done: make(chan error, 1)}
	if err := s.enqueue(c); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return s.unavailable("the caller stopped waiting", ctx.Err())
	case <-s.torn:
		return s.ready(ctx)
	}
}

func (s *Store) enqueue(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return s.unavailable("the store is closed", fs.ErrClosed)
	}
	select {
	case s.queue <- c:
		return nil
	case <-c.ctx.Done():
		return s.unavailable("the caller stopped waiting", c.ctx.Err())
	case <-s.torn:
		return s.ready(c.ctx)
	}
}

// drain is the one writer. It ends when the queue is closed and empty.
func (s *Store) drain() {
	defer close(s.drained)
	debug.SetPanicOnFault(true)
	for first := range s.queue {
		group := s.gather(first)
		err := s.commit(group)
		for _, c := range group {
			c.done <- c.verdict(err)
		}
	}
}

// verdict is the call's own answer. It was reached on top of what the group
// wrote before, so it means nothing if that was not committed.
func (c *call) verdict(commit error) error {
	if commit != nil {
		return commit
	}
	return c.answer
}

// gather takes what waits in the queue, without waiting for more: while one
// group is on its way to the disk, the next assembles.
func (s *Store) gather(first *call) []*call {
	group, size := []*call{first}, first.size()
	for len(group) < maxGroup && size < maxGroupBytes {
		select {
		case c, ok := <-s.queue:
			if !ok {
				return group
			}
			group, size = append(group, c), size+c.size()
		default:
			return group
		}
	}
	return group
}

// errUnchanged rolls a group back that wrote nothing: no fdatasync for it.
var errUnchanged = errors.New("nothing to commit")

// commit does a group's changes in one transaction.
func (s *Store) commit(group []*call) (err error) {
	if b := s.broken.Load(); b != nil {
		return s.unavailable("open it anew after an earlier failure", b.cause)
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(p)
		}
	}()
	err = s.update(func(tx *bbolt.Tx) error { return s.perform(tx, group) })
	switch {
	case err == nil || errors.Is(err, errUnchanged):
		return nil
	case syncFailed(err):
		err = s.unavailable("syncing failed, the write may or may not be on the disk", err)
		s.broken.Store(&failure{cause: err})
		return err
	}
	return s.unavailable("the write failed and was not applied", err)
}

func (s *Store) perform(tx *bbolt.Tx, group []*call) error {
	changed := false
	for _, c := range group {
		wrote, err := s.performOne(s.state(tx), c)
		if err != nil {
			return err
		}
		changed = changed || wrote
	}
	if !changed {
		return errUnchanged
	}
	return nil
}

func (s *Store) performOne(st *state, c *call) (bool, error) {
	if err := c.ctx.Err(); err != nil {
		c.answer = s.unavailable("the caller stopped waiting", err)
		return false, nil
	}
	if c.answer = s.readable(c.check(st)); c.answer != nil {
		return false, nil
	}
	return c.write(st)
}

// syncFailed tells a failed fdatasync from a failed write: bbolt hands on the
// bare error number of the first, and a *fs.PathError of the second. After a
// failed sync the kernel may have dropped the pages and called them clean, so
// what the file seems to hold is no longer what the disk holds.
func syncFailed(err error) bool {
	var number syscall.Errno
	var path *fs.PathError
	return errors.As(err, &number) && !errors.As(err, &path)
}

// setRev puts the revision into an encoded record.
func setRev(value []byte, sequence uint64) []byte {
	binary.BigEndian.PutUint64(value[revAt:], sequence)
	return value
}
