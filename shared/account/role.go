package account

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	outbox "portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// ErrBuiltIn says that a role is built in.
var ErrBuiltIn = errors.New("a built-in role can't be changed or removed; make a role of your own instead")

// RoleKey is where a role stands. A built-in one stands nowhere.
func RoleKey(partner, id string) table.Key {
	return table.Key{Partition: "roles#" + partner, Sort: id}
}

// Roles reads the roles of a user that exist. An administrator needs none: for
// one there is no read.
func (d *Directory) Roles(ctx context.Context, user User) ([]access.Role, error) {
	if user.Administrator {
		return []access.Role{}, nil
	}
	return d.roles(ctx, user.PartnerID, user.Roles)
}

// roles reads those of some roles that exist.
func (d *Directory) roles(ctx context.Context, partner string, ids []string) ([]access.Role, error) {
	found := []access.Role{}
	for some := range slices.Chunk(roleKeys(partner, ids), table.MaxBatch) {
		items, err := d.Journal.Table.GetAll(ctx, some...)
		if err != nil {
			return nil, err
		}
		read, err := ReadRoles(items)
		if err != nil {
			return nil, err
		}
		found = append(found, read...)
	}
	return found, nil
}

func roleKeys(partner string, ids []string) []table.Key {
	keys := make([]table.Key, len(ids))
	for i, id := range ids {
		keys[i] = RoleKey(partner, id)
	}
	return keys
}

