package access

import "slices"

// The ids of the built-in roles. No role that a partner makes has such an id.
const (
	Technician    = "TECHNICIAN"
	Auditor       = "AUDITOR"
	LimitedAccess = "LIMITED"
)

// LongestUnlock is the longest that a role may let windows last, in seconds; a
// phone system's policy may say less.
const LongestUnlock = 86400

// BuiltIn lists the roles that every partner has, in the order they are shown.
// They are written here and stored nowhere: nobody can change or remove one.
func BuiltIn() []Role {
	return []Role{
		{ID: Technician, Name: "Technician", Permissions: []Permission{Unlock}, PhoneSystems: []string{EveryPhoneSystem}, MaxUnlockSeconds: LongestUnlock},
		{ID: Auditor, Name: "Auditor", Permissions: []Permission{ViewUnlocks, ViewAudit}, PhoneSystems: []string{EveryPhoneSystem}},
		// A template: it grants nothing until a role made from it names phone systems.
		{ID: LimitedAccess, Name: "Limited access", Permissions: []Permission{Unlock}, PhoneSystems: []string{}, MaxUnlockSeconds: 3600},
	}
}

// BuiltInRole finds the built-in role with an id.
func BuiltInRole(id string) (Role, bool) {
	all := BuiltIn()
	i := slices.IndexFunc(all, func(r Role) bool { return r.ID == id })
	if i < 0 {
		return Role{}, false
	}
	return all[i], true
}
