package phonesystem

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/bulk"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem/profile"
	"portcullis.example/shared/table"
)

// How an import reads and writes: a claim and a record for each line, and
// transactions of four writes for each new phone system.
const (
	perStep   = table.MaxBatch
	perCommit = table.MaxBatch / 4
)

// PathSeparator is what stands between the restricted paths of one line: no path
// of a rule holds one.
const PathSeparator = ";"

// ImportLine is one line of a list of phone systems, as it is written there.
type ImportLine struct {
	// Line is where it stands.
	Line int
	// Wrong says why it can't be read; empty: it can.
	Wrong                                          string
	Name, Host, Customer, Profile, RestrictedPaths string
}

// listed is a line as it was understood.
type listed struct {
	PhoneSystem
	line int
	// wrong says why nothing is registered by it.
	wrong string
}

func (l ImportLine) read() listed {
	p := listed{line: l.Line, wrong: l.Wrong}
	if p.wrong != "" {
		return p
	}
	p.PhoneSystem = PhoneSystem{Name: l.Name, Host: l.Host, Customer: l.Customer, Profile: strings.ToLower(l.Profile), Policy: DefaultPolicy()}
	if p.Profile == "" {
		p.Profile = profile.Names()[0]
	}
	for path := range strings.SplitSeq(l.RestrictedPaths, PathSeparator) {
		if path = strings.TrimSpace(path); path != "" {
			p.RestrictedPaths = append(p.RestrictedPaths, path)
		}
	}
	if err := p.normalise(); err != nil {
		p.wrong = bulk.Reason(err)
	}
	return p
}

func readLines(lines []ImportLine) []listed {
	all, first := make([]listed, len(lines)), map[string]int{}
	for i, line := range lines {
		p := line.read()
		if p.wrong == "" && first[p.Host] > 0 {
			p.wrong = fmt.Sprintf("line %d has the same host: leave one of them out", first[p.Host])
		} else if p.wrong == "" {
			first[p.Host] = line.Line
		}
		all[i] = p
	}
	return all
}

// Import registers the phone systems of a list whose hosts the partner does not
// have, each line by the rules of Create and with the default policy, and leaves
// alone what is there. They are locked from then on and have no gate key yet:
// RotateKey makes the first one. What was made is there whatever happens to the
// rest of the call, and is met, not made again, when the list is sent again. Where dry is
// set it judges in the same way and changes nothing. It takes a person. Errors:
// access.ErrForbidden, access.ErrNotFresh, idempotency.ErrReused.
func (r *Registry) Import(ctx context.Context, caller access.Caller, once idempotency.Key, lines []ImportLine, dry bool) (bulk.Report, error) {
	call := bulk.Call{
		Journal: r.Journal, Once: once, Dry: dry, Size: perStep, Entry: audit.By(caller, audit.PhoneSystemsImported, caller.PartnerID),
		Outcomes: []bulk.Outcome{bulk.Created, bulk.Unchanged, bulk.Refused},
	}
	return call.Take(ctx, func() (bulk.Report, bulk.Step, error) {
		i := &importing{Report: bulk.NewReport(len(lines)), registry: r, caller: caller, systems: readLines(lines), dry: dry}
		return i.Report, func(from, to int) error { return i.step(ctx, from, to) }, nil
	})
}

// importing is an import under way.
type importing struct {
	bulk.Report
	registry *Registry
	caller   access.Caller
	systems  []listed
	dry      bool
}

// step judges some lines and registers what they name; it is a bulk.Step.
func (i *importing) step(ctx context.Context, from, to int) error {
	if err := i.registry.mayManage(i.caller, access.EveryPhoneSystem); err != nil {
		return err
	}
	there, err := i.meet(ctx, from, to)
	if err != nil {
		return err
	}
	var registered []int
	for n := from; n < to; n++ {
		if i.Results[n].Outcome == bulk.Pending {
			i.Results[n] = i.systems[n].judge(there)
		}
		if i.Results[n].Outcome == bulk.Created && i.Results[n].ID == "" && !i.dry {
			i.Results[n].Outcome = bulk.Pending // until it is so
			registered = append(registered, n)
		}
	}
	for some := range slices.Chunk(registered, perCommit) {
		if err := i.register(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// meet reads the phone systems that have the hosts of some lines already.
func (i *importing) meet(ctx context.Context, from, to int) (map[string]PhoneSystem, error) {
	var claims, records []table.Key
	for _, p := range i.systems[from:to] {
		if p.wrong == "" {
			claims = append(claims, hostKey(i.caller.PartnerID, p.Host))
		}
	}
	there := map[string]PhoneSystem{}
	if len(claims) == 0 {
		return there, nil
	}
	items, err := i.registry.Journal.Table.GetAll(ctx, claims...)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if !item.Exists() {
			continue
		}
		claim, err := table.Decode[claim](item)
		if err != nil {
			return nil, err
		}
		records = append(records, Key(claim.PhoneSystemID))
	}
	if len(records) == 0 {
		return there, nil
	}
	if items, err = i.registry.Journal.Table.GetAll(ctx, records...); err != nil {
		return nil, err
	}
	for _, item := range items {
		if !item.Exists() {
			return nil, table.ErrConflict // it has just been removed
		}
		system, err := table.Decode[PhoneSystem](item)
		if err != nil {
			return nil, err
		}
		there[system.Host] = system
	}
	return there, nil
}

// judge is what becomes of a line.
func (l listed) judge(there map[string]PhoneSystem) bulk.Result {
	if l.wrong != "" {
		return bulk.Result{Outcome: bulk.Refused, Message: l.wrong}
	}
	p, met := there[l.Host]
	if !met {
		return bulk.Result{Outcome: bulk.Created}
	}
	result := bulk.Result{Outcome: bulk.Unchanged, ID: p.ID}
	if p.Name != l.Name || p.Customer != l.Customer || p.Profile != l.Profile || !slices.Equal(p.RestrictedPaths, l.RestrictedPaths) {
		result.Message = "you have this host with another name, customer, profile or other restricted paths; an import changes nothing that is there"
	}
	return result
}

// register registers some phone systems in one transaction, with an entry for
// each.
func (i *importing) register(ctx context.Context, some []int) error {
	var writes []table.Write
	var entries []audit.Entry
	ids := make([]string, len(some))
	for at, n := range some {
		p := i.systems[n].PhoneSystem
		var err error
		if p.ID, err = i.registry.Journal.IDs.New(); err != nil {
			return err
		}
		own, err := i.registry.register(i.caller, &p)
		if err != nil {
			return err
		}
		writes, ids[at] = append(writes, own...), p.ID
		entries = append(entries, createdEntry(i.caller, p).With("import", fmt.Sprintf("line %d", i.systems[n].line)))
	}
	if err := i.registry.Journal.Commit(ctx, writes, entries...); err != nil {
		return err
	}
	for at, n := range some {
		i.Results[n] = bulk.Result{Outcome: bulk.Created, ID: ids[at]}
	}
	return nil
}
