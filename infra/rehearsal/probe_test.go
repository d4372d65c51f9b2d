//go:build rehearsal

package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// bench is a function that does as it is told (testdata/probe), and a server that
// it can be told to ask: that one tells who came and lets them go.
type bench struct {
	*testing.T
	function *function
	server   *httptest.Server
	came     chan struct{}
	leave    chan struct{}
}

func newBench(t *testing.T, timeout time.Duration, env ...string) *bench {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	made := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-o", binary, "./testdata/probe")
	made.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := made.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := &bench{T: t, came: make(chan struct{}), leave: make(chan struct{})}
	b.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for _, step := range []chan struct{}{b.came, b.leave} {
			select {
			case step <- struct{}{}:
			case <-r.Context().Done():
			}
		}
	}))
	for i, setting := range env {
		env[i] = strings.ReplaceAll(setting, "SERVER", b.server.URL)
	}
	b.function = &function{name: "probe", binary: binary, env: env, timeout: timeout}
	t.Cleanup(func() {
		if err := b.function.stop(); err != nil {
			t.Error(err)
		}
		b.server.Close()
	})
	return b
}

type told struct {
	PID      int
	Deadline int64
}

func (b *bench) tell(o map[string]any) (answer told, raw []byte, err error) {
	payload, err := json.Marshal(o)
	if err != nil {
		return answer, nil, err
	}
	raw, err = b.function.invoke(context.Background(), payload)
	if err == nil && raw[0] == '{' {
		err = json.Unmarshal(raw, &answer)
	}
	return answer, raw, err
}

