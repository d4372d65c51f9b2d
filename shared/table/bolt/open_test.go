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
	if _, err := Open("/dev/null", Options{Create: true}); !errors.Is(err, ErrForeign) {
		t.Errorf("a device: %v", err)
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

// TestDamagedPages spoils each page in several ways. Whatever Open makes of it,
// reading everything and writing must neither crash nor hang.
func TestDamagedPages(t *testing.T) {
	file, pages := image(t)
	size := os.Getpagesize()
	ways := map[string]func(page []byte, id int){
		"zeros": func(page []byte, _ int) { clear(page) },
		"ones":  func(page []byte, _ int) { copy(page, bytes.Repeat([]byte{0xff}, len(page))) },
		"text":  func(page []byte, _ int) { copy(page, bytes.Repeat([]byte("garbage "), len(page)/8)) },
		"another page": func(page []byte, id int) {
			at := (id + 1) % pages * size
			copy(page, file[at:at+size])
		},
		"another page, renumbered": func(page []byte, id int) {
			at := (id + 3) % pages * size
			copy(page, file[at:at+size])
			binary.NativeEndian.PutUint64(page, uint64(id))
		},
		"many entries":  func(page []byte, _ int) { binary.NativeEndian.PutUint16(page[10:], 0xffff) },
		"many pages":    func(page []byte, _ int) { binary.NativeEndian.PutUint32(page[12:], 0xffffffff) },
		"first entry":   func(page []byte, _ int) { copy(page[pageHeader:], bytes.Repeat([]byte{0xff}, elementSize)) },
		"child is page": func(page []byte, id int) { binary.NativeEndian.PutUint64(page[pageHeader+8:], uint64(id)) },
	}
	refusals := 0
	for name, spoil := range ways {
		for id := range pages {
			spoiled := bytes.Clone(file)
			spoil(spoiled[id*size:(id+1)*size], id)
			if err := exercise(t, spoiled); err != nil {
				if !errors.Is(err, ErrTruncated) && (!errors.Is(err, ErrForeign) || id > 1) {
					t.Errorf("%s on page %d: %v", name, id, err)
				}
				refusals++
			}
		}
	}
	if refusals < pages*len(ways)/3 {
		t.Errorf("only %d of %d damages were noticed", refusals, pages*len(ways))
	}
}

// exercise opens a store, reads all of it and writes to it.
func exercise(t testing.TB, content []byte) error {
	path := write(t, content)
	s, err := Open(path, Options{Create: true})
	if err != nil {
		return err
	}
	for _, reverse := range []bool{false, true} {
		for _, err = range s.List(t.Context(), table.Range{Partition: "p", Reverse: reverse}) {
			if err != nil {
				return errors.Join(err, s.Close())
			}
		}
	}
	for _, err = range s.Due(t.Context(), "k", time.Now().Add(time.Hour)) {
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
	for i := range 5 {
		err = errors.Join(err, s.Apply(t.Context(), table.Put(doc(fmt.Sprintf("%03d", i*9), i), table.Always())))
	}
	return errors.Join(err, s.Close())
}

// FuzzOpen spoils any bytes of a store, and cuts or extends it.
func FuzzOpen(f *testing.F) {
	file, _ := image(f)
	for _, at := range []uint32{0, 8, 16, 24, 56, 4096, 4096*2 + 8, 4096*3 + 12, 4096*5 + 16, 4096*9 + 24} {
		f.Add(at, []byte{0xff, 0xff, 1, 0}, int16(0))
		f.Add(at, []byte{3}, int16(-1))
	}
	f.Fuzz(func(t *testing.T, at uint32, patch []byte, longer int16) {
		spoiled := append(bytes.Clone(file), make([]byte, max(0, longer))...)
		spoiled = spoiled[:max(0, len(spoiled)+min(0, int(longer)))]
		if len(spoiled) > 0 {
			copy(spoiled[int(at)%len(spoiled):], patch)
		}
		err := exercise(t, spoiled)
		known := errors.Is(err, ErrTruncated) || errors.Is(err, ErrForeign) || errors.Is(err, table.ErrInvalid)
		if err != nil && !known {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}

// TestFileCutShortWhileOpen: what would be a SIGBUS is an error, and Close
// comes back.
func TestFileCutShortWhileOpen(t *testing.T) {
	file, _ := image(t)
	s := openAt(t, write(t, file), Options{})
	if err := os.Truncate(s.path, int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), doc("001", 0).Key)
	if !errors.Is(err, ErrTruncated) || !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("Get: %v", err)
	}
	for range 2 {
		err = s.Apply(t.Context(), table.Put(doc("a", 1), table.Always()))
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("Apply: %v", err)
		}
	}
}
