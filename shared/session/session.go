// Package session signs people in and says who is asking. It guarantees that
// there is no session without a password and a second factor, that a session
// ends with its idle time, its longest life, its user's epoch or the user
// themself, judged anew at each request, that each rise of level gives a new
// token and kills the old one, and that no answer tells a known e-mail address
// from an unknown one. Measures: NIST SP 800-63B-4 sections 2.2 and 5 (AAL2).
package session

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrBadAttempt is every failed sign-in: unknown address, wrong password,
	// inactive user, wrong code, a login token that has ended. One text for all.
	ErrBadAttempt = errors.New("bad attempt: this did not sign you in; check what you entered and try again")
	// ErrUnauthenticated says that there is no living session.
	ErrUnauthenticated = errors.New("there is no living session; sign in first")
	// ErrMustEnroll says that the person has no second factor yet and can do
	// nothing before enrolling one.
	ErrMustEnroll = errors.New("a second factor must be enrolled first; go on with POST /v1/login/enroll")
)

// Delivery is how a session's token travels.
type Delivery string

// The deliveries; the first is the default.
const (
	Bearer Delivery = "bearer"
	Cookie Delivery = "cookie"
)

const (
	loginKept  = 5 * time.Minute
	deviceKept = 400 * 24 * time.Hour
	// touchEvery is how exactly idleness is kept: a request within it of the
	// last recorded one writes nothing.
	touchEvery = time.Minute
	// tries is how often a transaction that met another is judged anew.
	tries = 5
)

// Lifetimes are how long sessions live.
type Lifetimes struct {
	Idle    time.Duration // 15 minutes unless configured, at most 1 hour
	Longest time.Duration // 12 hours unless configured, at most 24 hours
}

// Session is one signed-in browser or program of a person.
type Session struct {
	ID        string     `json:"id"`
	Delivery  Delivery   `json:"delivery"`
	Method    mfa.Method `json:"method"`
	CreatedAt time.Time  `json:"created_at"`
	// Ends is the longest life's end; it moves with nothing.
	Ends time.Time `json:"ends"`
	// SeenAt is the last request, to touchEvery.
	SeenAt time.Time `json:"seen_at"`
	MFAAt  time.Time `json:"mfa_at"`
	// Epoch is the user's SessionEpoch as the session began, or as it last
	// outlived the others.
	Epoch    int64  `json:"epoch"`
	ClientIP string `json:"client_ip,omitempty"`
	// StepUp and Enrolling are what a passkey must sign to step up, and what a new
	// one must; nil: none is open. They end with the session.
	StepUp    *mfa.Challenge `json:"step_up,omitempty"`
	Enrolling *mfa.Challenge `json:"enrolling,omitempty"`
	// Replacing is the authenticator that this session has begun; nil: none.
	Replacing *mfa.Replacement `json:"replacing,omitempty"`
}

// IdleEnds is when the session ends if nothing more is asked.
func (s Session) IdleEnds(l Lifetimes) time.Time {
	if idle := s.SeenAt.Add(l.Idle); idle.Before(s.Ends) {
		return idle
	}
	return s.Ends
}

// FreshUntil is when the second factor stops counting as fresh.
func (s Session) FreshUntil() time.Time { return s.MFAAt.Add(access.FreshFor) }

// Origin is what is known of where a request came from.
type Origin struct {
	Client netip.Addr
	// Device is the device token as sent; unknown ones count for nothing.
	Device string
	// Session is the session token that came as a cookie, if one did; whether it is
	// good for anything is not said.
	Session string
	// Foreign is nil unless the request comes from another's page: then it is the
	// error to answer where a cookie would be set. No such page signs anybody in.
	Foreign error
}

// Desk signs people in and out. Its fields are set once; it is safe for
// concurrent use.
type Desk struct {
	Journal   *audit.Journal
	Directory *account.Directory
	Hasher    *password.Hasher
	Guard     attempt.Guard
	Factors   mfa.Keeper
	// Notices tells people by mail what was changed in how they sign in.
	Notices   *notice.Writer
	Random    io.Reader
	Lifetimes Lifetimes
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Sessions and pending sign-ins from before may have ended since.
	RestoredAt time.Time
}

// Identity is who is asking, as one request found them.
type Identity struct {
	Caller  access.Caller
	User    account.User
	Session Session
}

const sessionPrefix = "session#"

func sessionKey(user string, hash token.Hash) table.Key {
	return table.Key{Partition: account.UserKey(user).Partition, Sort: sessionPrefix + string(hash)}
}

func loginKey(user string, hash token.Hash) table.Key {
	return table.Key{Partition: account.UserKey(user).Partition, Sort: "login#" + string(hash)}
}

func deviceKey(user string, hash token.Hash) table.Key {
	return table.Key{Partition: account.UserKey(user).Partition, Sort: "device#" + string(hash)}
}