// lives says whether a process is there.
func lives(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// One process answers one event after the other, and as many as it takes what
// comes at once.
func TestLambdaProcesses(t *testing.T) {
	b := newBench(t, time.Minute)
	begun := time.Now()
	first, _, err := b.tell(nil)
	if err != nil || first.Deadline < begun.Add(time.Minute).UnixMilli() || first.Deadline > time.Now().Add(time.Minute).UnixMilli() {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, _, err := b.tell(nil); err != nil || again.PID != first.PID {
		t.Errorf("the second event goes to %d, %v; the first went to %d", again.PID, err, first.PID)
	}
	const atOnce = 3
	pids := make(chan int, atOnce)
	for range atOnce {
		go func() {
			answer, _, err := b.tell(map[string]any{"url": b.server.URL})
			if err != nil {
				t.Error(err)
			}
			pids <- answer.PID
		}()
	}
	for range atOnce {
		<-b.came // none has answered yet
	}
	different := map[int]bool{}
	for range atOnce {
		<-b.leave
		different[<-pids] = true
	}
	if len(different) != atOnce || !different[first.PID] {
		t.Errorf("%d events at once went to %v", atOnce, different)
	}
	if err := b.function.stop(); err != nil {
		t.Fatal(err)
	}
	for pid := range different {
		if lives(pid) {
			t.Errorf("%d lives on", pid)
		}
	}
}

// What a function does wrong is an error in Lambda's way, and the next event is
// answered.
func TestLambdaFailures(t *testing.T) {
	b := newBench(t, time.Minute)
	before, _, err := b.tell(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		order map[string]any
		want  error
		says  string
		lives bool
	}{
		{map[string]any{"do": "fail"}, errFunction, "probe: as told", true},
		{map[string]any{"do": "large", "size": maxAnswer}, nil, "", true},
		{map[string]any{"do": "large", "size": maxAnswer + 1}, errTooLarge, "", true},
		{map[string]any{"do": "exit"}, errEnded, "probe: gone", false},
	} {
		_, raw, err := b.tell(one.order)
		if !errors.Is(err, one.want) || !strings.Contains(fmt.Sprint(err), one.says) || one.want == nil && len(raw) != maxAnswer {
			t.Errorf("%v: %d bytes, %v", one.order, len(raw), err)
		}
		after, _, err := b.tell(nil)
		if err != nil || (after.PID == before.PID) != one.lives || lives(before.PID) != one.lives {
			t.Errorf("after %v: %v, from %d; before from %d", one.order, err, after.PID, before.PID)
		}
	}
}

// A process that has not answered in time is ended.
func TestLambdaTimeout(t *testing.T) {
	b := newBench(t, time.Minute)
	before, _, err := b.tell(nil)
	if err != nil {
		t.Fatal(err)
	}
	b.function.timeout = 200 * time.Millisecond
	if _, _, err := b.tell(map[string]any{"do": "hang"}); !errors.Is(err, errTimedOut) {
		t.Errorf("hanging: %v", err)
	}
	if lives(before.PID) {
		t.Error("it hangs on")
	}
	b.function.timeout = time.Minute
	if after, _, err := b.tell(nil); err != nil || after.PID == before.PID {
		t.Errorf("afterwards: %d, %v", after.PID, err)
	}
}

// A setting that makes no sense ends a function at its start, and what it said is
// there to be read.
func TestLambdaStart(t *testing.T) {
	b := newBench(t, time.Minute, "PROBE_SETTING=wrong")
	if _, _, err := b.tell(nil); !errors.Is(err, errEnded) || !strings.Contains(fmt.Sprint(err), "probe: PROBE_SETTING makes no sense") {
		t.Error(err)
	}
}

// An extension goes on after the answer has gone out: meanwhile another process
// answers, and what settles waits.
func TestLambdaExtension(t *testing.T) {
	b := newBench(t, time.Minute, "PROBE_AFTER=SERVER")
	pids := map[int]bool{}
	for range 2 {
		answer, _, err := b.tell(nil) // it does not wait
		if err != nil {
			t.Fatal(err)
		}
		pids[answer.PID] = true
		<-b.came
	}
	if len(pids) != 2 {
		t.Errorf("a process whose extension goes on had an event: %v", pids)
	}
	var left atomic.Int32
	go func() {
		for range 2 {
			left.Add(1)
			<-b.leave
		}
	}()
	if b.function.settle(); left.Load() != 2 {
		t.Error("it settles before the extensions are done")
	}
	if again, _, err := b.tell(nil); err != nil || !pids[again.PID] {
		t.Errorf("the next event goes to %d, %v; %v are idle", again.PID, err, pids)
	}
	<-b.came
	<-b.leave
}

// The function's time is for the answer and for what follows it.
func TestLambdaExtensionTimeout(t *testing.T) {
	b := newBench(t, time.Minute, "PROBE_AFTER=SERVER")
	over, timeIsOver := context.WithCancel(t.Context())
	b.function.until = func(ctx context.Context, _ time.Time) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		context.AfterFunc(over, cancel)
		return ctx, cancel
	}
	answer, _, err := b.tell(nil)
	if err != nil {
		t.Fatal(err)
	}
	<-b.came
	timeIsOver()
	if b.function.settle(); lives(answer.PID) {
		t.Error("it goes on")
	}
	if err := b.function.stop(); !errors.Is(err, errTimedOut) {
		t.Errorf("nobody is told: %v", err)
	}
}

// What the Extensions API does not take, this one does not either.
func TestLambdaExtensionsAPI(t *testing.T) {
	api := (&instance{polled: make(chan struct{})}).api()
	ask := func(method, path, body string, header http.Header) int {
		r := httptest.NewRequest(method, "/2020-01-01/extension/"+path, strings.NewReader(body))
		r.Header = header
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		return w.Code
	}
	name := http.Header{"Lambda-Extension-Name": {"x"}}
	for what, got := range map[string]int{
		"no name":         ask("POST", "register", `{"events":["INVOKE"]}`, http.Header{}),
		"shutdown inside": ask("POST", "register", `{"events":["INVOKE","SHUTDOWN"]}`, name),
		"no JSON":         ask("POST", "register", `INVOKE`, name),
		"nobody's event":  ask("GET", "event/next", "", http.Header{}),
		"another's event": ask("GET", "event/next", "", http.Header{"Lambda-Extension-Identifier": {"y"}}),
	} {
		if got/100 != 4 {
			t.Errorf("%s: %d", what, got)
		}
	}
}
