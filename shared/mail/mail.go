// Package mail is the transactional outbox. It guarantees that a letter exists
// exactly if the change that it tells of was committed, that it is delivered at
// least once (after a crash at most one duplicate, under the same id), and that
// nothing of it, least of all a link's token, stands readable in the table.
package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portcullis.example/shared/secrets"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Kind is the kind of the outbox's items, for table.Due.
const Kind = "mail"

// retryAfter is when a letter that could not be sent is tried again.
const retryAfter = time.Minute

// Letter is one mail. Text is plain text; links in it come from configuration.
type Letter struct {
	// ID is set by Post; a second delivery has the same one.
	ID string `json:"id"`
	To string `json:"to"`
	// Administrators, instead of To, is the partner whose administrators all
	// get the letter.
	Administrators string `json:"administrators,omitempty"`
	Subject        string `json:"subject"`
	Text           string `json:"text"`
}

// Sender delivers one letter to one address. Errors are retried.
type Sender interface {
	Send(ctx context.Context, letter Letter) error
}

// Outbox puts letters in and takes them out. Its fields are set once; it is
// safe for concurrent use.
type Outbox struct {
	Table  table.Table
	Sealer secrets.Sealer
	IDs    *token.IDs
	Now    func() time.Time
}

type sealed struct {
	Letter []byte `json:"letter"`
}

// Post is the write that puts a letter into the outbox, to be committed with
// the change it tells of.
func (o *Outbox) Post(ctx context.Context, letter Letter) (table.Write, error) {
	id, err := o.IDs.New()
	if err != nil {
		return table.Write{}, err
	}
	letter.ID = id
	text, err := json.Marshal(letter)
	if err != nil {
		return table.Write{}, fmt.Errorf("mail: %w", err)
	}
	closed, err := o.Sealer.Seal(ctx, text, "mail#"+id)
	if err != nil {
		return table.Write{}, fmt.Errorf("mail: %w", err)
	}
	item, err := table.Encode(table.Key{Partition: "mail#" + id, Sort: "letter"}, Kind, sealed{Letter: closed})
	item.Due = o.Now()
	return table.Put(item, table.Absent()), err
}

// Open reads a letter that Due yielded.
func (o *Outbox) Open(ctx context.Context, item table.Item) (Letter, error) {
	body, err := table.Decode[sealed](item)
	if err != nil {
		return Letter{}, err
	}
	text, err := o.Sealer.Open(ctx, body.Letter, item.Partition)
	if err != nil {
		return Letter{}, fmt.Errorf("mail: %w", err)
	}
	var letter Letter
	if err := json.Unmarshal(text, &letter); err != nil {
		return Letter{}, fmt.Errorf("mail: %w", err)
	}
	return letter, nil
}

// Deliver hands every letter that is due to send, and answers how many went
// out. One that fails stays and is due again a minute later; the errors are
// joined.
func (o *Outbox) Deliver(ctx context.Context, send func(context.Context, Letter) error) (sent int, err error) {
	for item, listErr := range o.Table.Due(ctx, Kind, o.Now()) {
		if listErr != nil {
			return sent, errors.Join(err, listErr)
		}
		if one := o.deliver(ctx, item, send); one != nil {
			err = errors.Join(err, one)
			continue
		}
		sent++
	}
	return sent, err
}

func (o *Outbox) deliver(ctx context.Context, item table.Item, send func(context.Context, Letter) error) error {
	letter, err := o.Open(ctx, item)
	if err == nil {
		err = send(ctx, letter)
	}
	if err != nil {
		rev := item.Rev
		item.Due = o.Now().Add(retryAfter)
		return errors.Join(err, o.Table.Apply(ctx, table.Put(item, table.Is(rev))))
	}
	err = o.Table.Apply(ctx, table.Delete(item.Key, table.Is(item.Rev)))
	if errors.Is(err, table.ErrConflict) {
		return nil // another courier delivered the same letter
	}
	return err
}
