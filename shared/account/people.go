package account

import (
	"context"
	"errors"
	"slices"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	outbox "portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrUserExists says that the partner has a user with the address.
	ErrUserExists = errors.New("there is a user with this e-mail address already; change that one, or send the invitation again")
	// ErrJoined says that an invitation makes no sense any more.
	ErrJoined = errors.New("this user has accepted an invitation already")
	// ErrInactive says that a user is not active.
	ErrInactive = errors.New("this user is not active; activate them first")
)

// UserFor is one user, for whoever manages users. Errors: ErrNotFound,
// access.ErrForbidden.
func (d *Directory) UserFor(ctx context.Context, caller access.Caller, id string) (User, error) {
	if !token.ValidID(id) {
		return User{}, ErrNotFound
	}
	user, _, err := d.User(ctx, id)
	switch {
	case err != nil:
		return User{}, err
	case user.PartnerID != caller.PartnerID:
		return User{}, ErrNotFound
	case caller.MayManageUsers() != nil:
		return User{}, access.ErrForbidden
	}
	return user, nil
}

// UserChange is what may be changed of a user; what is nil stays.
type UserChange struct {
	Name                  *string
	Active, Administrator *bool
	Roles                 *[]string
}

func (c UserChange) apply(u User) (User, error) {
	if c.Name != nil {
		u.Name = strings.TrimSpace(*c.Name)
	}
	if c.Active != nil {
		u.Active = *c.Active
	}
	if c.Administrator != nil {
		u.Administrator = *c.Administrator
	}
	if c.Roles != nil {
		u.Roles = slices.Compact(slices.Sorted(slices.Values(*c.Roles)))
	}
	var wrong input.Errors
	wrong.Line(u.Name, "body.name", 0, longestName)
	wrong.Require(len(u.Roles) <= mostRoles, "body.roles", "must be at most %d roles", mostRoles)
	return u, wrong.Err()
}

// ChangeUser changes a user. Deactivating ends their sessions and windows at
// once; what else they lose is gone with the next request and the next decision.
// A new administrator is told to all administrators by mail. Errors:
// ErrNotFound, access.ErrForbidden (also ErrBeyond, ErrOneself),
// access.ErrNotFresh, *input.Error, ErrLastAdministrator.
func (d *Directory) ChangeUser(ctx context.Context, caller access.Caller, id string, change UserChange) (User, error) {
	for range tries {
		user, err := d.changeUser(ctx, caller, id, change)
		if !errors.Is(err, table.ErrConflict) {
			return user, err
		}
	}
	return User{}, table.ErrUnavailable
}

func (d *Directory) changeUser(ctx context.Context, caller access.Caller, id string, change UserChange) (User, error) {
	m, err := d.Managed(ctx, caller, id)
	if err != nil {
		return User{}, err
	}
	if err := m.fresh(m.caller.MayManage(m.Subject)); err != nil {
		return User{}, err
	}
	next, err := change.apply(m.User)
	if err != nil {
		return User{}, err
	}
	if next.Roles, err = d.mayBecome(ctx, m, next); err != nil {
		return User{}, err
	}
	if next.sameRights(m.User) && next.Name == m.User.Name {
		return next, nil
	}
	return d.commitUser(ctx, m, next)
}

func (u User) sameRights(old User) bool {
	return u.Active == old.Active && u.Administrator == old.Administrator && slices.Equal(u.Roles, old.Roles)
}

// mayBecome judges a change of rights, and answers the roles that exist: one
// that was removed since is dropped, one that never was is refused.
func (d *Directory) mayBecome(ctx context.Context, m Managed, next User) ([]string, error) {
	if next.sameRights(m.User) {
		return next.Roles, nil
	}
	roles, err := d.namedRoles(ctx, next.PartnerID, next.Roles, m.User.Roles)
	if err != nil {
		return nil, err
	}
	subject := access.Subject{UserID: next.ID, Administrator: next.Administrator, Roles: roles}
	return idsOf(roles), m.caller.MayChangeRights(m.Subject, subject)
}

func idsOf(roles []access.Role) []string {
	var ids []string
	for _, role := range roles {
		ids = append(ids, role.ID)
	}
	return ids
}

// namedRoles reads roles that somebody names. Those had before may be gone.
func (d *Directory) namedRoles(ctx context.Context, partner string, ids, had []string) ([]access.Role, error) {
	for _, id := range ids {
		if _, builtIn := access.BuiltInRole(id); !builtIn && !slices.Contains(had, id) && !token.Shaped(id) {
			return nil, errNoRole
		}
	}
	roles, err := d.roles(ctx, partner, ids)
	if err != nil {
		return nil, err
	}
	found := idsOf(roles)
	if slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(found, id) && !slices.Contains(had, id) }) {
		return nil, errNoRole
	}
	return roles, nil
}

var errNoRole = input.Invalid("body.roles", "names a role that you do not have; list yours with GET /v1/roles")

