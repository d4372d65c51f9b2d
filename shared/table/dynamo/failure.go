package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"portcullis.example/shared/table"
)

const (
	reasonCondition = "ConditionalCheckFailed"
	reasonOverlap   = "TransactionConflict"
)

func unavailable(cause error) error { return fmt.Errorf("%w: %w", table.ErrUnavailable, cause) }

// overlapped tells whether nothing was applied because another transaction was
// under way on one of the items.
func overlapped(err error) bool {
	if met := (*types.TransactionConflictException)(nil); errors.As(err, &met) {
		return true
	}
	cancelled := (*types.TransactionCanceledException)(nil)
	if !errors.As(err, &cancelled) {
		return false
	}
	has := func(code string) bool {
		return slices.ContainsFunc(cancelled.CancellationReasons, func(r types.CancellationReason) bool { return aws.ToString(r.Code) == code })
	}
	return has(reasonOverlap) && !has(reasonCondition)
}

// classify makes a port's error of what is not one yet. An answer that came
// after ctx had ended may be that to a retry, so it is none.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return unavailable(errors.Join(ctx.Err(), err))
	case errors.Is(err, table.ErrConflict) || errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrUnavailable) || errors.Is(err, table.ErrNotFound):
		return err
	}
	var answered smithy.APIError
	if errors.As(err, &answered) && answered.ErrorCode() == "ValidationException" {
		return fmt.Errorf("%w: %w", table.ErrInvalid, err)
	}
	return unavailable(err)
}

// begin refuses a call whose caller has stopped waiting.
func begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	return nil
}
