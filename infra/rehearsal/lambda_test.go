//go:build rehearsal

package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// maxAnswer is how large a function's answer may be (AWS, "Lambda quotas").
const maxAnswer = 6 << 20

var (
	errTimedOut = errors.New("task timed out")
	errTooLarge = errors.New("response payload size exceeded the limit")
	errFunction = errors.New("the function answers an error")
	errEnded    = errors.New("the function ended")
)

// initTime is how long a process may take to start (AWS, "Lambda execution
// environment lifecycle").
const initTime = 10 * time.Second

// function is one Lambda function: as many processes of its binary as it takes
// to answer what comes at once, each of which answers one event at a time.
type function struct {
	name    string
	binary  string
	env     []string
	timeout time.Duration
	begin   func() error // before each event; nil: nothing is to be done
	// until makes the context of what is to be over at a time; nil: as time goes by.
	until func(context.Context, time.Time) (context.Context, context.CancelFunc)

	mu        sync.Mutex
	idle      []*instance
	all       []*instance
	following []chan struct{} // extensions that go on after answers: each is closed at its end
	late      error           // of extensions that went on for too long
}

// invoke has an idle instance answer, or a new one.
func (f *function) invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if f.begin != nil {
		if err := f.begin(); err != nil {
			return nil, err
		}
	}
	i, err := f.instance(ctx)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(f.timeout)
	ctx, cancel := f.within(ctx, deadline)
	defer cancel()
	answer, err := i.invoke(ctx, payload, deadline)
	switch {
	case errors.Is(err, errTimedOut) || errors.Is(err, errEnded):
		return nil, errors.Join(err, i.stop())
	case i.hasExtension():
		over := make(chan struct{})
		f.mu.Lock()
		f.following = append(f.following, over)
		f.mu.Unlock()
		go func() {
			defer close(over)
			f.follow(i, deadline)
		}()
	default:
		f.free(i)
	}
	return answer, err
}

// follow waits for what an extension does after the answer: the function's time
// is for both, and a process that takes longer is ended.
func (f *function) follow(i *instance, deadline time.Time) {
	ctx, cancel := f.within(context.Background(), deadline)
	defer cancel()
	err := i.extensionWaits(ctx)
	if err == nil {
		f.free(i)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = errors.Join(f.late, err, i.stop())
}

func (f *function) within(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	if f.until != nil {
		return f.until(ctx, deadline)
	}
	return context.WithDeadline(ctx, deadline)
}

func (f *function) free(i *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, i)
}

// instance is one that is idle, or one that starts.
func (f *function) instance(ctx context.Context) (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.idle); n > 0 {
		i := f.idle[n-1]
		f.idle = f.idle[:n-1]
		return i, nil
	}
	i, err := startInstance(f.name, f.binary, f.env)
	if err != nil {
		return nil, err
	}
	f.all = append(f.all, i)
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	if err := i.ready(ctx); err != nil {
		return nil, errors.Join(err, i.stop())
	}
	return i, nil
}

// settle waits until what follows the answers so far is done: until then Lambda
// would not freeze a process.
func (f *function) settle() {
	f.mu.Lock()
	following := f.following
	f.following = nil
	f.mu.Unlock()
	for _, over := range following {
		<-over
	}
}

// stop ends every process. It tells of extensions that went on for too long.
func (f *function) stop() error {
	f.settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.late
	f.late = nil
	for _, i := range f.all {
		err = errors.Join(err, i.stop())
	}
	return err
}

// instance is one process and the Runtime API that it alone asks.
type instance struct {
	name    string
	process *exec.Cmd
	said    safeBuffer
	server  *http.Server
	ended   chan struct{}
	stopped sync.Once

	events  chan invocation // for the function
	invoked chan invocation // for its extension
	polled  chan struct{}   // closed at the first poll
	first   sync.Once

	mu       sync.Mutex
	extended bool
	waiting  chan struct{} // one token while the extension waits for an event
	pending  map[string]chan outcome
	count    int
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
}

type outcome struct {
	body []byte
	err  error
}

func startInstance(name, binary string, env []string) (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &instance{
		name: name, ended: make(chan struct{}), events: make(chan invocation), invoked: make(chan invocation, 1), polled: make(chan struct{}), waiting: make(chan struct{}, 1),
		pending: map[string]chan outcome{}, process: exec.Command(binary),
	}
	i.server = &http.Server{Handler: i.api(), ReadHeaderTimeout: time.Minute}
	go func() { _ = i.server.Serve(listener) }() // ends with stop
	i.process.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=" + name, "AWS_LAMBDA_FUNCTION_VERSION=1",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_REGION=" + region, "LAMBDA_TASK_ROOT=/", "_HANDLER=bootstrap",
	}, env...)
	i.process.Stdout, i.process.Stderr = &i.said, &i.said
	i.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.process.Start(); err != nil {
		return nil, errors.Join(err, i.server.Close())
	}
	go func() {
		_ = i.process.Wait() // killed, or what it said tells
		close(i.ended)
	}()
	return i, nil
}

