package access_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"portcullis.example/shared/access"
)

// What each of these people holds, for the tables below.
var (
	// manager manages users, unlocks ps1 for ten minutes and views every unlock.
	manager = caller(
		access.Role{ID: "M", Permissions: []access.Permission{access.ManageUsers, access.ViewUnlocks}, PhoneSystems: []string{"*"}},
		limited,
	)
	// confined has manage_users on one phone system, which gives nothing.
	confined = caller(access.Role{ID: "C", Permissions: []access.Permission{access.ManageUsers, access.Unlock}, PhoneSystems: []string{"ps1"}, MaxUnlockSeconds: 600})
)

func role(seconds int64, systems []string, permissions ...access.Permission) access.Role {
	return access.Role{ID: "R", Permissions: permissions, PhoneSystems: systems, MaxUnlockSeconds: seconds}
}

var (
	ps1  = []string{"ps1"}
	ps2  = []string{"ps2"}
	both = []string{"ps1", "ps2"}
	all  = []string{"*"}
)

type verdict struct {
	name string
	got  error
	want error // nil: allow
}

func judge(t *testing.T, cases []verdict) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if c.want == nil && c.got != nil || !errors.Is(c.got, c.want) {
				t.Errorf("%v, want %v", c.got, c.want)
			}
			if c.got != nil && !errors.Is(c.got, access.ErrForbidden) {
				t.Errorf("%v is no ErrForbidden", c.got)
			}
		})
	}
}

var (
	allow     error
	deny      = access.ErrForbidden
	beyond    = access.ErrBeyond
	ownRights = access.ErrOneself
)

// Nobody grants what they do not hold.
func TestAttack32Grant(t *testing.T) {
	grant := func(who access.Caller, administrator bool, roles ...access.Role) error {
		return who.MayGrant(administrator, roles)
	}
	judge(t, []verdict{
		{"an administrator makes an administrator", grant(administrator(), true), allow},
		{"an administrator grants anything", grant(administrator(), false, role(86400, all, access.Permissions()...)), allow},
		{"an operator grants nothing", grant(operator(), false), deny},
		{"nobody grants nothing", grant(access.Caller{}, false), deny},
		{"a technician grants nothing", grant(caller(technician), false), deny},
		{"manage_users on one phone system grants nothing", grant(confined, false, role(600, ps1, access.Unlock)), deny},
		{"a manager invites somebody without rights", grant(manager, false), allow},
		{"a manager makes no administrator", grant(manager, true), beyond},
		{"a manager grants what they hold", grant(manager, false, role(600, ps1, access.Unlock)), allow},
		{"a manager grants less than they hold", grant(manager, false, role(60, ps1, access.Unlock)), allow},
		{"a manager grants several roles they hold", grant(manager, false, role(600, ps1, access.Unlock), role(0, ps2, access.ViewUnlocks)), allow},
		{"a manager makes another manager", grant(manager, false, role(0, all, access.ManageUsers)), allow},
		{"not a longer unlock", grant(manager, false, role(601, ps1, access.Unlock)), beyond},
		{"not another phone system", grant(manager, false, role(600, ps2, access.Unlock)), beyond},
		{"not another phone system beside theirs", grant(manager, false, role(600, both, access.Unlock)), beyond},
		{"not every phone system", grant(manager, false, role(600, all, access.Unlock)), beyond},
		{"not another permission", grant(manager, false, role(600, ps1, access.CloseUnlocks)), beyond},
		{"not another permission beside theirs", grant(manager, false, role(600, ps1, access.Unlock, access.BreakGlass)), beyond},
		{"not one role beyond among several", grant(manager, false, role(600, ps1, access.Unlock), role(0, all, access.ViewAudit)), beyond},
		{"a longest unlock without unlock is nothing", grant(manager, false, role(86400, all, access.ViewUnlocks)), allow},
		{"nor does it make a role of theirs longer", grant(caller(role(86400, all, access.ManageUsers), limited), false, role(601, ps1, access.Unlock)), beyond},
		{"a role over nothing is nothing", grant(manager, false, role(86400, nil, access.Permissions()...)), allow},
	})
}

// Whom somebody may change, and to what.
func TestAttack32ChangeOfAUser(t *testing.T) {
	user := func(id string, roles ...access.Role) access.Subject { return access.Subject{UserID: id, Roles: roles} }
	admin := func(id string) access.Subject { return access.Subject{UserID: id, Administrator: true} }
	change := access.Caller.MayChangeRights
	judge(t, []verdict{
		{"an administrator changes anybody", change(administrator(), user("x", technician), user("x", auditor)), allow},
		{"an administrator changes an administrator", change(administrator(), admin("x"), user("x")), allow},
		{"an administrator steps down", change(administrator(), admin("a"), user("a")), allow},
		{"a technician changes nobody", change(caller(technician), user("x"), user("x")), deny},
		{"manage_users on one phone system changes nobody", change(confined, user("x"), user("x")), deny},
		{"a manager gives what they hold", change(manager, user("x"), user("x", limited)), allow},
		{"a manager takes what they hold", change(manager, user("x", limited), user("x")), allow},
		{"a manager gives no more", change(manager, user("x"), user("x", technician)), beyond},
		{"a manager takes nothing that they lack", change(manager, user("x", technician), user("x")), beyond},
		{"a manager leaves alone who has more", change(manager, user("x", auditor), user("x", auditor)), beyond},
		{"a manager makes no administrator", change(manager, user("x"), admin("x")), beyond},
		{"a manager does not touch an administrator", change(manager, admin("x"), user("x")), beyond},
		{"a manager does not change themself", change(manager, user("u", limited), user("u")), ownRights},
		{"not even by what they hold", change(manager, user("u"), user("u", limited)), ownRights},
	})
	judge(t, []verdict{
		{"a manager may rename themself", manager.MayManage(user("u", limited)), allow},
		{"a manager may rename who has no more", manager.MayManage(user("x", limited)), allow},
		{"but not who has more", manager.MayManage(user("x", technician)), beyond},
	})
}

