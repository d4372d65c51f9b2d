// Package recovery gives a partner back to its administrators when they have lost
// every second factor. It guarantees that an operator alone can begin one and learns
// from it nothing about who has an account; that every user of the partner is told
// by mail, however many they are, and any administrator can cancel it, signed in or
// with a mailed link, for 24 hours from the last of these letters; that it takes away
// second factors of an administrator of that partner alone, once, together with the
// letter that has the enrolment code; and that this code lets nobody in whose
// password came by mail as well since the recovery began.
//
// Measure: NIST SP 800-63B-4 section 4.2.2.2, recovery at AAL2 by an issued recovery
// code together with the password.
package recovery

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrUnderWay says that a partner has a recovery already.
	ErrUnderWay = errors.New("a recovery of this partner is under way already; wait for its end, or cancel it and begin another")
	// ErrNone says that no recovery is under way.
	ErrNone = errors.New("no recovery is under way: none was begun, or it has ended or was cancelled")
	// ErrLink says that a mailed token cancels nothing; why is not told.
	ErrLink = errors.New("this link is not valid: the recovery has ended or was cancelled, or a newer mail has another link; if you are an administrator, see the audit of your control portal")
)

// Wait is how long administrators can cancel, from when the last notice was written.
const Wait = 24 * time.Hour

// The kinds of a recovery's item, for table.Due: while there are users to be told,
// and while the time to cancel runs.
const (
	NoticeKind = "recovery.notice"
	Kind       = "recovery"
)

// tries is how often a change that met another is judged anew.
const tries = 5

// Recovery is one under way: the one item of a partner's.
type Recovery struct {
	ID        string `json:"id"`
	PartnerID string `json:"partner_id"`
	// Email is the normalised address that the operator named, whoever's it is.
	Email string `json:"email"`
	// By and ByEmail are the operator's.
	By      string    `json:"by"`
	ByEmail string    `json:"by_email"`
	BegunAt time.Time `json:"begun_at"`
	// EndsAt is when it does what it was begun for: not before all are told.
	EndsAt time.Time `json:"ends_at"`
	// After is the last user who was told, by e-mail.
	After string `json:"after,omitempty"`
}

// Key is where a partner's recovery stands.
func Key(partner string) table.Key {
	return table.Key{Partition: account.PartnerKey(partner).Partition, Sort: "recovery"}
}

func (r Recovery) item(kind string, due time.Time) (table.Item, error) {
	item, err := table.Encode(Key(r.PartnerID), kind, r)
	item.Due = due
	return item, err
}

// Service is the service of this package. Its fields are set once; it is safe for
// concurrent use.
type Service struct {
	Journal   *audit.Journal
	Directory *account.Directory
	Factors   mfa.Keeper
	Outbox    *mail.Outbox
	Random    io.Reader
	// BaseURL is the control portal's, without a slash at its end.
	BaseURL string
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// What was begun before may have been cancelled since: it is void.
	RestoredAt time.Time
}

// Begin begins the recovery of a partner for the administrator with an address;
// without one, for whom the operator named when the partner was made. Operators
// only, with fresh MFA. Whether there is such an administrator is judged at the end
// and never told. Errors: account.ErrNotFound, access.ErrNotFresh, *input.Error,
// ErrUnderWay, idempotency.ErrReused.
func (s *Service) Begin(ctx context.Context, caller access.Caller, once idempotency.Key, partner, address string) (Recovery, error) {
	begun, _, err := idempotency.Do(ctx, s.Journal.Table, s.Journal.Second(), once, func(record func(Recovery) ([]table.Write, error)) (Recovery, error) {
		if !caller.Has(access.ManagePartners) || !token.ValidID(partner) {
			return Recovery{}, account.ErrNotFound
		}
		now := s.Journal.Second()
		if err := caller.Fresh(now); err != nil {
			return Recovery{}, err
		}
		email := ""
		if address != "" {
			var err error
			if email, err = account.CheckEmail(address); err != nil {
				return Recovery{}, input.Invalid(addressField, "%s", err)
			}
		}
		id, err := s.Journal.IDs.New()
		if err != nil {
			return Recovery{}, err
		}
		r := Recovery{ID: id, PartnerID: partner, Email: email, By: caller.UserID, ByEmail: caller.Email, BegunAt: now, EndsAt: now.Add(Wait)}
		err = s.begin(ctx, caller, &r, record)
		return r, err
	})
	return begun, err
}

const addressField = "body.administrator_email"

func (s *Service) begin(ctx context.Context, caller access.Caller, r *Recovery, record func(Recovery) ([]table.Write, error)) error {
	items, err := s.Journal.Table.GetAll(ctx, account.PartnerKey(r.PartnerID), Key(r.PartnerID))
	switch {
	case err != nil:
		return err
	case !items[0].Exists():
		return account.ErrNotFound
	case items[1].Exists():
		return ErrUnderWay
	}
	partner, err := table.Decode[account.Partner](items[0])
	if err != nil {
		return err
	}
	if r.Email = cmp.Or(r.Email, partner.Administrator); r.Email == "" {
		return input.Invalid(addressField, "name the administrator whose second factor is to be replaced")
	}
	item, err := r.item(NoticeKind, r.BegunAt)
	if err != nil {
		return err
	}
	recorded, err := record(*r)
	if err != nil {
		return err
	}
	writes := append([]table.Write{table.Put(item, table.Absent())}, recorded...)
	own := audit.By(caller, audit.RecoveryStarted, r.PartnerID).With("administrator_email", r.Email)
	err = s.Journal.Commit(ctx, writes, own, r.entry(audit.RecoveryStarted))
	var conflict *table.ConflictError
	if errors.As(err, &conflict) && conflict.Index == 0 {
		return ErrUnderWay
	}
	return err
}

// entry is the partner's own of what an operator did to it.
func (r Recovery) entry(action audit.Action) audit.Entry {
	e := audit.Entry{Action: action, Actor: r.By, Subject: r.PartnerID, PartnerID: r.PartnerID, Outcome: audit.Success}
	return e.With("actor_email", r.ByEmail).With("administrator_email", r.Email)
}

// Of is the recovery of a partner that is under way, for an operator. Errors:
// account.ErrNotFound, ErrNone.
func (s *Service) Of(ctx context.Context, caller access.Caller, partner string) (Recovery, error) {
	if !caller.Has(access.ManagePartners) || !token.ValidID(partner) {
		return Recovery{}, account.ErrNotFound
	}
	r, _, err := s.read(ctx, partner)
	return r, err
}

// Own is the recovery of the caller's partner that is under way, for its
// administrators. Errors: access.ErrForbidden, ErrNone.
func (s *Service) Own(ctx context.Context, caller access.Caller) (Recovery, error) {
	if !caller.Administers() {
		return Recovery{}, access.ErrForbidden
	}
	r, _, err := s.read(ctx, caller.PartnerID)
	return r, err
}

// read answers a partner's recovery with its item. One from before a restore of the
// store is none.
func (s *Service) read(ctx context.Context, partner string) (Recovery, table.Item, error) {
	items, err := s.Journal.Table.GetAll(ctx, Key(partner))
	if err != nil {
		return Recovery{}, table.Item{}, err
	}
	if !items[0].Exists() {
		return Recovery{}, table.Item{}, ErrNone
	}
	r, err := table.Decode[Recovery](items[0])
	if err == nil && s.void(r) {
		err = ErrNone
	}
	return r, items[0], err
}

func (s *Service) void(r Recovery) bool { return r.BegunAt.Before(s.RestoredAt) }
