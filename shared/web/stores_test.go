package web_test

import (
	"os"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// store makes an empty one that ends with its test.
type store func(t testing.TB, clock *localtest.Clock) table.Table

func bolt(t testing.TB, clock *localtest.Clock) table.Table { return localtest.Bolt(t, clock) }

func dynamoDB(t testing.TB, clock *localtest.Clock) table.Table {
	return dynamotest.New(t, nil, clock.Now)
}

// onBoth plays on each store, beside the other tests that do: whether a credential
// is living is the store's to say.
func onBoth(t *testing.T, play func(t *testing.T, on store)) {
	t.Parallel()
	for name, on := range map[string]store{"bolt": bolt, "DynamoDB": dynamoDB} {
		t.Run(name, func(t *testing.T) { play(t, on) })
	}
}

func world(t *testing.T, on store) *localtest.World {
	t.Helper()
	clock := localtest.NewClock()
	return localtest.On(t, on(t, clock), clock)
}
