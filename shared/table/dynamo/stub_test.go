package dynamo_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo"
)

// stub answers what the engine never does: each call takes the next of answers,
// and the last one stays. A nil answer succeeds.
type stub struct {
	dynamo.Client // what a test does not expect panics
	answers       []error
	calls         int
	tokens        []string
	attempts      []int // RetryMaxAttempts that a call asked for
	waits         []time.Duration
	// own has a condition fail on what the call itself has written.
	own bool
}

func (s *stub) next() error {
	s.calls++
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return answer
}

func (s *stub) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	s.tokens = append(s.tokens, aws.ToString(in.ClientRequestToken))
	if s.own {
		why := cancelled("ConditionalCheckFailed", "None").(*types.TransactionCanceledException)
		why.CancellationReasons[0].Item = in.TransactItems[0].Put.Item
		return nil, why
	}
	return &dynamodb.TransactWriteItemsOutput{}, s.next()
}

func (s *stub) UpdateItem(_ context.Context, _ *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	var o dynamodb.Options
	for _, set := range options {
		set(&o)
	}
	s.attempts = append(s.attempts, o.RetryMaxAttempts)
	return &dynamodb.UpdateItemOutput{Attributes: map[string]types.AttributeValue{"n": &types.AttributeValueMemberN{Value: "7"}}}, s.next()
}

func (s *stub) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	if err := s.next(); err != nil {
		return nil, err
	}
	// Answers one key at a time and leaves the rest out, as under load.
	asked := in.RequestItems["t"]
	one := asked.Keys[0]
	item := map[string]types.AttributeValue{"partition": one["partition"], "sort": one["sort"], "kind": &types.AttributeValueMemberS{Value: "k"},
		"rev": &types.AttributeValueMemberN{Value: strconv.Itoa(s.calls)}, "body": &types.AttributeValueMemberS{Value: "{}"}}
	asked.Keys = asked.Keys[1:]
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{"t": {item}}}
	if len(asked.Keys) > 0 {
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{"t": asked}
	}
	return out, nil
}

func (s *stub) store() *dynamo.Store {
	return dynamo.New(dynamo.Options{Client: s, Table: "t", Now: newClock().Now, Random: rand.Reader, Wait: func(ctx context.Context, d time.Duration) error {
		s.waits = append(s.waits, d)
		return ctx.Err()
	}})
}

func put(sort string) table.Write {
	return table.Put(table.Item{Key: table.Key{Partition: "p", Sort: sort}, Kind: "k", Body: []byte(`{}`)}, table.Absent())
}

