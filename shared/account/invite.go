package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/table"
)

// Person is who is to be invited.
type Person struct {
	Email         string
	Name          string
	Administrator bool
	Roles         []string
	// Once is the request's Idempotency-Key.
	Once idempotency.Key
}

func (p Person) normalise() (Person, error) {
	var wrong input.Errors
	p.Name = strings.TrimSpace(p.Name)
	wrong.Line(p.Name, "body.name", 0, longestName)
	p.Roles = slices.Compact(slices.Sorted(slices.Values(p.Roles)))
	wrong.Require(len(p.Roles) <= mostRoles, "body.roles", "must be at most %d roles", mostRoles)
	return p, wrong.Err()
}

// Invite adds a user to the caller's partner and mails the invitation. It tells
// nothing about whether the address is in use elsewhere: its owner alone is
// told, by mail. A new administrator is told to all administrators. Errors:
// access.ErrForbidden (also ErrBeyond), access.ErrNotFresh, ErrEmail,
// *input.Error, ErrUserExists, idempotency.ErrReused.
func (d *Directory) Invite(ctx context.Context, caller access.Caller, p Person) (Invited, error) {
	invited, _, err := idempotency.Do(ctx, d.Journal.Table, d.Journal.Second(), p.Once, func(record func(Invited) ([]table.Write, error)) (Invited, error) {
		for range tries {
			invited, err := d.inviteOnce(ctx, caller, p, record)
			if !errors.Is(err, table.ErrConflict) {
				return invited, err
			}
		}
		return Invited{}, table.ErrUnavailable
	})
	return invited, err
}

func (d *Directory) inviteOnce(ctx context.Context, caller access.Caller, p Person, record func(Invited) ([]table.Write, error)) (Invited, error) {
	m, p, err := d.mayInvite(ctx, caller, p)
	if err != nil {
		return Invited{}, err
	}
	invited, writes, err := d.invite(ctx, caller.PartnerID, p)
	if err != nil {
		return Invited{}, err
	}
	told, err := d.tellOfAdministrator(ctx, invited.User, m.caller)
	if err != nil {
		return Invited{}, err
	}
	recorded, err := record(invited)
	if err != nil {
		return Invited{}, err
	}
	writes = append(append(append(writes, told...), m.held), recorded...)
	err = d.Journal.Commit(ctx, writes, userInvited(caller, invited.User))
	var conflict *table.ConflictError
	if errors.As(err, &conflict) && conflict.Index == listIndex {
		return Invited{}, ErrUserExists
	}
	return invited, err
}

// tellOfAdministrator is the letter to all administrators where somebody is
// invited as one; for all others there is none.
func (d *Directory) tellOfAdministrator(ctx context.Context, u User, by access.Caller) ([]table.Write, error) {
	if !u.Administrator {
		return nil, nil
	}
	letter, err := d.Outbox.Post(ctx, newAdministrator(u, by))
	return []table.Write{letter}, err
}

func userInvited(by access.Caller, u User) audit.Entry {
	return audit.By(by, audit.UserInvited, u.ID).With("email", u.Email).
		With("administrator", yesNo(u.Administrator)).With("roles", strings.Join(u.Roles, " "))
}

func (d *Directory) mayInvite(ctx context.Context, caller access.Caller, p Person) (manager, Person, error) {
	m, err := d.manager(ctx, caller)
	if err != nil {
		return m, p, err
	}
	if err := m.fresh(m.caller.MayManageUsers()); err != nil {
		return m, p, err
	}
	if p, err = p.normalise(); err != nil {
		return m, p, err
	}
	roles, err := d.namedRoles(ctx, caller.PartnerID, p.Roles, nil)
	if err != nil {
		return m, p, err
	}
	return m, p, m.caller.MayGrant(p.Administrator, roles)
}

// Reinvite sends a user's invitation again; the earlier one is void. Errors:
// ErrNotFound, access.ErrForbidden (also ErrBeyond), access.ErrNotFresh,
// ErrJoined, ErrInactive.
func (d *Directory) Reinvite(ctx context.Context, caller access.Caller, id string) (Invited, error) {
	for range tries {
		invited, err := d.reinvite(ctx, caller, id)
		if !errors.Is(err, table.ErrConflict) {
			return invited, err
		}
	}
	return Invited{}, table.ErrUnavailable
}

func (d *Directory) reinvite(ctx context.Context, caller access.Caller, id string) (Invited, error) {
	m, err := d.Managed(ctx, caller, id)
	if err != nil {
		return Invited{}, err
	}
	if err := m.fresh(m.caller.MayManage(m.Subject)); err != nil {
		return Invited{}, err
	}
	switch {
	case !m.User.JoinedAt.IsZero():
		return Invited{}, ErrJoined
	case !m.User.Active:
		return Invited{}, ErrInactive
	}
	next := m.User
	next.InvitedAt = m.now
	writes, err := d.Change(ctx, m, next)
	if err != nil {
		return Invited{}, err
	}
	link, letter, err := d.invitation(ctx, next, m.now)
	if err != nil {
		return Invited{}, err
	}
	entry := audit.By(m.caller, audit.UserInvited, id).With("email", next.Email).With("again", "yes")
	return Invited{User: next, Link: link}, d.Journal.Commit(ctx, append(writes, letter...), entry)
}
