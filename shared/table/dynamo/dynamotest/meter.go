package dynamotest

import (
	"context"
	"math"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table/dynamo"
)

// Spent is what a table's use came to: requests, and capacity units as DynamoDB
// itself reported them, but for two things in which the engine is wrong, which
// are calculated by AWS's rules. A transaction takes two write units for each
// started KB of each item, a check those of an item of one KB; a read that finds
// nothing takes what the smallest item would.
type Spent struct {
	RoundTrips            int
	ReadUnits, WriteUnits float64
}

// Meter is a dynamo.Client that counts what passes through it to the engine.
// Safe for concurrent use.
type Meter struct {
	*dynamodb.Client
	mu    sync.Mutex
	spent Spent
}

var _ dynamo.Client = (*Meter)(nil)

// NewMeter counts from zero.
func NewMeter() *Meter { return &Meter{Client: Client()} }

// Reset begins again at zero and gives what was counted.
func (m *Meter) Reset() Spent {
	m.mu.Lock()
	defer m.mu.Unlock()
	spent := m.spent
	m.spent = Spent{}
	return spent
}

func (m *Meter) note(read, write float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spent.RoundTrips++
	m.spent.ReadUnits += read
	m.spent.WriteUnits += write
}

func units(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return 0
	}
	return aws.ToFloat64(c.CapacityUnits)
}

// GetItem counts a read.
func (m *Meter) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.GetItem(ctx, in, o...)
	if err == nil {
		m.note(units(out.ConsumedCapacity), 0)
	}
	return out, err
}

// BatchGetItem counts one round trip of reads.
func (m *Meter) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.BatchGetItem(ctx, in, o...)
	if err == nil {
		sum := 0.0
		for _, c := range out.ConsumedCapacity {
			sum += units(&c)
		}
		for name, asked := range in.RequestItems {
			sum += float64(len(asked.Keys) - len(out.Responses[name]) - len(out.UnprocessedKeys[name].Keys))
		}
		m.note(sum, 0)
	}
	return out, err
}

// Query counts a read.
func (m *Meter) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	least := 0.5
	if aws.ToBool(in.ConsistentRead) {
		least = 1
	}
	out, err := m.Client.Query(ctx, in, o...)
	if err == nil {
		m.note(max(least, units(out.ConsumedCapacity)), 0)
	}
	return out, err
}

// PutItem counts a write.
func (m *Meter) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.PutItem(ctx, in, o...)
	if err == nil {
		m.note(0, units(out.ConsumedCapacity))
	}
	return out, err
}

// UpdateItem counts a write.
func (m *Meter) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.Client.UpdateItem(ctx, in, o...)
	if err == nil {
		m.note(0, units(out.ConsumedCapacity))
	}
	return out, err
}

// TransactWriteItems counts one round trip and calculates its units, the
// index's left out.
func (m *Meter) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := m.Client.TransactWriteItems(ctx, in, o...)
	sum := 0.0
	for _, item := range in.TransactItems {
		size := 0
		if item.Put != nil {
			size = sizeOf(item.Put.Item)
		}
		sum += 2 * max(1, math.Ceil(float64(size)/1024))
	}
	m.note(0, sum)
	return out, err
}

// sizeOf is an item's size by AWS's rule: names and texts in bytes, a number
// about half its digits and one.
func sizeOf(item map[string]types.AttributeValue) (bytes int) {
	for name, value := range item {
		bytes += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			bytes += len(v.Value)
		case *types.AttributeValueMemberN:
			bytes += len(v.Value)/2 + 2
		}
	}
	return bytes
}
