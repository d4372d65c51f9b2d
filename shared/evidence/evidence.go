// Package evidence answers an insurer's questionnaire: who has access to which
// phone systems, with which second factors since when, what was unlocked and
// what was turned away, and by name whatever departs from the rule. It
// guarantees that it only reads, and that what it could not look at whole it
// says so of, rather than passing for complete.
package evidence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
)

// How much one report looks at, at most. What is beyond is said to be missing.
const (
	MaxCounted = 10_000 // people for the share, and entries of the audit
	MaxSystems = 1_000
	MaxKeys    = 1_000
)

// UsualPeriod is how far back a report goes that names no beginning, LongestPeriod
// how long its time is at most.
const (
	UsualPeriod   = 30 * 24 * time.Hour
	LongestPeriod = 366 * 24 * time.Hour
)

// Query says what a report is about. Customer narrows it to the phone systems of
// one customer and who has access to them; empty: all. To is exclusive, and the
// end of this second if zero; From is UsualPeriod before it if zero.
type Query struct {
	Customer string
	From, To time.Time
}

// Report is one page of the evidence: of the people a part, everything else whole.
type Report struct {
	Partner    account.Partner
	MadeAt     time.Time
	From, To   time.Time
	Share      Share
	People     []Person
	Programs   []apikey.Listed
	Systems    []System
	Exceptions []Exception
	// Missing says in words what the report could not look at whole.
	Missing []string
}

// System is a phone system, and what the audit of the period has of it.
type System struct {
	phonesystem.PhoneSystem
	Unlocks     int
	BadAttempts int
}

// Kind is what an exception departs from.
type Kind string

// The kinds of exceptions.
const (
	// AddressBinding: a window lets in whoever shares the address it is bound to.
	AddressBinding Kind = "address_binding"
	// ProfileException: the operator took paths out of what a profile restricts.
	ProfileException Kind = "profile_exception"
	// BreakGlass: somebody holds the permission break_glass.
	BreakGlass Kind = "break_glass"
)

// Exception is something by name that departs from the rule.
type Exception struct {
	Kind Kind
	Name string // of the phone system, the role
	Why  string
}

// Reporter is the service of this package. Its fields are set once; it is safe
// for concurrent use.
type Reporter struct {
	Journal   *audit.Journal
	Directory *account.Directory
	Registry  *phonesystem.Registry
	Keys      *apikey.Ring
}

// Report makes the page of a report that comes after a position, with at most
// limit people; next is where the following one goes on, empty on the last.
// Whoever sees the whole audit. Errors: access.ErrForbidden, *input.Error,
// table.ErrUnavailable; it may be repeated.
func (r *Reporter) Report(ctx context.Context, caller access.Caller, q Query, after string, limit int) (report Report, next string, err error) {
	if !caller.HasEverywhere(access.ViewAudit) {
		return Report{}, "", access.ErrForbidden
	}
	now := r.Journal.Second()
	if q, err = q.period(now); err != nil {
		return Report{}, "", err
	}
	report = Report{MadeAt: now, From: q.From, To: q.To}
	if report.Partner, err = r.Directory.Partner(ctx, caller.PartnerID); err != nil {
		return Report{}, "", err
	}
	roles, err := r.Directory.EveryRole(ctx, caller.PartnerID)
	if err != nil {
		return Report{}, "", err
	}
	next, err = report.fill(ctx, r, caller, q, roles, position{after, limit})
	return report, next, err
}

// position is where a page of people begins and how many it has.
type position struct {
	after string
	limit int
}

func (report *Report) fill(ctx context.Context, r *Reporter, caller access.Caller, q Query, roles map[string]access.Role, at position) (next string, err error) {
	if err := report.systems(ctx, r, caller, q.Customer); err != nil {
		return "", err
	}
	scope := newScope(report.Systems, roles, q.Customer != "")
	report.exceptions(scope)
	if err := errors.Join(report.history(ctx, r, caller), report.programs(ctx, r, caller)); err != nil {
		return "", err
	}
	return report.people(ctx, r, caller, scope, at)
}

// period fills in what a query leaves out, and refuses what makes no sense.
func (q Query) period(now time.Time) (Query, error) {
	if q.To.IsZero() {
		q.To = now.Add(time.Second) // what happens in this second is in it
	}
	if q.From.IsZero() {
		q.From = q.To.Add(-UsualPeriod)
	}
	var wrong input.Errors
	wrong.Require(q.From.Before(q.To), "query.from", "must be before to, which is now if left out")
	wrong.Require(q.To.Sub(q.From) <= LongestPeriod, "query.from", "must be at most 366 days before to")
	return q, wrong.Err()
}

func (report *Report) systems(ctx context.Context, r *Reporter, caller access.Caller, customer string) error {
	after := ""
	for {
		page, next, err := r.Registry.List(ctx, caller, phonesystem.Filter{Customer: customer}, after, table.MaxScanned)
		if err != nil {
			return err
		}
		for _, p := range page {
			report.Systems = append(report.Systems, System{PhoneSystem: p})
		}
		if next == "" {
			return nil
		}
		if len(report.Systems) >= MaxSystems {
			report.Missing = append(report.Missing, "phone systems beyond the first 1,000: name a customer")
			return nil
		}
		after = next
	}
}

// history counts what the audit of the period has of each phone system.
func (report *Report) history(ctx context.Context, r *Reporter, caller access.Caller) error {
	at := map[string]*System{}
	for i := range report.Systems {
		at[report.Systems[i].ID] = &report.Systems[i]
	}
	after, seen := "", 0
	for {
		page, next, err := r.Journal.List(ctx, caller, audit.Filter{From: report.From, To: report.To}, after, table.MaxScanned)
		if err != nil {
			return err
		}
		for _, e := range page {
			system := at[e.PhoneSystemID]
			switch {
			case system == nil:
			case e.Action == audit.UnlockOpened:
				system.Unlocks++
			case e.Action == audit.GateBadAttempt:
				system.BadAttempts++
			}
		}
		if seen += len(page); next == "" {
			return nil
		}
		if seen >= MaxCounted {
			report.Missing = append(report.Missing, "unlocks and bad attempts before "+page[len(page)-1].At.Format(time.RFC3339)+": choose a shorter time")
			return nil
		}
		after = next
	}
}

func (report *Report) programs(ctx context.Context, r *Reporter, caller access.Caller) error {
	keys, next, err := r.Keys.Everything(ctx, caller.PartnerID, "", MaxKeys)
	if next != "" {
		report.Missing = append(report.Missing, "API keys beyond the first 1,000")
	}
	report.Programs = keys
	return err
}

// exceptions names what departs from the rule.
func (report *Report) exceptions(s scope) {
	for _, system := range report.Systems {
		if system.Policy.Binding == phonesystem.BindIP {
			report.Exceptions = append(report.Exceptions, Exception{AddressBinding, system.Name, "its windows are bound to a network address alone: who shares the address needs no pass"})
		}
		for _, e := range system.Exceptions {
			if system.Applies(e) {
				why := fmt.Sprintf("%s: %s pass without a window since %s, by %s: %s", e.Name, strings.Join(e.Paths, " "), e.CreatedAt.Format(time.DateOnly), e.CreatedBy, e.Reason)
				report.Exceptions = append(report.Exceptions, Exception{ProfileException, system.Name, why})
			}
		}
	}
	for _, role := range s.own() {
		if s.reaches(role, access.BreakGlass) {
			report.Exceptions = append(report.Exceptions, Exception{BreakGlass, role.Name, "the role grants break_glass"})
		}
	}
}
