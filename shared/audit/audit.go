// Package audit keeps the log of what was done, and is the only way to do it:
// Journal.Commit writes a change and its entries in one transaction, so there
// is no change without an entry and no entry without its change. Entries are
// never altered, carry no time-to-live and hold no secret.
package audit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Action names what happened.
type Action string

// The actions.
const (
	LoginSucceeded     Action = "login.succeeded"
	LoginFailed        Action = "login.failed"
	LoginSuspended     Action = "login.suspended"
	LoginUnsuspended   Action = "login.unsuspended"
	SessionEnded       Action = "session.ended"
	SessionsEnded      Action = "sessions.ended"
	StepUpSucceeded    Action = "step_up.succeeded"
	StepUpFailed       Action = "step_up.failed"
	MFAEnrolled        Action = "mfa.enrolled"
	MFARemoved         Action = "mfa.removed"
	MFAReplaced        Action = "mfa.replaced"
	MFAFailed          Action = "mfa.failed"
	CounterWentBack    Action = "mfa.counter_went_back"
	InvitationAccepted Action = "invitation.accepted"
	ResetRequested     Action = "password.reset_requested"
	PasswordReset      Action = "password.reset"
	PasswordChanged    Action = "password.changed"
	PasswordFailed     Action = "password.failed"

	RecoveryCodesRenewed Action = "mfa.recovery_codes_renewed"

	OperatorInvited   Action = "operator.invited"
	OperatorRecovered Action = "operator.recovered"
	PartnerCreated    Action = "partner.created"
	PartnerChanged    Action = "partner.changed"
	RecoveryStarted   Action = "recovery.started"
	RecoveryCancelled Action = "recovery.cancelled"
	RecoveryEnded     Action = "recovery.ended"
	UserInvited       Action = "user.invited"
	UsersImported     Action = "users.imported"
	UserChanged       Action = "user.changed"
	UserActivated     Action = "user.activated"
	UserDeactivated   Action = "user.deactivated"
	UserDeleted       Action = "user.deleted"
	MFAReset          Action = "mfa.reset"
	RoleCreated       Action = "role.created"
	RoleChanged       Action = "role.changed"
	RoleDeleted       Action = "role.deleted"

	APIKeyCreated Action = "api_key.created"
	APIKeyDeleted Action = "api_key.deleted"

	PhoneSystemCreated   Action = "phone_system.created"
	PhoneSystemsImported Action = "phone_systems.imported"
	PhoneSystemChanged   Action = "phone_system.changed"
	PhoneSystemDeleted   Action = "phone_system.deleted"
	PhoneSystemLocked    Action = "phone_system.locked"
	GateKeyRotated       Action = "gate_key.rotated"
	ExceptionCreated     Action = "exception.created"
	ExceptionWithdrawn   Action = "exception.withdrawn"

	UnlockOpened   Action = "unlock.opened"
	UnlockExtended Action = "unlock.extended"
	UnlockClosed   Action = "unlock.closed"
	UnlockRevoked  Action = "unlock.revoked"
	UnlockExpired  Action = "unlock.expired"

	PassIssued     Action = "pass.issued"
	PassUsed       Action = "pass.used"
	GateBadAttempt Action = "gate.bad_attempt"

	GateSilent        Action = "gate.silent"
	GateBack          Action = "gate.back"
	GateConfigStale   Action = "gate.config_stale"
	GateConfigCurrent Action = "gate.config_current"
)

// How it ended.
const (
	Success = "success"
	Failure = "failure"
)

// System is the actor of what nobody asked for, such as an expiry.
const System = "system"

// Entry is one line of the log.
type Entry struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Action Action    `json:"action"`
	// Actor is the id of the user or the API key that did it, or System, or "gate".
	Actor string `json:"actor"`
	// Subject is the id of what it was done to.
	Subject       string            `json:"subject"`
	PhoneSystemID string            `json:"phone_system_id,omitempty"`
	ClientIP      string            `json:"client_ip,omitempty"`
	Outcome       string            `json:"outcome"`
	Details       map[string]string `json:"details,omitempty"`
	// PartnerID says whose log it stands in.
	PartnerID string `json:"partner_id"`
}

