package recovery

import (
	"fmt"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/mfa"
)

// at is a time as letters have it.
func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

const (
	begunSubject = "Your organisation's access to Portcullis is being recovered"
	endedSubject = "The recovery of your organisation's access has ended"
)

// userLetter tells a user who can't cancel.
func userLetter(r Recovery, u account.User) mail.Letter {
	return mail.Letter{To: u.Email, Partner: r.PartnerID, Subject: begunSubject, Text: begunText(r) + tellText}
}

// administratorLetter tells an administrator, with the link that cancels.
func administratorLetter(r Recovery, u account.User, link string) mail.Letter {
	return mail.Letter{To: u.Email, Partner: r.PartnerID, Subject: begunSubject, Text: begunText(r) + fmt.Sprintf(cancelText, link)}
}

func begunText(r Recovery) string {
	return fmt.Sprintf(begun, r.Email, at(r.BegunAt), r.ByEmail, at(r.BegunAt.Add(Wait)))
}

const begun = `Hello,

somebody told the operators of this Portcullis that the administrators of your organisation
have lost their second factors, and they have begun to recover access for

  %s

What we know of it:
  Begun: %s
  By: %s, an operator
  Takes effect: 24 hours after the last of these letters, not before %s

Then the second factor of that administrator is void, and a code to set up another one is
mailed to that address. Signing in will take the password and that code. Until then nothing
changes for anybody, and any administrator can cancel it.

`

const tellText = `If you know of a reason for it, there is nothing to do. If not, tell an administrator of your
organisation now: somebody may be trying to get in with somebody else's name.
`

const cancelText = `If this is right, there is nothing to do. If nobody of yours asked for it, cancel it now; this
link takes no signing in:

%s

It works once and does nothing else. You can as well sign in and cancel it there.
`

func cancelledLetter(r Recovery, c cancellation) mail.Letter {
	by := map[string]string{
		byAdministrator: "by " + c.entry.Details["actor_email"],
		byOperator:      "by the operator " + c.entry.Details["actor_email"],
		byRestore:       "since the store was restored from a backup",
	}[c.by]
	return mail.Letter{Administrators: r.PartnerID, Subject: "The recovery of your organisation's access was cancelled", Text: fmt.Sprintf(cancelled, r.Email, by)}
}

const cancelled = `Hello,

the recovery of access for %s was cancelled,
%s. Nothing was changed.

If access is needed all the same, ask the operators of this Portcullis to begin another one.
`

func withoutLetter(r Recovery, why string) mail.Letter {
	reason := "no active administrator of yours, of before the recovery began, signs in with that address"
	if why == passwordMailed {
		reason = "the password of that address was chosen with a mailed link after the recovery began,\nand two mails together let nobody in"
	}
	return mail.Letter{Administrators: r.PartnerID, Subject: endedSubject, Text: fmt.Sprintf(without, r.Email, reason)}
}

const without = `Hello,

the recovery of access for %s has ended without a code:
%s.
Nothing was changed.

If access is needed all the same, ask the operators of this Portcullis to begin another one.
Who does not know the password any more chooses a new one before it begins.
`

// letters are the one with the code, and the one to all other administrators.
func letters(r Recovery, code, portal string) []mail.Letter {
	return []mail.Letter{
		{Administrators: r.PartnerID, Reached: []string{r.Email}, Subject: endedSubject, Text: fmt.Sprintf(ended, r.Email)},
		{To: r.Email, Partner: r.PartnerID, Subject: "Your code to set up a new second factor", Text: fmt.Sprintf(codeText, code, int(mfa.MailedCodeKept.Hours()), portal+"/")},
	}
}

const codeText = `Hello,

your access to Portcullis was recovered: your former second factor, your recovery codes and
your sessions are void. This code lets you set up another second factor:

  %s

It works once and for %d hours, together with your password: sign in at
%s
and enter the code where you are asked for it. It does not work with a password that was
chosen with a mailed link after the recovery began.

If you did not expect this, do not use the code, and tell the operators of this Portcullis.
`

const ended = `Hello,

the recovery that was begun for %s has taken effect: the
second factor and the sessions of that administrator are void, their windows are closed, and
a code to set up another second factor was mailed to them.

If this was not meant to happen, sign in, reset that user's second factor or deactivate them,
and look into the audit of your control portal.
`
