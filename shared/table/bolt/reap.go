package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"portcullis.example/shared/table"
)

// Reap is what DynamoDB's time-to-live and its stream are there: it looks at up
// to limit expired items, the longest expired first, calls hand with each as it
// stood, and then removes it. It returns how many were removed.
//
// A crash between the two, and two Reaps at once, hand an item on twice, never
// not at all, so hand must be idempotent (by the item's Key and Rev). An item
// that hand refuses stays; the others go on, all refusals are in the error, and
// the next Reap begins after the last one looked at, so that no refused item
// starves the rest. An item that was written anew meanwhile survives. No
// transaction is open while hand runs: it may call the store.
func (s *Store) Reap(ctx context.Context, limit int, hand func(context.Context, table.Item) error) (int, error) {
	keys, err := s.expired(ctx, limit)
	if err != nil {
		return 0, err
	}
	removed, looked := 0, 0
	var refused error
	for looked < len(keys) && ctx.Err() == nil {
		gone, err := s.reapOne(ctx, keys[looked].key, hand)
		refused = errors.Join(refused, err)
		if gone {
			removed++
		}
		looked++
	}
	if looked < len(keys) {
		refused = errors.Join(refused, s.ready(ctx))
	}
	s.setResume(keys[:looked], refused != nil)
	return removed, refused
}

// expiredKey is an entry of the expiry index and the item it points at.
type expiredKey struct{ entry, key []byte }

// expired finds what to look at: from where the last Reap ended, then round
// from the oldest on.
func (s *Store) expired(ctx context.Context, limit int) ([]expiredKey, error) {
	s.reap.Lock()
	from := s.resume
	s.reap.Unlock()
	keys, err := s.collect(ctx, from, nil, limit)
	if err != nil || from == nil || len(keys) >= limit {
		return keys, err
	}
	round, err := s.collect(ctx, nil, from, limit-len(keys))
	return append(keys, round...), err
}

// collect lists expired entries after from, up to and including until.
func (s *Store) collect(ctx context.Context, from, until []byte, limit int) (keys []expiredKey, err error) {
	w := &walk{seen: from, done: limit <= 0}
	for !w.done {
		err := s.view(ctx, func(st *state) error {
			return w.page(st.expiry().Cursor(), func(k, _ []byte) (cursorStep, error) {
				at, key, err := cutTime(k)
				if err != nil || at > st.now || (until != nil && bytes.Compare(k, until) > 0) {
					return stepFinish, err
				}
				entry := bytes.Clone(k)
				keys = append(keys, expiredKey{entry: entry, key: entry[len(k)-len(key):]})
				if len(keys) == limit {
					return stepFinish, nil
				}
				return stepOn, nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// setResume notes where to go on: behind the last one looked at, from the first
// refusal until the walk has come round. With nothing refused, all that was
// looked at is gone and the oldest is the right place to begin.
func (s *Store) setResume(looked []expiredKey, refused bool) {
	if len(looked) == 0 {
		return
	}
	s.reap.Lock()
	defer s.reap.Unlock()
	last := looked[len(looked)-1].entry
	round := s.resume == nil || bytes.Compare(last, s.resume) <= 0
	if s.resume = last; round && !refused {
		s.resume = nil
	}
}

func (s *Store) reapOne(ctx context.Context, key []byte, hand func(context.Context, table.Item) error) (bool, error) {
	item, err := s.expiredItem(ctx, key)
	if errors.Is(err, table.ErrNotFound) {
		return false, nil // written anew or removed since it was listed
	}
	if err != nil {
		return false, err
	}
	if err := hand(ctx, item); err != nil {
		return false, fmt.Errorf("hand on %s: %w", item.Key, err)
	}
	remove := &removeChange{key: key, rev: item.Rev}
	err = s.submit(ctx, remove)
	return err == nil && remove.removed, err
}

func (s *Store) expiredItem(ctx context.Context, key []byte) (item table.Item, err error) {
	name, err := parseKey(key)
	if err != nil {
		return table.Item{}, err
	}
	err = s.view(ctx, func(st *state) error {
		r, err := st.raw(key)
		if err != nil {
			return err
		}
		if r.rev == 0 || r.living(st.now) {
			return fmt.Errorf("%w: %s", table.ErrNotFound, name)
		}
		item = r.item(name)
		return nil
	})
	return item, err
}

// removeChange removes an expired item if it is still the one handed on.
type removeChange struct {
	key     []byte
	rev     table.Rev
	old     record
	removed bool // the answer
}

func (r *removeChange) check(st *state) (err error) {
	r.old, err = st.raw(r.key)
	return err
}

func (r *removeChange) write(st *state) (bool, error) {
	if r.old.rev != r.rev {
		return false, nil
	}
	r.removed = true
	return true, st.remove(r.key, r.old)
}

func (r *removeChange) size() int { return len(r.key) }
