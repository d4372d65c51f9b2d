package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"os"
)

// bbolt maps the file and trusts its page numbers: a short file is a SIGBUS, a
// cycle an endless recursion, both the end of the process. So every page is
// looked at here first, with plain reads. The layout is bbolt's format 2, in
// the machine's own byte order.
const (
	pageHeader   = 16 // id 8, flags 2, count 2, overflow 4
	elementSize  = 16
	bucketHeader = 16 // root 8, sequence 8
	metaSize     = 64 // magic 4, version 4, page size 4, flags 4, root 8, sequence 8, freelist 8, pages 8, txid 8, checksum 8
	metaMagic    = 0xED0CDAED
	metaVersion  = 2

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10
	bucketLeaf   = 0x01

	smallestPage = 1 << 10
	largestPage  = 16 << 20
	noFreelist   = ^uint64(0)
)

// meta is a bbolt meta page: the root of one state of the file.
type meta struct{ pageSize, root, freelist, pages, txid uint64 }

// inspect refuses a file that bbolt could not be trusted with.
func inspect(path string, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	size := uint64(info.Size())
	m, found := newestMeta(file, size)
	if !found {
		return refuseHeadless(path, file)
	}
	if m.freelist == noFreelist {
		return refuse(ErrForeign, path, errors.New("its free pages are not recorded, ours always are"))
	}
	if m.pages > size/m.pageSize {
		return refuse(ErrTruncated, path, fmt.Errorf("%d bytes, %d pages of %d expected", size, m.pages, m.pageSize))
	}
	w := &pageWalk{file: file, pageSize: m.pageSize, seen: make([]bool, m.pages)}
	if err := w.walk(m); err != nil {
		return refuse(ErrTruncated, path, err)
	}
	return nil
}

// newestMeta finds the state that bbolt will use: of the valid meta pages the
// one written last. The second stands one page in, whose size only the metas
// know.
func newestMeta(file io.ReaderAt, size uint64) (newest meta, found bool) {
	first, ok := readMeta(file, 0)
	if ok {
		if second, ok := readMeta(file, first.pageSize); ok && second.txid > first.txid {
			return second, true
		}
		return first, true
	}
	for at := uint64(smallestPage); at < size && at <= largestPage; at *= 2 {
		if m, ok := readMeta(file, at); ok && m.pageSize == at {
			return m, true
		}
	}
	return meta{}, false
}

func readMeta(file io.ReaderAt, at uint64) (meta, bool) {
	var b [metaSize]byte
	if _, err := file.ReadAt(b[:], int64(at)+pageHeader); err != nil {
		return meta{}, false
	}
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8]) // never fails
	if u32(b[0:]) != metaMagic || u32(b[4:]) != metaVersion || u64(b[56:]) != sum.Sum64() {
		return meta{}, false
	}
	m := meta{pageSize: uint64(u32(b[8:])), root: u64(b[16:]), freelist: u64(b[32:]), pages: u64(b[40:]), txid: u64(b[48:])}
	sound := bits.OnesCount64(m.pageSize) == 1 && m.pageSize >= smallestPage && m.pageSize <= largestPage
	return m, sound
}

// refuseHeadless judges a file without a valid meta page: one that begins as
// bbolt's do was one.
func refuseHeadless(path string, file io.ReaderAt) error {
	head := make([]byte, pageHeader+8)
	binary.NativeEndian.PutUint16(head[8:], metaPage)
	binary.NativeEndian.PutUint32(head[pageHeader:], metaMagic)
	binary.NativeEndian.PutUint32(head[pageHeader+4:], metaVersion)
	b := make([]byte, len(head))
	n, err := file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("bolt: read %s: %w", path, err)
	}
	if bytes.Equal(b[:n], head[:n]) {
		return refuse(ErrTruncated, path, errors.New("no valid meta page"))
	}
	return refuse(ErrForeign, path, errors.New("no bbolt file"))
}

// pageWalk visits every page that one state of the file uses, each once.
type pageWalk struct {
	file     io.ReaderAt
	pageSize uint64
	seen     []bool
}

func (w *pageWalk) walk(m meta) error {
	if err := errors.Join(w.claim(0, 1), w.claim(1, 1)); err != nil {
		return err
	}
	if err := w.freelist(m.freelist); err != nil {
		return err
	}
	return w.tree(m.root)
}

