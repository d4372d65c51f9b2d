package session

import (
	"context"
	"net/netip"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Next is what a login token opens.
type Next string

// The next steps.
const (
	NextMFA    Next = "mfa"
	NextEnroll Next = "enroll_mfa"
)

// Pending is a sign-in that has passed the password and nothing else.
type Pending struct {
	LoginToken string
	Next       Next
	Methods    []mfa.Method
	ExpiresAt  time.Time
}

// Credentials are what the first step takes.
type Credentials struct {
	Email    string
	Password string
	Delivery Delivery
}

// login is the stored state of a pending sign-in.
type login struct {
	Epoch    int64     `json:"epoch"`
	Delivery Delivery  `json:"delivery"`
	Ends     time.Time `json:"ends"`
	// Pending is the sealed secret of an enrolment that this flow has begun.
	Pending []byte `json:"pending,omitempty"`
	// Challenge is what a passkey must sign; nil: none is open.
	Challenge *mfa.Challenge `json:"challenge,omitempty"`
}

// Login checks the password. Errors: ErrBadAttempt, attempt.ErrLocked,
// password.ErrBusy, table.ErrUnavailable. Known and unknown addresses cost the
// same: four round trips and one hash.
func (d *Desk) Login(ctx context.Context, c Credentials, from Origin) (Pending, error) {
	email := account.NormaliseEmail(c.Email)
	userID, try, err := d.reservePassword(ctx, email, from)
	if err != nil {
		return Pending{}, err
	}
	user, factors, ok, err := d.checkPassword(ctx, userID, c.Password)
	if err != nil {
		return Pending{}, err
	}
	if !ok {
		return Pending{}, d.failed(ctx, user, from.Client, audit.LoginFailed, "password")
	}
	pending, write, err := d.pend(user, factors, c.Delivery)
	if err != nil {
		return Pending{}, err
	}
	return pending, d.Journal.Table.Apply(ctx, append(try.GiveBack(), write)...)
}

// absentUser is looked up in place of the user whom an unknown address does
// not name, so that it costs the same.
const absentUser = "NOBODY"

// reservePassword reads who the address is and reserves the attempt under it.
func (d *Desk) reservePassword(ctx context.Context, email string, from Origin) (user string, t tally, err error) {
	owner := absentUser
	if ids, _, err := token.Parse(from.Device, token.Device, 1); err == nil {
		owner = ids[0]
	}
	t = newTally(attempt.Password, email, owner, from, d.Journal.Second())
	items, err := d.Journal.Table.GetAll(ctx, append([]table.Key{account.EmailKey(emailPlace(email))}, t.keys()...)...)
	if err != nil {
		return "", t, err
	}
	user = absentUser
	if items[0].Exists() {
		claim, err := table.Decode[account.Claim](items[0])
		if err != nil {
			return "", t, err
		}
		user = claim.UserID
	}
	t.take(items[1:], owner == user)
	_, err = d.Guard.Reserve(ctx, t.Attempt, t.read)
	return user, t, err
}

// emailPlace keeps what is no address out of the keys: it may be anything, of
// any length.
func emailPlace(normalised string) string {
	if email, err := account.CheckEmail(normalised); err == nil {
		return email
	}
	return "-"
}

// checkPassword reads the user and hashes exactly once, whoever it is.
func (d *Desk) checkPassword(ctx context.Context, id, plain string) (account.User, mfa.Factors, bool, error) {
	items, err := d.Journal.Table.GetAll(ctx, account.UserKey(id), mfa.Key(id))
	if err != nil {
		return account.User{}, mfa.Factors{}, false, err
	}
	if !items[0].Exists() {
		return account.User{}, mfa.Factors{}, false, d.Hasher.VerifyAbsent(ctx, plain)
	}
	user, err := table.Decode[account.User](items[0])
	if err != nil {
		return user, mfa.Factors{}, false, err
	}
	factors, err := mfa.Read(items[1])
	if err != nil {
		return user, factors, false, err
	}
	ok, _, err := d.Hasher.Verify(ctx, user.Password, plain)
	return user, factors, ok && user.Active, err
}

// failed records a failure where its partner's auditors see it, together with
// what it changes, and answers ErrBadAttempt. A failure of nobody stands in the
// operators' log.
func (d *Desk) failed(ctx context.Context, user account.User, client netip.Addr, action audit.Action, method string, writes ...table.Write) error {
	if err := d.Journal.Commit(ctx, writes, failureEntry(user, client, action, method)); err != nil {
		return err
	}
	return ErrBadAttempt
}

func failureEntry(user account.User, client netip.Addr, action audit.Action, method string) audit.Entry {
	entry := audit.Entry{Action: action, Actor: user.ID, Subject: user.ID, PartnerID: user.PartnerID, Outcome: audit.Failure}
	if user.ID == "" {
		entry.Actor, entry.Subject, entry.PartnerID = "unknown", "unknown", access.Operators
	}
	return entry.From(client).With("method", method)
}

// pend makes a login token. What comes next is the user's record's to say.
func (d *Desk) pend(user account.User, factors mfa.Factors, delivery Delivery) (Pending, table.Write, error) {
	secret, err := token.New(d.Random, token.Login, user.ID)
	if err != nil {
		return Pending{}, table.Write{}, err
	}
	if delivery != Cookie {
		delivery = Bearer
	}
	ends := d.Journal.Second().Add(loginKept)
	item, err := table.Encode(loginKey(user.ID, token.HashOf(secret)), "login", login{Epoch: user.Epoch, Delivery: delivery, Ends: ends})
	item.Expires = ends
	pending := Pending{LoginToken: secret, Next: NextMFA, Methods: factors.Methods(), ExpiresAt: ends}
	if !factors.Enrolled() {
		pending.Next = NextEnroll
	}
	return pending, table.Put(item, table.Absent()), err
}

// Accept spends an invitation and goes on as Login does. Errors: account's.
func (d *Desk) Accept(ctx context.Context, a account.Acceptance, delivery Delivery) (Pending, error) {
	var pending Pending
	_, err := d.Directory.Accept(ctx, a, func(user account.User) ([]table.Write, error) {
		p, write, err := d.pend(user, mfa.Factors{}, delivery)
		pending = p
		return []table.Write{write}, err
	})
	if err != nil {
		return Pending{}, err
	}
	return pending, nil
}
