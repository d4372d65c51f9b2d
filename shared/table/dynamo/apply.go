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

// Apply does all writes or none: a single put, deletion or check as such, which
// costs half, anything else as one transaction.
func (s *Store) Apply(ctx context.Context, writes ...table.Write) error {
	if err := validate(writes); err != nil {
		return err
	}
	if err := begin(ctx); err != nil {
		return err
	}
	switch first := writes[0]; {
	case len(writes) > 1:
	case first.Op == table.OpPut:
		return s.put(ctx, first)
	case first.Op == table.OpCheck:
		return s.check(ctx, first)
	case first.Op == table.OpDelete && first.If.Unconditional():
		return s.remove(ctx, first.Item.Key)
	}
	return s.transact(ctx, writes)
}

func conflict(writes []table.Write, at int) error {
	return &table.ConflictError{Index: at, Key: writes[at].Item.Key}
}

// put writes one item. The SDK repeats a request whose answer it lost: a
// condition that fails on the very revision that was to be written is success.
func (s *Store) put(ctx context.Context, w table.Write) error {
	rev, err := s.draw()
	if err != nil {
		return err
	}
	c := conditionOf(w.If, s.seconds())
	return s.retry(ctx, func() error {
		_, err := s.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.Table, Item: encode(w.Item, rev), ConditionExpression: c.condition,
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
		failed := (*types.ConditionalCheckFailedException)(nil)
		switch {
		case !errors.As(err, &failed):
			return err
		case holdsRev(failed.Item, rev):
			return nil
		}
		return conflict([]table.Write{w}, 0)
	})
}

func holdsRev(a attributes, rev int64) bool {
	found, ok := a[revName].(*types.AttributeValueMemberN)
	return ok && found.Value == strconv.FormatInt(rev, 10)
}

// check judges one condition on a read.
func (s *Store) check(ctx context.Context, w table.Write) error {
	item, _, err := s.one(ctx, w.Item.Key)
	if err == nil && !w.If.Holds(item.Rev) {
		err = conflict([]table.Write{w}, 0)
	}
	return err
}

func (s *Store) remove(ctx context.Context, key table.Key) error {
	return s.retry(ctx, func() error {
		_, err := s.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.Table, Key: place(key)})
		return err
	})
}

// transaction is one Apply under way.
type transaction struct {
	store  *Store
	writes []table.Write
	// over are the counters that were found expired and begin anew.
	over map[int]bool
}

func (s *Store) transact(ctx context.Context, writes []table.Write) error {
	t := transaction{store: s, writes: writes, over: map[int]bool{}}
	for range tries { // each round but the last finds a counter that has expired
		err := s.retry(ctx, func() error { return t.attempt(ctx) })
		if !errors.Is(err, errAnew) {
			return err
		}
	}
	return unavailable(errAnew)
}

var errAnew = fmt.Errorf("%w: a counter begins anew", table.ErrUnavailable)

// attempt asks once. The token has the SDK's own repetitions of it count as one.
func (t *transaction) attempt(ctx context.Context) error {
	token, err := t.store.token()
	if err != nil {
		return err
	}
	input := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	now := t.store.seconds()
	for i, w := range t.writes {
		rev, err := t.store.draw()
		if err != nil {
			return err
		}
		input.TransactItems = append(input.TransactItems, t.store.step(w, rev, now, t.over[i]))
	}
	_, err = t.store.Client.TransactWriteItems(ctx, input)
	cancelled := (*types.TransactionCanceledException)(nil)
	if !errors.As(err, &cancelled) {
		return err
	}
	return t.cancelled(cancelled, now)
}

// cancelled says why: the first condition that failed, unless that is a counter
// which has expired and so stands at zero.
func (t *transaction) cancelled(why *types.TransactionCanceledException, now int64) error {
	anew := false
	for i, reason := range why.CancellationReasons {
		if aws.ToString(reason.Code) != reasonCondition || i >= len(t.writes) {
			continue
		}
		if w := t.writes[i]; w.Op == table.OpCount && t.standsExpired(i, reason.Item, now) {
			anew = true
			continue
		}
		return conflict(t.writes, i)
	}
	if anew {
		return errAnew
	}
	return why
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
