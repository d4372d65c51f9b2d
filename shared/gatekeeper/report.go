package gatekeeper

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
)

// ReportKind is the kind of what is known of gates, for table.Due.
const ReportKind = "gate"

// Report is what is known of one phone system's gate, as of the last Flush.
type Report struct {
	PartnerID  string    `json:"partner_id"`
	LastSeenAt time.Time `json:"last_seen_at"`
	// SilentAt is when the gate was told to be silent; zero: it is not.
	SilentAt time.Time `json:"silent_at,omitzero"`
	// MailedAt is when administrators were last told by mail that it is; Mailed,
	// that they are to be told when it is back.
	MailedAt time.Time `json:"mailed_at,omitzero"`
	Mailed   bool      `json:"mailed,omitempty"`

	// Fingerprint is of the rules that were asked by; CurrentAt is when a gate
	// first said that its file was made from these, OtherAt when one last said that
	// its was not.
	Fingerprint string    `json:"fingerprint,omitempty"`
	CurrentAt   time.Time `json:"current_at,omitzero"`
	OtherAt     time.Time `json:"other_at,omitzero"`
	// Stale is what the audit says last of it.
	Stale bool `json:"stale,omitempty"`

	// Since is from when on the counts are.
	Since   time.Time `json:"since"`
	Allowed int64     `json:"allowed"`
	Denied  int64     `json:"denied"`
	// Sources are whose attempts were denied, the latest first.
	Sources []Source `json:"sources,omitempty"`
	// OtherAttempts are the denied that are in none of Sources.
	OtherAttempts int64 `json:"other_attempts,omitempty"`
}

// Source is how often one source, an address or a /64, was denied.
type Source struct {
	From     string    `json:"from"`
	Attempts int64     `json:"attempts"`
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
}

const (
	// keptSources is how many sources a report lists.
	keptSources = 20
	// reloading is how long an old file may still be asked by after a new one was
	// installed: workers of the old one end their requests.
	reloading = time.Minute
	// staleFor is how long, where two gates have different files, an old one that
	// asked counts as installed: longer than the hour after which a gate says that
	// it is there.
	staleFor = 3 * time.Hour
)

// Config is what is known of the files that a phone system's gates run with.
type Config int

// What a Config can be.
const (
	ConfigUnknown Config = iota // no gate has said what its file was made from
	ConfigCurrent
	ConfigStale // a gate's file was made from other rules than the present ones
)

// ConfigNow judges the gates' files against the fingerprint of the rules as they
// are. One gate that gets the present file is current with its next question.
// Where an old file goes on asking after the present one has, two gates have
// different ones, and it is stale until the old one has not asked for staleFor.
func (r Report) ConfigNow(fingerprint string, now time.Time) Config {
	switch {
	case r.CurrentAt.IsZero() && r.OtherAt.IsZero():
		return ConfigUnknown
	case r.Fingerprint != fingerprint || r.CurrentAt.IsZero():
		return ConfigStale
	case r.OtherAt.After(r.CurrentAt.Add(reloading)) && now.Before(r.OtherAt.Add(staleFor)):
		return ConfigStale
	}
	return ConfigCurrent
}

func reportKey(partner, system string) table.Key {
	return table.Key{Partition: "gates#" + partner, Sort: system}
}

// merge adds what a gate asked since.
func (r *Report) merge(seen *sighting) {
	if r.Since.IsZero() {
		r.Since = seen.at
	}
	if seen.at.After(r.LastSeenAt) {
		r.LastSeenAt = seen.at
	}
	r.PartnerID = seen.partner
	r.Allowed += seen.allowed
	r.Denied += seen.denied
	r.mergeConfig(seen)
	r.mergeSources(seen.sources)
}

