package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	outbox "portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

type invitation struct {
	Hash token.Hash `json:"hash"`
}

func invitationKey(user string) table.Key {
	return table.Key{Partition: UserKey(user).Partition, Sort: "invitation"}
}

// Invited is a user who was invited, and the link that the mail carries. The
// link never marshals.
type Invited struct {
	User User   `json:"user"`
	Link string `json:"-"`
}

// CreatePartner makes a partner with its first administrator, who is invited.
// Operators only, with fresh MFA. Errors: access.ErrForbidden,
// access.ErrNotFresh, *input.Error, idempotency.ErrReused.
func (d *Directory) CreatePartner(ctx context.Context, caller access.Caller, once idempotency.Key, partner Partner, administrator string) (Partner, Invited, error) {
	type made struct {
		Partner Partner `json:"partner"`
		Invited Invited `json:"invited"`
	}
	now := d.Journal.Second()
	result, _, err := idempotency.Do(ctx, d.Journal.Table, now, once, func(record func(made) ([]table.Write, error)) (made, error) {
		if !caller.Has(access.ManagePartners) {
			return made{}, access.ErrForbidden
		}
		if err := caller.Fresh(now); err != nil {
			return made{}, err
		}
		if err := partner.normalise(); err != nil {
			return made{}, err
		}
		address, err := CheckEmail(administrator)
		if err != nil {
			return made{}, input.Invalid("body.administrator_email", "%s", err)
		}
		id, err := d.Journal.IDs.New()
		if err != nil {
			return made{}, err
		}
		partner.ID, partner.CreatedAt, partner.Administrator = id, now, address
		invited, writes, err := d.invite(ctx, id, Person{Email: administrator, Administrator: true})
		if err != nil {
			return made{}, err
		}
		records, err := partner.writes(table.Absent())
		if err != nil {
			return made{}, err
		}
		result := made{partner, invited}
		recorded, err := record(result)
		if err != nil {
			return made{}, err
		}
		writes = append(append(writes, records...), recorded...)
		return result, d.Journal.Commit(ctx, writes, audit.By(caller, audit.PartnerCreated, id).With("name", partner.Name))
	})
	return result.Partner, result.Invited, err
}

// InviteOperator invites somebody to run this installation, and answers whether
// it did: once, and again for as long as nobody has accepted, where the earlier
// invitation has ended or went to another address. It is for whoever holds the
// machine: no request reaches it.
func (d *Directory) InviteOperator(ctx context.Context, once idempotency.Key, email string) (Invited, bool, error) {
	now := d.Journal.Second()
	invited, replayed, err := idempotency.Do(ctx, d.Journal.Table, now, once, func(record func(Invited) ([]table.Write, error)) (Invited, error) {
		invited, writes, err := d.invite(ctx, access.Operators, Person{Email: email, Administrator: true})
		if err != nil {
			return Invited{}, err
		}
		recorded, err := record(invited)
		if err != nil {
			return Invited{}, err
		}
		return invited, d.Journal.Commit(ctx, append(writes, recorded...), operatorInvited(invited.User))
	})
	if err != nil || !replayed {
		return invited, !replayed, err
	}
	return d.reinviteOperator(ctx, invited.User.ID, email)
}

func operatorInvited(user User) audit.Entry {
	entry := audit.Entry{Action: audit.OperatorInvited, Actor: audit.System, Subject: user.ID, PartnerID: access.Operators, Outcome: audit.Success}
	return entry.With("email", user.Email)
}

