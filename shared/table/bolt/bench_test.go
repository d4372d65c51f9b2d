package bolt

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"portcullis.example/shared/table"
)

var body = fmt.Appendf(nil, `{"p":"%s"}`, strings.Repeat("x", 300))

func benchItem(n int64) table.Item {
	item := doc(fmt.Sprintf("%012d", n*7919%1_000_000_007), 0)
	item.Body = body
	return item
}

// BenchmarkPut is durable puts by 64 callers at once.
func BenchmarkPut(b *testing.B) {
	s := openNew(b)
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Apply(b.Context(), table.Put(benchItem(n.Add(1)), table.Absent())); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkPutAlone is durable puts by one caller.
func BenchmarkPutAlone(b *testing.B) {
	s := openNew(b)
	for n := 0; b.Loop(); n++ {
		mustApply(b, s, table.Put(benchItem(int64(n)), table.Absent()))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// BenchmarkBatch is the same as BenchmarkPut by bbolt's own db.Batch.
func BenchmarkBatch(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Update(writeFormat); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			item := benchItem(n.Add(1))
			err := db.Batch(func(tx *bbolt.Tx) error {
				return tx.Bucket(itemsBucket).Put(appendKey(nil, item.Key), item.Body)
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

// filled holds 10,000 items.
func filled(b *testing.B) *Store {
	s := openNew(b)
	for n := int64(0); n < 10_000; n += table.MaxBatch {
		var writes []table.Write
		for i := range int64(table.MaxBatch) {
			writes = append(writes, table.Put(benchItem(n+i), table.Absent()))
		}
		mustApply(b, s, writes...)
	}
	return s
}

func BenchmarkGet(b *testing.B) {
	s, key := filled(b), benchItem(777).Key
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Get(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetAll4(b *testing.B) {
	s := filled(b)
	keys := []table.Key{benchItem(1).Key, benchItem(5000).Key, doc("none", 0).Key, benchItem(9999).Key}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.GetAll(b.Context(), keys...); err != nil {
			b.Fatal(err)
		}
	}
}
