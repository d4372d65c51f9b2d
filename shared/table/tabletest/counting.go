package tabletest

import (
	"context"
	"iter"
	"sync"
	"time"

	"portcullis.example/shared/table"
)

// Counts is what a table was asked, and what DynamoDB would charge for the
// reads by its rules: a read unit for each 4 KB of an item read strongly
// consistent, rounded up, and one for an absent item; a List is charged for the
// sum of its items, a Due half of it. Names count as well as bodies.
type Counts struct {
	Gets, GetAlls, Lists, Applies, Adds, Dues int
	// RoundTrips are requests: one a call, and one for each further page of
	// 1 MB of a List or Due.
	RoundTrips int
	// Keys are the keys that Get and GetAll named, each once a call.
	Keys int
	// ReadUnits is an estimate; DynamoDB's own answer rules.
	ReadUnits float64
}

// Counting counts what passes through it. Safe for concurrent use.
type Counting struct {
	under table.Table

	mu     sync.Mutex
	counts Counts
}

var _ table.Table = (*Counting)(nil)

// NewCounting counts the calls of a table, from zero.
func NewCounting(under table.Table) *Counting { return &Counting{under: under} }

// Counts is what was counted since the last Reset.
func (c *Counting) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Reset begins again at zero and gives what was counted.
func (c *Counting) Reset() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = Counts{}
	return counts
}

// note counts under the lock.
func (c *Counting) note(count func(*Counts)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	count(&c.counts)
}

const (
	unitBytes = 4 << 10 // of one strongly consistent read unit
	pageBytes = 1 << 20 // of one answer to a query
	overhead  = 40      // the names and numbers around an item's own text, about
)

func itemBytes(i table.Item) int {
	return len(i.Partition) + len(i.Sort) + len(i.Kind) + len(i.Body) + overhead
}

func units(bytes int) float64 { return float64(max(1, (bytes+unitBytes-1)/unitBytes)) }

// Get counts one round trip.
func (c *Counting) Get(ctx context.Context, key table.Key) (table.Item, error) {
	item, err := c.under.Get(ctx, key)
	c.note(func(n *Counts) {
		n.Gets++
		n.RoundTrips++
		n.Keys++
		n.ReadUnits += readUnits(item)
	})
	return item, err
}

func readUnits(item table.Item) float64 {
	if !item.Exists() {
		return 1
	}
	return units(itemBytes(item))
}

// GetAll counts one round trip, and each key once.
func (c *Counting) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	items, err := c.under.GetAll(ctx, keys...)
	found := make(map[table.Key]table.Item, len(keys))
	for _, key := range keys {
		found[key] = table.Item{}
	}
	for _, item := range items {
		found[item.Key] = item
	}
	c.note(func(n *Counts) {
		n.GetAlls++
		n.RoundTrips++
		n.Keys += len(found)
		for _, item := range found {
			n.ReadUnits += readUnits(item)
		}
	})
	return items, err
}

// Apply counts one round trip.
func (c *Counting) Apply(ctx context.Context, writes ...table.Write) error {
	c.note(func(n *Counts) { n.Applies++; n.RoundTrips++ })
	return c.under.Apply(ctx, writes...)
}

// Add counts one round trip.
func (c *Counting) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	c.note(func(n *Counts) { n.Adds++; n.RoundTrips++ })
	return c.under.Add(ctx, key, delta, expires)
}

// List counts when it is ranged over, by what was yielded: a loop that breaks
// off is charged for what it saw, where DynamoDB charges the page it had read.
func (c *Counting) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	return c.iterate(c.under.List(ctx, r), func(n *Counts, bytes int) {
		n.Lists++
		n.ReadUnits += units(bytes)
	})
}

// Due counts as List does, at half the units: the index is read eventually
// consistent.
func (c *Counting) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return c.iterate(c.under.Due(ctx, kind, before), func(n *Counts, bytes int) {
		n.Dues++
		n.ReadUnits += units(bytes) / 2
	})
}

func (c *Counting) iterate(under iter.Seq2[table.Item, error], charge func(*Counts, int)) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		bytes := 0
		defer func() {
			c.note(func(n *Counts) {
				n.RoundTrips += 1 + bytes/pageBytes
				charge(n, bytes)
			})
		}()
		for item, err := range under {
			if err == nil {
				bytes += itemBytes(item)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
