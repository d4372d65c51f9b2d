package windowtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// memory is a table without a disk, for many short steps.
type memory struct {
	now func() time.Time

	mu    sync.Mutex
	parts map[string]map[string]stored
	dues  map[string]map[table.Key]bool // by kind: whatever ever had a Due
	rev   table.Rev
}

// stored is an item, or a counter.
type stored struct {
	table.Item
	counter bool
	sum     int64
}

var _ table.Table = (*memory)(nil)

func newMemory(now func() time.Time) *memory {
	return &memory{now: now, parts: map[string]map[string]stored{}, dues: map[string]map[table.Key]bool{}}
}

func TestMemoryIsATable(t *testing.T) {
	clock := tabletest.NewClock(start)
	if err := tabletest.Run(t.Context(), tabletest.Harness{Table: newMemory(clock.Now), Clock: clock}); err != nil {
		t.Error(err)
	}
}

func usable(ctx context.Context, keys ...table.Key) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", table.ErrUnavailable, ctx.Err())
	}
	for _, key := range keys {
		if err := table.ValidateKey(key); err != nil {
			return err
		}
	}
	if len(keys) > table.MaxBatch {
		return fmt.Errorf("%w: %d keys", table.ErrInvalid, len(keys))
	}
	return nil
}

func (m *memory) living(s stored) bool {
	return s.Rev != 0 && (s.Expires.IsZero() || m.now().Before(s.Expires))
}

func (m *memory) at(key table.Key) (stored, bool) {
	s := m.parts[key.Partition][key.Sort]
	return s, m.living(s)
}

func (s stored) item() table.Item {
	if s.counter {
		s.Body = fmt.Appendf(nil, `{"n":%d}`, s.sum)
	}
	s.Body = bytes.Clone(s.Body)
	return s.Item
}

func (m *memory) Get(ctx context.Context, key table.Key) (table.Item, error) {
	items, err := m.GetAll(ctx, key)
	if err == nil && !items[0].Exists() {
		err = fmt.Errorf("%w: %s", table.ErrNotFound, key)
	}
	if err != nil {
		return table.Item{}, err
	}
	return items[0], nil
}

func (m *memory) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := usable(ctx, keys...); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	items := make([]table.Item, len(keys))
	for i, key := range keys {
		items[i].Key = key
		if s, ok := m.at(key); ok {
			items[i] = s.item()
		}
	}
	return items, nil
}

func (m *memory) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return m.walk(usable(ctx, table.Key{Partition: r.Partition, Sort: "-"}), func() (found []table.Item) {
		for sort, s := range m.parts[r.Partition] {
			passed := r.After == "" || !r.Reverse && sort > r.After || r.Reverse && sort < r.After
			if passed && strings.HasPrefix(sort, r.Prefix) && m.living(s) {
				found = append(found, s.item())
			}
		}
		slices.SortFunc(found, func(a, b table.Item) int { return cmp.Compare(a.Sort, b.Sort) })
		if r.Reverse {
			slices.Reverse(found)
		}
		if r.Limit > 0 {
			found = found[:min(r.Limit, len(found))]
		}
		return found
	})
}

func (m *memory) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return m.walk(usable(ctx), func() (found []table.Item) {
		for key := range m.dues[kind] {
			s, ok := m.at(key)
			if s.Due.IsZero() {
				delete(m.dues[kind], key)
				continue
			}
			if ok && s.Kind == kind && !s.Due.After(before) {
				found = append(found, s.item())
			}
		}
		slices.SortFunc(found, func(a, b table.Item) int {
			return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key.String(), b.Key.String()))
		})
		return found
	})
}

func (m *memory) walk(err error, find func() []table.Item) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		if err != nil {
			yield(table.Item{}, err)
			return
		}
		m.mu.Lock()
		found := find()
		m.mu.Unlock()
		for _, item := range found {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (m *memory) Apply(ctx context.Context, writes ...table.Write) error {
	if err := usable(ctx); err != nil {
		return err
	}
	if err := table.Validate(writes); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range writes {
		s, ok := m.at(w.Item.Key)
		if !ok {
			s = stored{}
		}
		if !w.If.Holds(s.Rev) || w.Op == table.OpCount && s.sum >= w.Below {
			return &table.ConflictError{Index: i, Key: w.Item.Key}
		}
	}
	for _, w := range writes {
		switch w.Op {
		case table.OpPut:
			w.Item.Body = bytes.Clone(w.Item.Body)
			m.put(stored{Item: w.Item})
		case table.OpDelete:
			delete(m.parts[w.Item.Partition], w.Item.Sort)
		case table.OpCount:
			m.count(w.Item.Key, w.Delta, w.Item.Expires)
		}
	}
	return nil
}

func (m *memory) put(s stored) {
	m.rev++
	s.Rev = m.rev
	if m.parts[s.Partition] == nil {
		m.parts[s.Partition] = map[string]stored{}
	}
	m.parts[s.Partition][s.Sort] = s
	if s.Due.IsZero() {
		return
	}
	if m.dues[s.Kind] == nil {
		m.dues[s.Kind] = map[table.Key]bool{}
	}
	m.dues[s.Kind][s.Key] = true
}

func (m *memory) count(key table.Key, delta int64, expires time.Time) int64 {
	s, ok := m.at(key)
	if !ok {
		s = stored{Item: table.Item{Key: key, Kind: "counter", Expires: expires}, counter: true}
	}
	s.sum += delta
	m.put(s)
	return s.sum
}

func (m *memory) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	if err := usable(ctx, key); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count(key, delta, expires), nil
}

// reap removes what has expired and hands it on, as time-to-live and its stream
// do.
func (m *memory) reap(hand func(table.Item) error) error {
	m.mu.Lock()
	var gone []table.Item
	for _, part := range m.parts {
		for _, s := range part {
			if !m.living(s) {
				gone = append(gone, s.item())
			}
		}
	}
	m.mu.Unlock()
	for _, item := range gone {
		if err := hand(item); err != nil {
			return err
		}
		m.mu.Lock()
		if m.parts[item.Partition][item.Sort].Rev == item.Rev {
			delete(m.parts[item.Partition], item.Sort)
		}
		m.mu.Unlock()
	}
	return nil
}
