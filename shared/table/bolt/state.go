package bolt

import (
	"bytes"

	"go.etcd.io/bbolt"

	"portcullis.example/shared/table"
)

// state is the store within one transaction, at one second.
type state struct {
	tx    *bbolt.Tx
	items *bbolt.Bucket
	now   int64
}

func (s *Store) state(tx *bbolt.Tx) *state {
	return &state{tx: tx, items: tx.Bucket(itemsBucket), now: s.now().Unix()}
}

func (st *state) due() *bbolt.Bucket { return st.tx.Bucket(dueBucket) }

func (st *state) expiry() *bbolt.Bucket { return st.tx.Bucket(expiryBucket) }

// raw reads what is stored, expired or not; a record without a revision if
// nothing is.
func (st *state) raw(key []byte) (record, error) {
	b := st.items.Get(key)
	if b == nil {
		return record{expires: never, due: never}, nil
	}
	return decodeRecord(b)
}

// rev is the revision that conditions are judged by.
func (st *state) rev(r record) table.Rev {
	if !r.living(st.now) {
		return 0
	}
	return r.rev
}

// put stores value, an encoded record, over old and under a revision of its own.
// The sequence never goes back, so no revision is ever given twice.
func (st *state) put(key []byte, old, next record, value []byte) error {
	if err := st.unlink(key, old); err != nil {
		return err
	}
	sequence, err := st.items.NextSequence()
	if err != nil {
		return err
	}
	value = setRev(value, sequence)
	if err := st.items.Put(key, value); err != nil {
		return err
	}
	return st.link(key, next)
}

func (st *state) remove(key []byte, old record) error {
	if err := st.unlink(key, old); err != nil {
		return err
	}
	return st.items.Delete(key)
}

func (st *state) link(key []byte, r record) error {
	if r.due != never {
		if err := st.due().Put(dueKey(r, key), []byte{}); err != nil {
			return err
		}
	}
	if r.expires != never {
		return st.expiry().Put(expiryKey(r, key), []byte{})
	}
	return nil
}

func (st *state) unlink(key []byte, r record) error {
	if r.due != never {
		if err := st.due().Delete(dueKey(r, key)); err != nil {
			return err
		}
	}
	if r.expires != never {
		return st.expiry().Delete(expiryKey(r, key))
	}
	return nil
}

// cursorStep is what a walk does after an entry.
type cursorStep int

const (
	stepOn     cursorStep = iota
	stepPause             // the page is full: go on in another transaction
	stepFinish            // nothing further on belongs to the walk
)

// pageEntries and pageBytes bound what one read transaction looks at. A
// transaction that stays open keeps the writer from reusing space, and would
// deadlock with a consumer that writes in its loop.
const (
	pageEntries = 128
	pageBytes   = 1 << 20
)

// walk goes through the keys with a prefix, page by page.
type walk struct {
	prefix  []byte
	seen    []byte // the last key seen, exclusive
	reverse bool
	done    bool
}

// page visits up to pageEntries keys.
func (w *walk) page(c *bbolt.Cursor, visit func(k, v []byte) (cursorStep, error)) error {
	var last []byte
	k, v := w.start(c)
	for range pageEntries {
		if k == nil || !bytes.HasPrefix(k, w.prefix) {
			w.done = true
			return nil
		}
		step, err := visit(k, v)
		if err != nil {
			return err
		}
		last = k
		if step == stepFinish {
			w.done = true
		}
		if step != stepOn {
			break
		}
		k, v = w.next(c)
	}
	w.seen = bytes.Clone(last)
	return nil
}

func (w *walk) next(c *bbolt.Cursor) (k, v []byte) {
	if w.reverse {
		return c.Prev()
	}
	return c.Next()
}

func (w *walk) start(c *bbolt.Cursor) (k, v []byte) {
	if w.reverse {
		return w.startReverse(c)
	}
	from := w.prefix
	if bytes.Compare(w.seen, from) > 0 {
		from = w.seen
	}
	k, v = c.Seek(from)
	if k != nil && bytes.Equal(k, w.seen) {
		return c.Next()
	}
	return k, v
}

func (w *walk) startReverse(c *bbolt.Cursor) (k, v []byte) {
	end := successor(w.prefix)
	if w.seen != nil && bytes.Compare(w.seen, end) < 0 {
		end = w.seen
	}
	if k, _ := c.Seek(end); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// successor is the first key after all that begin with prefix. There is one:
// every prefix walked in reverse contains the NUL that ends the partition.
func successor(prefix []byte) []byte {
	end := bytes.TrimRight(bytes.Clone(prefix), "\xff")
	end[len(end)-1]++
	return end
}
