package tabletest_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"portcullis.example/shared/table"
)

// memory is the simplest correct table: the model that bolt is held against,
// and, with a bug, what the suite must refuse.
type memory struct {
	now func() time.Time
	bug bug

	mu    sync.Mutex
	items map[table.Key]entry
	rev   table.Rev
	stale map[string][]entry // what a Due that is never cleaned remembers
	meet  chan struct{}      // where two racers meet, for the racing bugs
}

// entry is an item, or a counter.
type entry struct {
	table.Item
	counter bool
	sum     int64
}

func newMemory(now func() time.Time, b bug) *memory {
	return &memory{now: now, bug: b, items: map[table.Key]entry{}, stale: map[string][]entry{}, meet: make(chan struct{})}
}

func (m *memory) alive(e entry) bool {
	if e.Rev == 0 {
		return false
	}
	return e.Expires.IsZero() || m.now().Before(e.Expires)
}

func (m *memory) refuse(ctx context.Context, keys ...table.Key) error {
	if ctx.Err() != nil && m.bug != ignoresContext {
		return fmt.Errorf("%w: %w", table.ErrUnavailable, ctx.Err())
	}
	for _, key := range keys {
		if err := table.ValidateKey(key); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) out(e entry) table.Item {
	if e.counter {
		e.Body = fmt.Appendf(nil, `{"n":%d}`, e.sum)
	}
	if m.bug != sharesBodies {
		e.Body = bytes.Clone(e.Body)
	}
	return e.Item
}

func (m *memory) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := m.refuse(ctx, key); err != nil {
		return table.Item{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.items[key]
	if !m.alive(e) && (m.bug != readsExpired || e.Rev == 0) {
		return table.Item{}, fmt.Errorf("%w: %s", table.ErrNotFound, key)
	}
	return m.out(e), nil
}

func (m *memory) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if err := m.refuse(ctx, keys...); err != nil {
		return nil, err
	}
	if len(keys) > table.MaxBatch && m.bug != noKeyLimit {
		return nil, fmt.Errorf("%w: %d keys", table.ErrInvalid, len(keys))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	items := make([]table.Item, len(keys))
	for i, key := range keys {
		items[i].Key = key
		if e := m.items[key]; m.alive(e) {
			items[i] = m.out(e)
		}
	}
	if m.bug == sortsGetAll {
		slices.SortFunc(items, func(a, b table.Item) int { return cmp.Compare(a.Sort, b.Sort) })
	}
	return items, nil
}

func (m *memory) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		if err := m.refuse(ctx, table.Key{Partition: r.Partition, Sort: "-"}); err != nil {
			yield(table.Item{}, err)
			return
		}
		for _, item := range m.within(r) {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (m *memory) within(r table.Range) (found []table.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []entry{}
	for key, e := range m.items {
		inside := key.Partition == r.Partition || m.bug == mixesPartitions && strings.HasPrefix(key.Partition, r.Partition)
		if inside && strings.HasPrefix(key.Sort, r.Prefix) {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return m.direction(r) * m.order(a.Sort, b.Sort) })
	seen := 0
	for _, e := range all {
		passed := r.After == "" || m.direction(r)*m.order(e.Sort, r.After) > 0 || m.bug == afterInclusive && e.Sort == r.After
		full := r.Limit > 0 && seen >= r.Limit
		if passed && !full && (m.alive(e) || m.bug == limitBeforeFilter) {
			seen++
		}
		if passed && !full && m.alive(e) {
			found = append(found, m.out(e))
		}
	}
	return found
}

func (m *memory) direction(r table.Range) int {
	if r.Reverse {
		return -1
	}
	return 1
}

func (m *memory) order(a, b string) int {
	if m.bug == ordersByCase {
		a, b = strings.ToLower(a), strings.ToLower(b)
	}
	return cmp.Compare(a, b)
}

func (m *memory) Apply(ctx context.Context, writes ...table.Write) error {
	if err := m.refuse(ctx); err != nil {
		return err
	}
	if err := table.Validate(writes); err != nil && m.bug != validatesNothing {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, w := range writes {
		if !m.holds(w) {
			return &table.ConflictError{Index: m.wrongIndex(i), Key: w.Item.Key}
		}
		if m.bug == notAtomic {
			m.write(w)
		}
	}
	if m.bug == racingAbsent {
		m.meetAnother()
	}
	for _, w := range writes {
		if m.bug != notAtomic {
			m.write(w)
		}
	}
	return nil
}

func (m *memory) wrongIndex(i int) int {
	if m.bug == firstIndex {
		return 0
	}
	return i
}

// meetAnother lets go of the lock until another caller is as far, or some time
// has passed without one: what a read and a write without a lock do at worst.
func (m *memory) meetAnother() {
	m.mu.Unlock()
	defer m.mu.Lock()
	select {
	case m.meet <- struct{}{}:
	case <-m.meet:
	case <-time.After(2 * time.Millisecond):
	}
}

func (m *memory) holds(w table.Write) bool {
	e := m.items[w.Item.Key]
	var current table.Rev
	var sum int64
	if m.alive(e) || m.bug == expiredInConditions {
		current, sum = e.Rev, e.sum
	}
	if w.Op == table.OpCount && sum >= w.Below && m.bug != countsWithoutLimit {
		return false
	}
	return w.If.Holds(current)
}

func (m *memory) write(w table.Write) {
	switch w.Op {
	case table.OpPut:
		item := w.Item
		item.Body = bytes.Clone(item.Body)
		m.store(entry{Item: item})
	case table.OpDelete:
		delete(m.items, w.Item.Key)
	case table.OpCount:
		m.add(w.Item.Key, w.Delta, w.Item.Expires)
	}
}

func (m *memory) store(e entry) {
	old, given := m.items[e.Key], e.Rev
	m.rev++
	e.Rev = m.rev
	if m.bug == revPerKey {
		e.Rev = old.Rev + 1
	}
	if m.bug == revOfItem && given != 0 {
		e.Rev = given
	}
	m.items[e.Key] = e
	if m.bug == dueNotCleaned && !e.Due.IsZero() {
		m.stale[e.Kind] = append(m.stale[e.Kind], e)
	}
}

func (m *memory) add(key table.Key, delta int64, expires time.Time) int64 {
	e := m.items[key]
	if !m.alive(e) && m.bug != countsOn || e.Rev == 0 {
		e = entry{Item: table.Item{Key: key, Kind: "counter", Expires: expires}, counter: true}
	}
	if m.bug == movesCounterEnd {
		e.Expires = expires
	}
	if m.bug == losesAdds {
		m.meetAnother()
	}
	e.sum += delta
	m.store(e)
	return e.sum
}

func (m *memory) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	if err := m.refuse(ctx, key); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.add(key, delta, expires), nil
}

func (m *memory) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		if err := m.refuse(ctx); err != nil {
			yield(table.Item{}, err)
			return
		}
		for _, item := range m.falling(kind, before) {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func (m *memory) falling(kind string, before time.Time) (found []table.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.stale[kind])
	for _, e := range m.items {
		if e.Kind == kind {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Partition+"\x00"+a.Sort, b.Partition+"\x00"+b.Sort))
	})
	for _, e := range all {
		late := e.Due.After(before) || m.bug == dueExclusive && e.Due.Equal(before)
		if !e.Due.IsZero() && !late && (m.alive(e) || m.bug == dueNotCleaned) {
			found = append(found, m.out(e))
		}
	}
	return found
}

var _ table.Table = (*memory)(nil)
