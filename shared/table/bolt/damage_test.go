package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/table"
)

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
				if !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrForeign) {
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

// TestFileCutShortWhileWriting: a reader that dies takes bbolt's locks with it;
// neither a write under way nor Close waits for them.
func TestFileCutShortWhileWriting(t *testing.T) {
	g := openGated(t)
	answer := make(chan error)
	go func() { answer <- g.Apply(t.Context(), table.Put(doc("a", 1), table.Always())) }()
	<-g.arrived
	if err := os.Truncate(g.path, int64(os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	_, err := g.Get(t.Context(), doc("a", 0).Key)
	g.let <- struct{}{}
	for _, err := range []error{err, <-answer} {
		if !errors.Is(err, ErrTruncated) || !errors.Is(err, table.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
}

// TestWrongPageNumbers: a page that calls itself another is refused at Open,
// not met later, unless it is a free one.
func TestWrongPageNumbers(t *testing.T) {
	file, pages := image(t)
	refusals := 0
	for id := 2; id < pages; id++ {
		spoiled := bytes.Clone(file)
		binary.NativeEndian.PutUint64(spoiled[id*os.Getpagesize():], uint64(id+1))
		path := write(t, spoiled)
		s, err := Open(path, Options{})
		if errors.Is(err, ErrTruncated) {
			refusals++
			continue
		}
		if err := errors.Join(err, s.Close(), exercise(t, spoiled)); err != nil {
			t.Errorf("page %d: %v", id, err)
		}
	}
	if refusals < 5 {
		t.Errorf("only %d of %d were refused", refusals, pages-2)
	}
}

// TestDamageIsNamed: what is wrong stands in the error, not what broke of it.
func TestDamageIsNamed(t *testing.T) {
	file, _ := image(t)
	m, _ := newestMeta(bytes.NewReader(file), uint64(len(file)))
	free, root := int(m.freelist)*os.Getpagesize(), int(m.root)*os.Getpagesize()
	for want, spoil := range map[string]func([]byte){
		"lists 65535 free": func(b []byte) {
			binary.NativeEndian.PutUint16(b[free+10:], 0xffff)
			binary.NativeEndian.PutUint64(b[free+16:], 0xffff)
		},
		"no list of free pages": func(b []byte) { binary.NativeEndian.PutUint16(b[free+8:], leafPage) },
		"out of range":          func(b []byte) { binary.NativeEndian.PutUint64(b[free+16:], 1<<40) },
		"unknown type":          func(b []byte) { binary.NativeEndian.PutUint16(b[root+8:], 0x40) },
		"used twice":            func(b []byte) { binary.NativeEndian.PutUint64(b[free+16:], m.root) },
		"calls itself":          func(b []byte) { binary.NativeEndian.PutUint64(b[root:], 99) },
		"is out of place":       func(b []byte) { binary.NativeEndian.PutUint32(b[root+pageHeader+4:], 1<<30) },
		"a bucket of":           func(b []byte) { binary.NativeEndian.PutUint32(b[root+pageHeader+12:], 3) },
	} {
		spoiled := bytes.Clone(file)
		spoil(spoiled)
		if _, err := Open(write(t, spoiled), Options{}); !errors.Is(err, ErrTruncated) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
