package account

import (
	"context"
	"errors"
)

// HashPassword is what to store for a password that a user chooses. Judging it takes
// a place as hashing does: it is work as well. Errors: CheckPassword's;
// password.ErrBusy.
func (d *Directory) HashPassword(ctx context.Context, plain string, user User) (string, error) {
	place, err := d.Hasher.Enter()
	if err != nil {
		return "", err
	}
	defer place.Leave()
	if err := d.CheckPassword(ctx, plain, user); err != nil {
		return "", err
	}
	return place.Hash(ctx, plain)
}

// CheckPassword refuses a password that is too easy to guess or near what is known of
// the user, with a reason that password.Refusal finds.
func (d *Directory) CheckPassword(ctx context.Context, plain string, user User) error {
	partner, err := d.Partner(ctx, user.PartnerID)
	if err != nil && !errors.Is(err, ErrNotFound) { // operators have none
		return err
	}
	return d.Passwords.Check(plain, user.Name, user.Email, partner.Name)
}
