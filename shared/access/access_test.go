package access_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/access"
)

var (
	technician = access.Role{ID: "T", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 3600}
	limited    = access.Role{ID: "L", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"ps1"}, MaxUnlockSeconds: 600}
	auditor    = access.Role{ID: "A", Permissions: []access.Permission{access.ViewUnlocks, access.ViewAudit}, PhoneSystems: []string{"*"}}
	limitless  = access.Role{ID: "N", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}}
)

func caller(roles ...access.Role) access.Caller {
	return access.Caller{UserID: "u", PartnerID: "p", Roles: roles}
}

func administrator() access.Caller {
	return access.Caller{UserID: "a", PartnerID: "p", Administrator: true}
}

// program holds a role that no key gives: whatever it holds, it is a program.
func program() access.Caller {
	all := access.Role{ID: "K", Permissions: access.Permissions(), PhoneSystems: []string{"*"}, MaxUnlockSeconds: 3600}
	return access.Caller{UserID: "k", Program: "backup", PartnerID: "p", Administrator: true, Roles: []access.Role{all}, MFAAt: time.Unix(1_800_000_000, 0)}
}

func operator() access.Caller {
	return access.Caller{UserID: "o", PartnerID: access.Operators, Administrator: true}
}

func TestMay(t *testing.T) {
	cases := []struct {
		name  string
		who   access.Caller
		what  access.Permission
		where string
		want  bool
	}{
		{"administrator unlocks", administrator(), access.Unlock, "ps1", true},
		{"administrator manages users", administrator(), access.ManageUsers, "*", true},
		{"operator has nothing inside a partner", operator(), access.Unlock, "ps1", false},
		{"operator views no audit", operator(), access.ViewAudit, "*", false},
		{"nobody", access.Caller{}, access.Unlock, "ps1", false},
		{"nobody with a flag", access.Caller{Administrator: true, PartnerID: "p"}, access.Unlock, "ps1", false},
		{"administrator of no partner", access.Caller{UserID: "u", Administrator: true}, access.Unlock, "ps1", false},
		{"technician unlocks anything", caller(technician), access.Unlock, "ps9", true},
		{"technician does not close others' windows", caller(technician), access.CloseUnlocks, "ps1", false},
		{"limited access here", caller(limited), access.Unlock, "ps1", true},
		{"limited access elsewhere", caller(limited), access.Unlock, "ps2", false},
		{"limited access is not everywhere", caller(limited), access.Unlock, "*", false},
		{"auditor views", caller(auditor), access.ViewAudit, "ps1", true},
		{"auditor never unlocks", caller(auditor), access.Unlock, "ps1", false},
		{"a program views", program(), access.ViewUnlocks, "ps1", true},
		{"a program registers", program(), access.ManagePhoneSystems, "*", true},
		{"a program never unlocks", program(), access.Unlock, "ps1", false},
		{"a program closes nothing", program(), access.CloseUnlocks, "ps1", false},
		{"a program breaks no glass", program(), access.BreakGlass, "ps1", false},
		{"a program manages no users", program(), access.ManageUsers, "*", false},
		{"no role", caller(), access.ViewUnlocks, "ps1", false},
		{"a role of nobody", access.Caller{Roles: []access.Role{technician}}, access.Unlock, "ps1", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := c.who.May(c.what, c.where); got != c.want {
				t.Errorf("May(%s, %s) = %v", c.what, c.where, got)
			}
		})
	}
}

func TestHasSeesAndGranted(t *testing.T) {
	if !caller(limited).Has(access.Unlock) || caller(limited).Has(access.ViewAudit) || caller().Has(access.Unlock) {
		t.Error("Has does not follow the roles")
	}
	if (access.Caller{Roles: []access.Role{technician}}).Has(access.Unlock) || (access.Caller{Roles: []access.Role{technician}}).Sees("ps1") {
		t.Error("a role of nobody counts")
	}
	if nowhere := (access.Role{ID: "W", Permissions: access.Permissions()}); caller(nowhere).Has(access.ViewAudit) {
		t.Error("a role over no phone system counts")
	}
	if role, ok := caller(limited, technician).Role("T"); !ok || role.ID != "T" {
		t.Error("a held role is not found")
	}
	if _, ok := caller(limited).Role("T"); ok {
		t.Error("a role that is not held is found")
	}
	if !operator().Has(access.ManagePartners) || operator().Has(access.ManageUsers) || administrator().Has(access.ManagePartners) {
		t.Error("operators and administrators are mixed up")
	}
	if !caller(limited).Sees("ps1") || caller(limited).Sees("ps2") || !administrator().Sees("ps2") || operator().Sees("ps1") {
		t.Error("Sees does not follow the roles")
	}
	if got := administrator().Granted(); !slices.Equal(got, access.Permissions()) {
		t.Errorf("an administrator is granted %v", got)
	}
	if got := operator().Granted(); !slices.Equal(got, []access.Permission{access.ManagePartners}) {
		t.Errorf("an operator is granted %v", got)
	}
	if !caller(technician).HasEverywhere(access.Unlock) || caller(limited).HasEverywhere(access.Unlock) {
		t.Error("HasEverywhere does not follow the roles")
	}
}