// ReadRoles decodes the roles that exist from items as GetAll found them; the
// built-in ones always do.
func ReadRoles(items []table.Item) ([]access.Role, error) {
	var roles []access.Role
	for _, item := range items {
		role, ok := access.BuiltInRole(item.Sort)
		if !ok && !item.Exists() {
			continue
		}
		if !ok {
			var err error
			if role, err = table.Decode[access.Role](item); err != nil {
				return nil, err
			}
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// roleFor reads a role of the caller's partner. A role of another's is none.
func (d *Directory) roleFor(ctx context.Context, partner, id string) (access.Role, table.Rev, error) {
	if role, ok := access.BuiltInRole(id); ok {
		return role, 0, nil
	}
	if !token.Shaped(id) {
		return access.Role{}, 0, ErrNotFound
	}
	item, err := d.Journal.Table.Get(ctx, RoleKey(partner, id))
	if errors.Is(err, table.ErrNotFound) {
		return access.Role{}, 0, ErrNotFound
	}
	if err != nil {
		return access.Role{}, 0, err
	}
	role, err := table.Decode[access.Role](item)
	return role, item.Rev, err
}

// RoleFor is one role, for whoever manages users. Errors: ErrNotFound,
// access.ErrForbidden.
func (d *Directory) RoleFor(ctx context.Context, caller access.Caller, id string) (access.Role, error) {
	role, _, err := d.roleFor(ctx, caller.PartnerID, id)
	if err == nil {
		err = caller.MayManageUsers()
	}
	if err != nil {
		return access.Role{}, err
	}
	return role, nil
}

// builtInPlace is where a built-in role comes in the list: before the partner's
// own.
func builtInPlace(i int) string { return "!" + strconv.Itoa(i) }

// ListRoles answers a page of the partner's roles: the built-in ones, then its
// own, oldest first. Whoever manages users. Errors: access.ErrForbidden.
func (d *Directory) ListRoles(ctx context.Context, caller access.Caller, after string, limit int) (page []access.Role, next string, err error) {
	if err := caller.MayManageUsers(); err != nil {
		return nil, "", err
	}
	for i, role := range access.BuiltIn() {
		if len(page) < limit && after < builtInPlace(i) {
			page, after = append(page, role), builtInPlace(i)
		}
	}
	own := table.Range{Partition: RoleKey(caller.PartnerID, "x").Partition, After: after}
	if len(page) == limit {
		more, err := d.anyRole(ctx, own)
		if err != nil || !more && after == builtInPlace(len(access.BuiltIn())-1) {
			after = ""
		}
		return page, after, err
	}
	rest, next, err := table.Page(ctx, d.Journal.Table, own, limit-len(page), func(item table.Item) (access.Role, bool, error) {
		role, err := table.Decode[access.Role](item)
		return role, err == nil, err
	})
	return append(page, rest...), next, err
}

// EveryRole answers a partner's own roles by their ids: for whoever has checked
// that the caller may see all of them. Errors: table.ErrUnavailable.
func (d *Directory) EveryRole(ctx context.Context, partner string) (map[string]access.Role, error) {
	roles := map[string]access.Role{}
	for role, err := range each[access.Role](d.Journal.Table.List(ctx, table.Range{Partition: RoleKey(partner, "x").Partition})) {
		if err != nil {
			return nil, err
		}
		roles[role.ID] = role
	}
	return roles, nil
}

func (d *Directory) anyRole(ctx context.Context, r table.Range) (bool, error) {
	r.Limit = 1
	for _, err := range d.Journal.Table.List(ctx, r) {
		return err == nil, err
	}
	return false, nil
}

// CreateRole makes a role of the caller's partner. Errors: access.ErrForbidden
// (also ErrBeyond), access.ErrNotFresh, *input.Error, idempotency.ErrReused.
func (d *Directory) CreateRole(ctx context.Context, caller access.Caller, once idempotency.Key, role access.Role) (access.Role, error) {
	made, _, err := idempotency.Do(ctx, d.Journal.Table, d.Journal.Second(), once, func(record func(access.Role) ([]table.Write, error)) (access.Role, error) {
		for range tries {
			made, err := d.createRole(ctx, caller, role, record)
			if !errors.Is(err, table.ErrConflict) {
				return made, err
			}
		}
		return access.Role{}, table.ErrUnavailable
	})
	return made, err
}

func (d *Directory) createRole(ctx context.Context, caller access.Caller, role access.Role, record func(access.Role) ([]table.Write, error)) (access.Role, error) {
	m, err := d.manager(ctx, caller)
	if err != nil {
		return access.Role{}, err
	}
	if err := m.fresh(m.caller.MayManageUsers()); err != nil {
		return access.Role{}, err
	}
	if role, err = normaliseRole(role); err != nil {
		return access.Role{}, err
	}
	if err := m.caller.MayGrant(false, []access.Role{role}); err != nil {
		return access.Role{}, err
	}
	if err := d.newSystems(ctx, caller.PartnerID, access.Role{}, role); err != nil {
		return access.Role{}, err
	}
	if role.ID, err = d.Journal.IDs.New(); err != nil {
		return access.Role{}, err
	}
	item, err := table.Encode(RoleKey(caller.PartnerID, role.ID), "role", role)
	if err != nil {
		return access.Role{}, err
	}
	recorded, err := record(role)
	if err != nil {
		return access.Role{}, err
	}
	writes := append(recorded, m.held, table.Put(item, table.Absent()))
	return role, d.Journal.Commit(ctx, writes, described(audit.By(caller, audit.RoleCreated, role.ID), role, ""))
}

// RoleChange is what may be changed of a role; what is nil stays.
type RoleChange struct {
	Name             *string
	Permissions      *[]access.Permission
	PhoneSystems     *[]string
	MaxUnlockSeconds *int64
}

func (c RoleChange) apply(r access.Role) (access.Role, error) {
	if c.Name != nil {
		r.Name = *c.Name
	}
	if c.Permissions != nil {
		r.Permissions = *c.Permissions
	}
	if c.PhoneSystems != nil {
		r.PhoneSystems = *c.PhoneSystems
	}
	if c.MaxUnlockSeconds != nil {
		r.MaxUnlockSeconds = *c.MaxUnlockSeconds
	}
	return normaliseRole(r)
}

// ChangeRole changes a role. What it no longer grants is gone with the next
// request and the next decision, and the windows that rested on it are told to
// have ended; what it grants anew is told to all administrators by mail. Errors:
// ErrNotFound, ErrBuiltIn, access.ErrForbidden (also ErrBeyond, ErrOneself),
// access.ErrNotFresh, *input.Error.
func (d *Directory) ChangeRole(ctx context.Context, caller access.Caller, id string, change RoleChange) (access.Role, error) {
	return d.editRole(ctx, caller, id, func(old access.Role) (roleEdit, error) {
		next, err := change.apply(old)
		if err != nil {
			return roleEdit{}, err
		}
		entry := described(described(audit.By(caller, audit.RoleChanged, id), old, "old_"), next, "")
		return roleEdit{next: next, entry: entry}, d.newSystems(ctx, caller.PartnerID, old, next)
	})
}

// DeleteRole removes a role. Whoever has it keeps what their other roles grant.
// Errors: as ChangeRole.
func (d *Directory) DeleteRole(ctx context.Context, caller access.Caller, id string) error {
	_, err := d.editRole(ctx, caller, id, func(old access.Role) (roleEdit, error) {
		return roleEdit{next: access.Role{ID: id}, gone: true, entry: described(audit.By(caller, audit.RoleDeleted, id), old, "")}, nil
	})
	return err
}

// roleEdit is what an edit makes of a role.
type roleEdit struct {
	next  access.Role
	gone  bool
	entry audit.Entry
}

func (d *Directory) editRole(ctx context.Context, caller access.Caller, id string, edit func(access.Role) (roleEdit, error)) (access.Role, error) {
	for range tries {
		next, err := d.editRoleOnce(ctx, caller, id, edit)
		if !errors.Is(err, table.ErrConflict) {
			return next, err
		}
	}
	return access.Role{}, table.ErrUnavailable
}

func (d *Directory) editRoleOnce(ctx context.Context, caller access.Caller, id string, edit func(access.Role) (roleEdit, error)) (access.Role, error) {
	old, rev, err := d.roleFor(ctx, caller.PartnerID, id)
	if err != nil {
		return access.Role{}, err
	}
	m, err := d.manager(ctx, caller)
	if err != nil {
		return access.Role{}, err
	}
	if err := m.fresh(m.caller.MayManageUsers()); err != nil {
		return access.Role{}, err
	}
	if rev == 0 {
		return access.Role{}, ErrBuiltIn
	}
	e, err := edit(old)
	if err != nil {
		return access.Role{}, err
	}
	if err := m.caller.MayEditRole(old, e.next); err != nil {
		return access.Role{}, err
	}
	return e.next, d.commitRole(ctx, m, old, rev, e)
}

func (d *Directory) commitRole(ctx context.Context, m manager, old access.Role, rev table.Rev, e roleEdit) error {
	write, err := e.write(m.caller.PartnerID, rev)
	if err != nil {
		return err
	}
	writes := []table.Write{write, m.held}
	var closing table.Write
	if old.Wider(e.next) {
		task, err := d.Windows.ClosingRole(m.caller.PartnerID, e.next, m.caller.UserID, e.entry.Action)
		if err != nil {
			return err
		}
		closing = table.Put(task, table.Absent())
		writes = append(writes, closing)
	}
	if e.next.Wider(old) {
		letter, err := d.Outbox.Post(ctx, outbox.Letter{Administrators: m.caller.PartnerID, Subject: "The role " + e.next.Name + " was widened", Text: widenedText(e.next, m.caller)})
		if err != nil {
			return err
		}
		writes = append(writes, letter)
		e.entry = e.entry.With("role_change", "widened")
	}
	if err := d.Journal.Commit(ctx, writes, e.entry); err != nil || closing.Item.Kind == "" {
		return err
	}
	d.EndsTold(ctx, closing)
	return nil
}

func (e roleEdit) write(partner string, rev table.Rev) (table.Write, error) {
	key := RoleKey(partner, e.next.ID)
	if e.gone {
		return table.Delete(key, table.Is(rev)), nil
	}
	item, err := table.Encode(key, "role", e.next)
	return table.Put(item, table.Is(rev)), err
}
