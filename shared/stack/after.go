package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// After is what a function does once an answer has gone out: an answer never waits
// for it. Its context ends afterWithin later, and afterMargin before the function's
// own time does: Lambda kills a process that goes on until then, and the next
// request would wait for a new one. The margin is for a process that has a small
// share of a processor to end with.
type After struct {
	// Minute follows a process's first answer, and then one every afterEvery at most.
	Minute func(context.Context) error
	// Answer follows all others.
	Answer func(context.Context) error
}

const (
	afterEvery  = time.Minute
	afterWithin = 5 * time.Second
	afterMargin = 2 * time.Second
)

// extension is an internal extension of a function: Lambda freezes the process
// when the answer has gone out *and* the extension asks for the next event, so
// what is done in between holds up nobody (AWS, "Lambda Extensions API").
type extension struct {
	api      string // host and port of the Runtime API
	after    After
	now      func() time.Time
	log      *slog.Logger
	answered chan struct{} // one token for each answer
}

func newExtension(api string, after After, now func() time.Time, log *slog.Logger) *extension {
	return &extension{api: api, after: after, now: now, log: log, answered: make(chan struct{}, 1)}
}

// errExtension says that the Runtime API did not answer as it should.
var errExtension = errors.New("stack: the extensions API")

const (
	extensionPath   = "/2020-01-01/extension/"
	extensionName   = "portcullis-after"
	extensionID     = "Lambda-Extension-Identifier"
	extensionEvents = `{"events":["INVOKE"]}`
)

// register must be done before the function asks for its first event.
func (x *extension) register(ctx context.Context) (id string, err error) {
	header := http.Header{"Lambda-Extension-Name": {extensionName}}
	answer, _, err := x.ask(ctx, http.MethodPost, "register", header, extensionEvents)
	if err != nil {
		return "", err
	}
	return answer.Get(extensionID), nil
}

// run waits for events until ctx ends or the Runtime API does.
func (x *extension) run(ctx context.Context, id string) error {
	var last time.Time // the first answer is followed at once
	for {
		deadline, err := x.next(ctx, id)
		if err != nil {
			return err
		}
		select {
		case <-x.answered:
		case <-ctx.Done():
			return ctx.Err()
		}
		if now := x.now(); now.Sub(last) < afterEvery {
			x.follow(ctx, deadline, x.after.Answer)
		} else {
			last = now
			x.follow(ctx, deadline, x.after.Minute)
		}
	}
}

// next waits for the next event, and tells when the function's time for it ends.
func (x *extension) next(ctx context.Context, id string) (deadline time.Time, err error) {
	_, body, err := x.ask(ctx, http.MethodGet, "event/next", http.Header{extensionID: {id}}, "")
	if err != nil {
		return time.Time{}, err
	}
	var event struct {
		DeadlineMs int64 `json:"deadlineMs"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return time.Time{}, fmt.Errorf("%w: event/next: %w", errExtension, err)
	}
	return time.UnixMilli(event.DeadlineMs), nil
}

func (x *extension) follow(ctx context.Context, deadline time.Time, after func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, afterWithin)
	defer cancel()
	ctx, over := context.WithDeadline(ctx, deadline.Add(-afterMargin))
	defer over()
	if err := after(ctx); err != nil {
		x.log.WarnContext(ctx, "what follows an answer failed", slog.Any("error", err))
	}
}

// maxEvent is more than an event for extensions has.
const maxEvent = 64 << 10

func (x *extension) ask(ctx context.Context, method, path string, header http.Header, body string) (head http.Header, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+x.api+extensionPath+path, bytes.NewBufferString(body))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errExtension, err)
	}
	r.Header = header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errExtension, err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%w: %s answers %s", errExtension, path, res.Status)
	}
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxEvent))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errExtension, err)
	}
	return res.Header, answer, nil
}

// done notes that an answer has been made.
func (x *extension) done() {
	select {
	case x.answered <- struct{}{}:
	default: // one that nobody has taken stands for both
	}
}
