package dynamotest

import (
	"context"
	"crypto/rand"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo"
)

// Client talks to the engine.
func Client() *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(Endpoint()),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

// New makes a table of the test's own, by client (nil: the engine's), that ends
// with the test.
func New(t testing.TB, client dynamo.Client, now func() time.Time) *dynamo.Store {
	t.Helper()
	engine := Client()
	if client == nil {
		client = engine
	}
	name := "portcullis-" + rand.Text()
	if _, err := engine.CreateTable(t.Context(), Schema(name)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := engine.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			t.Error(err)
		}
	})
	return dynamo.New(dynamo.Options{Client: client, Table: name, Now: now, Random: rand.Reader, Wait: dynamo.Wait})
}

// Schema is the table that the adapter needs.
func Schema(name string) *dynamodb.CreateTableInput {
	key := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest, KeySchema: key("partition", "sort"),
		AttributeDefinitions: []types.AttributeDefinition{
			attribute("partition", types.ScalarAttributeTypeS), attribute("sort", types.ScalarAttributeTypeS),
			attribute("kind", types.ScalarAttributeTypeS), attribute("due", types.ScalarAttributeTypeN),
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(dynamo.IndexName), KeySchema: key("kind", "due"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}

// Expire plays time-to-live, which the engine does not: it removes what has
// expired at now and hands each item on, as the table's stream would.
func Expire(ctx context.Context, s *dynamo.Store, now time.Time, removed func(context.Context, table.Item) error) error {
	scan := dynamodb.NewScanPaginator(Client(), &dynamodb.ScanInput{
		TableName: &s.Table, FilterExpression: aws.String("expires <= :now"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":now": &types.AttributeValueMemberN{Value: strconv.FormatInt(now.Unix(), 10)}},
	})
	for scan.HasMorePages() {
		page, err := scan.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, found := range page.Items {
			item, err := dynamo.Decode(found)
			if err == nil {
				err = s.Apply(ctx, table.Delete(item.Key, table.Always()))
			}
			if err == nil {
				err = removed(ctx, item)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
