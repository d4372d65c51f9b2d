package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/mail"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo"
)

// Courier is who acts on what the table's stream tells.
type Courier interface {
	// Deliver sends every letter that is due.
	Deliver(ctx context.Context) (sent int, err error)
	// DeliverOne sends the letter at a key.
	DeliverOne(ctx context.Context, letter table.Key) error
	// Notify writes the letters of the recovery at a key.
	Notify(ctx context.Context, recovery table.Key) error
	// Removed takes an item that the store removed because it had expired.
	Removed(ctx context.Context, item table.Item) error
}

// Stream is the handler of the table's stream and of the schedule beside it. A
// new letter is delivered at once, a new recovery told, and an item that time-to-live removed is
// handed on; records that fail are answered as such, to be sent again alone with
// what follows them, which is harmless. Any event without records is the
// schedule's: whatever is due is delivered.
func Stream(c Courier, log *slog.Logger) func(context.Context, json.RawMessage) (events.DynamoDBEventResponse, error) {
	return func(ctx context.Context, raw json.RawMessage) (answer events.DynamoDBEventResponse, err error) {
		var event events.DynamoDBEvent
		if err := json.Unmarshal(raw, &event); err != nil {
			return answer, fmt.Errorf("stack: unreadable event: %w", err)
		}
		if len(event.Records) == 0 {
			_, err := c.Deliver(ctx)
			return answer, err
		}
		for _, record := range event.Records {
			if err := act(ctx, c, record); err != nil {
				log.WarnContext(ctx, "a record of the table's stream failed", slog.String("event", record.EventID), slog.Any("error", err))
				answer.BatchItemFailures = append(answer.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
			}
		}
		return answer, nil
	}
}

func act(ctx context.Context, c Courier, record events.DynamoDBEventRecord) error {
	switch {
	case record.EventName == string(events.DynamoDBOperationTypeInsert):
		item, err := itemOf(record.Change.NewImage)
		switch {
		case err != nil:
			return err
		case item.Kind == mail.Kind:
			return c.DeliverOne(ctx, item.Key)
		case item.Kind == recovery.NoticeKind:
			return c.Notify(ctx, item.Key)
		}
		return nil
	case record.EventName == string(events.DynamoDBOperationTypeRemove) && expired(record):
		item, err := itemOf(record.Change.OldImage)
		if err != nil {
			return err
		}
		return c.Removed(ctx, item)
	}
	return nil
}

// expired tells a removal by time-to-live from one of ours.
func expired(record events.DynamoDBEventRecord) bool {
	by := record.UserIdentity
	return by != nil && by.Type == "Service" && by.PrincipalID == "dynamodb.amazonaws.com"
}

var errImage = errors.New("stack: an image makes no sense")

func itemOf(image map[string]events.DynamoDBAttributeValue) (table.Item, error) {
	attributes := make(map[string]types.AttributeValue, len(image))
	for name, value := range image {
		switch value.DataType() {
		case events.DataTypeString:
			attributes[name] = &types.AttributeValueMemberS{Value: value.String()}
		case events.DataTypeNumber:
			attributes[name] = &types.AttributeValueMemberN{Value: value.Number()}
		default:
			return table.Item{}, fmt.Errorf("%w: %s", errImage, name)
		}
	}
	return dynamo.Decode(attributes)
}
