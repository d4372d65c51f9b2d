package recovery

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

const (
	// noticePage is how many are told in one transaction: for each administrator a
	// letter and the link's item, and the recovery itself.
	noticePage = (table.MaxBatch - 1) / 2
	// noticePages is how many transactions one run makes at most; the next run goes
	// on where it stopped.
	noticePages = 250
)

// Notify writes the letters of every recovery that has users to be told. For the
// courier; may run anywhere, any number at once.
func (s *Service) Notify(ctx context.Context) error {
	var err error
	for item, listErr := range s.Journal.Table.Due(ctx, NoticeKind, s.Journal.Second()) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		err = errors.Join(err, s.NotifyOne(ctx, item.Key))
	}
	return err
}

// NotifyOne is Notify for the recovery at a key, as soon as it is known of. One that
// is gone, or that another courier has, is no error.
func (s *Service) NotifyOne(ctx context.Context, key table.Key) error {
	for range noticePages {
		item, err := s.Journal.Table.Get(ctx, key)
		if errors.Is(err, table.ErrNotFound) || err == nil && item.Kind != NoticeKind {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.notifyPage(ctx, item); err != nil {
			if errors.Is(err, table.ErrConflict) {
				return nil // cancelled, or another courier goes on
			}
			return err
		}
	}
	return nil
}

// notifyPage writes the letters to the next few, and with the last of them begins the
// wait: the letters and how far they have come are one transaction.
func (s *Service) notifyPage(ctx context.Context, item table.Item) error {
	r, err := table.Decode[Recovery](item)
	if err != nil {
		return err
	}
	if s.void(r) {
		return s.move(ctx, item, r, nil, "")
	}
	page, next, err := s.Directory.PageOfUsers(ctx, r.PartnerID, r.After, noticePage)
	if err != nil {
		return err
	}
	var writes []table.Write
	for _, user := range page {
		letters, err := s.notice(ctx, r, user)
		if err != nil {
			return err
		}
		writes = append(writes, letters...)
	}
	return s.move(ctx, item, r, writes, next)
}

// move notes how far the notices have come; without a next, everybody is told.
func (s *Service) move(ctx context.Context, item table.Item, r Recovery, writes []table.Write, next string) error {
	kind, due := NoticeKind, item.Due
	if r.After = next; next == "" {
		r.EndsAt = s.Journal.Second().Add(Wait)
		kind, due = Kind, r.EndsAt
	}
	if s.void(r) {
		due = s.Journal.Second()
	}
	moved, err := r.item(kind, due)
	if err != nil {
		return err
	}
	return s.Journal.Table.Apply(ctx, append(writes, table.Put(moved, table.Is(item.Rev)))...)
}

// notice are the writes that tell one user: a letter, to an administrator with the
// link that cancels. Who can't sign in, or has never confirmed the address, is told
// nothing.
func (s *Service) notice(ctx context.Context, r Recovery, user account.User) ([]table.Write, error) {
	if !user.Active || user.JoinedAt.IsZero() {
		return nil, nil
	}
	if !user.Administrator {
		post, err := s.Outbox.Post(ctx, userLetter(r, user))
		return []table.Write{post}, err
	}
	secret, err := token.New(s.Random, token.CancelRecovery, user.ID)
	if err != nil {
		return nil, err
	}
	item, err := table.Encode(linkKey(user.ID), "recovery.link", link{Hash: token.HashOf(secret), Recovery: r.ID})
	if err != nil {
		return nil, err
	}
	item.Expires = r.BegunAt.Add(linkKept)
	post, err := s.Outbox.Post(ctx, administratorLetter(r, user, s.BaseURL+"/#cancel-recovery?token="+secret))
	return []table.Write{table.Put(item, table.Always()), post}, err
}
