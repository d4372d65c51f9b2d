package phonesystem

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// tries is how often a change that met another is judged anew.
const tries = 5

// Created is a phone system and the clear half of its gate key, which never
// marshals: it is shown once.
type Created struct {
	PhoneSystem PhoneSystem `json:"phone_system"`
	GateKey     string      `json:"-"`
}

// Create registers a phone system of the caller's partner, given name, host,
// customer, profile, restricted paths and policy. It is locked from then on.
// A program may, with the default policy. Errors: access.ErrForbidden,
// access.ErrNotFresh, ErrProgramEdit, ErrHostTaken, *input.Error,
// idempotency.ErrReused.
func (r *Registry) Create(ctx context.Context, caller access.Caller, once idempotency.Key, p PhoneSystem) (Created, error) {
	created, _, err := idempotency.Do(ctx, r.Journal.Table, r.Journal.Second(), once, func(record func(Created) ([]table.Write, error)) (Created, error) {
		if err := r.mayProvision(caller, access.EveryPhoneSystem); err != nil {
			return Created{}, err
		}
		if caller.Program != "" && p.Policy != DefaultPolicy() { // whether a person might set it or not
			return Created{}, ErrProgramEdit
		}
		if err := p.normalise(); err != nil {
			return Created{}, err
		}
		created, writes, err := r.make(caller, p)
		if err != nil {
			return Created{}, err
		}
		recorded, err := record(created)
		if err != nil {
			return Created{}, err
		}
		err = r.Journal.Commit(ctx, append(writes, recorded...), createdEntry(caller, created.PhoneSystem))
		return created, hostConflict(err)
	})
	return created, err
}

func createdEntry(by access.Caller, p PhoneSystem) audit.Entry {
	return audit.By(by, audit.PhoneSystemCreated, p.ID).On(p.ID).With("host", p.Host).With("name", p.Name)
}

// mayProvision is mayManage for what programs may do as well.
func (r *Registry) mayProvision(caller access.Caller, id string) error {
	if !caller.May(access.ManagePhoneSystems, id) {
		return access.ErrForbidden
	}
	return caller.FreshOrProgram(r.Journal.Second())
}

func (r *Registry) mayManage(caller access.Caller, id string) error {
	if !caller.May(access.ManagePhoneSystems, id) {
		return access.ErrForbidden
	}
	return caller.Fresh(r.Journal.Second())
}

// make gives a phone system its id and its first gate key.
func (r *Registry) make(caller access.Caller, p PhoneSystem) (Created, []table.Write, error) {
	id, err := r.Journal.IDs.New()
	if err != nil {
		return Created{}, nil, err
	}
	secret, err := token.New(r.Random, token.GateKey, id)
	if err != nil {
		return Created{}, nil, err
	}
	p.ID, p.Keys = id, []GateKey{{Hash: token.HashOf(secret)}}
	writes, err := r.register(caller, &p)
	return Created{PhoneSystem: p, GateKey: secret}, writes, err
}

// register makes the writes of a new phone system of the caller's partner. It
// puts the host's claim first: hostConflict tells it apart by index.
func (r *Registry) register(caller access.Caller, p *PhoneSystem) ([]table.Write, error) {
	p.PartnerID, p.CreatedAt, p.Epoch = caller.PartnerID, r.Journal.Second(), 0
	first, err := hostClaim(*p)
	if err != nil {
		return nil, err
	}
	writes, err := p.Writes(table.Absent())
	return append([]table.Write{first}, writes...), err
}

// claim is the claim on a host: which phone system of the partner has it.
type claim struct {
	PhoneSystemID string `json:"phone_system_id"`
}

func hostClaim(p PhoneSystem) (table.Write, error) {
	item, err := table.Encode(hostKey(p.PartnerID, p.Host), "host", claim{p.ID})
	return table.Put(item, table.Absent()), err
}

func hostConflict(err error) error {
	var conflict *table.ConflictError
	if errors.As(err, &conflict) && conflict.Index == 0 {
		return ErrHostTaken
	}
	return err
}

// Change is what PATCH may change; what is nil stays. Policy gets what stands
// and answers what shall be.
type Change struct {
	Name, Host, Customer, Profile *string
	RestrictedPaths               *[]string
	Policy                        func(Policy) Policy
}