func (d *Directory) commitUser(ctx context.Context, m Managed, next User) (User, error) {
	var writes []table.Write
	entries, task, err := d.consequences(m, &next)
	if err != nil {
		return User{}, err
	}
	if task.Item.Kind != "" {
		writes = append(writes, task)
	}
	if next.Administrator && next.Active && !(m.User.Administrator && m.User.Active) {
		letter, err := d.Outbox.Post(ctx, newAdministrator(next, m.caller))
		if err != nil {
			return User{}, err
		}
		writes = append(writes, letter)
	}
	changed, err := d.Change(ctx, m, next)
	if err != nil {
		return User{}, err
	}
	if err := d.Journal.Commit(ctx, append(changed, writes...), entries...); err != nil {
		return User{}, err
	}
	if task.Item.Kind != "" {
		d.EndsTold(ctx, task)
	}
	return next, nil
}

// consequences are the entries of a change, and the task of telling the ends of
// the windows that it closes, if there may be any.
func (d *Directory) consequences(m Managed, next *User) (entries []audit.Entry, task table.Write, err error) {
	old := m.User
	if next.Active != old.Active {
		action := audit.UserActivated
		if !next.Active {
			action = audit.UserDeactivated
			task, err = d.EndAll(next, m.caller.UserID, action)
		}
		entries = append(entries, audit.By(m.caller, action, next.ID).With("email", next.Email))
	}
	if next.Name == old.Name && next.Administrator == old.Administrator && slices.Equal(next.Roles, old.Roles) {
		return entries, task, err
	}
	if next.Active && next.loses(old) {
		item, failed := d.Windows.ClosingGrants(*next, m.caller.UserID, audit.UserChanged)
		task, err = table.Put(item, table.Absent()), failed
	}
	entry := audit.By(m.caller, audit.UserChanged, next.ID).With("email", next.Email)
	for _, field := range []struct{ name, old, next string }{
		{"name", old.Name, next.Name},
		{"administrator", yesNo(old.Administrator), yesNo(next.Administrator)},
		{"roles", strings.Join(old.Roles, " "), strings.Join(next.Roles, " ")},
	} {
		if field.old != field.next {
			entry = entry.With("old_"+field.name, field.old).With(field.name, field.next)
		}
	}
	return append(entries, entry), task, err
}

// loses tells whether a change takes anything that may have opened a window.
func (u User) loses(old User) bool {
	return old.Administrator && !u.Administrator || slices.ContainsFunc(old.Roles, func(id string) bool { return !slices.Contains(u.Roles, id) })
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newAdministrator(u User, by access.Caller) outbox.Letter {
	return outbox.Letter{
		Administrators: u.PartnerID, Subject: u.Email + " is an administrator now",
		Text: u.Email + " may do everything in your organisation's Portcullis from now on, or once the invitation is accepted.\n\nThis was done by " + by.Email +
			". If it was not meant to happen, deactivate that user and look into the audit of your control portal.\n",
	}
}

// DeleteUser removes a user: their sessions and windows end at once, their
// address is free. Errors: as ChangeUser.
func (d *Directory) DeleteUser(ctx context.Context, caller access.Caller, id string) error {
	for range tries {
		if err := d.deleteUser(ctx, caller, id); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (d *Directory) deleteUser(ctx context.Context, caller access.Caller, id string) error {
	m, err := d.Managed(ctx, caller, id)
	if err != nil {
		return err
	}
	if err := m.fresh(m.caller.MayChangeRights(m.Subject, access.Subject{UserID: id})); err != nil {
		return err
	}
	gone := m.User
	gone.Active = false
	task, err := d.EndAll(&gone, m.caller.UserID, audit.UserDeleted)
	if err != nil {
		return err
	}
	stepping, err := d.stepping(ctx, m.stepping, m.User, gone)
	if err != nil {
		return err
	}
	writes, err := d.removal(ctx, m)
	if err != nil {
		return err
	}
	writes = append(append(append(writes, task), stepping...), m.holding(id)...)
	entry := audit.By(m.caller, audit.UserDeleted, id).With("email", gone.Email).With("name", gone.Name)
	if err := d.Journal.Commit(ctx, writes, entry); err != nil {
		return err
	}
	d.EndsTold(ctx, task)
	return nil
}

// removal takes away the record and everything kept along with it. Sessions and
// pending sign-ins are dead without it, and go with their time.
func (d *Directory) removal(ctx context.Context, m Managed) ([]table.Write, error) {
	u := m.User
	writes := []table.Write{table.Delete(UserKey(u.ID), table.Is(m.rev)), table.Delete(invitationKey(u.ID), table.Always()), table.Delete(FactorsKey(u.ID), table.Always())}
	for _, key := range u.places() {
		writes = append(writes, table.Delete(key, table.Always()))
	}
	if u.administers() {
		writes = append(writes, table.Delete(administratorKey(u.PartnerID, u.ID), table.Always()))
	}
	if u.JoinedAt.IsZero() {
		return writes, nil
	}
	claimed, err := d.Journal.Table.GetAll(ctx, EmailKey(u.Email))
	if err != nil || !claimed[0].Exists() {
		return writes, err
	}
	claim, err := table.Decode[Claim](claimed[0])
	if err == nil && claim.UserID == u.ID {
		writes = append(writes, table.Delete(claimed[0].Key, table.Is(claimed[0].Rev)))
	}
	return writes, err
}
