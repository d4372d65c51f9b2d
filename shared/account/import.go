package account

import (
	"context"
	"fmt"
	"slices"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/bulk"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/table"
)

// How an import reads and writes: reads of table.MaxBatch keys, two for each
// line, and transactions of table.MaxBatch writes, at most eight for each new user
// and one check of who asks.
const (
	perStep   = table.MaxBatch / 2
	perCommit = (table.MaxBatch - 1) / 8
)

// Import invites whom a list names and the partner does not have, each line by
// the rules of Invite, and leaves alone who is there. What was made is there
// whatever happens to the rest of the call, and is met, not made again, when the
// list is sent again. Where dry is set it judges in the same way and changes
// nothing. Errors: access.ErrForbidden, access.ErrNotFresh, idempotency.ErrReused.
func (d *Directory) Import(ctx context.Context, caller access.Caller, once idempotency.Key, lines []ImportLine, dry bool) (bulk.Report, error) {
	call := bulk.Call{
		Journal: d.Journal, Once: once, Dry: dry, Size: perStep, Entry: audit.By(caller, audit.UsersImported, caller.PartnerID),
		Outcomes: []bulk.Outcome{bulk.Created, bulk.Invited, bulk.Unchanged, bulk.Refused},
	}
	return call.Take(ctx, func() (bulk.Report, bulk.Step, error) {
		i, err := d.newImport(ctx, caller, lines)
		if err != nil {
			return bulk.Report{}, nil, err
		}
		i.dry = dry
		return i.Report, func(from, to int) error { return i.step(ctx, from, to) }, nil
	})
}

// importing is an import under way.
type importing struct {
	bulk.Report
	directory *Directory
	caller    access.Caller
	people    []person
	dry       bool
}

func (d *Directory) newImport(ctx context.Context, caller access.Caller, lines []ImportLine) (*importing, error) {
	m, err := d.manager(ctx, caller)
	if err != nil {
		return nil, err
	}
	if err := m.fresh(m.caller.MayManageUsers()); err != nil {
		return nil, err
	}
	named, err := d.roleNames(ctx, caller.PartnerID)
	if err != nil {
		return nil, err
	}
	return &importing{Report: bulk.NewReport(len(lines)), directory: d, caller: caller, people: readPeople(lines, named)}, nil
}

// step judges some lines and invites whom they name; it is a bulk.Step.
func (i *importing) step(ctx context.Context, from, to int) error {
	m, err := i.directory.manager(ctx, i.caller)
	if err != nil {
		return err
	}
	if err := m.fresh(m.caller.MayManageUsers()); err != nil {
		return err
	}
	met, err := i.meet(ctx, from, to)
	if err != nil {
		return err
	}
	var invited []int
	for n := from; n < to; n++ {
		if i.Results[n].Outcome == bulk.Pending {
			i.Results[n] = i.people[n].judge(m.caller, met)
		}
		if i.Results[n].Outcome == bulk.Created && i.Results[n].ID == "" && !i.dry {
			i.Results[n].Outcome = bulk.Pending // until it is so
			invited = append(invited, n)
		}
	}
	for some := range slices.Chunk(invited, perCommit) {
		if err := i.invite(ctx, m, some, met); err != nil {
			return err
		}
	}
	return nil
}

// around is what some lines meet: the roles that they name, who of them the
// partner has, and whose addresses sign in to some account.
type around struct {
	roles  map[string]access.Role
	listed map[string]User
	taken  map[string]bool
}

func (i *importing) meet(ctx context.Context, from, to int) (around, error) {
	met := around{roles: map[string]access.Role{}, listed: map[string]User{}, taken: map[string]bool{}}
	var ids []string
	var keys []table.Key
	for _, p := range i.people[from:to] {
		if p.wrong == "" {
			ids = append(ids, p.Roles...)
			keys = append(keys, listKey(i.caller.PartnerID, p.Email), EmailKey(p.Email))
		}
	}
	roles, err := i.directory.roles(ctx, i.caller.PartnerID, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil || len(keys) == 0 {
		return met, err
	}
	for _, role := range roles {
		met.roles[role.ID] = role
	}
	items, err := i.directory.Journal.Table.GetAll(ctx, keys...)
	if err != nil {
		return met, err
	}
	for at := 0; at < len(items); at += 2 {
		email := items[at].Sort
		met.taken[email] = items[at+1].Exists()
		if !items[at].Exists() {
			continue
		}
		if met.listed[email], err = table.Decode[User](items[at]); err != nil {
			return met, err
		}
	}
	return met, nil
}

// invite invites some of the people in one transaction, with an entry for each.
func (i *importing) invite(ctx context.Context, m manager, some []int, met around) error {
	writes, ids := []table.Write{m.held}, make([]string, len(some))
	var entries []audit.Entry
	for at, n := range some {
		p := i.people[n].Person
		invited, own, err := i.directory.invitee(ctx, i.caller.PartnerID, p, p.Email, met.taken[p.Email])
		if err != nil {
			return err
		}
		told, err := i.directory.tellOfAdministrator(ctx, invited.User, m.caller)
		if err != nil {
			return err
		}
		writes, ids[at] = append(append(writes, own...), told...), invited.User.ID
		entries = append(entries, userInvited(i.caller, invited.User).With("import", fmt.Sprintf("line %d", i.people[n].line)))
	}
	if err := i.directory.Journal.Commit(ctx, writes, entries...); err != nil {
		return err
	}
	for at, n := range some {
		i.Results[n] = bulk.Result{Outcome: bulk.Created, ID: ids[at]}
	}
	return nil
}

// roleNames are a partner's roles as people write them.
type roleNames struct {
	ids map[string]bool
	// named are the ids by name, as names are compared. A name that several roles
	// have stands for none of them: an empty id.
	named map[string]string
}

func (r roleNames) add(role access.Role) {
	name, id := searched(role.Name), role.ID
	if _, twice := r.named[name]; twice {
		id = ""
	}
	r.ids[role.ID], r.named[name] = true, id
}

func (d *Directory) roleNames(ctx context.Context, partner string) (roleNames, error) {
	all := roleNames{map[string]bool{}, map[string]string{}}
	for _, role := range access.BuiltIn() {
		all.add(role)
	}
	for item, err := range d.Journal.Table.List(ctx, table.Range{Partition: RoleKey(partner, "x").Partition}) {
		if err != nil {
			return all, err
		}
		role, err := table.Decode[access.Role](item)
		if err != nil {
			return all, err
		}
		all.add(role)
	}
	return all, nil
}