func (c Change) apply(p PhoneSystem) (PhoneSystem, error) {
	for _, field := range []struct {
		to   *string
		from *string
	}{{&p.Name, c.Name}, {&p.Host, c.Host}, {&p.Customer, c.Customer}, {&p.Profile, c.Profile}} {
		if field.from != nil {
			*field.to = *field.from
		}
	}
	if c.RestrictedPaths != nil {
		for _, path := range p.RestrictedPaths {
			if !slices.Contains(*c.RestrictedPaths, path) {
				return p, input.Invalid("body.restricted_paths", "restricted paths are only ever added; the list must still contain %s", path)
			}
		}
		p.RestrictedPaths = *c.RestrictedPaths
	}
	if c.Policy != nil {
		p.Policy = c.Policy(p.Policy)
	}
	return p, p.normalise()
}

// Closing answers the writes that end every window of a phone system as it
// stands, because of a change that the audit names so; see unlock.Book.Closing.
type Closing func(PhoneSystem, audit.Action) ([]table.Write, error)

// Update changes a phone system. Errors: ErrNotFound, access.ErrForbidden,
// access.ErrNotFresh, ErrProgramEdit, ErrHostTaken, *input.Error. A widened policy, another
// profile and another host are told to all administrators by mail. Another host
// also ends every window: a ticket or a pass must never be taken to a host that
// it was not made for.
func (r *Registry) Update(ctx context.Context, caller access.Caller, id string, change Change, closing Closing) (PhoneSystem, error) {
	return r.edit(ctx, caller, id, r.mayProvision, func(old PhoneSystem) (edited, error) {
		if caller.Program != "" && change.Policy != nil && change.Policy(old.Policy) != old.Policy { // likewise
			return edited{}, ErrProgramEdit
		}
		next, err := change.apply(old)
		if err != nil {
			return edited{}, err
		}
		if caller.Program != "" && (next.Host != old.Host || next.Profile != old.Profile) {
			return edited{}, ErrProgramEdit
		}
		e := edited{next: next, entry: audit.By(caller, audit.PhoneSystemChanged, id).On(id)}
		if next.Host != old.Host {
			if err := r.move(&e, old, closing); err != nil {
				return edited{}, err
			}
		}
		e.tell(old)
		return e, nil
	})
}

// move takes a phone system to another host.
func (r *Registry) move(e *edited, old PhoneSystem, closing Closing) error {
	claim, err := hostClaim(e.next)
	if err != nil {
		return err
	}
	e.first = []table.Write{claim}
	e.next.Epoch, e.next.EpochAt = old.Epoch+1, r.Journal.Second()
	e.more, err = closing(old, audit.PhoneSystemChanged)
	e.more = append(e.more, table.Delete(hostKey(old.PartnerID, old.Host), table.Always()))
	return err
}

// Rotated is a new gate key in clear, shown once, and until when the old one
// works; zero: not any more.
type Rotated struct {
	GateKey            string
	PreviousValidUntil time.Time
}

// RotateKey replaces the gate key. The old one works KeyOverlap more unless it
// is to be revoked, and so does one that was replaced before, to its own end: a
// repeated call must not cut off the key that a gate still has. Errors: as
// Update.
func (r *Registry) RotateKey(ctx context.Context, caller access.Caller, id string, revokePrevious bool) (Rotated, error) {
	if !token.ValidID(id) {
		return Rotated{}, ErrNotFound
	}
	secret, err := token.New(r.Random, token.GateKey, id)
	if err != nil {
		return Rotated{}, err
	}
	result := Rotated{GateKey: secret}
	_, err = r.edit(ctx, caller, id, r.mayManage, func(p PhoneSystem) (edited, error) {
		letter := "The gate key of " + p.Name + " was replaced"
		if len(p.Keys) == 0 { // it was imported
			letter = "The first gate key of " + p.Name + " was made"
		}
		p.Keys, result.PreviousValidUntil = replaceKey(p.Keys, token.HashOf(secret), r.Journal.Second(), revokePrevious)
		return edited{next: p, entry: audit.By(caller, audit.GateKeyRotated, id).On(id), letter: letter}, nil
	})
	return result, err
}

// keptKeys is how many replaced keys work at most, beside the current one.
const keptKeys = 8

func replaceKey(keys []GateKey, next token.Hash, now time.Time, revoke bool) (_ []GateKey, until time.Time) {
	replaced := []GateKey{{Hash: next}}
	if revoke || len(keys) == 0 {
		return replaced, until
	}
	until = now.Add(KeyOverlap)
	replaced = append(replaced, GateKey{Hash: keys[0].Hash, Until: until})
	for _, key := range keys[1:] {
		if now.Before(key.Until) && len(replaced) <= keptKeys {
			replaced = append(replaced, key)
		}
	}
	return replaced, until
}