func TestUnlockGrant(t *testing.T) {
	cases := []struct {
		name string
		who  access.Caller
		want access.Grant
		err  error
	}{
		{"administrator: as the policy says", administrator(), access.Grant{}, nil},
		{"operator", operator(), access.Grant{}, access.ErrForbidden},
		{"the most generous role", caller(limited, technician), access.Grant{Role: "T", Longest: 3600}, nil},
		{"the most generous role, other order", caller(technician, limited), access.Grant{Role: "T", Longest: 3600}, nil},
		{"of two as generous the first", caller(technician, access.Role{ID: "T2", Permissions: technician.Permissions, PhoneSystems: []string{"ps1"}, MaxUnlockSeconds: 3600}), access.Grant{Role: "T", Longest: 3600}, nil},
		{"a program", program(), access.Grant{}, access.ErrProgram},
		{"view only", caller(auditor), access.Grant{}, access.ErrForbidden},
		{"attack 36: a missing limit denies", caller(limitless), access.Grant{}, access.ErrForbidden},
		{"a role of nobody", access.Caller{Roles: []access.Role{technician}}, access.Grant{}, access.ErrForbidden},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.who.UnlockGrant("ps1")
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("UnlockGrant = %v, %v", got, err)
			}
		})
	}
}

func TestFreshEndsAfterFiveMinutes(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	who := access.Caller{UserID: "u", MFAAt: at}
	for _, c := range []struct {
		after time.Duration
		fresh bool
	}{{-time.Second, false}, {0, true}, {access.FreshFor - time.Second, true}, {access.FreshFor, false}, {time.Hour, false}} {
		if err := who.Fresh(at.Add(c.after)); (err == nil) != c.fresh || err != nil && !errors.Is(err, access.ErrNotFresh) {
			t.Errorf("after %v: %v", c.after, err)
		}
	}
	if (access.Caller{UserID: "u"}).Fresh(time.Time{}) == nil {
		t.Error("a caller without a second factor is fresh")
	}
}

func TestAProgramIsNoPerson(t *testing.T) {
	at := program().MFAAt
	if err := program().Fresh(at); !errors.Is(err, access.ErrProgram) {
		t.Errorf("a program's second factor: %v", err)
	}
	if err := program().FreshOrProgram(at.Add(time.Hour)); err != nil {
		t.Errorf("what programs may: %v", err)
	}
	if err := administrator().FreshOrProgram(at); !errors.Is(err, access.ErrNotFresh) {
		t.Errorf("a person where programs may: %v", err)
	}
	if p := program(); p.Person() || p.Administers() {
		t.Error("a program is an administrator")
	}
	if p := (access.Caller{UserID: "k", Program: "backup", PartnerID: access.Operators, Administrator: true}); p.Operator() || p.Has(access.ManagePartners) {
		t.Error("a program is an operator")
	}
}

// More roles never take anything away, and nothing comes from nowhere.
func TestRolesOnlyAdd(t *testing.T) {
	roles := rapid.Custom(func(t *rapid.T) access.Role {
		return access.Role{
			ID:               rapid.StringMatching(`[A-Z]`).Draw(t, "id"),
			Permissions:      rapid.SliceOf(rapid.SampledFrom(access.Permissions())).Draw(t, "permissions"),
			PhoneSystems:     rapid.SliceOf(rapid.SampledFrom([]string{"*", "ps1", "ps2"})).Draw(t, "systems"),
			MaxUnlockSeconds: rapid.Int64Range(-1, 7200).Draw(t, "longest"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		held := rapid.SliceOf(roles).Draw(t, "held")
		more := append(slices.Clone(held), roles.Draw(t, "one more"))
		p := rapid.SampledFrom(access.Permissions()).Draw(t, "permission")
		ps := rapid.SampledFrom([]string{"ps1", "ps2", "ps3"}).Draw(t, "phone system")
		if caller(held...).May(p, ps) && !caller(more...).May(p, ps) {
			t.Fatal("a further role took a permission away")
		}
		granted := slices.ContainsFunc(held, func(r access.Role) bool { return r.Grants(p, ps) })
		if caller(held...).May(p, ps) != granted {
			t.Fatal("a permission came from nowhere")
		}
		if grant, err := caller(held...).UnlockGrant(ps); err == nil && (grant.Role == "" || grant.Longest <= 0) {
			t.Fatalf("unlimited grant %v", grant)
		}
	})
}
