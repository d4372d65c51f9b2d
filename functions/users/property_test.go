package users_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
)

// deed is one change that somebody tries: who, whom, and to what. Numbers choose
// among what there is when it is tried.
type deed struct {
	Kind          string
	Who, Whom     int
	Stale         bool // by what an earlier request found of who asks
	Roles         []int
	Administrator bool
	Active        bool
	Permissions   []access.Permission
	Systems       []int
	Seconds       int64
}

func deeds() *rapid.Generator[[]deed] {
	one := rapid.Custom(func(t *rapid.T) deed {
		some := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3)
		return deed{
			Kind: rapid.SampledFrom([]string{"invite", "roles", "roles", "administrator", "active", "delete", "reset", "make role", "edit role", "edit role", "delete role"}).Draw(t, "kind"),
			Who:  rapid.IntRange(0, 9).Draw(t, "who"), Whom: rapid.IntRange(0, 9).Draw(t, "whom"),
			Stale: rapid.IntRange(0, 3).Draw(t, "stale") == 0, Roles: some.Draw(t, "roles"),
			Administrator: rapid.Bool().Draw(t, "administrator"), Active: rapid.Bool().Draw(t, "active"),
			Permissions: rapid.SliceOfNDistinct(rapid.SampledFrom(access.Permissions()), 1, 3, rapid.ID[access.Permission]).Draw(t, "permissions"),
			Systems:     some.Draw(t, "systems"), Seconds: rapid.SampledFrom([]int64{60, 600, 3600}).Draw(t, "seconds"),
		}
	})
	return rapid.SliceOfN(one, 20, 20)
}

// office is a partner whose people change each other.
type office struct {
	*localtest.World
	partner string
	systems []string
	people  []string // all who ever were
	roles   []string
	asked   map[string]access.Caller // as a request of theirs found them, some time ago
	// done, refused and gained count what happened.
	done, refused, gained int
	invited               int
}

// newOffice has two administrators, two who manage users, and two who only have
// a role; all have joined.
func newOffice(w *localtest.World, n int) *office {
	name := fmt.Sprintf("office%d", n)
	boss := w.Administrator(name, "boss@"+name+".example")
	o := &office{World: w, partner: boss.PartnerID, people: []string{boss.ID}, asked: map[string]access.Caller{}}
	o.systems = []string{"*", boss.PhoneSystem("one."+name+".example", nil).ID, boss.PhoneSystem("two."+name+".example", nil).ID}
	lead := role(boss, 600, []string{"*"}, "manage_users", "view_unlocks", "unlock")
	leader := role(boss, 0, []string{"*"}, "manage_users")
	here := role(boss, 3600, []string{o.systems[1]}, "unlock", "close_unlocks")
	o.roles = []string{lead, leader, here, access.Technician, access.Auditor}
	boss.Must(201, "POST", "/v1/users", map[string]any{"email": "vice@" + name + ".example", "administrator": true})
	o.people = append(o.people, joinByMail(w, "vice@"+name+".example").ID)
	for i, roles := range [][]string{{lead}, {leader, here}, {here}, {access.Auditor}} {
		o.people = append(o.people, w.User(boss, fmt.Sprintf("user%d@%s.example", i, name), roles...).ID)
	}
	return o
}

func pick(from []string, n int) string { return from[n%len(from)] }

func (o *office) choose(from []string, some []int) []string {
	var chosen []string
	for _, n := range some {
		chosen = append(chosen, pick(from, n))
	}
	return chosen
}

// caller is somebody as a request would find them now; ok is false for who can't
// sign in.
func (o *office) caller(id string) (c access.Caller, ok bool) {
	o.T.Helper()
	user, _, err := o.Directory.User(o.T.Context(), id)
	if errors.Is(err, account.ErrNotFound) || err == nil && (!user.Active || user.JoinedAt.IsZero()) {
		return c, false
	}
	if err != nil {
		o.T.Fatal(err)
	}
	return o.As(id).Caller(), true
}

// try does one deed, and answers who did it.
func (o *office) try(d deed) (string, error) {
	who := pick(o.people, d.Who)
	now, ok := o.caller(who)
	by := now
	if before, asked := o.asked[who]; d.Stale && asked {
		by, ok = before, true
	} else if ok {
		o.asked[who] = now
	}
	if !ok {
		return who, account.ErrNotFound
	}
	return who, o.do(by, d)
}

