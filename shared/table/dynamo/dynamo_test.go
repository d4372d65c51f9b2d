package dynamo_test

import (
	"os"
	"testing"
	"time"

	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

func newClock() *tabletest.Clock {
	return tabletest.NewClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
}

func TestConformance(t *testing.T) {
	for _, c := range tabletest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			clock := newClock()
			if err := c.Run(t.Context(), tabletest.Harness{Table: dynamotest.New(t, nil, clock.Now), Clock: clock}); err != nil {
				t.Error(err)
			}
		})
	}
}
