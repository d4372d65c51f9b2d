package account

import (
	"context"
	"errors"
	"iter"

	"portcullis.example/shared/table"
)

// ErrLastAdministrator says that a change would leave a partner without an
// active administrator.
var ErrLastAdministrator = errors.New("this is the last active administrator; make somebody else an administrator first")

// administratorKey lists a partner's administrators: active, and joined, since
// an address that nobody has confirmed gets no mail about others.
func administratorKey(partner, user string) table.Key {
	return table.Key{Partition: "administrators#" + partner, Sort: user}
}

// steppingKey is what every change that takes an administrator away writes on
// the condition of its revision: of two at once, the second judges anew.
func steppingKey(partner string) table.Key {
	return table.Key{Partition: PartnerKey(partner).Partition, Sort: "administrators"}
}

// administers tells whether the user is one of those who keep a partner
// manageable.
func (u User) administers() bool { return u.Administrator && u.Active && !u.JoinedAt.IsZero() }

// amongAdministrators are the writes of the user's place among the
// administrators.
func (u User) amongAdministrators(old User) ([]table.Write, error) {
	key := administratorKey(u.PartnerID, u.ID)
	switch {
	case u.administers() && !old.administers():
		item, err := table.Encode(key, "administrator", map[string]string{"email": u.Email})
		return []table.Write{table.Put(item, table.Always())}, err
	case !u.administers() && old.administers():
		return []table.Write{table.Delete(key, table.Always())}, nil
	}
	return nil, nil
}

// stepping is the write that a change needs where it takes an administrator
// away, given the item of steppingKey as read before: none where there are
// others, or ErrLastAdministrator.
func (d *Directory) stepping(ctx context.Context, read table.Item, old, next User) ([]table.Write, error) {
	if !old.administers() || next.administers() {
		return nil, nil
	}
	others, err := false, error(nil)
	for id := range d.administrators(ctx, old.PartnerID, &err) {
		if others = id != old.ID; others {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if !others {
		return nil, ErrLastAdministrator
	}
	item, err := table.Encode(read.Key, "administrators", map[string]string{"left": old.ID})
	return []table.Write{table.Put(item, table.Is(read.Rev))}, err
}

// AdministratorEmails lists where mail to a partner's administrators goes.
func (d *Directory) AdministratorEmails(ctx context.Context, partner string) (emails []string, err error) {
	for _, email := range d.administrators(ctx, partner, &err) {
		emails = append(emails, email)
	}
	return emails, err
}

// administrators yields a partner's by user, with their addresses. It ends with
// the first error, which is put into failed.
func (d *Directory) administrators(ctx context.Context, partner string, failed *error) iter.Seq2[string, string] {
	*failed = nil
	return func(yield func(user, email string) bool) {
		for item, err := range d.Journal.Table.List(ctx, table.Range{Partition: administratorKey(partner, "x").Partition}) {
			var entry struct {
				Email string `json:"email"`
			}
			if err == nil {
				entry, err = table.Decode[struct {
					Email string `json:"email"`
				}](item)
			}
			if *failed = err; err != nil || !yield(item.Sort, entry.Email) {
				return
			}
		}
	}
}
