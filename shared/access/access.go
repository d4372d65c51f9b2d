// Package access says who is asking and what they may do. It is pure: values
// in, answers out, no I/O, no clock, nothing else of ours. It guarantees that a
// caller holds exactly what the administrator flag or the roles grant, that a
// program never opens anything, and that nobody counts as freshly verified
// without a second factor within FreshFor.
package access

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// FreshFor is how long a verified second factor counts as fresh.
const FreshFor = 5 * time.Minute

// Operators is the partner id under which operators stand. No partner has it.
const Operators = "OPERATORS"

var (
	// ErrForbidden says that the caller lacks a permission.
	ErrForbidden = errors.New("you do not have the permission that this needs; ask an administrator of your organisation")
	// ErrProgram says that a program asked for what takes a person.
	ErrProgram = errors.New("this takes a person who is signed in: a program with an API key reads, and registers or edits phone systems, no more")
	// ErrNotFresh says that a second factor must be verified again first.
	ErrNotFresh = errors.New("this needs a second factor verified within the last 5 minutes; verify it again with POST /v1/session/step-up")
)

// Permission is one thing that a role can grant.
type Permission string

// The permissions of API.md, "roles", and the operators' own, which no role
// can name.
const (
	Unlock             Permission = "unlock"
	BreakGlass         Permission = "break_glass"
	ViewUnlocks        Permission = "view_unlocks"
	CloseUnlocks       Permission = "close_unlocks"
	ManagePhoneSystems Permission = "manage_phone_systems"
	ManageUsers        Permission = "manage_users"
	ViewAudit          Permission = "view_audit"

	ManagePartners Permission = "manage_partners"
)

// Permissions lists what a role can grant, in the order of API.md.
func Permissions() []Permission {
	return []Permission{Unlock, BreakGlass, ViewUnlocks, CloseUnlocks, ManagePhoneSystems, ManageUsers, ViewAudit}
}

// ProgramPermissions lists what an API key can grant a program: nothing that
// opens or closes anything, or changes who has access.
func ProgramPermissions() []Permission {
	return []Permission{ViewUnlocks, ManagePhoneSystems, ViewAudit}
}

// EveryPhoneSystem in a role's list stands for all, those to come included.
const EveryPhoneSystem = "*"

// Role is a named set of permissions over some phone systems.
type Role struct {
	ID               string       `json:"id"`
	Name             string       `json:"name"`
	Permissions      []Permission `json:"permissions"`
	PhoneSystems     []string     `json:"phone_systems"`
	MaxUnlockSeconds int64        `json:"max_unlock_seconds"`
}

// Covers tells whether the role reaches a phone system.
func (r Role) Covers(phoneSystem string) bool {
	return slices.Contains(r.PhoneSystems, EveryPhoneSystem) || slices.Contains(r.PhoneSystems, phoneSystem)
}

// Grants tells whether the role gives a permission on a phone system.
func (r Role) Grants(p Permission, phoneSystem string) bool {
	return slices.Contains(r.Permissions, p) && r.Covers(phoneSystem)
}

// Caller is a person with a verified second factor, or a program of a partner's
// with an API key, as one request found them. The zero Caller may do nothing.
type Caller struct {
	// UserID is the user's id, or that of a program's key.
	UserID string
	// Program is the name of the API key that a program came with; empty for a
	// person.
	Program       string
	Email         string
	PartnerID     string
	Administrator bool
	Roles         []Role
	SessionID     string
	// Epoch is the user's as this request found it.
	Epoch int64
	// MFAAt is when this session last verified a second factor.
	MFAAt time.Time
	// Client is where the request came from, v4-mapped addresses unwrapped.
	Client netip.Addr
}

// ByProgram makes the caller that a program with an API key is: it holds the
// key's permissions on every phone system, as far as programs may.
func ByProgram(partner, key, name string, permissions []Permission, client netip.Addr) Caller {
	return Caller{
		UserID: key, Program: name, PartnerID: partner, Client: client.Unmap(),
		Roles: []Role{{ID: key, Name: name, Permissions: permissions, PhoneSystems: []string{EveryPhoneSystem}}},
	}
}

