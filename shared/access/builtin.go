package access

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
func BuiltIn() []Role { return []Role{technician(), auditor(), limitedAccess()} }

func technician() Role {
	return Role{ID: Technician, Name: "Technician", Permissions: []Permission{Unlock}, PhoneSystems: []string{EveryPhoneSystem}, MaxUnlockSeconds: LongestUnlock}
}

func auditor() Role {
	return Role{ID: Auditor, Name: "Auditor", Permissions: []Permission{ViewUnlocks, ViewAudit}, PhoneSystems: []string{EveryPhoneSystem}}
}

// limitedAccess is a template: it grants nothing until a role made from it names
// phone systems.
func limitedAccess() Role {
	return Role{ID: LimitedAccess, Name: "Limited access", Permissions: []Permission{Unlock}, PhoneSystems: []string{}, MaxUnlockSeconds: 3600}
}

// BuiltInRole finds the built-in role with an id. Each decision at a gate asks,
// and nearly always in vain.
func BuiltInRole(id string) (Role, bool) {
	switch id {
	case Technician:
		return technician(), true
	case Auditor:
		return auditor(), true
	case LimitedAccess:
		return limitedAccess(), true
	}
	return Role{}, false
}
