// Package courier is the function that acts on what the table has recorded: it
// delivers mail from the outbox and tells the end of windows whose lease the
// store removed. It guarantees that a letter goes out at least once and that a
// removal handed on twice is told once.
package courier

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// Function is what the courier needs.
type Function struct {
	Outbox    *mail.Outbox
	Directory *account.Directory
	Book      *unlock.Book
	Sender    mail.Sender
}

// Deliver sends every letter that is due, and answers how many went out.
func (f Function) Deliver(ctx context.Context) (int, error) { return f.Outbox.Deliver(ctx, f.send) }

// send gives a letter to administrators to each of them.
func (f Function) send(ctx context.Context, letter mail.Letter) error {
	if letter.Administrators == "" {
		return f.Sender.Send(ctx, letter)
	}
	emails, err := f.Directory.AdministratorEmails(ctx, letter.Administrators)
	if err != nil {
		return err
	}
	for _, email := range emails {
		one := letter
		one.To = email
		err = errors.Join(err, f.Sender.Send(ctx, one))
	}
	return err
}

// Removed takes an item that the store removed because it had expired.
func (f Function) Removed(ctx context.Context, item table.Item) error {
	return f.Book.Removed(ctx, item)
}
