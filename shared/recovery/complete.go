package recovery

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
)

// Why a recovery ends without a code, as the partner's log has it.
const (
	noAdministrator = "no_such_administrator"
	passwordMailed  = "password_mailed"
)

// Complete does what every recovery whose time has come was begun for. For the
// scheduled auditor; may run anywhere, any number at once.
func (s *Service) Complete(ctx context.Context) error {
	var err error
	for item, listErr := range s.Journal.Table.Due(ctx, Kind, s.Journal.Second()) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		err = errors.Join(err, s.completeOne(ctx, item.Key))
	}
	return err
}

func (s *Service) completeOne(ctx context.Context, key table.Key) error {
	for range tries {
		item, err := s.Journal.Table.Get(ctx, key)
		if errors.Is(err, table.ErrNotFound) || err == nil && item.Kind != Kind {
			return nil // cancelled, or done
		}
		if err != nil {
			return err
		}
		if err = s.complete(ctx, item); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return nil // the next run meets it again
}

func (s *Service) complete(ctx context.Context, item table.Item) error {
	r, err := table.Decode[Recovery](item)
	switch {
	case err != nil:
		return err
	case s.void(r):
		entry := audit.Entry{Action: audit.RecoveryCancelled, Actor: audit.System, Subject: r.PartnerID, PartnerID: r.PartnerID, Outcome: audit.Success}
		return s.cancelled(ctx, r, item, cancellation{by: byRestore, entry: entry.With("by", byRestore)})
	case s.Journal.Second().Before(r.EndsAt):
		return nil
	}
	user, items, err := s.whom(ctx, r)
	if err != nil {
		return err
	}
	done := table.Delete(item.Key, table.Is(item.Rev))
	if why := r.against(user); why != "" {
		return s.endWithout(ctx, r, done, why)
	}
	return s.reset(ctx, r, done, user, items)
}

// whom reads whom the recovery's address signs in, with their record and factors:
// nobody is a user without a partner.
func (s *Service) whom(ctx context.Context, r Recovery) (user account.User, items []table.Item, err error) {
	claimed, err := s.Journal.Table.GetAll(ctx, account.EmailKey(r.Email))
	if err != nil {
		return user, nil, err
	}
	id := attempt.Nobody(r.Email)
	if claimed[0].Exists() {
		claim, err := table.Decode[account.Claim](claimed[0])
		if err != nil {
			return user, nil, err
		}
		id = claim.UserID
	}
	items, err = s.Journal.Table.GetAll(ctx, account.UserKey(id), mfa.Key(id))
	if err != nil || !items[0].Exists() {
		return user, items, err
	}
	user, err = table.Decode[account.User](items[0])
	return user, items, err
}

// against says why a user gets no code; empty: nothing is against it. They must have
// been an administrator's account of the partner before it began, with a password
// that did not come by mail since.
func (r Recovery) against(u account.User) string {
	switch {
	case u.PartnerID != r.PartnerID || !u.Administrator || !u.Active || u.JoinedAt.IsZero() || !u.JoinedAt.Before(r.BegunAt):
		return noAdministrator
	case !u.PasswordMailedAt.Before(r.BegunAt):
		return passwordMailed
	}
	return ""
}

func (s *Service) endWithout(ctx context.Context, r Recovery, done table.Write, why string) error {
	post, err := s.Outbox.Post(ctx, withoutLetter(r, why))
	if err != nil {
		return err
	}
	entry := r.entry(audit.RecoveryEnded).With("reason", why)
	entry.Outcome = audit.Failure
	return s.Journal.Commit(ctx, []table.Write{done, post}, entry, r.toOperators(audit.RecoveryEnded))
}

// reset takes the administrator's second factors away and mails the code, in the one
// transaction that ends the recovery: whatever crashes, there is one code.
func (s *Service) reset(ctx context.Context, r Recovery, done table.Write, user account.User, items []table.Item) error {
	factors, err := mfa.Read(items[1])
	if err != nil {
		return err
	}
	factors, code, err := s.Factors.ResetByMail(factors, r.BegunAt, s.Journal.Second())
	if err != nil {
		return err
	}
	factorWrite, err := factors.Write(user.ID, items[1].Rev)
	if err != nil {
		return err
	}
	next := user
	next.Methods = nil
	ended, err := s.Directory.EndAll(&next, r.By, audit.MFAReset)
	if err != nil {
		return err
	}
	writes, err := next.Writes(table.Is(items[0].Rev), user)
	if err != nil {
		return err
	}
	writes = append(writes, done, factorWrite, ended)
	for _, letter := range letters(r, code, s.BaseURL) {
		post, err := s.Outbox.Post(ctx, letter)
		if err != nil {
			return err
		}
		writes = append(writes, post)
	}
	reset := r.entry(audit.MFAReset).With("email", user.Email)
	reset.Subject = user.ID
	return s.Journal.Commit(ctx, writes, reset, r.entry(audit.RecoveryEnded), r.toOperators(audit.RecoveryEnded))
}