func (i *instance) stop() (err error) {
	i.stopped.Do(func() {
		if killed := i.process.Process.Kill(); !errors.Is(killed, syscall.ESRCH) && killed != nil && !strings.Contains(killed.Error(), "already finished") {
			err = killed
		}
		<-i.ended
		err = errors.Join(err, i.server.Close())
	})
	return err
}

// ready waits until the process, and the extension in it if it has registered
// one, ask for their first event.
func (i *instance) ready(ctx context.Context) error {
	select {
	case <-i.polled:
	case <-i.ended:
		return i.end()
	case <-ctx.Done():
		return fmt.Errorf("%w: %s did not start: %s", errTimedOut, i.name, i.said.String())
	}
	if !i.hasExtension() {
		return nil
	}
	return i.extensionWaits(ctx)
}

// hasExtension holds from the first poll on.
func (i *instance) hasExtension() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.extended
}

// extensionWaits waits until the extension asks for its next event.
func (i *instance) extensionWaits(ctx context.Context) error {
	select {
	case <-i.waiting:
		return nil
	case <-i.ended:
		return i.end()
	case <-ctx.Done():
		return fmt.Errorf("%w: %s: its extension goes on: %s", errTimedOut, i.name, i.said.String())
	}
}

func (i *instance) invoke(ctx context.Context, payload []byte, deadline time.Time) ([]byte, error) {
	i.mu.Lock()
	i.count++
	id := fmt.Sprintf("%s-%d", i.name, i.count)
	answered := make(chan outcome, 1)
	i.pending[id] = answered
	i.mu.Unlock()
	event := invocation{id, payload, deadline}
	select {
	case i.events <- event:
	case <-i.ended:
		return nil, i.end()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s did not ask for its event: %s", errTimedOut, i.name, i.said.String())
	}
	if i.hasExtension() {
		i.invoked <- event
	}
	select {
	case o := <-answered:
		return o.body, o.err
	case <-i.ended:
		return nil, i.end()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %s", errTimedOut, i.name)
	}
}

func (i *instance) end() error {
	return fmt.Errorf("%w: %s: %s", errEnded, i.name, i.said.String())
}

// api is the Runtime API (2018-06-01) and the Extensions API (2020-01-01).
func (i *instance) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", i.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { i.answer(w, r, nil) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { i.answer(w, r, errFunction) })
	mux.HandleFunc("POST /2020-01-01/extension/register", i.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", i.follow)
	return mux
}

const extensionID = "extension"

// register takes the extension of a function: before the function asks for its
// first event, and for INVOKE alone.
func (i *instance) register(w http.ResponseWriter, r *http.Request) {
	var in struct{ Events []string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Lambda-Extension-Name") == "" || !slices.Equal(in.Events, []string{"INVOKE"}) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	select {
	case <-i.polled:
		w.WriteHeader(http.StatusForbidden)
		return
	default:
	}
	i.mu.Lock()
	i.extended = true
	i.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", extensionID)
}

// follow hands the extension its next event: with it, it says that it is done
// with the last.
func (i *instance) follow(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Lambda-Extension-Identifier") != extensionID {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	i.waiting <- struct{}{}
	select {
	case event := <-i.invoked:
		_, _ = fmt.Fprintf(w, `{"eventType":"INVOKE","deadlineMs":%d,"requestId":%q}`, event.deadline.UnixMilli(), event.id) // as with next
	case <-r.Context().Done():
	}
}

func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	i.first.Do(func() { close(i.polled) })
	select {
	case event := <-i.events:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", event.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(event.deadline.UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+region+":"+accountID+":function:"+i.name+":live")
		_, _ = w.Write(event.payload) // a process that died is noticed by who waits
	case <-r.Context().Done():
	}
}

func (i *instance) answer(w http.ResponseWriter, r *http.Request, failed error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	switch {
	case err != nil:
		failed = err
	case failed != nil:
		failed = fmt.Errorf("%w: %s: %s", failed, i.name, body)
	case len(body) > maxAnswer:
		failed = errTooLarge
	}
	i.mu.Lock()
	answered := i.pending[r.PathValue("id")]
	delete(i.pending, r.PathValue("id"))
	i.mu.Unlock()
	if answered == nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	answered <- outcome{body, failed}
	w.WriteHeader(http.StatusAccepted)
}

// safeBuffer is what a process said.
type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
