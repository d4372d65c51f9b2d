//go:build rehearsal

package rehearsal

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"portcullis.example/shared/table/dynamo/dynamotest"
)

func streamed() *types.StreamSpecification {
	return &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages}
}

// stream is the table's, read to its end at each tick and handed to the courier
// through the template's filter. Removals by time-to-live are played: the engine
// does none.
type stream struct {
	table  string
	arn    string
	client *dynamodbstreams.Client
	at     map[string]string // the next iterator, by shard
	// gone are the keys that time-to-live has removed and nobody was told of.
	gone map[string]bool
}

func newStream(table string) (*stream, error) {
	engine := dynamotest.Client().Options()
	client := dynamodbstreams.New(dynamodbstreams.Options{Region: engine.Region, BaseEndpoint: engine.BaseEndpoint, Credentials: engine.Credentials})
	described, err := dynamotest.Client().DescribeTable(context.Background(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, err
	}
	return &stream{table: table, arn: aws.ToString(described.Table.LatestStreamArn), client: client, at: map[string]string{}, gone: map[string]bool{}}, nil
}

// expire removes what has expired.
func (s *stream) expire(ctx context.Context, now time.Time) error {
	engine := dynamotest.Client()
	pages := dynamodb.NewScanPaginator(engine, &dynamodb.ScanInput{
		TableName: &s.table, FilterExpression: aws.String("expires <= :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":now": &types.AttributeValueMemberN{Value: strconv.FormatInt(now.Unix(), 10)}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			key := map[string]types.AttributeValue{"partition": item["partition"], "sort": item["sort"]}
			s.gone[fmt.Sprint(textOf(item["partition"]), "\x00", textOf(item["sort"]))] = true
			if _, err := engine.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: key}); err != nil {
				return err
			}
		}
	}
	return nil
}

func textOf(v types.AttributeValue) string {
	text, _ := v.(*types.AttributeValueMemberS)
	if text == nil {
		return ""
	}
	return text.Value
}

// hand hands what is new to the courier, and again what it answered as failed,
// at most five times.
func (s *stream) hand(ctx context.Context, courier *function) error {
	records, err := s.read(ctx)
	if err != nil {
		return err
	}
	for attempt := 0; len(records) > 0; attempt++ {
		if attempt == 5 {
			return fmt.Errorf("the courier gave up on %d records", len(records))
		}
		if records, err = handOnce(ctx, courier, records); err != nil {
			return err
		}
	}
	return nil
}

func handOnce(ctx context.Context, courier *function, records []map[string]any) (left []map[string]any, err error) {
	for batch := range slices.Chunk(records, 25) {
		payload, err := json.Marshal(map[string]any{"Records": batch})
		if err != nil {
			return nil, err
		}
		raw, err := courier.invoke(ctx, payload)
		if err != nil {
			return nil, err
		}
		var answer struct {
			BatchItemFailures []struct{ ItemIdentifier string }
		}
		if err := json.Unmarshal(raw, &answer); err != nil {
			return nil, err
		}
		for _, failure := range answer.BatchItemFailures {
			for _, r := range batch {
				if get(r, "dynamodb", "SequenceNumber") == failure.ItemIdentifier {
					left = append(left, r)
				}
			}
		}
	}
	return left, nil
}

// read reads every shard from where it was left, and keeps what the filter lets
// through: new letters, and leases that time-to-live removed.
func (s *stream) read(ctx context.Context) (found []map[string]any, err error) {
	described, err := s.client.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &s.arn})
	if err != nil {
		return nil, err
	}
	for _, shard := range described.StreamDescription.Shards {
		id := aws.ToString(shard.ShardId)
		if _, known := s.at[id]; !known {
			begun, err := s.client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: &s.arn, ShardId: &id, ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon})
			if err != nil {
				return nil, err
			}
			s.at[id] = aws.ToString(begun.ShardIterator)
		}
		for s.at[id] != "" {
			page, err := s.client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: aws.String(s.at[id])})
			if err != nil {
				return nil, err
			}
			s.at[id] = aws.ToString(page.NextShardIterator)
			for _, r := range page.Records {
				if record, passes := s.record(r); passes {
					found = append(found, record)
				}
			}
			if len(page.Records) == 0 {
				break
			}
		}
	}
	return found, nil
}

func (s *stream) record(r streamtypes.Record) (record map[string]any, passes bool) {
	d := r.Dynamodb
	key := imageText(d.Keys["partition"]) + "\x00" + imageText(d.Keys["sort"])
	record = map[string]any{
		"eventID": aws.ToString(r.EventID), "eventName": string(r.EventName), "eventSource": "aws:dynamodb", "awsRegion": region, "eventVersion": "1.1",
		"dynamodb": map[string]any{"SequenceNumber": aws.ToString(d.SequenceNumber), "StreamViewType": "NEW_AND_OLD_IMAGES", "Keys": image(d.Keys), "NewImage": image(d.NewImage), "OldImage": image(d.OldImage)},
	}
	switch r.EventName {
	case streamtypes.OperationTypeInsert:
		return record, imageText(d.NewImage["kind"]) == "mail"
	case streamtypes.OperationTypeRemove:
		removed := s.gone[key]
		delete(s.gone, key)
		record["userIdentity"] = map[string]string{"type": "Service", "principalId": "dynamodb.amazonaws.com"}
		return record, removed && imageText(d.OldImage["kind"]) == "lease"
	}
	return nil, false
}

func imageText(v streamtypes.AttributeValue) string {
	text, _ := v.(*streamtypes.AttributeValueMemberS)
	if text == nil {
		return ""
	}
	return text.Value
}

func image(of map[string]streamtypes.AttributeValue) map[string]any {
	made := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		switch v := of[name].(type) {
		case *streamtypes.AttributeValueMemberS:
			made[name] = map[string]string{"S": v.Value}
		case *streamtypes.AttributeValueMemberN:
			made[name] = map[string]string{"N": strings.TrimSpace(v.Value)}
		}
	}
	return made
}
