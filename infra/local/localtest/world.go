// Package localtest is a whole Portcullis for tests: the real handlers over a
// real store, with a clock that a test turns, mail that a test reads, and
// people who sign in as people do. It guarantees that nothing in it takes a
// short cut past a check: who acts has accepted an invitation, enrolled a
// second factor and holds a session.
package localtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/secrets/keyfile"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
)

// BaseURL is the control portal's.
const BaseURL = "https://portal.example"

// Patience is how long a gate's answer may take in a world: a machine that is
// busy with other tests keeps one waiting for longer than a proxy would. Tests of
// what is over in time set another.
const Patience = time.Minute

// Start is when every world begins.
var Start = time.Date(2027, time.March, 1, 9, 0, 0, 0, time.UTC)

// Clock is a time that only a test moves. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the present time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// NewClock is a clock at Start.
func NewClock() *Clock { return &Clock{now: Start} }

// Mailbox is where letters arrive. Safe for concurrent use.
type Mailbox struct {
	mu      sync.Mutex
	letters []mail.Letter
}

// Send keeps a letter.
func (m *Mailbox) Send(_ context.Context, letter mail.Letter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, letter)
	return nil
}

// To lists the letters to an address, oldest first: those of one second are
// delivered in any order, their ids tell.
func (m *Mailbox) To(address string) []mail.Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []mail.Letter
	for _, letter := range m.letters {
		if letter.To == address {
			found = append(found, letter)
		}
	}
	slices.SortStableFunc(found, func(a, b mail.Letter) int { return strings.Compare(a.ID, b.ID) })
	return found
}

// World is a whole Portcullis.
type World struct {
	*local.System
	T     testing.TB
	Clock *Clock
	Table table.Table
	Mail  *Mailbox
	// Log is everything logged, at every level.
	Log *Log
	// Hashes counts the password hashes computed.
	Hashes *Counter
	ground ground.Options
}

// Restore has the world go on as after a restart with its store restored from a
// backup now.
func (w *World) Restore() {
	w.Rebuild(func(o *ground.Options) { o.RestoredAt = w.Clock.Now().Truncate(time.Second) })
}

// Rebuild has the world go on as after a restart with other options.
func (w *World) Rebuild(change func(*ground.Options)) {
	change(&w.ground)
	w.System = local.New(w.ground)
}

// Under has the world go on with another base URL.
func (w *World) Under(baseURL string) {
	w.ground.BaseURL = baseURL
	w.System = local.New(w.ground)
}

// Counter counts. Safe for concurrent use.
type Counter struct {
	mu sync.Mutex
	n  int
}

func (c *Counter) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

// Count is how many there were.
func (c *Counter) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// Log is a log that a test reads. Safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps what is logged.
func (l *Log) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

// String is what was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// New is a world on an embedded store of its own.
func New(t testing.TB) *World {
	t.Helper()
	clock := NewClock()
	return On(t, Bolt(t, clock), clock)
}

// Bolt is an embedded store that ends with the test.
func Bolt(t testing.TB, clock *Clock) *bolt.Store {
	t.Helper()
	store, err := bolt.Open(filepath.Join(t.TempDir(), "portcullis.db"), bolt.Options{Now: clock.Now, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// On is a world on any table, with what the changes make of its options. Passwords
// are hashed with cheap parameters.
func On(t testing.TB, store table.Table, clock *Clock, changes ...func(*ground.Options)) *World {
	t.Helper()
	key, err := keyfile.Create(filepath.Join(t.TempDir(), "key"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &World{T: t, Clock: clock, Table: store, Mail: &Mailbox{}, Log: &Log{}, Hashes: &Counter{}}
	hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.Params{Memory: 64, Time: 1, Threads: 1}, Ran: w.Hashes.add})
	if err != nil {
		t.Fatal(err)
	}
	w.ground = ground.Options{
		Table: store, Sealer: key, CursorKey: key.Derive("cursors"), Hasher: hasher, Sender: w.Mail, Now: clock.Now, Random: rand.Reader,
		Log:     slog.New(slog.NewJSONHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		BaseURL: BaseURL, Sessions: session.Lifetimes{Idle: 15 * time.Minute, Longest: 12 * time.Hour}, GateWithin: Patience,
	}
	for _, change := range changes {
		change(&w.ground)
	}
	w.System = local.New(w.ground)
	return w
}

// Answer is what a request was answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	JSON   map[string]any // nil if the body is no JSON object
}

// Text reads a text at a path such as "session.id"; empty where there is none.
func (a Answer) Text(path string) string {
	value, _ := a.at(path).(string)
	return value
}

// Number reads a number at a path; zero where there is none.
func (a Answer) Number(path string) float64 {
	value, _ := a.at(path).(float64)
	return value
}

// Items lists the objects of a list's answer.
func (a Answer) Items() []Answer {
	list, _ := a.at("items").([]any)
	items := make([]Answer, len(list))
	for i, item := range list {
		items[i].JSON, _ = item.(map[string]any)
	}
	return items
}

func (a Answer) at(path string) any {
	var value any = a.JSON
	for name := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// Text is a body of another type than JSON.
type Text struct{ Type, Content string }

// CSV is a CSV file as a body.
func CSV(content string) Text { return Text{"text/csv", content} }

// Request is one request; zero fields are left out.
type Request struct {
	Method, Path string
	Body         any // marshalled as JSON; a string is sent as it is, as JSON; a Text as what it is
	Header       http.Header
	// From is the peer's address; empty: 192.0.2.1.
	From string
}

// Send sends a request to the handlers as the network would.
func (w *World) Send(req Request) Answer {
	w.T.Helper()
	var body io.Reader
	kind := "application/json"
	switch b := req.Body.(type) {
	case nil:
	case Text:
		body, kind = strings.NewReader(b.Content), b.Type
	case string:
		body = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			w.T.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r := httptest.NewRequest(req.Method, BaseURL+req.Path, body)
	if body != nil {
		r.Header.Set("Content-Type", kind)
	}
	for name, values := range req.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.RemoteAddr = "192.0.2.1:40000"
	if req.From != "" {
		r.RemoteAddr = req.From
	}
	recorder := httptest.NewRecorder()
	w.API.ServeHTTP(recorder, r)
	a := Answer{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.String()}
	if kind := a.Header.Get("Content-Type"); strings.Contains(kind, "json") && !strings.Contains(kind, "ndjson") {
		if err := json.Unmarshal(recorder.Body.Bytes(), &a.JSON); err != nil {
			w.T.Errorf("%s %s answers JSON that is none: %s", req.Method, req.Path, a.Body)
		}
	}
	return a
}

// Tick runs what is scheduled: the auditor and the courier.
func (w *World) Tick() {
	w.T.Helper()
	ctx := context.Background()
	if _, err := w.Auditor.Run(ctx); err != nil {
		w.T.Error(err)
	}
	if _, err := w.Courier.Deliver(ctx); err != nil {
		w.T.Error(err)
	}
	if err := w.Keeper.Flush(ctx); err != nil {
		w.T.Error(err)
	}
}