// claim notes that pages are in use, and by one user only.
func (w *pageWalk) claim(id, count uint64) error {
	total := uint64(len(w.seen))
	if id >= total || count > total-id {
		return fmt.Errorf("page %d is out of range", id)
	}
	for i := id; i < id+count; i++ {
		if w.seen[i] {
			return fmt.Errorf("page %d is used twice", i)
		}
		w.seen[i] = true
	}
	return nil
}

// page is one page with its overflow, as read.
type page struct {
	flags uint16
	count int
	bytes []byte
}

func (w *pageWalk) read(id uint64) (page, error) {
	if err := w.claim(id, 1); err != nil {
		return page{}, err
	}
	var h [pageHeader]byte
	if _, err := w.file.ReadAt(h[:], int64(id*w.pageSize)); err != nil {
		return page{}, err
	}
	if got := binary.NativeEndian.Uint64(h[:]); got != id {
		return page{}, fmt.Errorf("page %d calls itself %d", id, got)
	}
	overflow := uint64(binary.NativeEndian.Uint32(h[12:]))
	if err := w.claim(id+1, overflow); overflow > 0 && err != nil {
		return page{}, err
	}
	b := make([]byte, (overflow+1)*w.pageSize)
	if _, err := w.file.ReadAt(b, int64(id*w.pageSize)); err != nil {
		return page{}, err
	}
	return page{flags: binary.NativeEndian.Uint16(b[8:]), count: int(binary.NativeEndian.Uint16(b[10:])), bytes: b}, nil
}

// freelist claims the free pages, so that no page in use is free as well.
func (w *pageWalk) freelist(id uint64) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	if p.flags != freelistPage {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	ids, count := p.bytes[pageHeader:], uint64(p.count)
	if p.count == 0xFFFF { // too many for 16 bits: the first entry is the count
		ids, count = ids[8:], binary.NativeEndian.Uint64(ids)
	}
	if count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d lists %d free pages", id, count)
	}
	for ; count > 0; count, ids = count-1, ids[8:] {
		if err := w.claim(binary.NativeEndian.Uint64(ids), 1); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) tree(id uint64) error {
	p, err := w.read(id)
	if err != nil {
		return err
	}
	switch p.flags {
	case branchPage:
		return w.branch(id, p)
	case leafPage:
		return w.leaf(id, p.bytes, p.count)
	}
	return fmt.Errorf("page %d is of an unknown type %#x", id, p.flags)
}

func (w *pageWalk) branch(id uint64, p page) error {
	if p.count == 0 {
		return fmt.Errorf("page %d is an empty branch", id)
	}
	var last []byte
	for i := range p.count {
		e, err := element(p.bytes, i)
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		key, err := cut(e, binary.NativeEndian.Uint32(e), binary.NativeEndian.Uint32(e[4:]))
		if err != nil || (i > 0 && bytes.Compare(last, key) >= 0) {
			return fmt.Errorf("page %d: entry %d is out of place", id, i)
		}
		last = key
		if err := w.tree(binary.NativeEndian.Uint64(e[8:])); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) leaf(id uint64, b []byte, count int) error {
	var last []byte
	for i := range count {
		e, err := element(b, i)
		if err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		u32 := binary.NativeEndian.Uint32
		flags, at, keySize, valueSize := u32(e), u32(e[4:]), u32(e[8:]), u32(e[12:])
		key, err := cut(e, at, keySize)
		if err != nil || (i > 0 && bytes.Compare(last, key) >= 0) {
			return fmt.Errorf("page %d: entry %d is out of place", id, i)
		}
		last = key
		value, err := cut(e[uint64(at)+uint64(keySize):], 0, valueSize)
		if err != nil {
			return fmt.Errorf("page %d: entry %d: %w", id, i, err)
		}
		if flags&bucketLeaf != 0 {
			if err := w.bucket(id, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket follows a bucket to its root page, or to the leaf that small buckets
// carry with them.
func (w *pageWalk) bucket(id uint64, value []byte) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("page %d: a bucket of %d bytes", id, len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return w.tree(root)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return fmt.Errorf("page %d: a bucket without a leaf", id)
	}
	return w.leaf(id, inline, int(binary.NativeEndian.Uint16(inline[10:])))
}

// element is the i-th entry's fixed part and all that follows it.
func element(b []byte, i int) ([]byte, error) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(b) {
		return nil, fmt.Errorf("entry %d is past the end", i)
	}
	return b[at:], nil
}

func cut(b []byte, at, size uint32) ([]byte, error) {
	if uint64(at)+uint64(size) > uint64(len(b)) {
		return nil, errors.New("past the end")
	}
	return b[at : uint64(at)+uint64(size)], nil
}
