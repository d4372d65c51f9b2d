// Package account keeps partners and the people who sign in: their records,
// their invitations, the claim on an e-mail address, their roles. It guarantees
// that an e-mail address signs in to at most one account, that an invitation
// works once, until its end and for the address it was mailed to, and that a
// user's epoch rises whenever everything older of theirs must end.
package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"portcullis.example/shared/account/password"
	"portcullis.example/shared/audit"
	outbox "portcullis.example/shared/mail"
	"portcullis.example/shared/table"
)

var (
	// ErrNotFound says that there is no such object in the caller's partner.
	ErrNotFound = errors.New("there is no such object")
	// ErrInvitation says that an invitation's token is unknown, spent, late or
	// superseded; which of these is not told.
	ErrInvitation = errors.New("this invitation is not valid: it was used, has ended or was replaced by a newer one; if you have accepted it, sign in, else ask for a new one")
	// ErrEmailTaken says that the address signs in to another account already.
	ErrEmailTaken = errors.New("this e-mail address signs in to another account already; ask to be invited under another address")
	// ErrEmail says that a text is no e-mail address.
	ErrEmail = errors.New("this is no e-mail address")
	// ErrDomain says that mail would go to another domain than the one written. It is
	// an ErrEmail.
	ErrDomain = fmt.Errorf("%w that everybody reads alike: ß and ς in a domain may be ss and σ, and another's; write the domain in ASCII, as xn--…", ErrEmail)
)

// deviating are the letters of which folding makes others while domains of today
// (IDNA 2008) have them as they are (Unicode TS 46, section 6): straße.example and
// strasse.example may be two people's. Of no other letter are there two readings.
const deviating = "ßẞς"

// longestAddress is how many bytes an address has at most.
const longestAddress = 254

// InvitationKept is how long an invitation works.
const InvitationKept = 72 * time.Hour

// User is a person who signs in.
type User struct {
	ID            string   `json:"id"`
	PartnerID     string   `json:"partner_id"`
	Email         string   `json:"email"`
	Name          string   `json:"name"`
	Active        bool     `json:"active"`
	Administrator bool     `json:"administrator"`
	Roles         []string `json:"roles,omitempty"`
	// Password is the argon2id hash in PHC form; empty until the invitation is
	// accepted.
	Password string `json:"password,omitempty"`
	// Epoch rises when every session and window of the user must end: what
	// carries an older one is dead.
	Epoch   int64     `json:"epoch"`
	EpochAt time.Time `json:"epoch_at,omitzero"`
	// SessionsEnded rises when sessions must end and windows must not: see
	// SessionEpoch.
	SessionsEnded int64     `json:"sessions_ended,omitempty"`
	Methods       []string  `json:"methods,omitempty"`
	InvitedAt     time.Time `json:"invited_at"`
	JoinedAt      time.Time `json:"joined_at,omitzero"`
	LastLoginAt   time.Time `json:"last_login_at,omitzero"`
	// PasswordMailedAt is when a password was last chosen with a mailed reset's link.
	PasswordMailedAt time.Time `json:"password_mailed_at,omitzero"`
}

// UserKey is where a user's record stands. What else is the user's own (the
// factors, sessions, invitation) stands in the same partition.
func UserKey(id string) table.Key { return table.Key{Partition: "user#" + id, Sort: "user"} }

// SessionEpoch is what a session and a pending sign-in of the user must carry to
// live. It only ever rises: with Epoch, which ends windows as well, and with
// SessionsEnded, which does not.
func (u User) SessionEpoch() int64 { return u.Epoch + u.SessionsEnded }

// FactorsKey is where what the user proves a second factor with stands.
func FactorsKey(id string) table.Key {
	return table.Key{Partition: UserKey(id).Partition, Sort: "factors"}
}

// Write is the write of the record on a condition; see Writes where the change
// shows in lists.
func (u User) Write(cond table.Cond) (table.Write, error) {
	item, err := table.Encode(UserKey(u.ID), "user", u)
	return table.Put(item, cond), err
}

// Partner is a tenant.
type Partner struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	SupportContact string    `json:"support_contact,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	// Administrator is the normalised address that the operator named for the first
	// one; empty for partners from before it was kept.
	Administrator string `json:"administrator,omitempty"`
}

// PartnerKey is where a partner's record stands.
func PartnerKey(id string) table.Key {
	return table.Key{Partition: "partner#" + id, Sort: "partner"}
}

// EmailKey is where the claim on a normalised address stands.
func EmailKey(normalised string) table.Key {
	return table.Key{Partition: "email#" + normalised, Sort: "claim"}
}

// Claim is the claim on an e-mail address: whom it signs in.
type Claim struct {
	UserID string `json:"user_id"`
}

// NormaliseEmail is the one spelling under which an address is claimed and
// counted: NFKC, case-folded, no surrounding space. It takes any text, so that
// one that is no address counts like one that nobody has.
func NormaliseEmail(text string) string {
	for range 4 {
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(strings.TrimSpace(text))))
		if next == text {
			break
		}
		text = next // once is not enough for a few: a space may come to light
	}
	return text
}

// CheckEmail answers the normalised address, or ErrEmail (also ErrDomain).
func CheckEmail(text string) (string, error) {
	email := NormaliseEmail(text)
	if domain := text[strings.LastIndexByte(text, '@')+1:]; strings.ContainsAny(domain, deviating) {
		return "", ErrDomain
	}
	if len(email) > longestAddress || strings.ContainsFunc(email, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar
	}) {
		return "", ErrEmail
	}
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Address != email || parsed.Name != "" {
		return "", ErrEmail
	}
	return email, nil
}

// Directory is the service of this package. Its fields are set once; it is safe
// for concurrent use.
type Directory struct {
	Journal *audit.Journal
	Outbox  *outbox.Outbox
	Hasher  *password.Hasher
	// Passwords says which passwords are refused.
	Passwords *password.Policy
	Random    io.Reader
	// BaseURL is the control portal's, without a slash at its end: where links
	// in mails lead, whatever a request's Host says.
	BaseURL string
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Invitations from before may have been spent since.
	RestoredAt time.Time
	// Systems tells whether the partner has all of some phone systems, at most
	// table.MaxBatch.
	Systems func(ctx context.Context, partner string, ids []string) (bool, error)
	// Windows tells the ends of the unlock windows that a change here closes.
	Windows Windows
}

// User reads one user and the revision of the record, or ErrNotFound.
func (d *Directory) User(ctx context.Context, id string) (User, table.Rev, error) {
	item, err := d.Journal.Table.Get(ctx, UserKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return User{}, 0, ErrNotFound
	}
	if err != nil {
		return User{}, 0, err
	}
	user, err := table.Decode[User](item)
	return user, item.Rev, err
}

// Partner reads one partner, or ErrNotFound.
func (d *Directory) Partner(ctx context.Context, id string) (Partner, error) {
	item, err := d.Journal.Table.Get(ctx, PartnerKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return Partner{}, ErrNotFound
	}
	if err != nil {
		return Partner{}, err
	}
	return table.Decode[Partner](item)
}

// SupportContact is whom a partner names for help: empty where it names nobody, or
// is none, as the operators.
func (d *Directory) SupportContact(ctx context.Context, partner string) (string, error) {
	p, err := d.Partner(ctx, partner)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return p.SupportContact, err
}
