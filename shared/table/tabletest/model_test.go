package tabletest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
	"portcullis.example/shared/table/tabletest"
)

// twins are bolt and the model under one clock; every call goes to both and
// must get the same answer. Only revisions may differ.
type twins struct {
	clock *tabletest.Clock
	model *memory
	store *bolt.Store
	revs  map[table.Key][2]table.Rev // as last read: of the model, of the store
}

var (
	modelSorts      = []string{"a", "a#", "a#1", "b", "\u00ff"}
	modelPartitions = []string{"p", "p#", "pp"}
	modelKinds      = []string{"k", "kk"}
)

func drawKey(r *rapid.T) table.Key {
	return table.Key{Partition: rapid.SampledFrom(modelPartitions).Draw(r, "partition"), Sort: rapid.SampledFrom(modelSorts).Draw(r, "sort")}
}

func counterKey(r *rapid.T) table.Key {
	return table.Key{Partition: "counters", Sort: rapid.SampledFrom(modelSorts).Draw(r, "counter")}
}

func (w *twins) drawTime(r *rapid.T, what string) time.Time {
	seconds := rapid.IntRange(-3, 6).Draw(r, what)
	if seconds == -3 {
		return time.Time{}
	}
	return w.clock.Now().Truncate(time.Second).Add(time.Duration(seconds) * time.Second)
}

func (w *twins) drawItem(r *rapid.T) table.Item {
	return table.Item{Key: drawKey(r), Kind: rapid.SampledFrom(modelKinds).Draw(r, "kind"),
		Expires: w.drawTime(r, "expires"), Due: w.drawTime(r, "due"),
		Body: fmt.Appendf(nil, `{"n":%d}`, rapid.IntRange(0, 99).Draw(r, "n"))}
}

// drawWrite gives one write for the model and the same for the store.
func (w *twins) drawWrite(r *rapid.T) [2]table.Write {
	if rapid.IntRange(0, 4).Draw(r, "count") == 0 {
		count := table.Count(counterKey(r), rapid.Int64Range(-2, 3).Draw(r, "delta"), rapid.Int64Range(0, 5).Draw(r, "below"), w.drawTime(r, "end"))
		return [2]table.Write{count, count}
	}
	write := table.Write{Item: w.drawItem(r), Op: rapid.SampledFrom([]table.Op{table.OpPut, table.OpPut, table.OpDelete, table.OpCheck}).Draw(r, "op")}
	both := [2]table.Write{write, write}
	known := w.revs[write.Item.Key]
	cond := rapid.IntRange(0, 5).Draw(r, "cond")
	for i := range both {
		both[i].If = []table.Cond{table.Always(), table.Always(), table.Always(), table.Absent(), table.Present(), table.Is(known[i])}[cond]
	}
	return both
}

func (w *twins) apply(r *rapid.T) {
	var model, store []table.Write
	for range rapid.IntRange(1, 4).Draw(r, "writes") {
		both := w.drawWrite(r)
		model, store = append(model, both[0]), append(store, both[1])
	}
	sameError(r, w.model.Apply(r.Context(), model...), w.store.Apply(r.Context(), store...))
}

func sameError(r *rapid.T, model, store error) {
	var a, b *table.ConflictError
	errors.As(model, &a)
	errors.As(store, &b)
	same := (model == nil) == (store == nil) && errors.Is(model, table.ErrInvalid) == errors.Is(store, table.ErrInvalid) &&
		errors.Is(model, table.ErrNotFound) == errors.Is(store, table.ErrNotFound) && (a == nil) == (b == nil) && (a == nil || *a == *b)
	if !same {
		r.Fatalf("the model answers %v, bolt %v", model, store)
	}
}

func sameItem(r *rapid.T, model, store table.Item) {
	got, want := store, model
	got.Rev, want.Rev = 0, 0
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) || model.Exists() != store.Exists() {
		r.Fatalf("the model has %+v, bolt %+v", model, store)
	}
}

