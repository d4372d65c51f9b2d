package table

import (
	"context"
	"errors"
)

// MaxScanned is how many items Page looks at for one page: a filter that
// matches nothing must not turn one request into a walk through everything.
const MaxScanned = 1000

// ErrStop is what Page's keep answers for an item past the last one wanted: the
// page ends, and so does the list.
var ErrStop = errors.New("table: stop")

// Page reads one page of a range: at most limit of the items that keep admits.
// next is the sort key to go on After, empty on the last page; a page may hold
// fewer than limit, even none, and still have a next. An unfiltered page is one
// round trip. The range's own Limit, if it is higher, is how many are read at a
// time: worth it where keep admits few.
func Page[T any](ctx context.Context, t Table, r Range, limit int, keep func(Item) (T, bool, error)) (page []T, next string, err error) {
	page = []T{}
	reach := max(limit+1, r.Limit) // the one more tells whether there is a next page
	for scanned := 0; scanned < MaxScanned; {
		got := 0
		r.Limit = min(reach, MaxScanned-scanned)
		for item, err := range t.List(ctx, r) {
			if err != nil {
				return nil, "", err
			}
			if len(page) == limit {
				return page, r.After, nil
			}
			value, ok, err := keep(item)
			if errors.Is(err, ErrStop) {
				return page, "", nil
			}
			if err != nil {
				return nil, "", err
			}
			if ok {
				page = append(page, value)
			}
			r.After = item.Sort
			got++
		}
		if got < r.Limit {
			return page, "", nil
		}
		scanned += got
	}
	return page, r.After, nil
}
