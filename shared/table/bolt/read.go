package bolt

import (
	"context"
	"fmt"
	"iter"
	"time"

	"portcullis.example/shared/table"
)

// Get reads one item; see table.Table.
func (s *Store) Get(ctx context.Context, key table.Key) (item table.Item, err error) {
	if err := validateKey(key); err != nil {
		return table.Item{}, err
	}
	err = s.view(ctx, func(st *state) error {
		r, err := st.raw(appendKey(make([]byte, 0, 128), key))
		if err != nil {
			return err
		}
		if st.rev(r) == 0 {
			return fmt.Errorf("%w: %s", table.ErrNotFound, key)
		}
		item = r.item(key)
		return nil
	})
	return item, err
}

// GetAll reads up to table.MaxBatch items as they stood at one instant; see
// table.Table.
func (s *Store) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if len(keys) > table.MaxBatch {
		return nil, fmt.Errorf("%w: %d keys, %d allowed", table.ErrInvalid, len(keys), table.MaxBatch)
	}
	for _, key := range keys {
		if err := validateKey(key); err != nil {
			return nil, err
		}
	}
	items := make([]table.Item, len(keys))
	err := s.view(ctx, func(st *state) error { return st.getAll(keys, items) })
	if err != nil {
		return nil, err
	}
	return items, nil
}

func (st *state) getAll(keys []table.Key, items []table.Item) error {
	buffer := make([]byte, 0, 128)
	for i, key := range keys {
		buffer = appendKey(buffer[:0], key)
		r, err := st.raw(buffer)
		if err != nil {
			return err
		}
		items[i] = table.Item{Key: key}
		if st.rev(r) != 0 {
			items[i] = r.item(key)
		}
	}
	return nil
}

// List walks a range; see table.Table. It reads page by page and holds nothing
// open in between, so the loop's body may take its time and may write; it sees
// each item as it stands when its page is read.
func (s *Store) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		l, err := newListing(r)
		if err != nil {
			yield(table.Item{}, err)
			return
		}
		s.pages(ctx, &l.walk, l.page, yield)
	}
}

// Due yields what falls due; see table.Table. This one index is never late. It
// reads as List does.
func (s *Store) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		if kind == "" {
			yield(table.Item{}, fmt.Errorf("%w: no kind", table.ErrInvalid))
			return
		}
		d := &falling{walk: walk{prefix: duePrefix(kind)}, before: before.Unix()}
		s.pages(ctx, &d.walk, d.page, yield)
	}
}

// pages yields page after page until the walk is done.
func (s *Store) pages(ctx context.Context, w *walk, page func(*state) ([]table.Item, error), yield func(table.Item, error) bool) {
	for !w.done {
		var items []table.Item
		err := s.view(ctx, func(st *state) (err error) {
			items, err = page(st)
			return err
		})
		if err != nil {
			yield(table.Item{}, err)
			return
		}
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// listing is a List under way.
type listing struct {
	walk
	partition string
	left      int // -1: no limit
}

func newListing(r table.Range) (*listing, error) {
	if err := validateKey(table.Key{Partition: r.Partition, Sort: "-"}); err != nil {
		return nil, err
	}
	if r.Limit < 0 {
		return nil, fmt.Errorf("%w: limit %d", table.ErrInvalid, r.Limit)
	}
	l := &listing{partition: r.Partition, left: r.Limit,
		walk: walk{prefix: appendKey(nil, table.Key{Partition: r.Partition, Sort: r.Prefix}), reverse: r.Reverse}}
	if r.After != "" {
		l.seen = appendKey(nil, table.Key{Partition: r.Partition, Sort: r.After})
	}
	if r.Limit == 0 {
		l.left = -1
	}
	return l, nil
}

func (l *listing) page(st *state) (items []table.Item, err error) {
	size := 0
	err = l.walk.page(st.items.Cursor(), func(k, v []byte) (cursorStep, error) {
		r, err := decodeRecord(v)
		if err != nil || !r.living(st.now) {
			return stepOn, err
		}
		items = append(items, r.item(table.Key{Partition: l.partition, Sort: string(k[len(l.partition)+1:])}))
		size += len(v)
		return l.count(size), nil
	})
	return items, err
}

func (l *listing) count(size int) cursorStep {
	l.left-- // from -1 on it never gets to zero
	switch {
	case l.left == 0:
		return stepFinish
	case size >= pageBytes:
		return stepPause
	}
	return stepOn
}

// falling is a Due under way.
type falling struct {
	walk
	before int64
}

func (d *falling) page(st *state) (items []table.Item, err error) {
	size := 0
	err = d.walk.page(st.due().Cursor(), func(k, _ []byte) (cursorStep, error) {
		due, key, err := cutTime(k[len(d.prefix):])
		if err != nil || due > d.before {
			return stepFinish, err
		}
		item, living, err := st.indexed(key)
		if err != nil || !living {
			return stepOn, err
		}
		items = append(items, item)
		if size += len(item.Body); size >= pageBytes {
			return stepPause, nil
		}
		return stepOn, nil
	})
	return items, err
}

// indexed reads the item that an index entry points at.
func (st *state) indexed(key []byte) (table.Item, bool, error) {
	r, err := st.raw(key)
	if err != nil || st.rev(r) == 0 {
		return table.Item{}, false, err
	}
	name, err := parseKey(key)
	return r.item(name), err == nil, err
}
