package gate_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// loadAddress, in the environment, makes this program the client of the
// benchmark: in a process of its own, so that the server's time is the server's.
const loadAddress = "PORTCULLIS_BENCH_ADDRESS"

func TestMain(m *testing.M) {
	if address := os.Getenv(loadAddress); address != "" {
		if err := load(address, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// burst is one request, to be sent a number of times over one connection, and
// how its answer begins.
type burst struct {
	Request, Answer string
	Count           int
}

// load sends the bursts that it reads, and says when each is done.
func load(address string, orders io.Reader, done io.Writer) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for decoder := json.NewDecoder(orders); ; {
		var b burst
		if err := decoder.Decode(&b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for range b.Count {
			if err := exchange(conn, answers, b); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(done, "done"); err != nil {
			return err
		}
	}
}

// exchange sends one request and reads its answer, which has no body.
func exchange(conn io.Writer, answers *bufio.Reader, b burst) error {
	if _, err := io.WriteString(conn, b.Request); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := answers.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.HasPrefix(string(line), b.Answer):
			return fmt.Errorf("answered %q, want %q", line, b.Answer)
		case len(line) <= 2:
			return nil
		}
	}
}

// client is the other process.
type client struct {
	b      *testing.B
	orders *json.Encoder
	done   *bufio.Scanner
}

func newClient(b *testing.B, handler http.Handler) *client {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), loadAddress+"="+listener.Addr().String())
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait(), server.Close()); err != nil {
			b.Error(err)
		}
	})
	return &client{b: b, orders: json.NewEncoder(in), done: bufio.NewScanner(out)}
}

func (c *client) send(order burst) {
	if err := c.orders.Encode(order); err != nil || !c.done.Scan() {
		c.b.Fatal("the client ended", err)
	}
}

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

func (c *client) spent() spent {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		c.b.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return spent{float64(used.Utime.Nano() + used.Stime.Nano()), float64(memory.Mallocs), float64(memory.TotalAlloc)}
}

// measure adds to the sum what a burst costs the server.
func (c *client) measure(order burst, sum *spent) {
	before := c.spent()
	c.send(order)
	after := c.spent()
	sum.cpu += after.cpu - before.cpu
	sum.allocs += after.allocs - before.allocs
	sum.bytes += after.bytes - before.bytes
}

// BenchmarkDecision is the decision over HTTP on loopback beside the bare
// handler, which gets the same requests, by turns: what else the machine does
// befalls both. docs/performance.md says how to read it.
func BenchmarkDecision(b *testing.B) {
	w, alice, g := scene(b, nil)
	cookie := g.Pass(alice.Unlock(g, 3600))
	for _, c := range []struct{ name, path, cookie, answer string }{
		{"unrestricted", free, "", "HTTP/1.1 204"},
		{"unrestricted-with-pass", free, cookie, "HTTP/1.1 204"},
		{"with-pass", restricted, cookie, "HTTP/1.1 204"},
		{"denied", restricted, "", "HTTP/1.1 403"},
	} {
		b.Run(c.name, func(b *testing.B) {
			order := burst{Request: request(g.Header("GET", c.path, c.cookie)), Count: 1000}
			least, ours := newClient(b, bare(b)), newClient(b, w.API)
			var sums [2]spent
			var turns [2][]float64
			turn := func(count int) {
				for i, server := range []*client{least, ours} {
					order.Count, order.Answer = count, []string{"HTTP/1.1 204", c.answer}[i]
					before := sums[i].cpu
					server.measure(order, &sums[i])
					turns[i] = append(turns[i], (sums[i].cpu-before)/float64(count))
				}
			}
			turn(1000)
			sums, turns = [2]spent{}, [2][]float64{}
			b.ResetTimer()
			for left := b.N; left > 0; left -= atOnce {
				turn(min(left, atOnce))
			}
			n := float64(b.N)
			b.ReportMetric(quiet(turns[0]), "bare-cpu-ns/op")
			b.ReportMetric(quiet(turns[1]), "cpu-ns/op")
			b.ReportMetric(quiet(turns[1])/quiet(turns[0]), "ratio")
			b.ReportMetric(sums[0].allocs/n, "bare-allocs/op")
			b.ReportMetric(sums[1].allocs/n, "our-allocs/op")
			b.ReportMetric(sums[1].bytes/n, "our-B/op")
			b.ReportMetric(0, "ns/op") // the client's waiting, in both
		})
	}
}

// quiet is what the quietest tenth of the turns cost at most: the rest of the
// machine only ever adds to it.
func quiet(turns []float64) float64 {
	slices.Sort(turns)
	return turns[len(turns)/10]
}

// atOnce is how many requests a turn has.
const atOnce = 500
