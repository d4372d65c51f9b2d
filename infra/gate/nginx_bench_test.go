package gate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"portcullis.example/infra/local"
)

// floor stands in for Portcullis with the least that an answer could be: one
// read of an embedded store and a clear yes.
func floor(b *testing.B) func(http.Handler) http.Handler {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "floor.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	bucket, key := []byte("items"), []byte("phonesystem")
	if err := db.Update(func(tx *bbolt.Tx) error {
		items, err := tx.CreateBucket(bucket)
		return errors.Join(err, items.Put(key, make([]byte, 700)))
	}); err != nil {
		b.Fatal(err)
	}
	return func(http.Handler) http.Handler {
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
			w.Header()["Portcullis-Decision"] = []string{"allow"}
			w.WriteHeader(http.StatusNoContent)
		})
	}
}

// visitors are connections to one nginx, each with one request under way.
type visitors struct {
	connections []net.Conn
	answers     []*bufio.Reader
	request     string
	took        []float64 // nanoseconds a request
}

func visit(b *testing.B, s *scene, path, cookie string, n int) *visitors {
	b.Helper()
	_, port, _ := strings.Cut(s.gate.Host, ":")
	v := &visitors{request: fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", path, s.gate.Host, cookie)}
	for range n {
		connection, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = connection.Close() })
		v.connections, v.answers = append(v.connections, connection), append(v.answers, bufio.NewReader(connection))
	}
	return v
}

// turn sends so many requests and notes how long they took.
func (v *visitors) turn(b *testing.B, requests int) {
	errs := make([]error, len(v.connections))
	var wg sync.WaitGroup
	start := time.Now()
	for i := range v.connections {
		wg.Go(func() {
			for range requests / len(v.connections) {
				if errs[i] = v.exchange(i); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	v.took = append(v.took, float64(time.Since(start))/float64(requests))
}

// exchange sends one request and reads its answer, which has no body.
func (v *visitors) exchange(i int) error {
	if _, err := io.WriteString(v.connections[i], v.request); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := v.answers[i].ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.HasPrefix(string(line), "HTTP/1.1 200"):
			return fmt.Errorf("answered %q", line)
		case len(line) <= 2:
			return nil
		}
	}
}

func (v *visitors) median() float64 {
	slices.Sort(v.took)
	return v.took[len(v.took)/2]
}

// BenchmarkThroughNginx is the whole way through the generated configuration: one
// that asks nobody, one that asks the floor, and one that asks Portcullis, by
// turns. Left out is the limit of requests, which would end it.
func BenchmarkThroughNginx(b *testing.B) {
	local.TuneMemory(os.LookupEnv)
	upstream := "http://" + startRecorder(b)
	kept := func(config string) string {
		return strings.ReplaceAll(without("limit_req zone")(config), "server_tokens off;", "server_tokens off; keepalive_requests 100000000;")
	}
	asking := newScene(b, "nginx", setting{host: "pbx.localhost", upstream: upstream, edit: kept})
	asksFloor := newScene(b, "nginx", setting{host: "pbx.localhost", upstream: upstream, edit: kept, answer: floor(b)})
	unasked := newScene(b, "nginx", setting{host: "pbx.localhost", upstream: upstream, edit: func(config string) string {
		return strings.Replace(without("auth_request /")(kept(config)), "_nowhere;\n    \"~^0", "_pbx;\n    \"~^0", 1)
	}})
	cookie := asking.gate.Pass(asking.alice.Unlock(asking.gate, 3600))
	for name, path := range map[string]string{"with-pass": "/xapi/v1/Users", "unrestricted": "/webclient/"} {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				const turn = 640
				all := []*visitors{visit(b, unasked, path, cookie, n), visit(b, asksFloor, path, cookie, n), visit(b, asking, path, cookie, n)}
				for _, v := range all {
					v.turn(b, turn)
					v.took = nil
				}
				b.ResetTimer()
				for done := 0; done < b.N; done += turn {
					for _, v := range all {
						v.turn(b, turn)
					}
				}
				b.ReportMetric(1e9/all[0].median(), "unasked/s")
				b.ReportMetric(1e9/all[1].median(), "floor/s")
				b.ReportMetric(1e9/all[2].median(), "portcullis/s")
				b.ReportMetric(all[2].median()/all[1].median(), "times-floor")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
