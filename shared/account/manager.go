package account

import (
	"context"
	"slices"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Now is the caller with the rights that the records read now give: the request
// may have found them before somebody took them away.
func Now(caller access.Caller, user User, roles []access.Role) access.Caller {
	caller.Administrator, caller.Roles = user.Administrator, nil
	for _, role := range roles {
		if slices.Contains(user.Roles, role.ID) {
			caller.Roles = append(caller.Roles, role)
		}
	}
	return caller
}

// Stands tells whether a request that found the user at an epoch may still act
// for them.
func (u User) Stands(epoch int64) bool { return u.Active && u.Epoch == epoch }

// manager is who changes people: the caller by the records as read now, and the
// check that holds a commit to that. Of two who take each other's rights at
// once, one is too late.
type manager struct {
	caller access.Caller
	held   table.Write
	// items are what was read along.
	items []table.Item
	now   time.Time
}

// manager reads who asks, and keys along with them. Errors: access.ErrForbidden
// where they may not act any more.
func (d *Directory) manager(ctx context.Context, caller access.Caller, keys ...table.Key) (manager, error) {
	if caller.UserID == "" || caller.PartnerID == "" {
		return manager{}, access.ErrForbidden
	}
	all := append([]table.Key{UserKey(caller.UserID)}, keys...)
	for _, role := range caller.Roles {
		all = append(all, RoleKey(caller.PartnerID, role.ID))
	}
	items, err := d.Journal.Table.GetAll(ctx, all...)
	if err != nil {
		return manager{}, err
	}
	if !items[0].Exists() {
		return manager{}, access.ErrForbidden
	}
	user, err := table.Decode[User](items[0])
	if err != nil {
		return manager{}, err
	}
	if !user.Stands(caller.Epoch) || user.PartnerID != caller.PartnerID {
		return manager{}, access.ErrForbidden
	}
	roles, err := ReadRoles(items[1+len(keys):])
	if err != nil {
		return manager{}, err
	}
	return manager{
		caller: Now(caller, user, roles), held: table.Check(items[0].Key, table.Is(items[0].Rev)),
		items: items[1 : 1+len(keys)], now: d.Journal.Second(),
	}, nil
}

// fresh passes a refusal on, and refuses where a second factor must be verified
// again first.
func (m manager) fresh(refused error) error {
	if refused != nil {
		return refused
	}
	return m.caller.Fresh(m.now)
}

// holding are the checks that hold a commit to the caller, but where the change
// is of their own record, whose write says the same.
func (m manager) holding(changed string) []table.Write {
	if changed == m.caller.UserID {
		return nil
	}
	return []table.Write{m.held}
}

// Managed is a user about to be changed, with who changes them.
type Managed struct {
	manager
	User User
	// Subject is the user as the policy sees them.
	Subject access.Subject
	rev     table.Rev
	// stepping is the item of steppingKey.
	stepping table.Item
	// More are what was read along.
	More []table.Item
}

// Caller is who changes the user, by the records as read now.
func (m Managed) Caller() access.Caller { return m.caller }

// Managed reads a user of the caller's partner and who asks, and keys along with
// them. Errors: ErrNotFound, also for another partner's; access.ErrForbidden.
func (d *Directory) Managed(ctx context.Context, caller access.Caller, id string, keys ...table.Key) (Managed, error) {
	if !token.ValidID(id) {
		return Managed{}, ErrNotFound
	}
	m, err := d.manager(ctx, caller, append([]table.Key{UserKey(id), steppingKey(caller.PartnerID)}, keys...)...)
	if err != nil {
		return Managed{}, err
	}
	if !m.items[0].Exists() {
		return Managed{}, ErrNotFound
	}
	user, err := table.Decode[User](m.items[0])
	if err != nil {
		return Managed{}, err
	}
	if user.PartnerID != caller.PartnerID {
		return Managed{}, ErrNotFound
	}
	roles, err := d.roles(ctx, user.PartnerID, user.Roles)
	if err != nil {
		return Managed{}, err
	}
	return Managed{
		manager: m, User: user, Subject: access.Subject{UserID: user.ID, Administrator: user.Administrator, Roles: roles},
		rev: m.items[0].Rev, stepping: m.items[1], More: m.items[2:],
	}, nil
}

// Change is what becomes of a managed user: the writes of the record and of what
// is kept along with it, on the condition that neither the user nor the rights
// of who asks have changed since they were read, and that an administrator stays.
// Errors: ErrLastAdministrator.
func (d *Directory) Change(ctx context.Context, m Managed, next User) ([]table.Write, error) {
	writes, err := next.Writes(table.Is(m.rev), m.User)
	if err != nil {
		return nil, err
	}
	stepping, err := d.stepping(ctx, m.stepping, m.User, next)
	return append(append(writes, m.holding(next.ID)...), stepping...), err
}
