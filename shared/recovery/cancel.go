package recovery

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// link is the stored state of what an administrator was mailed to cancel with: one at
// most for each, so that a newer recovery voids the one before.
type link struct {
	Hash     token.Hash `json:"hash"`
	Recovery string     `json:"recovery"`
}

// linkKept is how long a link is kept; it works no longer than its recovery, which
// lasts as long as telling everybody takes, and Wait.
const linkKept = 7 * 24 * time.Hour

func linkKey(user string) table.Key {
	return table.Key{Partition: account.UserKey(user).Partition, Sort: "recovery"}
}

// Who cancelled, as the operators' log has it: they see no users.
const (
	byAdministrator = "administrator"
	byOperator      = "operator"
	byRestore       = "restore"
)

// cancellation is who ends a recovery before its time.
type cancellation struct {
	by    string
	entry audit.Entry // the partner's, or what is made into it
	more  []table.Write
}

// Cancel ends the recovery of the caller's partner: any administrator, with fresh MFA.
// Errors: access.ErrForbidden, access.ErrNotFresh, ErrNone.
func (s *Service) Cancel(ctx context.Context, caller access.Caller) error {
	if !caller.Administers() {
		return access.ErrForbidden
	}
	if err := caller.Fresh(s.Journal.Second()); err != nil {
		return err
	}
	return s.cancel(ctx, caller.PartnerID, "", cancellation{by: byAdministrator, entry: audit.By(caller, audit.RecoveryCancelled, caller.PartnerID)})
}

// CancelOf ends the recovery of a partner for the operators, with fresh MFA. Errors:
// account.ErrNotFound, access.ErrNotFresh, ErrNone.
func (s *Service) CancelOf(ctx context.Context, caller access.Caller, partner string) error {
	if !caller.Has(access.ManagePartners) || !token.ValidID(partner) {
		return account.ErrNotFound
	}
	if err := caller.Fresh(s.Journal.Second()); err != nil {
		return err
	}
	entry := Recovery{PartnerID: partner, By: caller.UserID, ByEmail: caller.Email}.entry(audit.RecoveryCancelled)
	return s.cancel(ctx, partner, "", cancellation{by: byOperator, entry: entry})
}

// CancelByLink ends the recovery whose notice had a token, for an administrator who
// may have lost every factor. The token opens nothing else. Errors: ErrLink.
func (s *Service) CancelByLink(ctx context.Context, secret string, client netip.Addr) error {
	ids, hash, err := token.Parse(secret, token.CancelRecovery, 1)
	if err != nil {
		return ErrLink
	}
	items, err := s.Journal.Table.GetAll(ctx, account.UserKey(ids[0]), linkKey(ids[0]))
	if err != nil {
		return err
	}
	if !items[0].Exists() || !items[1].Exists() {
		return ErrLink
	}
	user, err := table.Decode[account.User](items[0])
	if err != nil {
		return err
	}
	l, err := table.Decode[link](items[1])
	if err != nil {
		return err
	}
	if !l.Hash.Equal(hash) || !user.Active || !user.Administrator {
		return ErrLink
	}
	entry := audit.Entry{Action: audit.RecoveryCancelled, Actor: user.ID, Subject: user.PartnerID, PartnerID: user.PartnerID, Outcome: audit.Success}
	entry = entry.From(client).With("actor_email", user.Email).With("method", "link")
	err = s.cancel(ctx, user.PartnerID, l.Recovery, cancellation{by: byAdministrator, entry: entry, more: []table.Write{table.Delete(items[1].Key, table.Always())}})
	if errors.Is(err, ErrNone) {
		return ErrLink
	}
	return err
}

// cancel ends a partner's recovery: the one with an id, or whichever there is.
func (s *Service) cancel(ctx context.Context, partner, id string, c cancellation) error {
	for range tries {
		r, item, err := s.read(ctx, partner)
		if err != nil {
			return err
		}
		if id != "" && r.ID != id {
			return ErrNone
		}
		if err = s.cancelled(ctx, r, item, c); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (s *Service) cancelled(ctx context.Context, r Recovery, item table.Item, c cancellation) error {
	post, err := s.Outbox.Post(ctx, cancelledLetter(r, c))
	if err != nil {
		return err
	}
	writes := append([]table.Write{table.Delete(item.Key, table.Is(item.Rev)), post}, c.more...)
	own := r.toOperators(audit.RecoveryCancelled).With("by", c.by)
	if c.by == byOperator {
		own.Actor = c.entry.Actor
		own = own.With("actor_email", c.entry.Details["actor_email"])
	}
	return s.Journal.Commit(ctx, writes, c.entry.With("administrator_email", r.Email), own)
}

// toOperators is the operators' own entry of what became of a recovery, which tells
// nothing of who has an account.
func (r Recovery) toOperators(action audit.Action) audit.Entry {
	e := audit.Entry{Action: action, Actor: audit.System, Subject: r.PartnerID, PartnerID: access.Operators, Outcome: audit.Success}
	return e.With("administrator_email", r.Email)
}