func (d *Directory) reinviteOperator(ctx context.Context, id, address string) (Invited, bool, error) {
	email, err := CheckEmail(address)
	if err != nil {
		return Invited{}, false, err
	}
	items, err := d.Journal.Table.GetAll(ctx, UserKey(id), invitationKey(id))
	if err != nil {
		return Invited{}, false, err
	}
	if !items[0].Exists() {
		return Invited{}, false, ErrNotFound
	}
	user, err := table.Decode[User](items[0])
	if err != nil || !user.JoinedAt.IsZero() || items[1].Exists() && user.Email == email {
		return Invited{User: user}, false, err
	}
	user.Email, user.InvitedAt = email, d.Journal.Second()
	write, err := user.Write(table.Is(items[0].Rev))
	if err != nil {
		return Invited{}, false, err
	}
	link, letter, err := d.invitation(ctx, user, user.InvitedAt)
	if err != nil {
		return Invited{}, false, err
	}
	return Invited{User: user, Link: link}, true, d.Journal.Commit(ctx, append(letter, write), operatorInvited(user))
}

// invite makes the writes of a new user's record, which come first, and of the
// invitation. Errors: ErrEmail.
func (d *Directory) invite(ctx context.Context, partner string, p Person) (Invited, []table.Write, error) {
	email, err := CheckEmail(p.Email)
	if err != nil {
		return Invited{}, nil, err
	}
	taken, err := d.taken(ctx, email)
	if err != nil {
		return Invited{}, nil, err
	}
	return d.invitee(ctx, partner, p, email, taken)
}

// invitee is invite for a normalised address of which it is known whether it
// signs in elsewhere.
func (d *Directory) invitee(ctx context.Context, partner string, p Person, email string, taken bool) (Invited, []table.Write, error) {
	id, err := d.Journal.IDs.New()
	if err != nil {
		return Invited{}, nil, err
	}
	now := d.Journal.Second()
	user := User{ID: id, PartnerID: partner, Email: email, Name: p.Name, Active: true, Administrator: p.Administrator, Roles: p.Roles, InvitedAt: now}
	writes, err := user.Writes(table.Absent(), User{})
	if err != nil {
		return Invited{}, nil, err
	}
	link, letter, err := d.letter(ctx, user, now, taken)
	return Invited{User: user, Link: link}, append(writes, letter...), err
}

