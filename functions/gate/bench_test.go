package gate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"portcullis.example/infra/local"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
)

// request is a question as a gate sends it.
func request(header http.Header) string {
	var text strings.Builder
	text.WriteString("GET /v1/gate/decision HTTP/1.1\r\nHost: portal.example\r\n")
	for name, values := range header {
		fmt.Fprintf(&text, "%s: %s\r\n", name, values[0])
	}
	return text.String() + "\r\n"
}

// bare is the least that a decision could be: one read of an embedded store.
func bare(b *testing.B) http.Handler {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	bucket, key := []byte("items"), []byte("phonesystem")
	err = db.Update(func(tx *bbolt.Tx) error {
		items, err := tx.CreateBucket(bucket)
		if err != nil {
			return err
		}
		return items.Put(key, make([]byte, 700))
	})
	if err != nil {
		b.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err := db.View(func(tx *bbolt.Tx) error {
			if len(tx.Bucket(bucket).Get(key)) == 0 {
				return errors.New("nothing there")
			}
			return nil
		})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// spent is what this process used.
type spent struct{ cpu, allocs, bytes float64 }

func used(b *testing.B) spent {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return spent{float64(used.Utime.Nano() + used.Stime.Nano()), float64(memory.Mallocs), float64(memory.TotalAlloc)}
}

// turns are what one server's bursts cost, one after another.
type turns struct {
	cpu, took     []float64 // nanoseconds a request
	allocs, bytes float64
}

// turn sends a burst and adds what it cost the server.
func (c *client) turn(order burst, to *turns) {
	before := used(c.b)
	h := c.send(order)
	after, n := used(c.b), float64(order.Count)
	if h.Shed > 0 {
		c.b.Fatalf("%d were shed", h.Shed)
	}
	to.cpu, to.took = append(to.cpu, (after.cpu-before.cpu)/n), append(to.took, float64(h.Took)/n)
	to.allocs, to.bytes = to.allocs+after.allocs-before.allocs, to.bytes+after.bytes-before.bytes
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}

// quiet is what the quietest tenth cost at most: what else the machine does only
// ever adds.
func quiet(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/10]
}

// BenchmarkDecision is the decision over HTTP on loopback beside the bare
// handler, which gets the same requests, by turns: what else the machine does
// befalls both. docs/performance.md says how to read it.
func BenchmarkDecision(b *testing.B) {
	local.TuneMemory(os.LookupEnv)
	w, alice, g := scene(b, nil)
	cookie := g.Pass(alice.Unlock(g, 3600))
	for _, c := range []struct{ name, path, cookie, answer string }{
		{"unrestricted", free, "", "HTTP/1.1 204"},
		{"unrestricted-with-pass", free, cookie, "HTTP/1.1 204"},
		{"with-pass", restricted, cookie, "HTTP/1.1 204"},
		{"denied", restricted, "", "HTTP/1.1 403"},
	} {
		for _, connections := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", c.name, connections), func(b *testing.B) {
				order := burst{Request: request(g.Header("GET", c.path, c.cookie)), Connections: connections}
				beside(b, order, []string{"HTTP/1.1 204", c.answer}, newClient(b, bare(b)), newClient(b, w.API))
			})
		}
	}
}

// atOnce is how many requests a turn has.
const atOnce = 640

// beside measures two servers by turns.
func beside(b *testing.B, order burst, answers []string, servers ...*client) {
	var all [2]turns
	both := func(count int) {
		for i, server := range servers {
			order.Count, order.Answer = count, answers[i]
			server.turn(order, &all[i])
		}
	}
	both(2 * atOnce)
	all = [2]turns{}
	b.ResetTimer()
	n := 0
	for ; n < b.N; n += atOnce {
		both(atOnce)
	}
	b.ReportMetric(median(all[0].cpu), "bare-cpu-ns/op")
	b.ReportMetric(median(all[1].cpu), "cpu-ns/op")
	b.ReportMetric(median(all[1].cpu)/median(all[0].cpu), "ratio")
	b.ReportMetric(quiet(all[1].cpu)/quiet(all[0].cpu), "quiet-ratio")
	b.ReportMetric(1e9/median(all[0].took), "bare/s")
	b.ReportMetric(1e9/median(all[1].took), "decisions/s")
	b.ReportMetric(all[0].allocs/float64(n), "bare-allocs/op")
	b.ReportMetric(all[1].allocs/float64(n), "our-allocs/op")
	b.ReportMetric(all[1].bytes/float64(n), "our-B/op")
	b.ReportMetric(0, "ns/op") // the client's waiting, in both
}

// narrow is a table that serves one read at a time and takes a while for each, as
// one does that is throttled.
type narrow struct {
	table.Table
	door chan struct{}
	slow bool
}

const narrowRead = 500 * time.Microsecond

func (n *narrow) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if n.slow {
		n.door <- struct{}{}
		<-time.After(narrowRead)
		<-n.door
	}
	return n.Table.GetAll(ctx, keys...)
}

// BenchmarkOverload has far more connections ask at once than there is room for,
// each anew as soon as it is answered: where the processor is what there is too
// little of, and where the store is.
func BenchmarkOverload(b *testing.B) {
	local.TuneMemory(os.LookupEnv)
	clock := localtest.NewClock()
	store := &narrow{Table: localtest.Bolt(b, clock), door: make(chan struct{}, 1)}
	w := localtest.On(b, store, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	g := alice.PhoneSystem(host, nil)
	cookie := g.Pass(alice.Unlock(g, 3600))
	for _, what := range []string{"processor", "store"} {
		store.slow = what == "store"
		for _, connections := range []int{64, 1024} {
			b.Run(fmt.Sprintf("%s/%d", what, connections), func(b *testing.B) {
				order := burst{Request: request(g.Header("GET", restricted, cookie)), Answer: "HTTP/1.1 204", Connections: connections, Count: 8 * connections}
				overload(b, newClient(b, w.API), order)
			})
		}
	}
}

func overload(b *testing.B, c *client, order burst) {
	c.send(order)
	var p99, medians, shedP99, shed, rate []float64
	b.ResetTimer()
	for n := 0; n < b.N; n += order.Count {
		h := c.send(order)
		milliseconds := float64(time.Millisecond)
		p99, medians, shedP99 = append(p99, float64(h.P99)/milliseconds), append(medians, float64(h.Median)/milliseconds), append(shedP99, float64(h.ShedP99)/milliseconds)
		shed, rate = append(shed, 100*float64(h.Shed)/float64(order.Count)), append(rate, float64(h.Answered)/h.Took.Seconds())
	}
	b.ReportMetric(median(medians), "p50-ms")
	b.ReportMetric(median(p99), "p99-ms")
	b.ReportMetric(median(shedP99), "shed-p99-ms")
	b.ReportMetric(median(shed), "shed-%")
	b.ReportMetric(median(rate), "decisions/s")
	b.ReportMetric(0, "ns/op")
}
