package dynamo_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

// losing is a network that loses the answers to the next requests of a kind:
// the engine has acted on them. between happens before the SDK repeats one.
type losing struct {
	operation string
	lose      atomic.Int64
	between   func()
}

func (l *losing) Do(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(r)
	if err != nil || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+l.operation) || l.lose.Add(-1) < 0 {
		return res, err
	}
	if l.between != nil {
		l.between()
	}
	return nil, errors.Join(errors.New("connection reset by peer"), res.Body.Close())
}

func overLosing(t *testing.T, l *losing) table.Table {
	client := dynamodb.New(dynamotest.Client().Options(), func(o *dynamodb.Options) { o.HTTPClient = l })
	return dynamotest.New(t, client, newClock().Now)
}

// The SDK repeats a request whose answer was lost: what it has written already
// is no conflict, and is not written again.
func TestLostAnswers(t *testing.T) {
	l := &losing{operation: "TransactWriteItems"}
	store := overLosing(t, l)
	key := table.Key{Partition: "p", Sort: "a"}
	count := table.Count(table.Key{Partition: "p", Sort: "n"}, 1, 100, time.Time{})
	for name, writes := range map[string][]table.Write{
		"one put": {put("a")}, "two puts": {put("b"), put("c")}, "a count": {count}, "a put and a count": {put("d"), count},
	} {
		l.lose.Store(1)
		if err := store.Apply(t.Context(), writes...); err != nil || l.lose.Load() >= 0 {
			t.Errorf("%s: %v, %d still to lose", name, err, l.lose.Load())
		}
	}
	l.lose.Store(1)
	if err := store.Apply(t.Context(), table.Delete(key, table.Present())); err != nil {
		t.Errorf("a deletion: %v", err)
	}
	counter, err := store.Get(t.Context(), count.Item.Key)
	if n, _ := table.Counted(counter); err != nil || n != 2 {
		t.Errorf("counted %d twice, %v", n, err)
	}
}

// What somebody writes between a lost answer and the repetition stays.
func TestLostAnswerUndoesNothing(t *testing.T) {
	for name, first := range map[string]table.Write{
		"a put":      {Op: table.OpPut, Item: put("a").Item},
		"a deletion": table.Delete(table.Key{Partition: "p", Sort: "a"}, table.Always()),
	} {
		l := &losing{operation: "TransactWriteItems"}
		store := overLosing(t, l)
		l.between = func() {
			later := put("a")
			later.If, later.Item.Body = table.Always(), []byte(`{"later":true}`)
			if err := store.Apply(t.Context(), later); err != nil {
				t.Error(err)
			}
		}
		l.lose.Store(1)
		if err := store.Apply(t.Context(), first); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if item, err := store.Get(t.Context(), table.Key{Partition: "p", Sort: "a"}); err != nil || string(item.Body) != `{"later":true}` {
			t.Errorf("%s undid a later write: %s %v", name, item.Body, err)
		}
	}
}

// A lost answer to Add is unavailable and is not repeated.
func TestLostAnswerToAdd(t *testing.T) {
	l := &losing{operation: "UpdateItem"}
	store := overLosing(t, l)
	key := table.Key{Partition: "p", Sort: "n"}
	l.lose.Store(1)
	if _, err := store.Add(t.Context(), key, 1, time.Time{}); !errors.Is(err, table.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if sum, err := store.Add(t.Context(), key, 1, time.Time{}); err != nil || sum != 2 {
		t.Errorf("%d, %v", sum, err)
	}
}
