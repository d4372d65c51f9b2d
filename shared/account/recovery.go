package account

import (
	"context"
	"errors"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	outbox "portcullis.example/shared/mail"
	"portcullis.example/shared/table"
)

// RecoverOperator gives an operator who lost everything a new start. It is for
// whoever holds the installation: no request reaches it. Password and sessions
// are void, as is what reset voids; the link of the new invitation is answered,
// never mailed: a mailbox alone recovers nothing. For an address that signs in to
// no account, another operator is invited in the same way. Errors: ErrEmail,
// ErrEmailTaken, table.ErrConflict (nothing was done; repeat), table.ErrUnavailable.
func (d *Directory) RecoverOperator(ctx context.Context, address string, reset func(User) ([]table.Write, error)) (Invited, error) {
	email, err := CheckEmail(address)
	if err != nil {
		return Invited{}, err
	}
	now := d.Journal.Second()
	user, writes, err := d.recovered(ctx, email, now, reset)
	if err != nil {
		return Invited{}, err
	}
	link, invitation, err := d.newInvitation(user, now)
	if err != nil {
		return Invited{}, err
	}
	notice, err := d.Outbox.Post(ctx, outbox.Letter{To: email, Subject: "Your operator account of Portcullis was recovered", Text: recoveredText})
	if err != nil {
		return Invited{}, err
	}
	entry := audit.Entry{Action: audit.OperatorRecovered, Actor: audit.System, Subject: user.ID, PartnerID: access.Operators, Outcome: audit.Success}
	return Invited{User: user, Link: link}, d.Journal.Commit(ctx, append(writes, invitation, notice), entry.With("email", email))
}

// recovered is the operator as one who has only been invited.
func (d *Directory) recovered(ctx context.Context, email string, now time.Time, reset func(User) ([]table.Write, error)) (User, []table.Write, error) {
	id, released, err := d.operatorAt(ctx, email)
	if err != nil {
		return User{}, nil, err
	}
	if id == "" {
		return d.anotherOperator(email, now)
	}
	user, rev, err := d.User(ctx, id)
	if err != nil {
		return User{}, nil, err
	}
	if user.PartnerID != access.Operators {
		return User{}, nil, ErrEmailTaken
	}
	user.Password, user.JoinedAt, user.InvitedAt, user.Active = "", time.Time{}, now, true
	user.Epoch, user.EpochAt, user.Methods = user.Epoch+1, now, nil
	write, err := user.Write(table.Is(rev))
	if err != nil {
		return User{}, nil, err
	}
	more, err := reset(user)
	return user, append(append(more, write), released...), err
}

// operatorAt finds whom an address signs in, and the write that lets it be
// claimed anew; or, after an earlier recovery, the operator who had it; or nobody.
func (d *Directory) operatorAt(ctx context.Context, email string) (id string, released []table.Write, err error) {
	claimed, err := d.Journal.Table.Get(ctx, EmailKey(email))
	if err == nil {
		claim, err := table.Decode[Claim](claimed)
		return claim.UserID, []table.Write{table.Delete(claimed.Key, table.Is(claimed.Rev))}, err
	}
	if !errors.Is(err, table.ErrNotFound) {
		return "", nil, err
	}
	for user, address := range d.administrators(ctx, access.Operators, &err) {
		if address == email {
			return user, nil, nil
		}
	}
	return "", nil, err
}

func (d *Directory) anotherOperator(email string, now time.Time) (User, []table.Write, error) {
	id, err := d.Journal.IDs.New()
	if err != nil {
		return User{}, nil, err
	}
	user := User{ID: id, PartnerID: access.Operators, Email: email, Active: true, Administrator: true, InvitedAt: now}
	write, err := user.Write(table.Absent())
	return user, []table.Write{write}, err
}

const recoveredText = `Hello,

whoever holds this installation of Portcullis has recovered your operator account: your
password, your second factor and your sessions are void. A link to set them up anew was
handed to that person; it is not in this mail. If you did not ask for this, tell them now.
`
