package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"portcullis.example/shared/table"
)

// image is a closed store of some 60 pages: items with and without overflow
// pages, indexes, free pages.
func image(t testing.TB) (file []byte, pages int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	s, err := Open(path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		item := ended(doc(fmt.Sprintf("%03d", i), i), time.Now().Add(time.Hour))
		item.Due = time.Now().Add(time.Duration(i) * time.Second)
		item.Body = fmt.Appendf(nil, `{"n":%d,"p":"%s"}`, i, strings.Repeat("x", (i%5)*(i%7)*200))
		mustApply(t, s, table.Put(item, table.Absent()), table.Put(doc("gone", 1), table.Always()))
	}
	mustApply(t, s, table.Delete(doc("gone", 0).Key, table.Present()))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	m, found := newestMeta(bytes.NewReader(file), uint64(len(file)))
	if !found || m.pageSize != uint64(os.Getpagesize()) {
		t.Fatalf("no meta page: %+v", m)
	}
	return file, int(m.pages)
}

func write(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused demands that Open refuses a file with one of its errors, names the
// path, and leaves the file as it was.
func refused(t testing.TB, content []byte, want error) {
	t.Helper()
	path := write(t, content)
	for range 2 { // the second shows that the first let go of the lock
		s, err := Open(path, Options{Create: true, LockWait: time.Nanosecond})
		if err == nil {
			t.Fatalf("opened, want %v", errors.Join(want, s.Close()))
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, content) {
		t.Fatalf("the file has changed, %v", err)
	}
}

func TestTwoOpeners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	first := openAt(t, path, Options{Create: true})
	for _, create := range []bool{true, false} {
		if _, err := Open(path, Options{Create: create, LockWait: 30 * time.Millisecond}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
			t.Errorf("the second opener got %v", err)
		}
	}
	mustApply(t, first, table.Put(doc("a", 1), table.Absent()))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, openAt(t, path, Options{}), "p"); got["a"] != `{"n":1}` {
		t.Errorf("got %v", got)
	}
}

func TestOpenWaitsForTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	first := openAt(t, path, Options{Create: true})
	opened := make(chan error)
	go func() {
		second, err := Open(path, Options{LockWait: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := errors.Join(first.Close(), <-opened); err != nil {
		t.Error(err)
	}
}

// TestCreatingSideBySide: all creators end up with one and the same file.
func TestCreatingSideBySide(t *testing.T) {
	for _, empty := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "store")
		if empty {
			path = write(t, nil)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				s, err := Open(path, Options{Create: true, LockWait: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				err = s.Apply(t.Context(), table.Put(doc(fmt.Sprint(i), i), table.Absent()))
				if err := errors.Join(err, s.Close()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := contents(t, openAt(t, path, Options{}), "p"); len(got) != 8 {
			t.Errorf("empty %v: %d of 8 writes are there: %v", empty, len(got), got)
		}
		onlyFile(t, path)
	}
}

// onlyFile demands that nothing was left beside the store.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestCreatedFileIsPrivate(t *testing.T) {
	s := openNew(t)
	info, err := os.Stat(s.path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	onlyFile(t, s.path)
}

func TestMissing(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, path := range []string{nowhere, write(t, nil)} {
		if _, err := Open(path, Options{}); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := os.Stat(nowhere); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open made a file: %v", err)
	}
	if _, err := Open(filepath.Join(nowhere, "store"), Options{Create: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is missing: %v", err)
	}
}

// foreignBolt is a bbolt file of another program.
func foreignBolt(t *testing.T, o *bbolt.Options, fill func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "foreign")
	db, err := bbolt.Open(path, 0o600, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestForeign(t *testing.T) {
	other := func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket(metaBucket)
		return errors.Join(err, b.Put([]byte("hello"), []byte("world")))
	}
	newer := func(tx *bbolt.Tx) error {
		return errors.Join(writeFormat(tx), tx.Bucket(metaBucket).Put(versionKey, []byte("2")))
	}
	future, _ := image(t)
	for at := pageHeader; at < 2*os.Getpagesize(); at += os.Getpagesize() {
		binary.NativeEndian.PutUint32(future[at+4:], metaVersion+1)
	}
	for name, content := range map[string][]byte{
		"text":                       []byte("PATH=/usr/bin\n"),
		"one byte":                   []byte("x"),
		"zeros":                      make([]byte, 16384),
		"another database":           append([]byte("SQLite format 3\x00"), make([]byte, 8192)...),
		"bbolt, empty":               foreignBolt(t, nil, func(*bbolt.Tx) error { return nil }),
		"bbolt, another program":     foreignBolt(t, nil, other),
		"bbolt, free pages unstored": foreignBolt(t, &bbolt.Options{NoFreelistSync: true}, other),
		"a newer format of ours":     foreignBolt(t, nil, newer),
		"a newer format of bbolt":    future,
	} {
		t.Run(name, func(t *testing.T) { refused(t, content, ErrForeign) })
	}
}

// TestNoRegularFile uses a pipe of its own: an Open that went wrong would put a
// store over a device of the machine.
func TestNoRegularFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{Create: true}); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v", err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe has become %v, %v", info, err)
	}
}

func TestMissingBucket(t *testing.T) {
	refused(t, foreignBolt(t, nil, func(tx *bbolt.Tx) error {
		return errors.Join(writeFormat(tx), tx.DeleteBucket(dueBucket))
	}), ErrTruncated)
}

// TestTruncated cuts a store at every page, around it and in between: it is
// refused, or nothing of it was lost.
func TestTruncated(t *testing.T) {
	file, pages := image(t)
	size := os.Getpagesize()
	want := contents(t, openAt(t, write(t, file), Options{}), "p")
	if len(want) != 40 || pages < 20 {
		t.Fatalf("%d items on %d pages", len(want), pages)
	}
	for boundary := 0; boundary <= len(file); boundary += size {
		for _, cut := range []int{boundary + 1, boundary + 20, boundary + 77, boundary + size/2, boundary + size - 1, boundary + size} {
			switch {
			case cut > len(file):
			case cut < pages*size:
				refused(t, file[:cut], ErrTruncated)
			default:
				s := openAt(t, write(t, file[:cut]), Options{})
				if got := contents(t, s, "p"); len(got) != len(want) {
					t.Fatalf("cut at %d: %d of %d items", cut, len(got), len(want))
				}
				sound(t, s)
			}
		}
	}
}
