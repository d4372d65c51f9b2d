package dynamo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table"
)

// Apply does all writes or none, always as a transaction: its token has the
// SDK's repetitions of a request whose answer was lost count as one, so that
// none meets its own success or undoes what others wrote since. A check alone is
// a read.
func (s *Store) Apply(ctx context.Context, writes ...table.Write) error {
	if err := validate(writes); err != nil {
		return err
	}
	if err := begin(ctx); err != nil {
		return err
	}
	if len(writes) == 1 && writes[0].Op == table.OpCheck {
		return s.check(ctx, writes[0])
	}
	t := transaction{store: s, writes: writes, over: map[int]bool{}}
	for range tries { // each round but the last finds a counter that has expired
		err := s.retry(ctx, func() error { return t.attempt(ctx) })
		if !errors.Is(err, errAnew) {
			return err
		}
	}
	return unavailable(errAnew)
}

// check judges one condition on a read.
func (s *Store) check(ctx context.Context, w table.Write) error {
	item, _, err := s.one(ctx, w.Item.Key)
	if err == nil && !w.If.Holds(item.Rev) {
		err = &table.ConflictError{Key: w.Item.Key}
	}
	return err
}

// transaction is one Apply under way.
type transaction struct {
	store  *Store
	writes []table.Write
	revs   []int64 // of the present attempt
	// over are the counters that were found expired and begin anew.
	over map[int]bool
}

var errAnew = fmt.Errorf("%w: a counter begins anew", table.ErrUnavailable)

// attempt asks once.
func (t *transaction) attempt(ctx context.Context) error {
	token, err := t.store.token()
	if err != nil {
		return err
	}
	input := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	now := t.store.seconds()
	t.revs = make([]int64, len(t.writes))
	for i, w := range t.writes {
		if t.revs[i], err = t.store.draw(); err != nil {
			return err
		}
		input.TransactItems = append(input.TransactItems, t.store.step(w, t.revs[i], now, t.over[i]))
	}
	_, err = t.store.Client.TransactWriteItems(ctx, input)
	cancelled := (*types.TransactionCanceledException)(nil)
	if !errors.As(err, &cancelled) {
		return err
	}
	return t.cancelled(cancelled, now)
}

// cancelled says why: the first condition that failed, unless it failed on what
// this very attempt has written (a repetition after the token was forgotten), or
// is that of a counter which has expired and so stands at zero.
func (t *transaction) cancelled(why *types.TransactionCanceledException, now int64) error {
	anew := false
	for i, reason := range why.CancellationReasons {
		if aws.ToString(reason.Code) != reasonCondition || i >= len(t.writes) {
			continue
		}
		switch w := t.writes[i]; {
		case holdsRev(reason.Item, t.revs[i]):
			return nil
		case w.Op == table.OpCount && t.standsExpired(i, reason.Item, now):
			anew = true
		default:
			return &table.ConflictError{Index: i, Key: w.Item.Key}
		}
	}
	if anew {
		return errAnew
	}
	return why
}

func holdsRev(a attributes, rev int64) bool {
	found, ok := a[revName].(*types.AttributeValueMemberN)
	return ok && found.Value == strconv.FormatInt(rev, 10)
}

// standsExpired notes a counter whose condition failed only because it stands
// there expired, or, where it was to begin anew, no longer does.
func (t *transaction) standsExpired(i int, found attributes, now int64) bool {
	if t.over[i] {
		t.over[i] = false
		return true
	}
	t.over[i] = t.writes[i].Below > 0 && expired(found, now)
	return t.over[i]
}

// Add adds to a counter. It is sent once: an answer that is lost is
// table.ErrUnavailable.
func (s *Store) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	if err := validateKey(key); err != nil {
		return 0, err
	}
	if err := begin(ctx); err != nil {
		return 0, err
	}
	w := table.Count(key, delta, 0, expires)
	var sum int64
	err := s.retry(ctx, func() (err error) {
		for range tries {
			if sum, err = s.addOnce(ctx, w); !errors.Is(err, errAnew) {
				return err
			}
		}
		return err
	})
	return sum, err
}

// once keeps the SDK from sending a call again that may have been applied.
func once(o *dynamodb.Options) { o.RetryMaxAttempts = 1 }

func (s *Store) addOnce(ctx context.Context, w table.Write) (int64, error) {
	rev, err := s.draw()
	if err != nil {
		return 0, err
	}
	now := s.seconds()
	e := counting(w, rev, now, false)
	out, err := s.Client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.Table, Key: place(w.Item.Key), UpdateExpression: e.update,
		ConditionExpression: e.condition, ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValues: types.ReturnValueUpdatedNew}, once)
	failed := (*types.ConditionalCheckFailedException)(nil)
	if errors.As(err, &failed) { // it stands there expired
		return w.Delta, s.beginAnew(ctx, w, rev, now)
	}
	if err != nil {
		return 0, err
	}
	r := record{attributes: out.Attributes}
	return r.number(sumName), r.err
}

func (s *Store) beginAnew(ctx context.Context, w table.Write, rev, now int64) error {
	c := conditionOf(table.Absent(), now)
	_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.Table, Item: counter(w, rev), ConditionExpression: c.condition,
		ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values}, once)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return errAnew // somebody else began it
	}
	return err
}
