package gatekeeper

import (
	"context"
	"slices"

	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

func (k *Keeper) judgeAddress(ctx context.Context, q *question, system *acquaintance, items []table.Item) (Decision, error) {
	network := q.target.network()
	read := items[1:]
	if q.reads != readAddress {
		var err error
		if read, err = k.journal.Table.GetAll(ctx, unlock.AddressKey(system.ID, network)); err != nil {
			return Decision{}, err
		}
	}
	var address unlock.Address
	if read[0].Exists() {
		var err error
		if address, err = table.Decode[unlock.Address](read[0]); err != nil {
			return Decision{}, err
		}
	}
	windows, err := k.windows(ctx, system, address.Holders)
	if err != nil {
		return Decision{}, err
	}
	var allowed []Decision
	for i := range windows {
		w := &windows[i]
		if w.standing(system.PhoneSystem, q.now) == OpenWindow && slices.Contains(w.lease.Networks, network) {
			allowed = append(allowed, w.allow(system.PhoneSystem, q.now))
		}
	}
	return k.shared(ctx, system, allowed)
}

// holdersAtOnce is how many windows, of three items each, one read takes.
const holdersAtOnce = table.MaxBatch / 3

// windows reads what each holder's window rests on.
func (k *Keeper) windows(ctx context.Context, system *acquaintance, holders []unlock.Holder) ([]window, error) {
	var found []window
	for some := range slices.Chunk(holders, holdersAtOnce) {
		var keys []table.Key
		for _, holder := range some {
			keys = append(keys, windowKeys(system.PartnerID, system.ID, holder)...)
		}
		items, err := k.journal.Table.GetAll(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for _, holder := range some {
			w, err := k.windowOf(items, holder)
			if err != nil {
				return nil, err
			}
			found, items = append(found, w), items[len(windowKeys(system.PartnerID, system.ID, holder)):]
		}
	}
	return found, nil
}

// shared decides for a source that any number of people may stand behind. Of
// several it can't tell who it is, so it names none, and promises no more than
// the first to end.
func (k *Keeper) shared(ctx context.Context, system *acquaintance, allowed []Decision) (Decision, error) {
	if len(allowed) == 0 {
		return k.without(ctx, system, WrongAddress)
	}
	first := slices.MinFunc(allowed, func(a, b Decision) int { return a.Expires.Compare(b.Expires) })
	if len(allowed) > 1 {
		first.UserID, first.Email = "", ""
	}
	return first, nil
}
