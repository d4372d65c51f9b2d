// Package installer is the function for whoever holds the stack: it invites the
// first operator and recovers one who lost everything. It guarantees that no
// request reaches it, that inviting again does no harm, and that nobody is
// invited by mail while mail would not arrive.
package installer

import (
	"context"
	"errors"
	"fmt"

	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/session"
)

// Function is what installing needs.
type Function struct {
	Directory *account.Directory
	Desk      *session.Desk
	// MailReady says whether mail reaches everybody; nil: it need not be asked.
	MailReady func(context.Context) error
}

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Directory: g.Directory, Desk: g.Desk, MailReady: g.MailReady}
}

// Invite invites the first operator, once and for as long as nobody has accepted,
// and answers what became of it in a sentence. That mail is not ready is such a
// sentence, not an error: installing goes on, and this is asked again.
func (f Function) Invite(ctx context.Context, email string) (outcome string, err error) {
	if f.MailReady != nil {
		if err := f.MailReady(ctx); errors.Is(err, mail.ErrNotReady) {
			return "not invited yet: " + err.Error(), nil
		} else if err != nil {
			return "", err
		}
	}
	invited, first, err := f.Directory.InviteOperator(ctx, idempotency.Once("operator"), email)
	switch {
	case err != nil:
		return "", err
	case first:
		return fmt.Sprintf("%s was invited", invited.User.Email), nil
	case invited.User.JoinedAt.IsZero():
		return fmt.Sprintf("%s was invited before; the invitation waits", invited.User.Email), nil
	}
	return "the first operator has joined", nil
}

// Recover answers the link by which an operator who lost everything begins anew:
// for whoever asked, to be handed over outside mail. Errors: account's.
func (f Function) Recover(ctx context.Context, email string) (link string, err error) {
	invited, err := f.Desk.RecoverOperator(ctx, email)
	return invited.Link, err
}
