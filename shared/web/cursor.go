package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"portcullis.example/shared/input"
)

// Cursors issues and reads the cursors of lists. A cursor is good for the list,
// the filters and the caller that it was issued for, and for nothing else.
type Cursors struct{ key []byte }

const macBytes = 16

// Paging is what every list takes.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"how many at most"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next of the page before"`
}

// Open reads a cursor back into the position it stands for; empty stays empty.
// Anything not issued for this list, filter and caller is an *input.Error.
func (c Cursors) Open(ctx context.Context, list string, filter any, cursor string) (after string, err error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(raw) > macBytes {
		after = string(raw[macBytes:])
		if hmac.Equal(raw[:macBytes], c.mac(ctx, list, filter, after)) {
			return after, nil
		}
	}
	return "", input.Invalid("query.cursor", "this cursor was not issued for this list; start again without one")
}

// Seal makes the cursor of a position; an empty one stays empty.
func (c Cursors) Seal(ctx context.Context, list string, filter any, after string) string {
	if after == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(c.mac(ctx, list, filter, after), after...))
}

func (c Cursors) mac(ctx context.Context, list string, filter any, after string) []byte {
	caller := Identity(ctx).Caller
	sum := hmac.New(sha256.New, c.key)
	// In Go's own quoting, which no value can break out of; writing to a hash does
	// not fail.
	_, _ = fmt.Fprintf(sum, "%q %#v %q %q %q", list, filter, caller.PartnerID, caller.UserID, after)
	return sum.Sum(nil)[:macBytes]
}

// Items is a page of a list.
type Items[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"cursor of the next page; absent on the last one"`
}

// OrNull is a time as answers have it: null where there is none.
func OrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
