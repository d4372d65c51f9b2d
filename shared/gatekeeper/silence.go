package gatekeeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portcullis.example/shared/audit"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
)

const (
	// SilentAfter is how long a gate that was seen may not be seen before it counts
	// as silent: an installed file makes itself heard once an hour.
	SilentAfter = 150 * time.Minute
	// mailEvery is how often administrators are told by mail of one gate's silence.
	mailEvery = 24 * time.Hour
	// lookAgain is when a silent gate is looked at again, to forget one whose phone
	// system was removed.
	lookAgain = 24 * time.Hour
	// late is how much later than due the auditor may come: later, it was
	// Portcullis itself that was away, and each gate gets its time anew.
	late = 20 * time.Minute
)

// Rounds tell of gates that have gone silent and of those that are back. Its
// fields are set once; it is safe for concurrent use, and any number may walk.
type Rounds struct {
	Journal *audit.Journal
	Outbox  *mail.Outbox
}

// Walk looks at every gate that is due, which it finds by the index. A gate is
// told of once when it goes silent and once when it is back, in the transaction
// that says so in its report. Errors of single gates are joined; the next walk
// meets them again.
func (r Rounds) Walk(ctx context.Context) error {
	var err error
	for item, listErr := range r.Journal.Table.Due(ctx, ReportKind, r.Journal.Second()) {
		if listErr != nil {
			return errors.Join(err, listErr)
		}
		one := r.look(ctx, item)
		if errors.Is(one, table.ErrConflict) {
			one = nil // the gate has just been seen, or another walk is here
		}
		err = errors.Join(err, one)
	}
	return err
}

// look judges one gate from what stands there now.
func (r Rounds) look(ctx context.Context, due table.Item) error {
	items, err := r.Journal.Table.GetAll(ctx, due.Key, phonesystem.Key(due.Sort))
	if err != nil {
		return err
	}
	now, item := r.Journal.Second(), items[0]
	if !item.Exists() || item.Due.IsZero() || item.Due.After(now) {
		return nil
	}
	if !items[1].Exists() {
		return r.Journal.Table.Apply(ctx, table.Delete(item.Key, table.Is(item.Rev)))
	}
	report, err := table.Decode[Report](item)
	if err != nil {
		return err
	}
	system, err := table.Decode[phonesystem.PhoneSystem](items[1])
	if err != nil {
		return err
	}
	silent, silentAt := !report.SilentAt.IsZero(), report.LastSeenAt.Add(SilentAfter)
	switch heard := now.Before(silentAt); {
	case heard && silent:
		return r.back(ctx, item, report, system, silentAt)
	case heard:
		return r.wait(ctx, item, report, silentAt)
	case silent:
		return r.wait(ctx, item, report, now.Add(lookAgain))
	case now.Sub(item.Due) > late:
		return r.wait(ctx, item, report, now.Add(SilentAfter))
	}
	return r.silent(ctx, item, report, system)
}

func (r Rounds) wait(ctx context.Context, item table.Item, report Report, until time.Time) error {
	write, err := report.putDue(item, until)
	if err != nil {
		return err
	}
	return r.Journal.Table.Apply(ctx, write)
}

func (r Rounds) silent(ctx context.Context, item table.Item, report Report, system phonesystem.PhoneSystem) error {
	now := r.Journal.Second()
	report.SilentAt = now
	report.Mailed = report.MailedAt.IsZero() || !now.Before(report.MailedAt.Add(mailEvery))
	if report.Mailed {
		report.MailedAt = now
	}
	entry := audit.Entry{Action: audit.GateSilent, Actor: audit.System, Subject: system.ID, PartnerID: system.PartnerID, Outcome: audit.Failure}
	return r.tell(ctx, item, report, now.Add(lookAgain), entry.On(system.ID).With("last_seen_at", report.LastSeenAt.Format(time.RFC3339)), report.Mailed, mail.Letter{
		Administrators: system.PartnerID, Subject: "The gate of " + system.Name + " has gone silent",
		Text: fmt.Sprintf(silentText, system.Name, system.Host, clock(report.LastSeenAt)),
	})
}

func (r Rounds) back(ctx context.Context, item table.Item, report Report, system phonesystem.PhoneSystem, due time.Time) error {
	since, mailed := report.SilentAt, report.Mailed
	report.SilentAt, report.Mailed = time.Time{}, false
	entry := audit.Entry{Action: audit.GateBack, Actor: audit.System, Subject: system.ID, PartnerID: system.PartnerID, Outcome: audit.Success}
	return r.tell(ctx, item, report, due, entry.On(system.ID).With("silent_since", since.Format(time.RFC3339)), mailed, mail.Letter{
		Administrators: system.PartnerID, Subject: "The gate of " + system.Name + " is back",
		Text: fmt.Sprintf(backText, system.Name, system.Host, clock(report.LastSeenAt)),
	})
}

// tell commits a report with its entry, and with its letter where there is to be
// one.
func (r Rounds) tell(ctx context.Context, item table.Item, report Report, due time.Time, entry audit.Entry, mailed bool, letter mail.Letter) error {
	write, err := report.putDue(item, due)
	if err != nil {
		return err
	}
	writes := []table.Write{write}
	if mailed {
		post, err := r.Outbox.Post(ctx, letter)
		if err != nil {
			return err
		}
		writes = append(writes, post)
	}
	return r.Journal.Commit(ctx, writes, entry)
}

func clock(at time.Time) string { return at.UTC().Format("2006-01-02 15:04 MST") }

const silentText = `The gate of %s (%s) was last seen at %s and has not asked since.

An installed gate makes itself heard once an hour, even when nobody needs it. So it may be down, have no way to
Portcullis, or have been taken out; without it, the admin console may be open to everybody who reaches the phone system.

See that the proxy runs with the file of GET …/gate-config, that its hourly request (step 5 at the file's head) is set
up, and that the phone system answers through the gate alone. Portcullis' gate doctor examines all of it.

You are told of this gate's silence once a day at most; the audit has every time.
`

const backText = `The gate of %s (%s) is back: it was seen at %s.

If nobody worked on it meanwhile, find out why it was silent: the audit has the times.
`
