package session

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
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
	// Epoch is the user's SessionEpoch as the password was checked.
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
// same: four round trips and one hash. Whoever is turned away by ErrBusy for want of
// a place has lost no attempt.
func (d *Desk) Login(ctx context.Context, c Credentials, from Origin) (Pending, error) {
	place, err := d.Hasher.Enter()
	if err != nil {
		return Pending{}, err
	}
	defer place.Leave()
	email := account.NormaliseEmail(c.Email)
	userID, try, err := d.reservePassword(ctx, email, from)
	if err != nil {
		return Pending{}, err
	}
	found, err := d.checkPassword(ctx, place, userID, c.Password)
	if err != nil {
		return Pending{}, err
	}
	if !found.ok {
		return Pending{}, d.failed(ctx, found.user, from.Client, audit.LoginFailed, "password")
	}
	pending, write, err := d.pend(found.user, found.factors, c.Delivery)
	if err != nil {
		return Pending{}, err
	}
	return pending, d.admit(ctx, append(try.GiveBack(), write), d.rehashed(ctx, place, found, c.Password))
}

// admit commits what passing the password changes. That the hash is renewed along is
// no condition: who changed the record meanwhile is right, and the next sign-in
// renews it.
func (d *Desk) admit(ctx context.Context, writes, renewed []table.Write) error {
	err := d.Journal.Table.Apply(ctx, append(renewed, writes...)...)
	if len(renewed) > 0 && errors.Is(err, table.ErrConflict) {
		return d.Journal.Table.Apply(ctx, writes...)
	}
	return err
}

// rehashed is the write of a hash with today's parameters, where the stored one is
// below them. It is left out where it can't be made: signing in does not need it.
func (d *Desk) rehashed(ctx context.Context, place password.Place, found checked, plain string) []table.Write {
	if !found.rehash {
		return nil
	}
	var err error
	if found.user.Password, err = place.Hash(ctx, plain); err != nil {
		return nil
	}
	write, err := found.user.Write(table.Is(found.rev))
	if err != nil {
		return nil
	}
	return []table.Write{write}
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
	whom := user
	if user == absentUser {
		whom = attempt.Nobody(email)
	}
	_, err = d.reserve(ctx, t, attempt.Password, whom)
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

// checked is whom a password was checked for.
type checked struct {
	user    account.User
	rev     table.Rev // of the user's record
	factors mfa.Factors
	ok      bool
	rehash  bool
}

// checkPassword reads the user and hashes exactly once, whoever it is.
func (d *Desk) checkPassword(ctx context.Context, place password.Place, id, plain string) (found checked, err error) {
	items, err := d.Journal.Table.GetAll(ctx, account.UserKey(id), mfa.Key(id))
	if err != nil {
		return found, err
	}
	if !items[0].Exists() {
		return found, place.VerifyAbsent(ctx, plain)
	}
	found.rev = items[0].Rev
	if found.user, err = table.Decode[account.User](items[0]); err != nil {
		return found, err
	}
	if found.factors, err = mfa.Read(items[1]); err != nil {
		return found, err
	}
	found.ok, found.rehash, err = place.Verify(ctx, found.user.Password, plain)
	found.ok = found.ok && found.user.Active
	return found, err
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
	item, err := table.Encode(loginKey(user.ID, token.HashOf(secret)), "login", login{Epoch: user.SessionEpoch(), Delivery: delivery, Ends: ends})
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
