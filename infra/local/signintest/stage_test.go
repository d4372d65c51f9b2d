package signintest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// stage is a world whose calls of the store are counted and can be met, with one
// administrator in it.
type stage struct {
	*localtest.World
	calls  *tabletest.Counting
	meet   *tabletest.Meeting
	sealed atomic.Int64
	alice  *localtest.Person
}

// sealing counts what is sealed: a letter that leaves nobody is made all the same.
type sealing struct {
	secrets.Sealer
	n *atomic.Int64
}

func (c sealing) Seal(ctx context.Context, plain []byte, bound string) ([]byte, error) {
	c.n.Add(1)
	return c.Sealer.Seal(ctx, plain, bound)
}

// onBoth runs a test on the embedded store and on DynamoDB, beside the others.
func onBoth(t *testing.T, test func(t *testing.T, s *stage)) {
	t.Helper()
	t.Parallel()
	stores := map[string]func(t *testing.T, clock *localtest.Clock) table.Table{
		"embedded": func(t *testing.T, clock *localtest.Clock) table.Table { return localtest.Bolt(t, clock) },
		"DynamoDB": func(t *testing.T, clock *localtest.Clock) table.Table { return dynamotest.New(t, nil, clock.Now) },
	}
	for _, name := range []string{"embedded", "DynamoDB"} {
		t.Run(name, func(t *testing.T) {
			clock := localtest.NewClock()
			s := &stage{calls: tabletest.NewCounting(stores[name](t, clock))}
			s.meet = tabletest.NewMeeting(s.calls)
			s.World = localtest.On(t, s.meet, clock, func(o *ground.Options) { o.Sealer = sealing{o.Sealer, &s.sealed} })
			s.alice = s.Administrator("acme", "alice@acme.example")
			test(t, s)
		})
	}
}

// work is what an answer cost.
type work struct {
	calls  tabletest.Counts
	hashes int
	sealed int64
}

// watch answers a request and what it cost.
func (s *stage) watch(req localtest.Request) (localtest.Answer, work) {
	s.calls.Reset()
	hashes, sealed := s.Hashes.Count(), s.sealed.Load()
	a := s.Send(req)
	w := work{s.calls.Reset(), s.Hashes.Count() - hashes, s.sealed.Load() - sealed}
	w.calls.ReadUnits = 0 // by the size of what stands there, a matter of bytes
	return a, w
}

// told is all that an answer tells, less what names the one request.
func told(a localtest.Answer) string {
	text := strings.ReplaceAll(a.Body, a.Text("instance"), "")
	var headers []string
	for name, values := range a.Header {
		headers = append(headers, name+": "+strings.Join(values, ","))
	}
	slices.Sort(headers)
	return text + "\n" + strings.Join(headers, "\n")
}

// alike demands that each request is told the same as the first, byte for byte and
// header for header, for the same calls of the store, hashes and letters.
func (s *stage) alike(status int, requests map[string]localtest.Request, first string) work {
	s.T.Helper()
	want, cost := s.watch(requests[first])
	if want.Status != status {
		s.T.Fatalf("%s: %d %s", first, want.Status, want.Body)
	}
	for name, req := range requests {
		if name == first {
			continue
		}
		if got, spent := s.watch(req); got.Status != want.Status || told(got) != told(want) || spent != cost {
			s.T.Errorf("%s: %d %s for %+v\n%s: %d %s for %+v", name, got.Status, told(got), spent, first, want.Status, told(want), cost)
		}
	}
	return cost
}

// user reads a person's record.
func (s *stage) user(id string) account.User {
	s.T.Helper()
	user, _, err := s.Directory.User(context.Background(), id)
	if err != nil {
		s.T.Fatal(err)
	}
	return user
}

// change writes a user's record as a call of an administrator's does.
func (s *stage) change(id string, change func(*account.User)) {
	s.T.Helper()
	user, rev, err := s.Directory.User(context.Background(), id)
	if err != nil {
		s.T.Fatal(err)
	}
	change(&user)
	write, err := user.Write(table.Is(rev))
	if err == nil {
		err = s.calls.Apply(context.Background(), write)
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// nobody is an address that signs in to no account.
func nobody(i int) string { return fmt.Sprintf("nobody-%d@acme.example", i) }

// failures are how many attempts at a factor stand under a name, those under way
// included.
func (s *stage) failures(factor attempt.Factor, whom string) int {
	s.T.Helper()
	item, err := s.calls.Get(context.Background(), attempt.CountKey(factor, whom, ""))
	if errors.Is(err, table.ErrNotFound) {
		return 0
	}
	if err != nil {
		s.T.Fatal(err)
	}
	count, err := table.Decode[attempt.Count](item)
	if err != nil {
		s.T.Fatal(err)
	}
	return count.InARow
}

func post(path string, body map[string]any) localtest.Request {
	return localtest.Request{Method: http.MethodPost, Path: path, Body: body}
}

func login(email, password string) localtest.Request {
	return post("/v1/login", map[string]any{"email": email, "password": password})
}