func (o *office) do(by access.Caller, d deed) error {
	ctx, whom := o.T.Context(), pick(o.people, d.Whom)
	roles, systems := o.choose(o.roles, d.Roles), o.choose(o.systems, d.Systems)
	change := func(c account.UserChange) error {
		_, err := o.Directory.ChangeUser(ctx, by, whom, c)
		return err
	}
	switch d.Kind {
	case "invite":
		o.invited++
		invited, err := o.Directory.Invite(ctx, by, account.Person{Email: fmt.Sprintf("new%d@%s.example", o.invited, o.partner), Administrator: d.Administrator, Roles: roles})
		if err == nil {
			o.people = append(o.people, invited.User.ID)
		}
		return err
	case "roles":
		return change(account.UserChange{Roles: &roles})
	case "administrator":
		return change(account.UserChange{Administrator: &d.Administrator})
	case "active":
		return change(account.UserChange{Active: &d.Active})
	case "delete":
		return o.Directory.DeleteUser(ctx, by, whom)
	case "reset":
		_, err := o.Desk.ResetFactors(ctx, by, whom)
		return err
	case "make role":
		made, err := o.Directory.CreateRole(ctx, by, idempotency.Key{}, access.Role{Name: "x", Permissions: d.Permissions, PhoneSystems: systems, MaxUnlockSeconds: d.Seconds})
		if err == nil {
			o.roles = append(o.roles, made.ID)
		}
		return err
	case "edit role":
		_, err := o.Directory.ChangeRole(ctx, by, pick(o.roles, d.Whom), account.RoleChange{Permissions: &d.Permissions, PhoneSystems: &systems, MaxUnlockSeconds: &d.Seconds})
		return err
	}
	return o.Directory.DeleteRole(ctx, by, pick(o.roles, d.Whom))
}

// holding is what somebody may do: for each permission and phone system for how
// long, in seconds; zero where time is no matter of it.
type holding struct {
	administrator bool
	may           map[string]int64
}

// holdings are everybody's, by the records, and how many administrators can act.
func (o *office) holdings() (all map[string]holding, administrators int) {
	o.T.Helper()
	all = map[string]holding{}
	for _, id := range o.people {
		user, _, err := o.Directory.User(o.T.Context(), id)
		if errors.Is(err, account.ErrNotFound) {
			continue
		}
		if err != nil {
			o.T.Fatal(err)
		}
		h := holding{may: map[string]int64{}}
		if all[id] = h; !user.Active {
			continue
		}
		h.administrator = user.Administrator
		if user.Administrator && !user.JoinedAt.IsZero() {
			administrators++
		}
		roles, err := o.Directory.Roles(o.T.Context(), account.User{PartnerID: user.PartnerID, Roles: user.Roles})
		if err != nil {
			o.T.Fatal(err)
		}
		for _, r := range roles {
			h.add(r, append(slices.Clone(o.systems), "another"))
		}
		all[id] = h
	}
	return all, administrators
}

func (h holding) add(r access.Role, systems []string) {
	for _, p := range r.Permissions {
		for _, s := range systems {
			if !r.Grants(p, s) {
				continue
			}
			seconds := int64(0)
			if p == access.Unlock || p == access.BreakGlass {
				seconds = r.MaxUnlockSeconds
			}
			h.may[string(p)+" on "+s] = max(h.may[string(p)+" on "+s], seconds)
		}
	}
}

// gains are what somebody may do that they might not before.
func (h holding) gains(before holding) map[string]int64 {
	gained := map[string]int64{}
	if h.administrator && !before.administrator {
		gained["everything"] = 0
	}
	for what, seconds := range h.may {
		if had, ok := before.may[what]; !ok || seconds > had {
			gained[what] = seconds
		}
	}
	return gained
}

// play tries deeds one after the other. None gives anybody what its doer lacked,
// a refused one changes nothing, and an administrator stays.
func (o *office) play(t interface{ Fatalf(string, ...any) }, all []deed) {
	before, _ := o.holdings()
	for i, d := range all {
		who, err := o.try(d)
		after, administrators := o.holdings()
		if administrators == 0 {
			t.Fatalf("deed %d, %+v: no administrator is left", i, d)
		}
		if err != nil {
			o.refused++
			expected(t, err)
		} else {
			o.done++
		}
		for id, now := range after {
			for what, seconds := range now.gains(before[id]) {
				o.gained++
				had, holds := before[who].may[what]
				if err != nil || !before[who].administrator && (!holds || seconds > had) {
					t.Fatalf("deed %d, %+v by %s (%v): %s gains %s for %d s, who did it had %d s (%v)", i, d, who, err, id, what, seconds, had, holds)
				}
			}
		}
		before = after
	}
}

// expected are the errors that a deed may be refused with.
func expected(t interface{ Fatalf(string, ...any) }, err error) {
	var invalid *input.Error
	for _, known := range []error{access.ErrForbidden, account.ErrNotFound, account.ErrLastAdministrator, account.ErrBuiltIn, session.ErrNotJoined} {
		if errors.Is(err, known) {
			return
		}
	}
	if !errors.As(err, &invalid) && !errors.Is(err, table.ErrUnavailable) {
		t.Fatalf("refused by %v", err)
	}
}