// edited is what an edit makes of a phone system.
type edited struct {
	next   PhoneSystem
	first  []table.Write // a claim, where the host changes
	more   []table.Write
	entry  audit.Entry
	letter string // subject of a mail to all administrators; empty: none
}

// tell puts into the entry what changed, and into a letter to all administrators
// what may open more than before: another profile restricts other paths, another
// host is another place to take a pass to.
func (e *edited) tell(old PhoneSystem) {
	next := e.next
	for _, field := range []struct{ name, old, next string }{
		{"name", old.Name, next.Name},
		{"host", old.Host, next.Host},
		{"customer", old.Customer, next.Customer},
		{"profile", old.Profile, next.Profile},
		{"restricted_paths", strings.Join(old.RestrictedPaths, " "), strings.Join(next.RestrictedPaths, " ")},
		{"policy", old.Policy.String(), next.Policy.String()},
	} {
		if field.old != field.next {
			e.entry = e.entry.With("old_"+field.name, field.old).With(field.name, field.next)
		}
	}
	var what []string
	if next.Policy.Wider(old.Policy) {
		e.entry = e.entry.With("policy_change", "widened")
		what = append(what, "The unlock policy of "+next.Name+" was widened")
	}
	if next.Profile != old.Profile {
		what = append(what, "The profile of "+next.Name+" was changed from "+old.Profile+" to "+next.Profile)
	}
	if next.Host != old.Host {
		what = append(what, "The host of "+next.Name+" was changed from "+old.Host+" to "+next.Host)
	}
	e.letter = strings.Join(what, ". ")
}

// edit reads, checks the caller, and commits on the revision read; where
// another change was first, it reads anew.
func (r *Registry) edit(ctx context.Context, caller access.Caller, id string, may func(access.Caller, string) error, change func(PhoneSystem) (edited, error)) (PhoneSystem, error) {
	for range tries {
		old, rev, err := r.Get(ctx, caller, id)
		if err != nil {
			return PhoneSystem{}, err
		}
		if err := may(caller, id); err != nil {
			return PhoneSystem{}, err
		}
		e, err := change(old)
		if err != nil {
			return PhoneSystem{}, err
		}
		if err = r.commit(ctx, caller, e, rev); !errors.Is(err, table.ErrConflict) {
			return e.next, err
		}
	}
	return PhoneSystem{}, table.ErrUnavailable
}

func (r *Registry) commit(ctx context.Context, caller access.Caller, e edited, rev table.Rev) error {
	writes, err := e.next.Writes(table.Is(rev))
	if err != nil {
		return err
	}
	writes = append(append(e.first, writes...), e.more...)
	if e.letter != "" {
		text := e.letter + ".\n\nIt was changed by " + caller.Email + ". If this was not meant to happen, look into the audit of your control portal.\n"
		post, err := r.Outbox.Post(ctx, mail.Letter{Administrators: caller.PartnerID, Subject: e.letter, Text: text})
		if err != nil {
			return err
		}
		writes = append(writes, post)
	}
	err = r.Journal.Commit(ctx, writes, e.entry)
	if len(e.first) > 0 {
		return hostConflict(err)
	}
	return err
}

// Delete removes a phone system and ends its windows. Errors: ErrNotFound,
// access.ErrForbidden, access.ErrNotFresh.
func (r *Registry) Delete(ctx context.Context, caller access.Caller, id string, closing Closing) error {
	for range tries {
		p, rev, err := r.Get(ctx, caller, id)
		if err != nil {
			return err
		}
		if err := r.mayManage(caller, id); err != nil {
			return err
		}
		writes, err := closing(p, audit.PhoneSystemDeleted)
		if err != nil {
			return err
		}
		writes = append(writes, table.Delete(Key(id), table.Is(rev)),
			table.Delete(table.Key{Partition: listing(p.PartnerID), Sort: id}, table.Always()),
			table.Delete(hostKey(p.PartnerID, p.Host), table.Always()))
		for _, e := range p.Exceptions {
			writes = append(writes, table.Delete(exceptionKey(e.ID), table.Always()))
		}
		err = r.Journal.Commit(ctx, writes, audit.By(caller, audit.PhoneSystemDeleted, id).On(id).With("host", p.Host).With("name", p.Name))
		if !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}
