package bolt

import (
	"context"
	"fmt"
	"math"
	"time"

	"portcullis.example/shared/table"
)

// Apply does all writes or none; see table.Table. Beside what table.Validate
// refuses, names longer than DynamoDB takes are table.ErrInvalid, as is a Put
// over a counter or a count of a document.
func (s *Store) Apply(ctx context.Context, writes ...table.Write) error {
	if err := table.Validate(writes); err != nil {
		return err
	}
	steps := make([]step, len(writes))
	for i, w := range writes {
		var err error
		if steps[i], err = newStep(w); err != nil {
			return err
		}
	}
	return s.submit(ctx, &applyChange{steps: steps})
}

// Add adds to a counter; see table.Table. A sum past what an int64 holds is
// table.ErrInvalid.
func (s *Store) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	if err := validateKey(key); err != nil {
		return 0, err
	}
	add := &addChange{step: step{op: table.OpCount, name: key, key: appendKey(nil, key),
		next: record{expires: toSeconds(expires)}, delta: delta}}
	if err := s.submit(ctx, add); err != nil {
		return 0, err
	}
	return add.sum, nil
}

// step is one write, encoded by the caller: whoever stops waiting may reuse
// what was handed in.
type step struct {
	op           table.Op
	name         table.Key
	key          []byte
	cond         table.Cond
	next         record
	value        []byte // next, encoded, without its revision
	delta, below int64
	old          record // as check found it
}

func newStep(w table.Write) (step, error) {
	if err := validateKey(w.Item.Key); err != nil {
		return step{}, err
	}
	if len(w.Item.Kind) > maxKind {
		return step{}, fmt.Errorf("%w: kind of %d bytes, %d allowed", table.ErrInvalid, len(w.Item.Kind), maxKind)
	}
	st := step{op: w.Op, name: w.Item.Key, key: appendKey(nil, w.Item.Key), cond: w.If, delta: w.Delta, below: w.Below,
		next: record{expires: toSeconds(w.Item.Expires), due: toSeconds(w.Item.Due), kind: []byte(w.Item.Kind), body: w.Item.Body}}
	if w.Op == table.OpPut {
		st.value = st.next.encode()
	}
	st.next.body = nil
	return st, nil
}

// look reads what stands there and refuses what no condition could allow.
func (sp *step) look(st *state) (err error) {
	if sp.old, err = st.raw(sp.key); err != nil {
		return err
	}
	if st.rev(sp.old) == 0 {
		return nil
	}
	switch {
	case sp.op == table.OpPut && sp.old.counter:
		return fmt.Errorf("%w: %s is a counter", table.ErrInvalid, sp.name)
	case sp.op == table.OpCount && !sp.old.counter:
		return fmt.Errorf("%w: %s is no counter", table.ErrInvalid, sp.name)
	case sp.op == table.OpCount && overflows(sp.old.sum(), sp.delta):
		return fmt.Errorf("%w: %s overflows", table.ErrInvalid, sp.name)
	}
	return nil
}

func overflows(sum, delta int64) bool {
	return (delta > 0 && sum > math.MaxInt64-delta) || (delta < 0 && sum < math.MinInt64-delta)
}

func (sp *step) holds(st *state) bool {
	if sp.op == table.OpCount && sp.sum(st) >= sp.below {
		return false
	}
	return sp.cond.Holds(st.rev(sp.old))
}

// sum is what the counter stands at; an expired one begins again at zero.
func (sp *step) sum(st *state) int64 {
	if st.rev(sp.old) == 0 {
		return 0
	}
	return sp.old.sum()
}

func (sp *step) write(st *state) (bool, error) {
	switch sp.op {
	case table.OpPut:
		return true, st.put(sp.key, sp.old, sp.next, sp.value)
	case table.OpCount:
		_, err := sp.count(st)
		return true, err
	case table.OpDelete:
		if sp.old.rev == 0 {
			return false, nil
		}
		return true, st.remove(sp.key, sp.old)
	}
	return false, nil
}

// count adds to the counter. Its end is set by the call that makes it.
func (sp *step) count(st *state) (int64, error) {
	expires := sp.next.expires
	if st.rev(sp.old) != 0 {
		expires = sp.old.expires
	}
	next := counterRecord(sp.sum(st)+sp.delta, expires)
	return next.sum(), st.put(sp.key, sp.old, next, next.encode())
}

// applyChange is one Apply.
type applyChange struct{ steps []step }

func (a *applyChange) check(st *state) error {
	for i := range a.steps {
		sp := &a.steps[i]
		if err := sp.look(st); err != nil {
			return err
		}
		if !sp.holds(st) {
			return &table.ConflictError{Index: i, Key: sp.name}
		}
	}
	return nil
}

func (a *applyChange) write(st *state) (changed bool, err error) {
	for i := range a.steps {
		wrote, err := a.steps[i].write(st)
		if err != nil {
			return false, err
		}
		changed = changed || wrote
	}
	return changed, nil
}

func (a *applyChange) size() (n int) {
	for _, sp := range a.steps {
		n += len(sp.key) + len(sp.value)
	}
	return n
}

// addChange is one Add.
type addChange struct {
	step
	sum int64 // the answer
}

func (a *addChange) check(st *state) error { return a.look(st) }

func (a *addChange) write(st *state) (bool, error) {
	var err error
	a.sum, err = a.count(st)
	return true, err
}

func (a *addChange) size() int { return len(a.key) }
