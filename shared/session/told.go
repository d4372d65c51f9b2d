package session

import (
	"context"
	"net/netip"
	"strconv"

	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
)

// leftDetail is where an entry says how many recovery codes using one has left.
const leftDetail = "recovery_codes_left"

func leftText(left *int) string {
	if left == nil {
		return ""
	}
	return strconv.Itoa(*left)
}

// left is how many recovery codes a proof has left; nil: it was none.
func (d *Desk) left(method mfa.Method, factors mfa.Factors) *int {
	if method != mfa.RecoveryCode {
		return nil
	}
	left := d.Factors.RecoveryLeft(factors)
	return &left
}

// factorLetters tell of what a sign-in changed in how its user signs in.
func (d *Desk) factorLetters(ctx context.Context, s pendingState, done SignedIn) ([]table.Write, error) {
	if s.factors.Enrolled() {
		return d.spentLetters(ctx, s.user, s.client(), done.Left)
	}
	letter, err := d.letter(ctx, s.user, s.client(), notice.AuthenticatorAdded())
	return []table.Write{letter}, err
}

// spentLetters tell of a recovery code that was used.
func (d *Desk) spentLetters(ctx context.Context, user account.User, client netip.Addr, left *int) ([]table.Write, error) {
	if left == nil {
		return nil, nil
	}
	letter, err := d.letter(ctx, user, client, notice.RecoveryCodeUsed(*left))
	return []table.Write{letter}, err
}

func (d *Desk) letter(ctx context.Context, user account.User, client netip.Addr, change notice.Change) (table.Write, error) {
	return d.Notices.Post(ctx, notice.Notice{To: user.Email, Partner: user.PartnerID, Change: change, At: d.Journal.Second(), Client: client})
}

func signInEntries(user account.User, done SignedIn, client netip.Addr, enrolling bool) []audit.Entry {
	made := done.Session
	entry := audit.Entry{Action: audit.LoginSucceeded, Actor: user.ID, Subject: made.ID, PartnerID: user.PartnerID, Outcome: audit.Success}
	entry = entry.From(client).With("actor_email", user.Email).With("method", string(made.Method)).With(leftDetail, leftText(done.Left))
	if !enrolling {
		return []audit.Entry{entry}
	}
	enrolled := entry
	enrolled.Action, enrolled.Subject = audit.MFAEnrolled, user.ID
	return []audit.Entry{enrolled, entry}
}