func (r *Report) mergeConfig(seen *sighting) {
	last, known := later(seen.currentAt, seen.otherAt), later(r.CurrentAt, r.OtherAt)
	if seen.fingerprint == "" || seen.fingerprint != r.Fingerprint && last.Before(known) {
		return // it said nothing, or another instance has heard since of other rules
	}
	if r.Fingerprint != seen.fingerprint {
		r.Fingerprint, r.CurrentAt, r.OtherAt = seen.fingerprint, time.Time{}, time.Time{}
	}
	if r.CurrentAt.IsZero() {
		r.CurrentAt = seen.currentAt
	}
	if seen.otherAt.After(r.OtherAt) {
		r.OtherAt = seen.otherAt
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mergeSources keeps those that were denied last. What it is given may be merged
// again, where this is not written.
func (r *Report) mergeSources(more map[string]*Source) {
	for from, source := range more {
		i := slices.IndexFunc(r.Sources, func(known Source) bool { return known.From == from })
		switch {
		case from == others:
			r.OtherAttempts += source.Attempts
		case i >= 0:
			r.Sources[i].Attempts += source.Attempts
			r.Sources[i].LastAt = source.LastAt
		default:
			r.Sources = append(r.Sources, *source)
		}
	}
	slices.SortFunc(r.Sources, func(a, b Source) int {
		return cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(b.Attempts, a.Attempts), strings.Compare(a.From, b.From))
	})
	for len(r.Sources) > keptSources {
		r.OtherAttempts += r.Sources[len(r.Sources)-1].Attempts
		r.Sources = r.Sources[:len(r.Sources)-1]
	}
}

// Flush writes what each gate asked since the last Flush, and tells the audit
// once where its file has become stale or current. Errors are joined; what could
// not be written is written with the next one.
func (k *Keeper) Flush(ctx context.Context) error { return k.flush(ctx, k.seen.take()) }

// FlushNews is Flush for gates that ask for the first time since the start alone:
// whoever installs one wants to see at once that it asks.
func (k *Keeper) FlushNews(ctx context.Context) error { return k.flush(ctx, k.seen.takeNews()) }

func (k *Keeper) flush(ctx context.Context, taken map[string]*sighting) error {
	var err error
	for system, seen := range taken {
		one := k.write(ctx, system, seen)
		if one != nil {
			k.seen.back(system, seen)
		}
		err = errors.Join(err, one)
	}
	return err
}

// flushTries is how often a report that somebody else wrote meanwhile is read
// anew.
const flushTries = 5

func (k *Keeper) write(ctx context.Context, system string, seen *sighting) error {
	for range flushTries {
		items, err := k.journal.Table.GetAll(ctx, reportKey(seen.partner, system))
		if err != nil {
			return err
		}
		if err = k.writeOn(ctx, items[0], seen); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (k *Keeper) writeOn(ctx context.Context, old table.Item, seen *sighting) error {
	var r Report
	if old.Exists() {
		var err error
		if r, err = table.Decode[Report](old); err != nil {
			return err
		}
	}
	r.merge(seen)
	entries := r.told(old.Sort, k.journal.Second())
	write, err := r.put(old)
	switch {
	case err != nil:
		return err
	case len(entries) == 0:
		return k.journal.Table.Apply(ctx, write)
	}
	return k.journal.Commit(ctx, []table.Write{write}, entries...)
}

// told is the entry for a file that has become stale or current since the last
// one; none where nothing changed.
func (r *Report) told(system string, now time.Time) []audit.Entry {
	stale := r.ConfigNow(r.Fingerprint, now) == ConfigStale
	if stale == r.Stale {
		return nil
	}
	r.Stale = stale
	e := audit.Entry{Action: audit.GateConfigStale, Actor: "gate", Subject: system, PartnerID: r.PartnerID, Outcome: audit.Failure}
	if !stale {
		e.Action, e.Outcome = audit.GateConfigCurrent, audit.Success
	}
	return []audit.Entry{e.On(system).With("wanted", r.Fingerprint)}
}

// put writes the report in place of what was read. When the auditor looks at it
// next stays as it was, so that the index is not moved once a minute; a gate that
// was told to be silent is back, and looked at at once.
func (r *Report) put(old table.Item) (table.Write, error) {
	due := old.Due
	switch {
	case !r.SilentAt.IsZero():
		due = r.LastSeenAt
	case due.IsZero():
		due = r.LastSeenAt.Add(SilentAfter)
	}
	return r.putDue(old, due)
}

func (r *Report) putDue(old table.Item, due time.Time) (table.Write, error) {
	item, err := table.Encode(old.Key, ReportKind, r)
	item.Due = due
	return table.Put(item, table.Is(old.Rev)), err
}

// Reports answers what is known of some phone systems' gates, by their ids.
func Reports(ctx context.Context, t table.Table, systems ...phonesystem.PhoneSystem) (map[string]Report, error) {
	found := map[string]Report{}
	for some := range slices.Chunk(systems, table.MaxBatch) {
		keys := make([]table.Key, len(some))
		for i, p := range some {
			keys[i] = reportKey(p.PartnerID, p.ID)
		}
		items, err := t.GetAll(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if !item.Exists() {
				continue
			}
			if found[item.Sort], err = table.Decode[Report](item); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
