package access

import "slices"

// refusal is an ErrForbidden that says more.
type refusal string

func (r refusal) Error() string { return string(r) }

// Is makes errors.Is(err, ErrForbidden) true.
func (r refusal) Is(target error) bool { return target == ErrForbidden }

var (
	// ErrBeyond says that a change concerns more than the caller holds.
	ErrBeyond error = refusal("nobody grants, changes or takes away what they do not hold themselves, and only administrators touch administrators; ask an administrator of your organisation")
	// ErrOneself says that a change concerns the caller's own rights.
	ErrOneself error = refusal("nobody changes their own rights or resets their own second factor; ask another administrator of your organisation")
)

// Subject is a user whom a change concerns.
type Subject struct {
	UserID        string
	Administrator bool
	Roles         []Role
}

// limited tells whether the role's longest unlock limits a permission.
func limited(p Permission) bool { return p == Unlock || p == BreakGlass }

// longest is how long the caller's roles let a window last by a permission on a
// phone system, in seconds.
func (c Caller) longest(p Permission, phoneSystem string) int64 {
	var most int64
	for _, role := range c.Roles {
		if role.Grants(p, phoneSystem) {
			most = max(most, role.MaxUnlockSeconds)
		}
	}
	return most
}

// Holds tells whether the caller has everything that a role grants: each
// permission on each of its phone systems, for no shorter an unlock.
func (c Caller) Holds(r Role) bool {
	if c.Administers() {
		return true
	}
	for _, p := range r.Permissions {
		for _, system := range r.PhoneSystems {
			if !c.May(p, system) || limited(p) && r.MaxUnlockSeconds > c.longest(p, system) {
				return false
			}
		}
	}
	return c.UserID != ""
}

func (c Caller) holdsAll(roles []Role) bool {
	return !slices.ContainsFunc(roles, func(r Role) bool { return !c.Holds(r) })
}

// Wider tells whether the role grants anything that old does not.
func (r Role) Wider(old Role) bool {
	return !Caller{UserID: "anybody", Roles: []Role{old}}.Holds(r)
}

// MayManageUsers is nil for whoever manages the partner's users and roles:
// administrators, and who has manage_users on every phone system. Users belong
// to no phone system: the permission on some of them gives nothing.
func (c Caller) MayManageUsers() error {
	if !c.HasEverywhere(ManageUsers) {
		return ErrForbidden
	}
	return nil
}

// MayGrant is nil if the caller may make somebody an administrator, or give them
// roles. Errors: ErrForbidden, ErrBeyond.
func (c Caller) MayGrant(administrator bool, roles []Role) error {
	if err := c.MayManageUsers(); err != nil {
		return err
	}
	if !c.Administers() && administrator || !c.holdsAll(roles) {
		return ErrBeyond
	}
	return nil
}

// MayManage is nil if the caller may change a user at all: somebody whom they
// could have given everything they have. Errors: ErrForbidden, ErrBeyond.
func (c Caller) MayManage(s Subject) error { return c.MayGrant(s.Administrator, s.Roles) }

// MayChangeRights is nil if the caller may make of a user what next says, or end
// their access. An administrator may step down; nobody else touches their own
// rights. Errors: ErrForbidden, ErrBeyond, ErrOneself.
func (c Caller) MayChangeRights(s, next Subject) error {
	if err := c.MayManage(s); err != nil {
		return err
	}
	if s.UserID == c.UserID && !c.Administers() {
		return ErrOneself
	}
	return c.MayGrant(next.Administrator, next.Roles)
}

// MayResetFactor is nil if the caller may take a user's second factor away:
// administrators, and never their own. Errors: ErrForbidden, ErrOneself.
func (c Caller) MayResetFactor(s Subject) error {
	switch {
	case !c.Administers():
		return ErrForbidden
	case s.UserID == c.UserID:
		return ErrOneself
	}
	return nil
}

// MayEditRole is nil if the caller may make next of a role, or remove it (then
// next grants nothing): they hold what it grants before and after, and do not
// rest on it. Errors: ErrForbidden, ErrBeyond, ErrOneself.
func (c Caller) MayEditRole(old, next Role) error {
	if err := c.MayGrant(false, []Role{old, next}); err != nil {
		return err
	}
	if _, mine := c.Role(old.ID); mine && !c.Administers() {
		return ErrOneself
	}
	return nil
}