// Resetting a factor is for administrators, and never for oneself.
func TestAttack32ResetOfAFactor(t *testing.T) {
	reset := access.Caller.MayResetFactor
	judge(t, []verdict{
		{"an administrator resets a user's", reset(administrator(), access.Subject{UserID: "x"}), allow},
		{"an administrator resets another administrator's", reset(administrator(), access.Subject{UserID: "x", Administrator: true}), allow},
		{"an administrator does not reset their own", reset(administrator(), access.Subject{UserID: "a", Administrator: true}), ownRights},
		{"a manager resets nobody's", reset(manager, access.Subject{UserID: "x"}), deny},
		{"nor their own", reset(manager, access.Subject{UserID: "u"}), deny},
		{"an operator resets nobody's", reset(operator(), access.Subject{UserID: "x"}), deny},
	})
}

// Nobody edits a role they rest on, nor one that grants more than they hold.
func TestAttack32EditOfARole(t *testing.T) {
	edit := access.Caller.MayEditRole
	held := role(600, ps1, access.Unlock)
	none := access.Role{ID: "R"}
	mine := limited
	wide := mine
	wide.MaxUnlockSeconds = 3600
	judge(t, []verdict{
		{"an administrator widens any role", edit(administrator(), held, role(86400, all, access.Unlock)), allow},
		{"an administrator with a role edits it", edit(access.Caller{UserID: "a", PartnerID: "p", Administrator: true, Roles: []access.Role{held}}, held, none), allow},
		{"a technician edits no role", edit(caller(technician), held, none), deny},
		{"a manager narrows a role that they hold", edit(manager, held, role(60, ps1, access.Unlock)), allow},
		{"a manager removes a role that they hold", edit(manager, held, none), allow},
		{"a manager widens it up to what they hold", edit(manager, role(60, ps1, access.Unlock), held), allow},
		{"and no further", edit(manager, held, role(600, all, access.Unlock)), beyond},
		{"a manager does not narrow what they do not hold", edit(manager, technician, none), beyond},
		{"a manager does not widen the role they rest on", edit(manager, mine, wide), beyond},
		{"nor narrow it", edit(manager, mine, access.Role{ID: mine.ID}), ownRights},
	})
}

// The built-in roles: what each grants.
func TestBuiltInRoles(t *testing.T) {
	as := func(id string) access.Caller {
		role, ok := access.BuiltInRole(id)
		if !ok {
			t.Fatalf("there is no %s", id)
		}
		return caller(role)
	}
	if tech := as(access.Technician); !tech.HasEverywhere(access.Unlock) || len(tech.Granted()) != 1 {
		t.Errorf("a technician has %v", tech.Granted())
	}
	if grant, err := as(access.Technician).UnlockGrant("ps1"); err != nil || grant.Longest != access.LongestUnlock {
		t.Errorf("a technician unlocks for %v, %v", grant, err)
	}
	view := as(access.Auditor)
	if !view.HasEverywhere(access.ViewAudit) || !view.HasEverywhere(access.ViewUnlocks) || len(view.Granted()) != 2 {
		t.Errorf("an auditor has %v", view.Granted())
	}
	if got := as(access.LimitedAccess).Granted(); len(got) != 0 {
		t.Errorf("the template grants %v", got)
	}
	if _, ok := access.BuiltInRole("ANOTHER"); ok {
		t.Error("there is a built-in role that nobody wrote")
	}
}

func anyRole() *rapid.Generator[access.Role] {
	return rapid.Custom(func(t *rapid.T) access.Role {
		return access.Role{
			ID:               rapid.SampledFrom([]string{"R1", "R2", "R3"}).Draw(t, "id"),
			Permissions:      rapid.SliceOfDistinct(rapid.SampledFrom(access.Permissions()), rapid.ID[access.Permission]).Draw(t, "permissions"),
			PhoneSystems:     rapid.SliceOfDistinct(rapid.SampledFrom([]string{"*", "ps1", "ps2"}), rapid.ID[string]).Draw(t, "phone systems"),
			MaxUnlockSeconds: rapid.SampledFrom([]int64{0, 60, 600, 3600}).Draw(t, "seconds"),
		}
	})
}

// Whatever roles there are: who is given a role that the granter holds may do
// nothing that the granter may not, nor for longer.
func TestAttack32HeldMeansNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		granter := caller(rapid.SliceOfN(anyRole(), 0, 3).Draw(t, "granter")...)
		given := anyRole().Draw(t, "given")
		if !granter.Holds(given) {
			return
		}
		for _, system := range []string{"*", "ps1", "ps2", "ps3"} {
			for _, p := range access.Permissions() {
				if caller(given).May(p, system) && !granter.May(p, system) {
					t.Fatalf("%s on %s", p, system)
				}
			}
			theirs, err := caller(given).UnlockGrant(system)
			mine, lacks := granter.UnlockGrant(system)
			if err == nil && (lacks != nil || theirs.Longest > mine.Longest) {
				t.Fatalf("unlocks %s for %d s, the granter for %d s (%v)", system, theirs.Longest, mine.Longest, lacks)
			}
		}
		if given.Wider(given) {
			t.Fatal("wider than itself")
		}
	})
}
