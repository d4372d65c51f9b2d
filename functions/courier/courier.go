// Package courier is the function that acts on what the table has recorded: it
// delivers mail from the outbox, writes the letters to all users of a partner that
// is being recovered, and tells the end of windows whose lease the store removed. It
// guarantees that a letter goes out at least once, that each user is written to once,
// and that a removal handed on twice is told once.
package courier

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// Function is what the courier needs.
type Function struct {
	Outbox    *mail.Outbox
	Directory *account.Directory
	Book      *unlock.Book
	Sender    mail.Sender
	Recovery  *recovery.Service
}

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Outbox: g.Outbox, Directory: g.Directory, Book: g.Book, Sender: g.Sender, Recovery: g.Recovery}
}

// post hands letters in.
type post struct {
	mail.Sender
	*account.Directory
}

// Deliver sends every letter that is due, and answers how many went out. Those that
// recoveries have to write are written first.
func (f Function) Deliver(ctx context.Context) (sent int, err error) {
	notified := f.Recovery.Notify(ctx)
	sent, err = f.Outbox.Deliver(ctx, post{f.Sender, f.Directory})
	return sent, errors.Join(notified, err)
}

// Notify writes the letters of the recovery at a key, if they are still to be written.
func (f Function) Notify(ctx context.Context, recovery table.Key) error {
	return f.Recovery.NotifyOne(ctx, recovery)
}

// DeliverOne sends the letter at a key, if it has not been sent.
func (f Function) DeliverOne(ctx context.Context, letter table.Key) error {
	return f.Outbox.DeliverOne(ctx, letter, post{f.Sender, f.Directory})
}

// Removed takes an item that the store removed because it had expired.
func (f Function) Removed(ctx context.Context, item table.Item) error {
	return f.Book.Removed(ctx, item)
}
