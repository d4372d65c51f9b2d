package tabletest

import (
	"errors"
	"fmt"

	"portcullis.example/shared/table"
)

func raceCases() []named {
	return []named{
		{"of concurrent Puts if Absent exactly one wins", oneWins},
		{"concurrent compare-and-swap loses nothing", compareAndSwap},
		{"of concurrent writers over two keys no half is seen", pairsAgree},
		{"concurrent claims of two keys in opposite order: at most one", oppositeOrder},
		{"concurrent writes to keys of their own all succeed", strangersDoNotMeet},
	}
}

// won counts the nils and demands conflicts of the others.
func (t *trial) won(errs []error) (won int) {
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		t.check(errors.Is(err, table.ErrConflict), "got %v, want a conflict", err)
	}
	return won
}

func oneWins(t *trial) {
	for round := range 5 {
		sort := fmt.Sprint(round)
		errs := sideBySide(many, func(i int) error {
			return t.Table.Apply(t.ctx, table.Put(t.item(sort, i), table.Absent()))
		})
		won := t.won(errs)
		if t.check(won == 1, "%d won, want 1", won); t.err != nil {
			return
		}
		for i, err := range errs {
			if err == nil {
				t.holds(sort, i)
			}
		}
	}
}

const (
	swappers = 8
	swaps    = 15
)

func compareAndSwap(t *trial) {
	t.apply(table.Put(t.item("a", 0), table.Absent()))
	for _, err := range sideBySide(swappers, func(int) error {
		for range swaps {
			if err := t.swap(); err != nil {
				return err
			}
		}
		return nil
	}) {
		t.noError(err, "swap")
	}
	t.holds("a", swappers*swaps)
}

// swap adds one, however often it takes.
func (t *trial) swap() error {
	for range 100 * swappers * swaps {
		item, err := t.Table.Get(t.ctx, t.key("a"))
		if err != nil {
			return err
		}
		n, err := table.Counted(item)
		if err != nil {
			return err
		}
		err = t.Table.Apply(t.ctx, table.Put(t.item("a", int(n)+1), table.Is(item.Rev)))
		if !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return errors.New("never won")
}

func pairsAgree(t *trial) {
	t.apply(table.Put(t.item("left", 0), table.Absent()), table.Put(t.item("right", 0), table.Absent()))
	for _, err := range sideBySide(2*swappers, func(i int) error {
		for n := range swaps {
			if i%2 == 1 {
				if err := t.readPair(); err != nil {
					return err
				}
				continue
			}
			value := i*swaps + n
			if err := t.Table.Apply(t.ctx, table.Put(t.item("left", value), table.Always()), table.Put(t.item("right", value), table.Always())); err != nil {
				return err
			}
		}
		return nil
	}) {
		t.noError(err, "pair")
	}
	t.noError(t.readPair(), "the pair at last")
}

// readPair reads both by conditions, which hold at one instant: GetAll need not.
func (t *trial) readPair() error {
	for range 100 * swappers * swaps {
		items, err := t.Table.GetAll(t.ctx, t.key("left"), t.key("right"))
		if err != nil {
			return err
		}
		err = t.Table.Apply(t.ctx, table.Check(t.key("left"), table.Is(items[0].Rev)), table.Check(t.key("right"), table.Is(items[1].Rev)))
		if errors.Is(err, table.ErrConflict) {
			continue
		}
		if err == nil && string(items[0].Body) != string(items[1].Body) {
			return fmt.Errorf("left holds %s, right %s", items[0].Body, items[1].Body)
		}
		return err
	}
	return errors.New("never at rest")
}

func oppositeOrder(t *trial) {
	errs := sideBySide(many, func(i int) error {
		a, b := table.Put(t.item("a", i), table.Absent()), table.Put(t.item("b", i), table.Absent())
		if i%2 == 0 {
			return t.Table.Apply(t.ctx, a, b)
		}
		return t.Table.Apply(t.ctx, b, a)
	})
	t.check(t.won(errs) == 1, "%d won, want 1", t.won(errs))
	a, b := t.get("a"), t.get("b")
	t.check(string(a.Body) == string(b.Body), "a holds %s, b %s", a.Body, b.Body)
}

func strangersDoNotMeet(t *trial) {
	errs := sideBySide(many, func(i int) error {
		return t.Table.Apply(t.ctx, table.Put(t.item(fmt.Sprint(i), i), table.Absent()))
	})
	for i, err := range errs {
		t.noError(err, "Apply")
		t.holds(fmt.Sprint(i), i)
	}
}
