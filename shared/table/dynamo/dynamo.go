// Package dynamo is the AWS adapter of table.Table: one DynamoDB table with one
// sparse index. It guarantees, beside what the port promises:
//
//   - every read but Due is strongly consistent;
//   - a transaction that is cancelled for mere overlap with another is tried
//     again, with jitter, until the caller's deadline, and is no conflict;
//   - a retry that meets its own earlier success is a success: each write is a
//     transaction that carries a token;
//   - whatever AWS answers beside that, throttling and time-outs included, is
//     table.ErrUnavailable.
//
// Items have native attributes: partition, sort, kind, rev, expires (the
// time-to-live attribute), due, and body (the document's text) or n (a counter).
package dynamo

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portcullis.example/shared/table"
)

// Client is what is used of *dynamodb.Client.
type Client interface {
	// GetItem reads one item.
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	// BatchGetItem reads several.
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	// Query reads a range of a partition or of the index.
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	// PutItem begins a counter anew.
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	// UpdateItem adds to a counter.
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	// TransactWriteItems writes several, all or none.
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Options are what a Store needs. All of it is needed.
type Options struct {
	Client Client
	// Table is the table's name. Its keys are partition and sort (both text);
	// its index has the name IndexName and the keys kind (text) and due (number),
	// and projects everything; its time-to-live attribute is expires.
	Table string
	// Now is the clock that expiry is judged by.
	Now func() time.Time
	// Random is where revisions, tokens and jitter come from; it must be safe for
	// concurrent use, as crypto/rand.Reader is.
	Random io.Reader
	// Wait lets a time pass, or answers why it could not: context's error. It is
	// what stands between two attempts.
	Wait func(ctx context.Context, d time.Duration) error
}

// IndexName is the one index, by kind and due.
const IndexName = "due"

// Store is a table.Table. All methods may be called concurrently.
type Store struct{ Options }

var _ table.Table = (*Store)(nil)

// New makes a store. It asks nothing of AWS.
func New(o Options) *Store { return &Store{o} }

// Wait is the Options.Wait of a program: it sleeps.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seconds is the present second: what expires at it is absent.
func (s *Store) seconds() int64 { return s.Now().Unix() }

// draw reads a random number of 62 bits; it is positive.
func (s *Store) draw() (int64, error) {
	var raw [8]byte
	if _, err := io.ReadFull(s.Random, raw[:]); err != nil {
		return 0, fmt.Errorf("%w: no randomness: %w", table.ErrUnavailable, err)
	}
	return int64(binary.BigEndian.Uint64(raw[:])>>1) | 1, nil
}

// token makes the token by which DynamoDB knows a transaction again.
func (s *Store) token() (string, error) {
	var raw [16]byte
	if _, err := io.ReadFull(s.Random, raw[:]); err != nil {
		return "", fmt.Errorf("%w: no randomness: %w", table.ErrUnavailable, err)
	}
	return hex.EncodeToString(raw[:]), nil
}

const (
	tries      = 40
	firstPause = 5 * time.Millisecond
	longPause  = 250 * time.Millisecond
)

// retry does attempt until it answers anything but that it overlapped with
// another write: that has applied nothing. The pauses double up to longPause,
// each shortened at random, so that those who met do not meet again.
func (s *Store) retry(ctx context.Context, attempt func() error) error {
	pause := firstPause
	for i := 0; ; i++ {
		err := attempt()
		if i == tries || !overlapped(err) {
			return classify(ctx, err)
		}
		jitter, err := s.draw()
		if err != nil {
			return err
		}
		if err := s.Wait(ctx, pause/2+time.Duration(jitter%int64(pause/2))); err != nil {
			return unavailable(err)
		}
		pause = min(2*pause, longPause)
	}
}
