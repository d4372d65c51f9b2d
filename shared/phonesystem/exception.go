package phonesystem

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/phonesystem/profile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

var (
	// ErrNoException says that there is no such exception.
	ErrNoException = errors.New("there is no such exception; GET /v1/exceptions lists those that stand")
	// ErrTooManyExceptions says that a phone system has as many as it may.
	ErrTooManyExceptions = errors.New("this phone system has as many exceptions as it may; withdraw one first, or have its profile changed")
)

// MaxExceptions is how many exceptions a phone system may have; all their paths
// are profile.MaxExcepted at most.
const MaxExceptions = 10

// Exception is what the operator took out of the profile of one phone system, by
// name. It stands for the profile and the host that it was made for.
type Exception struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Reason string   `json:"reason"`
	Paths  []string `json:"paths"`
	// Profile and Host are the phone system's as it was made.
	Profile   string    `json:"profile"`
	Host      string    `json:"host"`
	CreatedAt time.Time `json:"created_at"`
	// CreatedBy is the operator's e-mail address.
	CreatedBy string `json:"created_by"`
}

// Applies tells whether an exception stands for the phone system as it is: one
// that was made for another profile or another host opens nothing.
func (p PhoneSystem) Applies(e Exception) bool { return e.Profile == p.Profile && e.Host == p.Host }

func (p PhoneSystem) excepted() []profile.Excepted {
	var all []profile.Excepted
	for _, e := range p.Exceptions {
		for _, path := range e.Paths {
			if p.Applies(e) {
				all = append(all, profile.Excepted{Path: path, Name: e.Name})
			}
		}
	}
	return all
}

// Granted is an exception as operators have it: whose it is stands beside it.
type Granted struct {
	Exception
	PhoneSystemID string `json:"phone_system_id"`
	PartnerID     string `json:"partner_id"`
}

func exceptionKey(id string) table.Key { return table.Key{Partition: "exceptions#all", Sort: id} }

// normalise judges what was sent by itself, before any phone system is looked
// for.
func (e *Exception) normalise(id, host string) error {
	var wrong input.Errors
	e.Name, e.Reason = strings.TrimSpace(e.Name), strings.TrimSpace(e.Reason)
	_, isHost := NormaliseHost(host, "")
	wrong.Require(token.ValidID(id), "body.phone_system_id", "must be a phone system's id, as its partner sees it in the control portal")
	wrong.Require(isHost, "body.host", "must be the phone system's host, such as pbx.example.com")
	wrong.Line(e.Name, "body.name", 1, 100)
	wrong.Line(e.Reason, "body.reason", 1, 500)
	wrong.Require(len(e.Paths) > 0 && len(e.Paths) <= profile.MaxExcepted, "body.paths", "must be 1 to %d paths", profile.MaxExcepted)
	return wrong.Err()
}

// checkPaths holds an exception to the floor of a phone system's profile.
func (e *Exception) checkPaths(p PhoneSystem) error {
	var wrong input.Errors
	for _, path := range e.Paths {
		switch err := profile.CheckExcepted(p.Profile, path); {
		case errors.Is(err, profile.ErrFloor):
			wrong.Require(false, "body.paths", "%s: name a longer path, below it, that lets nobody into the console", err)
		case err != nil:
			wrong.Require(false, "body.paths", "%s", err)
		}
	}
	return wrong.Err()
}

// Except takes paths out of what the profile of a phone system restricts. For
// operators, who are told its id and host by its partner: both must be named.
// The partner's administrators are told by mail, and it stands in the audit of
// both. Errors: access.ErrForbidden, access.ErrNotFresh, ErrNotFound,
// ErrTooManyExceptions, *input.Error, idempotency.ErrReused.
func (r *Registry) Except(ctx context.Context, caller access.Caller, once idempotency.Key, id, host string, e Exception) (Granted, error) {
	granted, _, err := idempotency.Do(ctx, r.Journal.Table, r.Journal.Second(), once, func(record func(Granted) ([]table.Write, error)) (Granted, error) {
		if err := r.mayExcept(caller); err != nil {
			return Granted{}, err
		}
		if err := e.normalise(id, host); err != nil {
			return Granted{}, err
		}
		for range tries {
			made, err := r.except(ctx, caller, record, id, host, e)
			if !errors.Is(err, table.ErrConflict) {
				return made, err
			}
		}
		return Granted{}, table.ErrUnavailable
	})
	return granted, err
}

func (r *Registry) mayExcept(caller access.Caller) error {
	if !caller.Has(access.ManagePartners) {
		return access.ErrForbidden
	}
	return caller.Fresh(r.Journal.Second())
}

// handedOver reads the phone system that an operator was told of.
func (r *Registry) handedOver(ctx context.Context, id string) (PhoneSystem, table.Rev, error) {
	item, err := r.Journal.Table.Get(ctx, Key(id))
	if errors.Is(err, table.ErrNotFound) {
		return PhoneSystem{}, 0, ErrNotFound
	}
	if err != nil {
		return PhoneSystem{}, 0, err
	}
	p, err := table.Decode[PhoneSystem](item)
	return p, item.Rev, err
}

