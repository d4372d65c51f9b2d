// Package idempotency makes a repeated request answer as the first one did. It
// guarantees that of several requests of one caller with the same key, in
// parallel or with a crash between any two steps, at most one makes anything:
// the record of the answer is written in the transaction of the change.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portcullis.example/shared/table"
)

// Kept is how long a record answers.
const Kept = 24 * time.Hour

// ErrReused says that the key has been used for another request.
var ErrReused = errors.New("this Idempotency-Key has been used for another request; use a new key for each new request")

// Key is one use of an Idempotency-Key. The zero Key asks for nothing.
type Key struct {
	scope, name, fingerprint string
	forever                  bool
}

// For makes the key of one request: who asks, the header's value, what is asked
// (method and path) and the decoded body. An empty value gives the zero Key.
func For(caller, value, what string, body any) (Key, error) {
	if value == "" {
		return Key{}, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return Key{}, fmt.Errorf("idempotency: %w", err)
	}
	return Key{scope: caller, name: digest(value), fingerprint: digest(what + "\n" + string(text))}, nil
}

// Once is a key for what an installation does once in its life.
func Once(what string) Key {
	return Key{scope: "installation", name: digest(what), fingerprint: digest(what), forever: true}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

type record struct {
	Fingerprint string          `json:"fingerprint"`
	Answer      json.RawMessage `json:"answer"`
}

func (k Key) place() table.Key { return table.Key{Partition: "once#" + k.scope, Sort: k.name} }

// Do answers the recorded value of an earlier request with this key, replayed
// true, or else lets create make it. create gets a function that turns its
// answer into the writes to commit together with its change (none for the zero
// Key). The answer is stored as JSON: what must not be answered twice, such as
// a one-time secret, does not marshal. Errors: ErrReused, create's, the
// table's.
func Do[T any](ctx context.Context, t table.Table, now time.Time, k Key,
	create func(record func(T) ([]table.Write, error)) (T, error),
) (value T, replayed bool, err error) {
	if k == (Key{}) {
		value, err = create(func(T) ([]table.Write, error) { return nil, nil })
		return value, false, err
	}
	value, replayed, err = replay[T](ctx, t, k)
	if err != nil || replayed {
		return value, replayed, err
	}
	value, err = create(func(answer T) ([]table.Write, error) { return writes(k, now, answer) })
	if err == nil {
		return value, false, nil
	}
	// Whoever lost a race for the key has the winner's answer.
	earlier, found, readErr := replay[T](ctx, t, k)
	switch {
	case errors.Is(readErr, ErrReused):
		return value, false, readErr
	case readErr == nil && found:
		return earlier, true, nil
	}
	return value, false, err
}

func replay[T any](ctx context.Context, t table.Table, k Key) (value T, found bool, err error) {
	item, err := t.Get(ctx, k.place())
	if errors.Is(err, table.ErrNotFound) {
		return value, false, nil
	}
	if err != nil {
		return value, false, err
	}
	r, err := table.Decode[record](item)
	if err != nil {
		return value, false, err
	}
	if r.Fingerprint != k.fingerprint {
		return value, false, ErrReused
	}
	if err := json.Unmarshal(r.Answer, &value); err != nil {
		return value, false, fmt.Errorf("idempotency: %w", err)
	}
	return value, true, nil
}

func writes(k Key, now time.Time, answer any) ([]table.Write, error) {
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("idempotency: %w", err)
	}
	item, err := table.Encode(k.place(), "once", record{Fingerprint: k.fingerprint, Answer: text})
	if err != nil {
		return nil, err
	}
	if !k.forever {
		item.Expires = now.Add(Kept)
	}
	return []table.Write{table.Put(item, table.Absent())}, nil
}