// Authenticate finds the living session of a token: one round trip, and one
// more where idleness is to be recorded. The token hints at the partner and the
// roles, so that they are read along; where the hint has aged, they cost one
// more. Errors: ErrUnauthenticated, table.ErrUnavailable.
func (d *Desk) Authenticate(ctx context.Context, secret string, client netip.Addr) (Identity, error) {
	user, hints, hash, err := token.ParseHinted(secret, token.Session)
	if err != nil {
		return Identity{}, ErrUnauthenticated
	}
	keys := []table.Key{account.UserKey(user), sessionKey(user, hash)}
	if len(hints) > 1 {
		for _, role := range hints[1:] {
			keys = append(keys, account.RoleKey(hints[0], role))
		}
	}
	items, err := d.Journal.Table.GetAll(ctx, keys...)
	if err != nil {
		return Identity{}, err
	}
	id, err := d.identify(items[0], items[1])
	if err != nil {
		return Identity{}, err
	}
	if err := d.touch(ctx, items[1], id.Session); err != nil {
		return Identity{}, err
	}
	roles, err := d.roles(ctx, id.User, hints, items[2:])
	if err != nil {
		return Identity{}, err
	}
	id.Caller = access.Caller{
		UserID: id.User.ID, Email: id.User.Email, PartnerID: id.User.PartnerID, Administrator: id.User.Administrator,
		Roles: roles, SessionID: id.Session.ID, Epoch: id.User.Epoch, MFAAt: id.Session.MFAAt, Client: client.Unmap(),
	}
	return id, nil
}

// hintsOf are the ids that a session's token carries beside the user's: partner
// and roles, if they are few.
func hintsOf(user account.User) []string {
	if user.Administrator || len(user.Roles) == 0 || len(user.Roles) > 2 {
		return nil
	}
	return append([]string{user.PartnerID}, user.Roles...)
}

// roles are the user's by the record, as read along or, where the hint was
// another, as read now.
func (d *Desk) roles(ctx context.Context, user account.User, hints []string, read []table.Item) ([]access.Role, error) {
	if len(read) > 0 && slices.Equal(hints, hintsOf(user)) {
		return account.ReadRoles(read)
	}
	return d.Directory.Roles(ctx, user)
}

func (d *Desk) identify(userItem, sessionItem table.Item) (Identity, error) {
	if !userItem.Exists() || !sessionItem.Exists() {
		return Identity{}, ErrUnauthenticated
	}
	user, err := table.Decode[account.User](userItem)
	if err != nil {
		return Identity{}, err
	}
	s, err := table.Decode[Session](sessionItem)
	if err != nil {
		return Identity{}, err
	}
	if !d.lives(user, s) {
		return Identity{}, ErrUnauthenticated
	}
	return Identity{User: user, Session: s}, nil
}

// touch moves the idle end. Losing to another writer is as good: either it
// touched as well, or it ended the session, which the next request will see.
func (d *Desk) touch(ctx context.Context, item table.Item, s Session) error {
	now := d.Journal.Second()
	if now.Sub(s.SeenAt) < min(touchEvery, d.Lifetimes.Idle/4) {
		return nil
	}
	s.SeenAt = now
	write, err := d.sessionWrite(item.Key, s, table.Is(item.Rev))
	if err != nil {
		return err
	}
	if err := d.Journal.Table.Apply(ctx, write); !errors.Is(err, table.ErrConflict) {
		return err
	}
	return nil
}

func (d *Desk) sessionWrite(key table.Key, s Session, cond table.Cond) (table.Write, error) {
	item, err := table.Encode(key, "session", s)
	item.Expires = s.IdleEnds(d.Lifetimes)
	return table.Put(item, cond), err
}

// newSession makes a session that is verified now, its token and its write.
func (d *Desk) newSession(user account.User, delivery Delivery, method mfa.Method, client netip.Addr) (Session, string, table.Write, error) {
	id, err := d.Journal.IDs.New()
	if err != nil {
		return Session{}, "", table.Write{}, err
	}
	secret, err := token.New(d.Random, token.Session, append([]string{user.ID}, hintsOf(user)...)...)
	if err != nil {
		return Session{}, "", table.Write{}, err
	}
	now := d.Journal.Second()
	s := Session{
		ID: id, Delivery: delivery, Method: method, CreatedAt: now, Ends: now.Add(d.Lifetimes.Longest),
		SeenAt: now, MFAAt: now, Epoch: user.SessionEpoch(), ClientIP: attempt.Network(client),
	}
	write, err := d.sessionWrite(sessionKey(user.ID, token.HashOf(secret)), s, table.Absent())
	return s, secret, write, err
}

// End ends the caller's session. Again: the same.
func (d *Desk) End(ctx context.Context, id Identity, secret string) error {
	key := sessionKey(id.User.ID, token.HashOf(secret))
	return d.Journal.Commit(ctx, []table.Write{table.Delete(key, table.Always())},
		audit.By(id.Caller, audit.SessionEnded, id.Session.ID))
}
