package session

import (
	"context"
	"errors"

	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
)

// RecoverOperator voids an operator's password, second factor and sessions, and
// answers the invitation by which they begin anew. It is for whoever holds the
// installation: no request reaches it. Errors: account's; table.ErrUnavailable.
func (d *Desk) RecoverOperator(ctx context.Context, email string) (account.Invited, error) {
	for range tries {
		invited, err := d.Directory.RecoverOperator(ctx, email, func(user account.User) ([]table.Write, error) { return d.withoutFactors(ctx, user) })
		if !errors.Is(err, table.ErrConflict) {
			return invited, err
		}
	}
	return account.Invited{}, table.ErrUnavailable
}

// withoutFactors takes a person's factors away; the last accepted step stays.
func (d *Desk) withoutFactors(ctx context.Context, user account.User) ([]table.Write, error) {
	items, err := d.Journal.Table.GetAll(ctx, mfa.Key(user.ID))
	if err != nil || !items[0].Exists() {
		return nil, err
	}
	factors, err := mfa.Read(items[0])
	if err != nil {
		return nil, err
	}
	write, err := factors.Cleared().Write(user.ID, items[0].Rev)
	return []table.Write{write}, err
}
