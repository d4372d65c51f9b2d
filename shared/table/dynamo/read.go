package dynamo

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table"
)

// Get reads one item, or table.ErrNotFound.
func (s *Store) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if err := validateKey(key); err != nil {
		return table.Item{}, err
	}
	item, found, err := s.one(ctx, key)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", table.ErrNotFound, key)
	}
	return item, err
}

func (s *Store) one(ctx context.Context, key table.Key) (table.Item, bool, error) {
	if err := begin(ctx); err != nil {
		return table.Item{}, false, err
	}
	out, err := s.Client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.Table, Key: place(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return table.Item{}, false, classify(ctx, err)
	}
	return decode(out.Item, s.seconds())
}

// GetAll reads up to table.MaxBatch items in one round trip, each strongly
// consistent. What DynamoDB leaves out under load is asked for again.
func (s *Store) GetAll(ctx context.Context, keys ...table.Key) ([]table.Item, error) {
	if len(keys) > table.MaxBatch {
		return nil, fmt.Errorf("%w: %d keys, %d allowed", table.ErrInvalid, len(keys), table.MaxBatch)
	}
	wanted := make(map[table.Key]bool, len(keys))
	for _, key := range keys {
		if err := validateKey(key); err != nil {
			return nil, err
		}
		wanted[key] = true
	}
	found, err := s.several(ctx, wanted)
	if err != nil {
		return nil, err
	}
	items := make([]table.Item, len(keys))
	for i, key := range keys {
		items[i] = found[key]
		items[i].Key = key
		items[i].Body = append([]byte(nil), items[i].Body...)
	}
	return items, nil
}

func (s *Store) several(ctx context.Context, wanted map[table.Key]bool) (map[table.Key]table.Item, error) {
	found := make(map[table.Key]table.Item, len(wanted))
	if len(wanted) == 1 { // half the request, and no batch to be left out of
		for key := range wanted {
			item, _, err := s.one(ctx, key)
			found[key] = item
			return found, err
		}
	}
	request := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for key := range wanted {
		request.Keys = append(request.Keys, place(key))
	}
	for pause := firstPause; len(request.Keys) > 0; pause = min(2*pause, longPause) {
		left, err := s.batch(ctx, request, found)
		if err != nil {
			return nil, err
		}
		if request = left; len(request.Keys) == 0 {
			break
		}
		if err := s.Wait(ctx, pause); err != nil {
			return nil, unavailable(err)
		}
	}
	return found, nil
}

// batch asks once and answers what was left out.
func (s *Store) batch(ctx context.Context, request types.KeysAndAttributes, found map[table.Key]table.Item) (left types.KeysAndAttributes, err error) {
	if err := begin(ctx); err != nil {
		return left, err
	}
	out, err := s.Client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{s.Table: request}})
	if err != nil {
		return left, classify(ctx, err)
	}
	now := s.seconds()
	for _, a := range out.Responses[s.Table] {
		item, living, err := decode(a, now)
		if err != nil {
			return left, err
		}
		if living {
			found[item.Key] = item
		}
	}
	return out.UnprocessedKeys[s.Table], nil
}

// List walks a range, a page of at most 1 MB a round trip.
func (s *Store) List(ctx context.Context, r table.Range) iter.Seq2[table.Item, error] {
	if err := validateKey(table.Key{Partition: r.Partition, Sort: r.Prefix + r.After + "x"}); err != nil {
		return func(yield func(table.Item, error) bool) { yield(table.Item{}, err) }
	}
	query := &dynamodb.QueryInput{
		TableName: &s.Table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!r.Reverse),
		KeyConditionExpression:    aws.String("#p = :p"),
		ExpressionAttributeNames:  map[string]string{"#p": partitionName},
		ExpressionAttributeValues: attributes{":p": text(r.Partition)},
	}
	if r.Prefix != "" {
		query.KeyConditionExpression = aws.String("#p = :p AND begins_with(#s, :s)")
		query.ExpressionAttributeNames["#s"] = sortName
		query.ExpressionAttributeValues[":s"] = text(r.Prefix)
	}
	switch {
	case r.After == "":
	case strings.HasPrefix(r.After, r.Prefix):
		query.ExclusiveStartKey = place(table.Key{Partition: r.Partition, Sort: r.After})
	case r.After < r.Prefix == r.Reverse: // all of the prefix lies behind
		return func(func(table.Item, error) bool) {}
	}
	return s.walk(ctx, query, r.Limit)
}

// Due asks the index, which is eventually consistent.
func (s *Store) Due(ctx context.Context, kind string, before time.Time) iter.Seq2[table.Item, error] {
	return s.walk(ctx, &dynamodb.QueryInput{
		TableName: &s.Table, IndexName: aws.String(IndexName),
		KeyConditionExpression:    aws.String("#k = :k AND #d <= :d"),
		ExpressionAttributeNames:  map[string]string{"#k": kindName, "#d": dueName},
		ExpressionAttributeValues: attributes{":k": text(kind), ":d": number(before.Unix())},
	}, 0)
}

// walk yields what a query finds, page by page, at most limit items (zero: all).
// A page may be short, even empty, and not the last: the key alone tells.
func (s *Store) walk(ctx context.Context, first *dynamodb.QueryInput, limit int) iter.Seq2[table.Item, error] {
	return func(yield func(table.Item, error) bool) {
		query, left := *first, limit // a sequence may be run again
		for {
			if limit > 0 {
				query.Limit = aws.Int32(int32(min(left, 1<<20)))
			}
			out, err := s.page(ctx, &query)
			if err != nil {
				yield(table.Item{}, err)
				return
			}
			for _, a := range out.Items {
				item, living, err := decode(a, s.seconds())
				if err == nil && !living {
					continue
				}
				if left--; !yield(item, err) || err != nil || left == 0 {
					return
				}
			}
			if query.ExclusiveStartKey = out.LastEvaluatedKey; len(query.ExclusiveStartKey) == 0 {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, query *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	if err := begin(ctx); err != nil {
		return nil, err
	}
	out, err := s.Client.Query(ctx, query)
	return out, classify(ctx, err)
}