// Person tells whether the caller is one.
func (c Caller) Person() bool { return c.UserID != "" && c.Program == "" }

// Operator tells whether the caller runs Portcullis rather than uses it.
func (c Caller) Operator() bool { return c.Person() && c.PartnerID == Operators }

// Administers tells whether the caller may do everything within a partner. An
// operator is nobody there.
func (c Caller) Administers() bool {
	return c.Person() && c.Administrator && c.PartnerID != "" && !c.Operator()
}

// holds tells whether a role of the caller's gives a permission. A program has
// none but those that programs may have, whatever its key says.
func (c Caller) holds(p Permission, gives func(Role) bool) bool {
	known := c.Person() || c.UserID != "" && slices.Contains(ProgramPermissions(), p)
	return known && slices.ContainsFunc(c.Roles, gives)
}

// FreshOrProgram is Fresh for persons, and nil for programs: for the few changes
// that a program may make.
func (c Caller) FreshOrProgram(now time.Time) error {
	if c.Program != "" {
		return nil
	}
	return c.Fresh(now)
}

// Fresh is nil while the second factor was verified less than FreshFor before
// now and not after it, else ErrNotFresh. A program has none: ErrProgram.
func (c Caller) Fresh(now time.Time) error {
	if c.Program != "" {
		return ErrProgram
	}
	if c.MFAAt.IsZero() || now.Before(c.MFAAt) || !now.Before(c.MFAAt.Add(FreshFor)) {
		return ErrNotFresh
	}
	return nil
}

// Has tells whether the caller holds a permission on at least one phone system.
func (c Caller) Has(p Permission) bool {
	if p == ManagePartners {
		return c.Operator() && c.Administrator
	}
	return c.Administers() || c.holds(p, func(r Role) bool {
		return slices.Contains(r.Permissions, p) && len(r.PhoneSystems) > 0
	})
}

// HasEverywhere tells whether the caller holds a permission on every phone
// system, those to come included.
func (c Caller) HasEverywhere(p Permission) bool { return c.May(p, EveryPhoneSystem) }

// May tells whether the caller holds a permission on one phone system.
func (c Caller) May(p Permission, phoneSystem string) bool {
	return c.Administers() || c.holds(p, func(r Role) bool { return r.Grants(p, phoneSystem) })
}

// Sees tells whether a phone system exists for the caller: for administrators
// always, for others where a role covers it.
func (c Caller) Sees(phoneSystem string) bool {
	return c.Administers() || c.UserID != "" && slices.ContainsFunc(c.Roles, func(r Role) bool {
		return r.Covers(phoneSystem)
	})
}

// Granted lists the caller's permissions in the order of API.md.
func (c Caller) Granted() []Permission {
	granted := []Permission{}
	for _, p := range append(Permissions(), ManagePartners) {
		if c.Has(p) {
			granted = append(granted, p)
		}
	}
	return granted
}

// Role finds one of the caller's roles.
func (c Caller) Role(id string) (Role, bool) {
	for _, role := range c.Roles {
		if role.ID == id {
			return role, true
		}
	}
	return Role{}, false
}

// Grant is what lets somebody unlock: the administrator flag (Role is empty)
// or one role.
type Grant struct {
	Role string
	// Longest is the longest window in seconds; zero: as the policy says.
	Longest int64
}

// UnlockGrant answers the most generous grant to unlock a phone system, or
// ErrForbidden, and ErrProgram for a program. A role without a longest unlock
// grants none: an unreadable or missing limit denies.
func (c Caller) UnlockGrant(phoneSystem string) (Grant, error) {
	if c.Administers() {
		return Grant{}, nil
	}
	if c.Program != "" {
		return Grant{}, ErrProgram
	}
	best := Grant{}
	for _, role := range c.Roles {
		if role.Grants(Unlock, phoneSystem) && role.MaxUnlockSeconds > best.Longest {
			best = Grant{Role: role.ID, Longest: role.MaxUnlockSeconds}
		}
	}
	if c.UserID == "" || best.Longest <= 0 {
		return Grant{}, ErrForbidden
	}
	return best, nil
}
