package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"portcullis.example/shared/table"
)

// startChild runs this test binary as one of children.
func startChild(t *testing.T, name, path string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BOLT_TEST_CHILD="+name, "BOLT_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

const (
	kills   = 200
	writers = 6
	// killsPerFile is how many kills one file lives through. The first of them
	// comes while the file is being made.
	killsPerFile = 10
)

// TestKilledWhileWriting kills a writing process again and again, at no
// particular moment: what it was told is written is there, and no write is
// there by half.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for file := range kills / killsPerFile {
		path := filepath.Join(t.TempDir(), "store")
		acknowledged := progress{}
		for round := range killsPerFile {
			lines := random.IntN(120)
			if round == 0 {
				lines = 0
			}
			killAfter(t, path, lines, &acknowledged)
			acknowledged.verify(t, path)
			if t.Failed() {
				t.Fatalf("file %d, kill %d after %d lines: %+v", file, round, lines, acknowledged)
			}
		}
	}
}

// progress is, for each writer, the number of its last acknowledged pair and
// the last acknowledged sum of its counter.
type progress struct{ pair, sum [writers]int64 }

// killAfter lets a child acknowledge that many writes, kills it and notes all
// that it had acknowledged by then.
func killAfter(t *testing.T, path string, lines int, p *progress) {
	t.Helper()
	cmd, out := startChild(t, "writer", path)
	scanner := bufio.NewScanner(out)
	for n := 0; scanner.Scan(); n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var g int
		var value int64
		switch line := scanner.Text(); {
		case line == "opening":
		case scan(line, "pair %d %d", &g, &value):
			p.pair[g] = value
		case scan(line, "sum %d %d", &g, &value):
			p.sum[g] = value
		default:
			t.Errorf("the child says %q", line)
		}
	}
	err := cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v", err)
	}
}

func scan(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}

