// Package notice tells people by mail what was changed in how they sign in. It
// guarantees that each such mail says what, when, from where and by whom, what to
// do if it was somebody else, and whom the partner names for help; that it is committed with the change or
// not at all; and that it holds no secret and no link but to the control portal.
package notice

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
)

// Notice tells one person of one change to their account.
type Notice struct {
	// To is the address of whose account it is, Partner whose support contact is
	// named.
	To, Partner string

	Change Change
	At     time.Time
	// Client is where the request came from; the mail has its network.
	Client netip.Addr
	// By is the address of who made the change, where it was not the person.
	By string
	// Then is what to do if it was the person; empty: nothing.
	Then string
}

// Writer writes notices. Its fields are set once; it is safe for concurrent use.
type Writer struct {
	Outbox *mail.Outbox
}

// Post is the write that puts a notice into the outbox, to be committed with the
// change it tells of.
func (w *Writer) Post(ctx context.Context, n Notice) (table.Write, error) {
	return w.Outbox.Post(ctx, mail.Letter{To: n.To, Partner: n.Partner, Subject: n.Change.subject, Text: n.text(w.Outbox.BaseURL + "/")})
}

func (n Notice) text(portal string) string {
	by, was := "somebody acting as you", "If this was you, there is nothing to do."
	if n.By != "" {
		by, was = n.By, "If you expected this, there is nothing to do."
	}
	if n.Then != "" {
		was = n.Then
	}
	return fmt.Sprintf(text, n.Change.what,
		n.To, n.At.UTC().Format("2006-01-02 15:04:05 MST"), attempt.Network(n.Client), oneLine(by), was, portal)
}

// oneLine keeps what somebody else wrote from looking like lines of ours.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

const text = `Hello,

%s

What we know of it:
  Account: %s
  When: %s
  From: %s
  By: %s

%s

If you know nothing of it, somebody else may know your password and be able to pass your
second factor. Do this now:
  1. Sign in at %s and change your password, which ends
     your other sessions. If you can't sign in any more, choose a new password there.
  2. Tell an administrator of your organisation, who can end your sessions, reset your
     second factor and see in the audit what was done.
`
