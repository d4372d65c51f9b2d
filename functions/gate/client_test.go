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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// loadAddress, in the environment, makes this program the client of the
// benchmarks: in a process of its own, so that the server's time is the server's.
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

// burst is one request, to be sent a number of times over some connections, one
// after another on each, and how its answer begins. What is shed counts apart.
type burst struct {
	Request, Answer    string
	Count, Connections int
}

// heard is what came of a burst: how long it took, how many were shed, and how
// long the others waited.
type heard struct {
	Took, Median, P99, ShedP99 time.Duration
	Answered, Shed             int
}

// load sends the bursts that it reads, and says what it heard.
func load(address string, orders io.Reader, out io.Writer) error {
	var visitors []*visitor
	decoder, encoder := json.NewDecoder(orders), json.NewEncoder(out)
	for {
		var b burst
		if err := decoder.Decode(&b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for len(visitors) < b.Connections {
			connection, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			visitors = append(visitors, &visitor{Conn: connection, answers: bufio.NewReader(connection)})
		}
		h, err := send(b, visitors[:b.Connections])
		if err != nil {
			return err
		}
		if err := encoder.Encode(h); err != nil {
			return err
		}
	}
}

// visitor is one connection.
type visitor struct {
	net.Conn
	answers *bufio.Reader
	// waited are how long answers took, those that were shed apart.
	waited, shed []time.Duration
}

func send(b burst, visitors []*visitor) (heard, error) {
	errs := make([]error, len(visitors))
	var wg sync.WaitGroup
	start := time.Now()
	for i, v := range visitors {
		v.waited, v.shed = v.waited[:0], v.shed[:0]
		wg.Go(func() {
			for range b.Count / len(visitors) {
				if errs[i] = v.exchange(b); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	h := heard{Took: time.Since(start)}
	var waited, shed []time.Duration
	for _, v := range visitors {
		waited, shed = append(waited, v.waited...), append(shed, v.shed...)
	}
	h.Answered, h.Shed, h.Median, h.P99, h.ShedP99 = len(waited), len(shed), percentile(waited, 50), percentile(waited, 99), percentile(shed, 99)
	return h, errors.Join(errs...)
}

func percentile(all []time.Duration, n int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[(len(all)-1)*n/100]
}

// exchange sends one request and reads its answer, which has no body.
func (v *visitor) exchange(b burst) error {
	start := time.Now()
	if _, err := io.WriteString(v, b.Request); err != nil {
		return err
	}
	into := &v.waited
	for first := true; ; first = false {
		line, err := v.answers.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && strings.HasPrefix(string(line), "HTTP/1.1 503"):
			into = &v.shed
		case first && !strings.HasPrefix(string(line), b.Answer):
			return fmt.Errorf("answered %q, want %q", line, b.Answer)
		case len(line) <= 2:
			*into = append(*into, time.Since(start))
			return nil
		}
	}
}

// client is the other process.
type client struct {
	b      *testing.B
	orders *json.Encoder
	heard  *json.Decoder
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
	return &client{b: b, orders: json.NewEncoder(in), heard: json.NewDecoder(out)}
}

func (c *client) send(order burst) heard {
	var h heard
	if err := errors.Join(c.orders.Encode(order), c.heard.Decode(&h)); err != nil {
		c.b.Fatal("the client ended: ", err)
	}
	return h
}