// taken tells whether an address signs in to some account.
func (d *Directory) taken(ctx context.Context, email string) (bool, error) {
	_, err := d.Journal.Table.Get(ctx, EmailKey(email))
	if errors.Is(err, table.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// invitation makes the token and the mail of an invitation.
func (d *Directory) invitation(ctx context.Context, user User, now time.Time) (link string, writes []table.Write, err error) {
	taken, err := d.taken(ctx, user.Email)
	if err != nil {
		return "", nil, err
	}
	return d.letter(ctx, user, now, taken)
}

// letter makes the token and the mail: to an address that signs in elsewhere
// already, a mail that says so instead of a link that could not work. The token
// is stored all the same, so that nothing else differs.
func (d *Directory) letter(ctx context.Context, user User, now time.Time, taken bool) (link string, writes []table.Write, err error) {
	link, write, err := d.newInvitation(user, now)
	if err != nil {
		return "", nil, err
	}
	letter := outbox.Letter{To: user.Email, Subject: "You are invited to Portcullis", Text: fmt.Sprintf(invitationText, link)}
	if taken {
		letter.Text = takenText
	}
	post, err := d.Outbox.Post(ctx, letter)
	return link, []table.Write{write, post}, err
}

// newInvitation makes the token, which replaces an earlier one.
func (d *Directory) newInvitation(user User, now time.Time) (link string, write table.Write, err error) {
	secret, err := token.New(d.Random, token.Invitation, user.ID)
	if err != nil {
		return "", table.Write{}, err
	}
	item, err := table.Encode(invitationKey(user.ID), "invitation", invitation{Hash: token.HashOf(secret)})
	item.Expires = now.Add(InvitationKept)
	return d.BaseURL + "/#accept?token=" + secret, table.Put(item, table.Always()), err
}

const invitationText = `Hello,

you are invited to Portcullis, which keeps the admin consoles of phone systems locked
and opens them for you when you need one.

Accept the invitation, choose a password and set up your second factor here:

%s

The link works once and for 72 hours. If you did not expect this mail, ignore it.
`

const takenText = `Hello,

somebody invited this address to Portcullis, but it signs in to another account already.
An address belongs to one account only. If you want to accept, ask whoever invited you to
use another address of yours. If you did not expect this mail, ignore it: nothing changed.
`

// longestName is how many characters a person's name has at most.
const longestName = 200

// Acceptance is what accepting an invitation takes.
type Acceptance struct {
	Token    string
	Name     string
	Password string
}

// Accept spends an invitation: it claims the e-mail address, sets the password
// and joins the user, together with the writes that sign them in, which then
// makes for the user as joined. Errors: ErrInvitation, ErrEmailTaken,
// *input.Error, password's, and table.ErrUnavailable.
func (d *Directory) Accept(ctx context.Context, a Acceptance, then func(User) ([]table.Write, error)) (User, error) {
	ids, hash, err := token.Parse(a.Token, token.Invitation, 1)
	if err != nil {
		return User{}, ErrInvitation
	}
	user, read, err := d.invited(ctx, ids[0], hash)
	if err != nil {
		return User{}, err
	}
	old := user
	if name := strings.TrimSpace(a.Name); name != "" {
		user.Name = name
	}
	var wrong input.Errors
	wrong.Line(user.Name, "body.name", 0, longestName)
	if err := wrong.Err(); err != nil {
		return User{}, err
	}
	if user.Password, err = d.HashPassword(ctx, a.Password, user); err != nil {
		return User{}, err
	}
	user.JoinedAt = d.Journal.Second()
	writes, err := acceptance(old, user, read)
	if err != nil {
		return User{}, err
	}
	more, err := then(user)
	if err != nil {
		return User{}, err
	}
	entry := audit.Entry{Action: audit.InvitationAccepted, Actor: user.ID, Subject: user.ID, PartnerID: user.PartnerID, Outcome: audit.Success}
	err = d.Journal.Commit(ctx, append(writes, more...), entry)
	var conflict *table.ConflictError
	switch {
	case errors.As(err, &conflict) && conflict.Index == claimIndex:
		return User{}, ErrEmailTaken
	case errors.As(err, &conflict):
		return User{}, ErrInvitation
	}
	return user, err
}

// invited reads the user and the invitation that a token names.
func (d *Directory) invited(ctx context.Context, id string, hash token.Hash) (User, []table.Item, error) {
	items, err := d.Journal.Table.GetAll(ctx, UserKey(id), invitationKey(id))
	if err != nil {
		return User{}, nil, err
	}
	if !items[0].Exists() || !items[1].Exists() || items[1].Expires.Add(-InvitationKept).Before(d.RestoredAt) {
		return User{}, nil, ErrInvitation
	}
	user, err := table.Decode[User](items[0])
	if err != nil {
		return User{}, nil, err
	}
	open, err := table.Decode[invitation](items[1])
	if err != nil {
		return User{}, nil, err
	}
	if !open.Hash.Equal(hash) || !user.Active || !user.JoinedAt.IsZero() {
		return User{}, nil, ErrInvitation
	}
	return user, items, nil
}

// claimIndex is where acceptance puts the claim: after what tells that the
// invitation was spent meanwhile, so that losing to oneself is not mistaken for
// an address of somebody else's.
const claimIndex = 2

func acceptance(old, user User, read []table.Item) ([]table.Write, error) {
	claim, err := table.Encode(EmailKey(user.Email), "email", Claim{UserID: user.ID})
	if err != nil {
		return nil, err
	}
	writes, err := user.Writes(table.Is(read[0].Rev), old)
	if err != nil {
		return nil, err
	}
	spent := []table.Write{writes[0], table.Delete(read[1].Key, table.Is(read[1].Rev)), table.Put(claim, table.Absent())}
	return append(spent, writes[1:]...), nil
}