func (r *Registry) except(ctx context.Context, caller access.Caller, record func(Granted) ([]table.Write, error), id, host string, e Exception) (Granted, error) {
	p, rev, err := r.handedOver(ctx, id)
	if err != nil {
		return Granted{}, err
	}
	if named, ok := NormaliseHost(host, p.Scheme()); !ok || named != p.Host {
		return Granted{}, ErrNotFound
	}
	if err := e.checkPaths(p); err != nil {
		return Granted{}, err
	}
	if e.ID, err = r.Journal.IDs.New(); err != nil {
		return Granted{}, err
	}
	e.Profile, e.Host, e.CreatedAt, e.CreatedBy = p.Profile, p.Host, r.Journal.Second(), caller.Email
	p.Exceptions = append(slices.Clip(p.Exceptions), e)
	if len(p.Exceptions) > MaxExceptions || len(p.paths()) > profile.MaxExcepted {
		return Granted{}, ErrTooManyExceptions
	}
	granted := Granted{Exception: e, PhoneSystemID: p.ID, PartnerID: p.PartnerID}
	listed, err := table.Encode(exceptionKey(e.ID), "exception", granted)
	if err != nil {
		return Granted{}, err
	}
	recorded, err := record(granted)
	if err != nil {
		return Granted{}, err
	}
	writes := append(recorded, table.Put(listed, table.Absent()))
	return granted, r.commitException(ctx, caller, p, rev, e, audit.ExceptionCreated, writes)
}

// commitException writes a phone system whose exceptions were changed, and tells
// everybody whom it concerns.
func (r *Registry) commitException(ctx context.Context, caller access.Caller, p PhoneSystem, rev table.Rev, e Exception, action audit.Action, more []table.Write) error {
	writes, err := p.Writes(table.Is(rev))
	if err != nil {
		return err
	}
	post, err := r.Outbox.Post(ctx, exceptionLetter(p, e, action, caller.Email))
	if err != nil {
		return err
	}
	ours := exceptionEntry(caller, action, e).On(p.ID)
	theirs := ours
	theirs.PartnerID = p.PartnerID
	return r.Journal.Commit(ctx, append(append(writes, post), more...), ours, theirs)
}

func exceptionEntry(caller access.Caller, action audit.Action, e Exception) audit.Entry {
	return audit.By(caller, action, e.ID).With("name", e.Name).With("reason", e.Reason).With("paths", strings.Join(e.Paths, " ")).With("host", e.Host)
}

func exceptionLetter(p PhoneSystem, e Exception, action audit.Action, by string) mail.Letter {
	what, then := "was made for", "These paths of it, and all below them, are reachable without an unlock window from now on"
	if action == audit.ExceptionWithdrawn {
		what, then = "was withdrawn for", "These paths of it, and all below them, are restricted again from now on, where nothing else opens them"
	}
	return mail.Letter{
		Administrators: p.PartnerID, Subject: fmt.Sprintf("An exception %s %s", what, p.Name),
		Text: fmt.Sprintf("The exception %q %s %s (%s).\n\n%s:\n\n  %s\n\nThe reason given: %s\n\nIt was done by %s, who operates this Portcullis. Fetch the gate's configuration anew and install it. "+
			"If you did not ask for this, tell your operator; what is open to whom stands with the phone system in your control portal.\n",
			e.Name, what, p.Name, p.Host, then, strings.Join(e.Paths, "\n  "), e.Reason, by),
	}
}

// paths are those of all exceptions, whether they apply or not.
func (p PhoneSystem) paths() (all []string) {
	for _, e := range p.Exceptions {
		all = append(all, e.Paths...)
	}
	return all
}

// Withdraw takes an exception back: its paths are restricted from the next
// decision on. Errors: ErrNoException, also for whoever is no operator;
// access.ErrNotFresh.
func (r *Registry) Withdraw(ctx context.Context, caller access.Caller, id string) error {
	if !caller.Has(access.ManagePartners) || !token.ValidID(id) {
		return ErrNoException
	}
	if err := caller.Fresh(r.Journal.Second()); err != nil {
		return err
	}
	for range tries {
		if err := r.withdraw(ctx, caller, id); !errors.Is(err, table.ErrConflict) {
			return err
		}
	}
	return table.ErrUnavailable
}

func (r *Registry) withdraw(ctx context.Context, caller access.Caller, id string) error {
	item, err := r.Journal.Table.Get(ctx, exceptionKey(id))
	if errors.Is(err, table.ErrNotFound) {
		return ErrNoException
	}
	if err != nil {
		return err
	}
	granted, err := table.Decode[Granted](item)
	if err != nil {
		return err
	}
	p, rev, err := r.handedOver(ctx, granted.PhoneSystemID)
	if err != nil {
		return err
	}
	p.Exceptions = slices.DeleteFunc(p.Exceptions, func(e Exception) bool { return e.ID == id })
	gone := []table.Write{table.Delete(item.Key, table.Is(item.Rev))}
	return r.commitException(ctx, caller, p, rev, granted.Exception, audit.ExceptionWithdrawn, gone)
}

// Exceptions answers a page of all that stand, oldest first, for operators.
// Errors: access.ErrForbidden.
func (r *Registry) Exceptions(ctx context.Context, caller access.Caller, after string, limit int) (page []Granted, next string, err error) {
	if !caller.Has(access.ManagePartners) {
		return nil, "", access.ErrForbidden
	}
	rng := table.Range{Partition: exceptionKey("").Partition, After: after}
	return table.Page(ctx, r.Journal.Table, rng, limit, func(item table.Item) (Granted, bool, error) {
		granted, err := table.Decode[Granted](item)
		return granted, err == nil, err
	})
}
