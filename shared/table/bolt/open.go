package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
)

// What Open refuses. Each is wrapped in a text that names the path and what to
// do.
var (
	// ErrLocked says that another process, or another Store, holds the file.
	ErrLocked = errors.New("bolt: in use by another process")
	// ErrMissing says that there is no file, or an empty one, and that
	// Options.Create is not set.
	ErrMissing = errors.New("bolt: no store here")
	// ErrForeign says that the file was not made by this program, or by a newer
	// version of it. It has not been touched.
	ErrForeign = errors.New("bolt: not a store of this version of Portcullis")
	// ErrTruncated says that the file is shorter than it says or otherwise
	// damaged. It has not been touched.
	ErrTruncated = errors.New("bolt: cut short or damaged")
)

// refuse says what Open found and what its reader should do about it.
func refuse(kind error, path string, cause error) error {
	advice := map[error]string{
		ErrLocked:    "stop the process that holds it, or name another file",
		ErrMissing:   "check the path, or allow the file to be created",
		ErrForeign:   "name another file, or run the version of Portcullis that wrote it",
		ErrTruncated: "keep a copy of it and restore the newest backup",
	}[kind]
	if cause == nil {
		return fmt.Errorf("%w: %s: %s", kind, path, advice)
	}
	return fmt.Errorf("%w: %s: %s (%w)", kind, path, advice, cause)
}

// formatName and formatVersion stand in the meta bucket of every file of ours.
const (
	formatName    = "portcullis.table"
	formatVersion = 1
)

var (
	metaBucket   = []byte("meta")
	itemsBucket  = []byte("items")
	dueBucket    = []byte("due")
	expiryBucket = []byte("expiry")

	formatKey  = []byte("format")
	versionKey = []byte("version")
)

// maxTries is how often acquire looks again when the file was replaced between
// opening and locking it.
const maxTries = 5

// acquire opens and locks the file, making it first if that is allowed. The
// lock is taken before anything is judged: a living writer's file changes.
func acquire(path string, o Options) (*os.File, error) {
	for range maxTries {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			if !o.Create {
				return nil, refuse(ErrMissing, path, err)
			}
			if err := create(path, os.Link); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bolt: open %s: %w", path, err)
		}
		ready, err := settle(path, file, o)
		if ready {
			return file, nil
		}
		if err := errors.Join(err, release(file)); err != nil {
			return nil, err
		}
	}
	return nil, refuse(ErrLocked, path, errors.New("it is being replaced again and again"))
}

// settle locks the file and tells whether it is the one to use. If neither that
// nor an error, acquire is to look again.
func settle(path string, file *os.File, o Options) (bool, error) {
	if err := lock(path, file, o.LockWait); err != nil {
		return false, err
	}
	mine, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("bolt: %w", err)
	}
	if !mine.Mode().IsRegular() {
		return false, refuse(ErrForeign, path, errors.New("no regular file"))
	}
	current, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("bolt: %w", err)
	}
	if err != nil || !os.SameFile(mine, current) {
		return false, nil // another process has just put its own there
	}
	if mine.Size() > 0 {
		return true, nil
	}
	if !o.Create {
		return false, refuse(ErrMissing, path, errors.New("the file is empty"))
	}
	return false, create(path, os.Rename) // over the empty file that we hold
}

// lockPoll is the pause between two attempts at a lock that is held.
const lockPoll = 20 * time.Millisecond

func lock(path string, file *os.File, wait time.Duration) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("bolt: lock %s: %w", path, err)
		case wait <= 0:
			return refuse(ErrLocked, path, nil)
		}
		time.Sleep(min(wait, lockPoll))
		wait -= lockPoll
	}
}

// release closes a file that bbolt may have closed already.
func release(file *os.File) error {
	if err := file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("bolt: %w", err)
	}
	return nil
}

// create makes an empty store beside path and puts it there in one step, so
// that a crash never leaves half a store under the name.
func create(path string, place func(from, to string) error) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("bolt: create %s: %w", path, err)
	}
	defer func() {
		if gone := os.Remove(draft.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	if err := fill(draft); err != nil {
		return fmt.Errorf("bolt: create %s: %w", path, errors.Join(err, release(draft)))
	}
	if err := place(draft.Name(), path); err != nil {
		return fmt.Errorf("bolt: create %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

func fill(draft *os.File) error {
	db, err := bbolt.Open(draft.Name(), 0o600, engineOptions(draft))
	if err != nil {
		return err
	}
	return errors.Join(db.Update(writeFormat), draft.Sync(), db.Close())
}

func writeFormat(tx *bbolt.Tx) error {
	for _, name := range [][]byte{metaBucket, itemsBucket, dueBucket, expiryBucket} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(metaBucket)
	return errors.Join(meta.Put(formatKey, []byte(formatName)),
		meta.Put(versionKey, []byte(strconv.Itoa(formatVersion))))
}

// verifyFormat tells a file of ours from any other program's.
func verifyFormat(path string, tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || !bytes.Equal(meta.Get(formatKey), []byte(formatName)) {
		return refuse(ErrForeign, path, errors.New("a bbolt file of another program"))
	}
	if version := string(meta.Get(versionKey)); version != strconv.Itoa(formatVersion) {
		return refuse(ErrForeign, path, fmt.Errorf("format %q, this is format %d", version, formatVersion))
	}
	for _, name := range [][]byte{itemsBucket, dueBucket, expiryBucket} {
		if tx.Bucket(name) == nil {
			return refuse(ErrTruncated, path, fmt.Errorf("bucket %s is gone", name))
		}
	}
	return nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("bolt: sync %s: %w", path, err)
	}
	return nil
}