func (w *twins) add(r *rapid.T) {
	key, delta, end := counterKey(r), rapid.Int64Range(-3, 3).Draw(r, "delta"), w.drawTime(r, "end")
	model, modelErr := w.model.Add(r.Context(), key, delta, end)
	store, storeErr := w.store.Add(r.Context(), key, delta, end)
	sameError(r, modelErr, storeErr)
	if model != store {
		r.Fatalf("the model counts %d, bolt %d", model, store)
	}
}

func (w *twins) read(r *rapid.T) {
	keys := []table.Key{drawKey(r), counterKey(r), drawKey(r)}
	model, modelErr := w.model.GetAll(r.Context(), keys...)
	store, storeErr := w.store.GetAll(r.Context(), keys...)
	sameError(r, modelErr, storeErr)
	for i := range keys {
		sameItem(r, model[i], store[i])
		w.revs[keys[i]] = [2]table.Rev{model[i].Rev, store[i].Rev}
		_, modelErr := w.model.Get(r.Context(), keys[i])
		_, storeErr := w.store.Get(r.Context(), keys[i])
		sameError(r, modelErr, storeErr)
	}
}

func (w *twins) list(r *rapid.T) {
	pick := func(what string) string {
		return rapid.SampledFrom(append([]string{"", "a#0", "zz"}, modelSorts...)).Draw(r, what)
	}
	span := table.Range{Partition: rapid.SampledFrom(append([]string{"counters"}, modelPartitions...)).Draw(r, "partition"), Prefix: pick("prefix"), After: pick("after"),
		Limit: rapid.IntRange(0, 3).Draw(r, "limit"), Reverse: rapid.Bool().Draw(r, "reverse")}
	w.same(r, collect(r, w.model.List(r.Context(), span)), collect(r, w.store.List(r.Context(), span)))
}

func (w *twins) due(r *rapid.T) {
	kind, before := rapid.SampledFrom(modelKinds).Draw(r, "kind"), w.drawTime(r, "before")
	w.same(r, collect(r, w.model.Due(r.Context(), kind, before)), collect(r, w.store.Due(r.Context(), kind, before)))
}

func collect(r *rapid.T, seq func(func(table.Item, error) bool)) (items []table.Item) {
	for item, err := range seq {
		if err != nil {
			r.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

func (w *twins) same(r *rapid.T, model, store []table.Item) {
	if len(model) != len(store) {
		r.Fatalf("the model has %+v, bolt %+v", model, store)
	}
	for i := range model {
		sameItem(r, model[i], store[i])
	}
}

// reap may remove nothing that any read can see.
func (w *twins) reap(r *rapid.T) {
	_, err := w.store.Reap(r.Context(), rapid.IntRange(0, 5).Draw(r, "limit"), func(_ context.Context, item table.Item) error {
		if item.Expires.IsZero() || item.Expires.After(w.clock.Now()) {
			r.Fatalf("reaped alive: %+v", item)
		}
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
}

// TestBoltAgreesWithTheModel runs random calls on both.
func TestBoltAgreesWithTheModel(t *testing.T) {
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		clock := tabletest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
		store, err := bolt.Open(filepath.Join(t.TempDir(), fmt.Sprint(n)), bolt.Options{Now: clock.Now, Create: true})
		if err != nil {
			r.Fatal(err)
		}
		defer store.Close()
		w := &twins{clock: clock, store: store, model: newMemory(clock.Now, correct), revs: map[table.Key][2]table.Rev{}}
		r.Repeat(map[string]func(*rapid.T){
			"apply": w.apply, "apply2": w.apply, "add": w.add, "read": w.read, "list": w.list, "due": w.due, "reap": w.reap,
			"tick": func(r *rapid.T) {
				clock.Advance(time.Duration(rapid.IntRange(1, 2500).Draw(r, "ms")) * time.Millisecond)
			},
		})
	})
}