func cancelled(codes ...string) error {
	why := &types.TransactionCanceledException{}
	for _, code := range codes {
		why.CancellationReasons = append(why.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return why
}

// Overlap has applied nothing: it is tried again, with pauses that grow and
// differ, and is no conflict.
func TestOverlapIsTriedAgain(t *testing.T) {
	s := &stub{answers: []error{cancelled("None", "TransactionConflict"), cancelled("TransactionConflict", "TransactionConflict"), &types.TransactionConflictException{}, nil}}
	if err := s.store().Apply(t.Context(), put("a"), put("b")); err != nil || s.calls != 4 {
		t.Fatalf("%d calls, %v", s.calls, err)
	}
	if len(s.waits) != 3 || s.waits[2] <= s.waits[0] || s.waits[0] < time.Millisecond {
		t.Errorf("waited %v", s.waits)
	}
	if s.tokens[0] == s.tokens[1] || s.tokens[0] == "" {
		t.Errorf("tokens %q: what was cancelled must not be known again", s.tokens)
	}
}

// A condition that failed is a conflict, whatever else overlapped.
func TestConflictBesideOverlap(t *testing.T) {
	s := &stub{answers: []error{cancelled("TransactionConflict", "None", "ConditionalCheckFailed", "ConditionalCheckFailed")}}
	var conflict *table.ConflictError
	err := s.store().Apply(t.Context(), put("a"), put("b"), put("c"), put("d"))
	if !errors.As(err, &conflict) || conflict.Index != 2 || s.calls != 1 {
		t.Errorf("%d calls, %v", s.calls, err)
	}
}

func TestOverlapThatNeverEnds(t *testing.T) {
	s := &stub{answers: []error{cancelled("TransactionConflict", "None")}}
	if err := s.store().Apply(t.Context(), put("a"), put("b")); !errors.Is(err, table.ErrUnavailable) || errors.Is(err, table.ErrConflict) {
		t.Error(err)
	}
	if s.calls < 10 || s.calls > 100 {
		t.Errorf("%d calls", s.calls)
	}
}

func TestOverlapEndsWithTheDeadline(t *testing.T) {
	s := &stub{answers: []error{cancelled("TransactionConflict", "None")}}
	ctx, end := context.WithCancel(t.Context())
	store := s.store()
	store.Wait = func(context.Context, time.Duration) error { end(); return ctx.Err() }
	if err := store.Apply(ctx, put("a"), put("b")); !errors.Is(err, table.ErrUnavailable) || s.calls != 1 {
		t.Errorf("%d calls, %v", s.calls, err)
	}
}

// A repetition after DynamoDB has forgotten the token meets what it wrote.
func TestRetryMeetsItsOwnSuccess(t *testing.T) {
	s := &stub{own: true}
	if err := s.store().Apply(t.Context(), put("a"), put("b")); err != nil {
		t.Errorf("a put that succeeded is a failure: %v", err)
	}
	foreign := cancelled("ConditionalCheckFailed", "None").(*types.TransactionCanceledException)
	foreign.CancellationReasons[0].Item = map[string]types.AttributeValue{"rev": &types.AttributeValueMemberN{Value: "5"}}
	if err := (&stub{answers: []error{foreign}}).store().Apply(t.Context(), put("a"), put("b")); !errors.Is(err, table.ErrConflict) {
		t.Errorf("another's item: %v", err)
	}
}

// Whatever AWS says beside a conflict leaves open whether a write was applied.
func TestFailuresAreUnavailable(t *testing.T) {
	for name, failure := range map[string]error{
		"throttled":              &types.ThrottlingException{},
		"throughput":             &types.ProvisionedThroughputExceededException{},
		"request limit":          &types.RequestLimitExceeded{},
		"their fault":            &types.InternalServerError{},
		"throttled inside":       cancelled("None", "ThrottlingError"),
		"throughput inside":      cancelled("ProvisionedThroughputExceeded", "None"),
		"in progress":            &types.TransactionInProgressException{},
		"no table":               &types.ResourceNotFoundException{},
		"no right":               &smithy.GenericAPIError{Code: "AccessDeniedException"},
		"the network":            &smithy.OperationError{Err: http.ErrHandlerTimeout},
		"a deadline":             context.DeadlineExceeded,
		"token seen with others": &types.IdempotentParameterMismatchException{},
	} {
		s := &stub{answers: []error{failure}}
		calls := map[string]func() error{
			"Apply": func() error { return s.store().Apply(t.Context(), put("a"), put("b")) },
			"put":   func() error { return s.store().Apply(t.Context(), put("a")) },
			"Add": func() error {
				_, err := s.store().Add(t.Context(), table.Key{Partition: "p", Sort: "n"}, 1, time.Time{})
				return err
			},
			"GetAll": func() error {
				_, err := s.store().GetAll(t.Context(), table.Key{Partition: "p", Sort: "a"}, table.Key{Partition: "p", Sort: "b"})
				return err
			},
		}
		for call, do := range calls {
			if err := do(); !errors.Is(err, table.ErrUnavailable) || errors.Is(err, table.ErrConflict) || errors.Is(err, table.ErrInvalid) {
				t.Errorf("%s, %s: %v", name, call, err)
			}
		}
		if s.calls != len(calls) {
			t.Errorf("%s: %d calls for %d", name, s.calls, len(calls))
		}
	}
}

// Adding is not idempotent: the SDK must not repeat it.
func TestAddIsSentOnce(t *testing.T) {
	s := &stub{answers: []error{nil}}
	sum, err := s.store().Add(t.Context(), table.Key{Partition: "p", Sort: "n"}, 1, time.Time{})
	if err != nil || sum != 7 || len(s.attempts) != 1 || s.attempts[0] != 1 {
		t.Errorf("sum %d, %v, attempts %v", sum, err, s.attempts)
	}
}

// What is left out of a batch under load is asked for again.
func TestBatchLeavesOut(t *testing.T) {
	s := &stub{answers: []error{nil}}
	keys := []table.Key{{Partition: "p", Sort: "a"}, {Partition: "p", Sort: "b"}, {Partition: "p", Sort: "c"}}
	items, err := s.store().GetAll(t.Context(), keys...)
	if err != nil || s.calls != 3 || len(s.waits) != 2 {
		t.Fatalf("%d calls, waits %v, %v", s.calls, s.waits, err)
	}
	for i, item := range items {
		if !item.Exists() || item.Key != keys[i] {
			t.Errorf("place %d: %+v", i, item)
		}
	}
}