// verify opens the store after a kill. Each writer may be one write ahead of
// what it could say.
func (p *progress) verify(t *testing.T, path string) {
	t.Helper()
	s, err := Open(path, Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for g := range writers {
		left, right := number(t, s, pairKey("left", g)), number(t, s, pairKey("right", g))
		if left != right || left < p.pair[g] || left > p.pair[g]+1 {
			t.Errorf("writer %d: left %d, right %d, acknowledged %d", g, left, right, p.pair[g])
		}
		if sum := number(t, s, pairKey("sum", g)); sum < p.sum[g] || sum > p.sum[g]+1 {
			t.Errorf("writer %d: counted %d, acknowledged %d", g, sum, p.sum[g])
		} else {
			p.sum[g] = sum
		}
		if records := contents(t, s, logged(g, 0).Partition); int64(len(records)) != left {
			t.Errorf("writer %d: %d records of %d pairs", g, len(records), left)
		}
		p.pair[g] = left
	}
	sound(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, s *Store, key table.Key) int64 {
	t.Helper()
	items, err := s.GetAll(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := table.Counted(items[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func pairKey(name string, g int) table.Key {
	return table.Key{Partition: "pairs", Sort: fmt.Sprint(name, g)}
}

func pairItem(name string, g int, n int64) table.Item {
	return table.Item{Key: pairKey(name, g), Kind: "pair", Body: fmt.Appendf(nil, `{"n":%d}`, n), Due: time.Unix(n, 0)}
}

func logged(g int, n int64) table.Item {
	item := pairItem("", g, n)
	item.Key = table.Key{Partition: fmt.Sprint("records", g), Sort: fmt.Sprint(n)}
	item.Expires = time.Unix(1<<40, 0)
	return item
}

// writeUntilKilled is the child: it says "opening", and then each write once it
// is acknowledged.
func writeUntilKilled(path string) error {
	if _, err := fmt.Println("opening"); err != nil {
		return err
	}
	s, err := Open(path, Options{Create: true})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range writers {
		go func() { failed <- writePairs(s, g) }()
	}
	return <-failed
}

func writePairs(s *Store, g int) error {
	ctx := context.Background()
	items, err := s.GetAll(ctx, pairKey("left", g))
	if err != nil {
		return err
	}
	n, err := table.Counted(items[0])
	if err != nil {
		return err
	}
	for {
		n++
		if err := s.Apply(ctx, table.Put(pairItem("left", g, n), table.Always()), table.Put(logged(g, n), table.Absent()),
			table.Put(pairItem("right", g, n), table.Always())); err != nil {
			return err
		}
		if _, err := fmt.Printf("pair %d %d\n", g, n); err != nil {
			return err
		}
		sum, err := s.Add(ctx, pairKey("sum", g), 1, time.Time{})
		if err != nil {
			return err
		}
		if _, err := fmt.Printf("sum %d %d\n", g, sum); err != nil {
			return err
		}
	}
}

// TestDiskFull runs the starved child: the limit on a file's size is the
// process's own, so it must be another process.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	cmd, out := startChild(t, "starved", path)
	said, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil || !strings.HasSuffix(string(said), "survived\n") {
		t.Fatalf("%v: %s", err, said)
	}
	t.Logf("%s", said)
	s := openAt(t, path, Options{})
	sound(t, s)
	if got := contents(t, s, "p"); len(got) < 100 {
		t.Errorf("only %d items survived", len(got))
	}
}

// writeWithoutSpace is the child: it fills the file up to a limit, lowers the
// limit into the file, then lifts it; nothing acknowledged is ever lost.
func writeWithoutSpace(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := Open(path, Options{Create: true})
	if err != nil {
		return err
	}
	f := &filler{store: s, want: map[string]bool{}}
	// Truncating the file to a larger size fails, then writing a page within it.
	for _, limit := range []uint64{1 << 20, 300 << 10} {
		if err := f.starve(limit); err != nil {
			return fmt.Errorf("limit %d: %w", limit, err)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	fmt.Println("survived")
	return nil
}

type filler struct {
	store *Store
	next  int
	mu    sync.Mutex
	want  map[string]bool // by sort key: acknowledged, or refused
}

// starve writes under a limit until it is met, and goes on without it.
func (f *filler) starve(limit uint64) error {
	unlimited := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: unlimited.Max}); err != nil {
		return err
	}
	err := f.fill()
	if err == nil {
		return errors.New("the limit was never met")
	}
	fmt.Println(err)
	if !errors.Is(err, table.ErrUnavailable) || !strings.Contains(err.Error(), "file too large") || !strings.Contains(err.Error(), "not applied") {
		return fmt.Errorf("unclear: %w", err)
	}
	if err := f.verify(); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &unlimited); err != nil {
		return err
	}
	if err := f.group(); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return f.verify()
}

func (f *filler) fill() error {
	for range 200 {
		if err := f.group(); err != nil {
			return err
		}
	}
	return nil
}

// group writes some items at once, each with a pair that must share its fate.
func (f *filler) group() error {
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		f.next++
		sort := fmt.Sprint(f.next)
		all.Go(func() {
			item := doc(sort, 1)
			item.Body = fmt.Appendf(nil, `{"p":"%s"}`, strings.Repeat("x", 3000))
			twin := item
			twin.Sort += "twin"
			errs[i] = f.store.Apply(context.Background(), table.Put(item, table.Absent()), table.Put(twin, table.Absent()))
			f.mu.Lock()
			defer f.mu.Unlock()
			f.want[item.Sort], f.want[twin.Sort] = errs[i] == nil, errs[i] == nil
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) verify() error {
	for sort, want := range f.want {
		_, err := f.store.Get(context.Background(), doc(sort, 0).Key)
		if want && err != nil || !want && !errors.Is(err, table.ErrNotFound) {
			return fmt.Errorf("%s: acknowledged %v, now %v", sort, want, err)
		}
	}
	return nil
}
