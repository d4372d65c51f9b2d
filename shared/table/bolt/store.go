// Package bolt is the embedded adapter of table.Table: one file, one process.
// It guarantees, beside what the port promises:
//
//   - a write that was answered with nil is on the disk (fdatasync) before the
//     answer; a crash at any instant leaves all of a call's writes or none;
//   - a call that could not be committed (a full disk) says so, loses nothing,
//     and the store works again once there is room;
//   - a file that is not ours, is shorter than it says or is damaged is refused
//     at Open with a text that says what to do, never overwritten, never a crash;
//   - after a failed fdatasync nobody knows what is on the disk, so the store
//     refuses everything until it has been opened anew.
//
// All writes pass through one goroutine that commits whatever has queued up as
// one transaction, so that many callers share the price of one fdatasync.
// It runs where flock(2) does: Linux, macOS and the BSDs.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"portcullis.example/shared/table"
)

// Options are what Open depends on. The zero value opens an existing file.
type Options struct {
	// Now is the clock that expiry is judged by; nil: time.Now.
	Now func() time.Time
	// Create lets Open make a file where none, or an empty one, stands.
	Create bool
	// LockWait is how long to wait for another process to let go of the file;
	// zero: one second.
	LockWait time.Duration
}

// Store is an open file. It is a table.Table; all methods may be called
// concurrently.
type Store struct {
	path   string
	now    func() time.Time
	file   *os.File
	db     *bbolt.DB
	update func(func(*bbolt.Tx) error) error // db.Update, but in tests

	mu      sync.RWMutex // held for reading while a call is queued
	closed  bool
	queue   chan *call
	drained chan struct{}
	broken  atomic.Pointer[failure]
	torn    chan struct{} // closed once bbolt has panicked
	tear    sync.Once

	reap   sync.Mutex
	resume []byte // where the next Reap goes on; nil: at the oldest
}

var _ table.Table = (*Store)(nil)

// failure is why a store refuses everything until it is opened anew.
type failure struct {
	cause error
	torn  bool // bbolt panicked: its locks may be held for good
}

// Open opens the file at path, or makes it if o.Create is set. It reads the
// whole file once to see that it is sound. The errors are ErrLocked,
// ErrMissing, ErrForeign and ErrTruncated, or what the system said; each names
// the path. Opening again later is safe after all of them.
func Open(path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.LockWait == 0 {
		o.LockWait = time.Second
	}
	file, err := acquire(path, o)
	if err != nil {
		return nil, err
	}
	db, err := openDB(path, file)
	if err != nil {
		return nil, errors.Join(err, release(file))
	}
	s := &Store{path: path, now: o.Now, file: file, db: db, update: db.Update,
		queue: make(chan *call, maxGroup), drained: make(chan struct{}), torn: make(chan struct{})}
	go s.drain()
	return s, nil
}

// openDB hands the checked and locked file to bbolt and sees that the content
// is ours. What bbolt would die of becomes ErrTruncated.
func openDB(path string, file *os.File) (db *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, refuse(ErrTruncated, path, fmt.Errorf("%v", p))
		}
	}()
	if err := inspect(path, file); err != nil {
		return nil, err
	}
	db, err = bbolt.Open(path, 0o600, engineOptions(file))
	if err != nil {
		return nil, fmt.Errorf("bolt: open %s: %w", path, err)
	}
	if err := db.View(func(tx *bbolt.Tx) error { return verifyFormat(path, tx) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func engineOptions(file *os.File) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      time.Second, // the lock is ours already
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return file, nil },
	}
}

// Close lets the queued writes finish, then closes the file. Calls after it
// answer table.ErrUnavailable. Closing again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	select {
	case <-s.drained:
	case <-s.torn: // the writer may be waiting for a lock that nobody gives back
	}
	if b := s.broken.Load(); b != nil && b.torn {
		return release(s.file) // bbolt's own Close might wait for ever
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("bolt: close %s: %w", s.path, err)
	}
	return nil
}

// ready refuses a call that needs no look at the file to be refused.
func (s *Store) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return s.unavailable("the caller stopped waiting", err)
	}
	if b := s.broken.Load(); b != nil {
		return s.unavailable("open it anew after an earlier failure", b.cause)
	}
	return nil
}

// view runs fn in a read transaction. fn's own errors pass unchanged.
func (s *Store) view(ctx context.Context, fn func(*state) error) (err error) {
	if err := s.ready(ctx); err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(p)
		}
	}()
	err = s.db.View(func(tx *bbolt.Tx) error { return fn(s.state(tx)) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) || errors.Is(err, berrors.ErrInvalidMapping) {
		return s.unavailable("the store is closed", err)
	}
	return s.readable(err)
}

// readable makes a record that makes no sense an unavailable one.
func (s *Store) readable(err error) error {
	if errors.Is(err, ErrTruncated) {
		return s.unavailable("reading failed", err)
	}
	return err
}

func (s *Store) unavailable(what string, cause error) error {
	return fmt.Errorf("%w: %s: %s: %w", table.ErrUnavailable, s.path, what, cause)
}

// panicked is after bbolt died of a file that changed under it: nobody waits
// for it any more.
func (s *Store) panicked(found any) error {
	err := s.unavailable("reading failed", fmt.Errorf("%w: %v", ErrTruncated, found))
	s.broken.Store(&failure{cause: err, torn: true})
	s.tear.Do(func() { close(s.torn) })
	return err
}
