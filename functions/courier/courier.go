// Package courier is the function that acts on what the table has recorded: it
// delivers mail from the outbox and tells the end of windows whose lease the
// store removed. It guarantees that a letter goes out at least once and that a
// removal handed on twice is told once.
package courier

import (
	"context"

	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
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

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Outbox: g.Outbox, Directory: g.Directory, Book: g.Book, Sender: g.Sender}
}

// post hands letters in.
type post struct {
	mail.Sender
	*account.Directory
}

// Deliver sends every letter that is due, and answers how many went out.
func (f Function) Deliver(ctx context.Context) (int, error) {
	return f.Outbox.Deliver(ctx, post{f.Sender, f.Directory})
}

// DeliverOne sends the letter at a key, if it has not been sent.
func (f Function) DeliverOne(ctx context.Context, letter table.Key) error {
	return f.Outbox.DeliverOne(ctx, letter, post{f.Sender, f.Directory})
}

// Removed takes an item that the store removed because it had expired.
func (f Function) Removed(ctx context.Context, item table.Item) error {
	return f.Book.Removed(ctx, item)
}