// For random changes by random callers, stale ones among them: nobody ever gains
// what the granter lacked, and the partner keeps an administrator.
func TestAttack32RandomChangesGrantNothingBeyond(t *testing.T) {
	t.Run("bolt", func(t *testing.T) {
		w, n, total := localtest.New(t), 0, office{}
		rapid.Check(t, func(rt *rapid.T) {
			all := deeds().Draw(rt, "deeds")
			n++
			o := newOffice(w, n)
			o.play(rt, all)
			total.done, total.refused, total.gained = total.done+o.done, total.refused+o.refused, total.gained+o.gained
		})
		means(t, total, 300)
	})
	t.Run("DynamoDB", func(t *testing.T) {
		w, total := onDynamoDB(t), office{}
		for seed := range 5 {
			o := newOffice(w, seed)
			o.play(t, deeds().Example(seed))
			total.done, total.refused, total.gained = total.done+o.done, total.refused+o.refused, total.gained+o.gained
		}
		means(t, total, 10)
	})
}

// means demands that enough of each happened for the property to mean anything.
func means(t *testing.T, o office, least int) {
	t.Helper()
	t.Logf("%d deeds done, %d refused, %d times somebody gained something", o.done, o.refused, o.gained)
	if !t.Failed() && (o.done < least || o.refused < least || o.gained < least) {
		t.Error("too few to mean anything")
	}
}

// The same truly at once: whatever meets, an administrator stays and each address
// stands in the partner once.
func TestAttack33RandomChangesAtOnceLeaveAnAdministrator(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		for seed := range 6 {
			o := newOffice(w, seed)
			callers := map[string]access.Caller{}
			for _, id := range o.people {
				callers[id], _ = o.caller(id)
			}
			people := slices.Clone(o.people)
			all := deeds().Example(100 + seed)
			localtest.Parallel(8, func(i int) {
				own := *o // what is learnt stays with who learns it
				own.people, own.roles, own.invited = slices.Clone(people), slices.Clone(o.roles), 0
				for _, d := range all[i*2 : i*2+2] {
					d.Who %= 4 // those who may change anything
					if err := own.do(callers[pick(people, d.Who)], d); err != nil && !errors.Is(err, account.ErrUserExists) && !errors.Is(err, table.ErrConflict) {
						expected(t, err)
					}
				}
			})
			if _, administrators := o.holdings(); administrators == 0 {
				t.Errorf("seed %d: no administrator is left", seed)
			}
			o.uniqueAddresses()
		}
	})
}

func (o *office) uniqueAddresses() {
	o.T.Helper()
	caller := access.Caller{UserID: "x", PartnerID: o.partner, Administrator: true}
	page, _, err := o.Directory.Users(o.T.Context(), caller, account.UserFilter{}, "", 200)
	if err != nil {
		o.T.Fatal(err)
	}
	seen := map[string]bool{}
	for _, u := range page {
		if seen[u.Email] {
			o.T.Errorf("%s stands there twice", u.Email)
		}
		seen[u.Email] = true
		if record, _, err := o.Directory.User(o.T.Context(), u.ID); err != nil || record.Email != u.Email || record.Active != u.Active || record.Administrator != u.Administrator || !slices.Equal(record.Roles, u.Roles) {
			o.T.Errorf("the list has %+v, the record %+v (%v)", u, record, err)
		}
	}
}

// Of many who invite one address at once, one does, and one account joins under
// it, whatever partners invited it.
func TestAddressesAreUniqueInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		partners := []*localtest.Person{w.Administrator("acme", "a@acme.example"), w.Administrator("rival", "b@rival.example")}
		for round := range 3 {
			email := fmt.Sprintf("same%d@shared.example", round)
			spelled := []string{email, "  " + email, fmt.Sprintf("SAME%d@shared.EXAMPLE", round), fmt.Sprintf("ｓａｍｅ%d@shared.example", round)}
			got := w.Together(8, func(i int) localtest.Request {
				return bearer(partners[i%2].Token, "POST", "/v1/users", map[string]any{"email": spelled[i/2]})
			})
			if got[201] != 2 || got[409]+got[503] != 6 {
				t.Errorf("8 invitations by 2 partners: %v", got)
			}
			w.Tick()
			var tokens []string
			for _, letter := range w.Mail.To(email) {
				tokens = append(tokens, tokenIn(letter.Text))
			}
			if len(tokens) != 2 {
				t.Fatalf("%d letters", len(tokens))
			}
			joined := w.Together(8, func(i int) localtest.Request {
				return localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": tokens[i%2], "password": localtest.Password}}
			})
			if joined[200] != 1 {
				t.Errorf("accepted: %v", joined)
			}
		}
	})
}