// By is an entry about what a caller did in the caller's own partner.
func By(caller access.Caller, action Action, subject string) Entry {
	e := Entry{Action: action, Actor: caller.UserID, Subject: subject, PartnerID: caller.PartnerID, Outcome: Success}
	return e.From(caller.Client).With("actor_email", caller.Email).With("actor_key", caller.Program)
}

// From answers the entry with the address that the request came from.
func (e Entry) From(client netip.Addr) Entry {
	if client.IsValid() {
		e.ClientIP = client.Unmap().String()
	}
	return e
}

// With answers the entry with one more detail; an empty value adds none.
func (e Entry) With(name, value string) Entry {
	if value == "" {
		return e
	}
	details := map[string]string{name: value}
	for k, v := range e.Details {
		details[k] = v
	}
	e.Details = details
	return e
}

// On answers the entry with the phone system it is about.
func (e Entry) On(phoneSystem string) Entry {
	e.PhoneSystemID = phoneSystem
	return e
}

// Journal is what every changing domain method writes through. Its fields are
// set once; it is safe for concurrent use.
type Journal struct {
	Table table.Table
	Now   func() time.Time
	IDs   *token.IDs
}

// Second is the current time as everything of ours is compared and stored: UTC,
// whole seconds, rounded down.
func (j *Journal) Second() time.Time { return j.Now().UTC().Truncate(time.Second) }

// Commit applies writes and entries as one transaction. Errors are
// table.Apply's; a ConflictError's Index counts in writes. After
// table.ErrUnavailable it may have happened: repeat it only under conditions
// that would then fail.
func (j *Journal) Commit(ctx context.Context, writes []table.Write, entries ...Entry) error {
	if len(entries) == 0 {
		return errors.New("audit: a change without an entry")
	}
	all := append(make([]table.Write, 0, len(writes)+len(entries)), writes...)
	for _, entry := range entries {
		write, err := j.write(entry)
		if err != nil {
			return err
		}
		all = append(all, write)
	}
	return j.Table.Apply(ctx, all...)
}

func (j *Journal) write(entry Entry) (table.Write, error) {
	id, err := j.IDs.New()
	if err != nil {
		return table.Write{}, err
	}
	entry.ID, entry.At = id, j.Second()
	if entry.PartnerID == "" || entry.Outcome == "" || entry.Actor == "" {
		return table.Write{}, fmt.Errorf("audit: %s lacks a partner, an outcome or an actor", entry.Action)
	}
	item, err := table.Encode(table.Key{Partition: partition(entry.PartnerID), Sort: id}, "audit", entry)
	return table.Put(item, table.Absent()), err
}

func partition(partner string) string { return "audit#" + partner }

// Filter narrows List; zero fields admit everything. To is exclusive.
type Filter struct {
	From, To    time.Time
	Actor       string
	PhoneSystem string
	Action      Action
}

func (f Filter) admits(e Entry) bool {
	return (f.Actor == "" || e.Actor == f.Actor) && (f.PhoneSystem == "" || e.PhoneSystemID == f.PhoneSystem) &&
		(f.Action == "" || e.Action == f.Action)
}

// List answers a page of the caller's partner's log, newest first, at most
// limit entries after the position that an earlier page gave as next.
// access.ErrForbidden without view_audit; whoever holds it for some phone
// systems sees the entries of these.
func (j *Journal) List(ctx context.Context, caller access.Caller, f Filter, after string, limit int) (page []Entry, next string, err error) {
	if !caller.Has(access.ViewAudit) && !caller.Has(access.ManagePartners) {
		return nil, "", access.ErrForbidden
	}
	everything := caller.HasEverywhere(access.ViewAudit) || caller.Has(access.ManagePartners)
	if after == "" && !f.To.IsZero() {
		after = token.FirstID(f.To)
	}
	r := table.Range{Partition: partition(caller.PartnerID), After: after, Reverse: true}
	return table.Page(ctx, j.Table, r, limit, func(item table.Item) (Entry, bool, error) {
		e, err := table.Decode[Entry](item)
		if err == nil && !f.From.IsZero() && e.At.Before(f.From) {
			return e, false, table.ErrStop
		}
		visible := everything || e.PhoneSystemID != "" && caller.May(access.ViewAudit, e.PhoneSystemID)
		return e, err == nil && visible && f.admits(e), err
	})
}
