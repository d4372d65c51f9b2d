package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// Problem is an error as RFC 9457 writes it, with API.md's code.
type Problem struct {
	Type     string        `json:"type" doc:"urn:portcullis:problem: and the code"`
	Title    string        `json:"title"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail"`
	Instance string        `json:"instance" doc:"names this one occurrence; quote it when you ask for help"`
	Code     string        `json:"code"`
	Errors   []input.Field `json:"errors,omitempty"`
	UnlockID string        `json:"unlock_id,omitempty"`
	Min      *int64        `json:"min,omitempty"`
	Max      *int64        `json:"max,omitempty"`

	retryAfter time.Duration
}

// The codes of API.md.
const (
	BadAttempt            = "bad_attempt"
	MFAEnrollmentRequired = "mfa_enrollment_required"
	MFARequired           = "mfa_required"
	Forbidden             = "forbidden"
	NotFound              = "not_found"
	Conflict              = "conflict"
	AlreadyUnlocked       = "already_unlocked"
	Gone                  = "gone"
	Invalid               = "invalid"
	OutOfRange            = "out_of_range"
	TooManyAttempts       = "too_many_attempts"
	Unavailable           = "unavailable"
	Internal              = "internal"
)

func (p *Problem) Error() string { return p.Detail }

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is what RFC 9457 section 3 names, for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders is Retry-After where it is worth waiting (RFC 9110 section
// 10.2.3), for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2
	}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retryAfter.Seconds()))))
	}
	return h
}

// Write writes the problem as an answer.
func (p *Problem) Write(w http.ResponseWriter) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	// The status is sent: a client that went away has no use for more.
	_ = json.NewEncoder(w).Encode(p)
}

// known is the one table of errors: what a client is told.
var known = []struct {
	err    error
	status int
	code   string
}{
	{session.ErrBadAttempt, http.StatusUnauthorized, BadAttempt},
	{session.ErrUnauthenticated, http.StatusUnauthorized, BadAttempt},
	{apikey.ErrUnknown, http.StatusUnauthorized, BadAttempt},
	{gatekeeper.ErrUnknownKey, http.StatusUnauthorized, BadAttempt},
	{session.ErrMustEnroll, http.StatusForbidden, MFAEnrollmentRequired},
	{access.ErrNotFresh, http.StatusForbidden, MFARequired},
	{access.ErrProgram, http.StatusForbidden, Forbidden},
	{access.ErrOneself, http.StatusForbidden, Forbidden},
	{access.ErrBeyond, http.StatusForbidden, Forbidden},
	{access.ErrForbidden, http.StatusForbidden, Forbidden},
	{phonesystem.ErrProgramEdit, http.StatusForbidden, Forbidden},
	{ErrCrossOrigin, http.StatusForbidden, Forbidden},
	{gatekeeper.ErrForeignOrigin, http.StatusForbidden, BadAttempt},
	{gatekeeper.ErrUnreadable, http.StatusForbidden, BadAttempt},
	{gatekeeper.ErrTicket, http.StatusForbidden, BadAttempt},
	{account.ErrNotFound, http.StatusNotFound, NotFound},
	{apikey.ErrNotFound, http.StatusNotFound, NotFound},
	{phonesystem.ErrNotFound, http.StatusNotFound, NotFound},
	{phonesystem.ErrNoException, http.StatusNotFound, NotFound},
	{unlock.ErrNotFound, http.StatusNotFound, NotFound},
	{mfa.ErrNoPasskey, http.StatusNotFound, NotFound},
	{errNoRoute, http.StatusNotFound, NotFound},
	{account.ErrInvitation, http.StatusGone, Gone},
	{session.ErrReset, http.StatusGone, Gone},
	{session.ErrSuspension, http.StatusGone, Gone},
	{recovery.ErrLink, http.StatusGone, Gone},
	{recovery.ErrNone, http.StatusNotFound, NotFound},
	{recovery.ErrUnderWay, http.StatusConflict, Conflict},
	{mfa.ErrTwoMails, http.StatusConflict, Conflict},
	{account.ErrEmailTaken, http.StatusConflict, Conflict},
	{mfa.ErrWrong, http.StatusUnauthorized, BadAttempt},
	{account.ErrLastAdministrator, http.StatusConflict, Conflict},
	{account.ErrUserExists, http.StatusConflict, Conflict},
	{account.ErrJoined, http.StatusConflict, Conflict},
	{account.ErrInactive, http.StatusConflict, Conflict},
	{account.ErrBuiltIn, http.StatusConflict, Conflict},
	{session.ErrNotJoined, http.StatusConflict, Conflict},
	{mfa.ErrEnrolled, http.StatusConflict, Conflict},
	{mfa.ErrNothingBegun, http.StatusConflict, Conflict},
	{mfa.ErrNotEnrolled, http.StatusConflict, Conflict},
	{mfa.ErrNoRelyingParty, http.StatusConflict, Conflict},
	{mfa.ErrPasskeyEnrolled, http.StatusConflict, Conflict},
	{mfa.ErrTooManyPasskeys, http.StatusConflict, Conflict},
	{mfa.ErrLastFactor, http.StatusConflict, Conflict},
	{phonesystem.ErrHostTaken, http.StatusConflict, Conflict},
	{phonesystem.ErrTooManyExceptions, http.StatusConflict, Conflict},
	{unlock.ErrEnded, http.StatusConflict, Conflict},
	{unlock.ErrNoExtension, http.StatusConflict, Conflict},
	{table.ErrConflict, http.StatusConflict, Conflict},
	{attempt.ErrLocked, http.StatusTooManyRequests, TooManyAttempts},
	{idempotency.ErrReused, http.StatusUnprocessableEntity, Invalid},
	{table.ErrUnavailable, http.StatusServiceUnavailable, Unavailable},
	{secrets.ErrUnavailable, http.StatusServiceUnavailable, Unavailable},
	{password.ErrBusy, http.StatusServiceUnavailable, Unavailable},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, Unavailable},
	{context.Canceled, http.StatusServiceUnavailable, Unavailable},
}

// field maps errors about one field to where it stands in the body.
var field = []struct {
	err      error
	location string
}{
	{account.ErrDomain, "body.email"},
	{account.ErrEmail, "body.email"},
	{mfa.ErrCodeNeeded, "body.enrollment_code"},
	{password.ErrMalformed, "body.password"},
	{password.ErrTooShort, "body.password"},
	{password.ErrTooLong, "body.password"},
	{password.ErrCommon, "body.password"},
	{password.ErrPersonal, "body.password"},
	{mfa.ErrAttestation, "body.attestation"},
	{idempotency.ErrReused, "header.Idempotency-Key"},
	{ErrForm, "body"},
}

// unavailableFor is when a client may try again after a 503.
const unavailableFor = 2 * time.Second

// problemOf says what a client is told of an error. Anything that the table
// does not know is a 500 with a fixed text.
func problemOf(err error) *Problem {
	var already *unlock.AlreadyUnlockedError
	var outOfRange *input.OutOfRangeError
	var invalid *input.Error
	switch {
	case errors.As(err, &already):
		p := newProblem(http.StatusConflict, AlreadyUnlocked, already.Error())
		p.UnlockID = already.UnlockID
		return p
	case errors.As(err, &outOfRange):
		p := newProblem(http.StatusUnprocessableEntity, OutOfRange, outOfRange.Error())
		p.Min, p.Max = &outOfRange.Min, &outOfRange.Max
		p.Errors = []input.Field{{Location: outOfRange.Location, Message: outOfRange.Error()}}
		return p
	case errors.As(err, &invalid):
		p := newProblem(http.StatusUnprocessableEntity, Invalid, invalid.Error())
		p.Errors = invalid.Fields
		return p
	}
	for _, f := range field {
		if errors.Is(err, f.err) {
			p := newProblem(http.StatusUnprocessableEntity, Invalid, f.err.Error())
			p.Errors = []input.Field{{Location: f.location, Message: f.err.Error()}}
			return p
		}
	}
	return tabled(err)
}

func tabled(err error) *Problem {
	for _, k := range known {
		if !errors.Is(err, k.err) {
			continue
		}
		p := newProblem(k.status, k.code, k.err.Error())
		var locked *attempt.LockedError
		switch {
		case errors.As(err, &locked):
			p.Detail, p.retryAfter = locked.Error(), locked.RetryAfter
		case k.code == Unavailable:
			p.Detail, p.retryAfter = "this can't be answered right now; try again in a moment", unavailableFor
		}
		return p
	}
	return newProblem(http.StatusInternalServerError, Internal, "something went wrong on our side; if it happens again, ask for help and quote the instance")
}

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "urn:portcullis:problem:" + code, Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// fail turns an error into what the client is told and logs what only we may
// know.
func (a *API) fail(ctx context.Context, err error) *Problem {
	p := problemOf(err)
	p.Instance = instance(ctx)
	switch {
	case p.Status >= http.StatusInternalServerError:
		a.log.ErrorContext(ctx, "a request failed", slog.Int("status", p.Status), slog.String("instance", p.Instance), slog.Any("error", err))
	case p.Code == Forbidden:
		a.refused(ctx, p)
	}
	return p
}

// refused logs what somebody who is known may not do. What nobody known asks for is
// left to whoever stands in front: it would let strangers fill the log.
func (a *API) refused(ctx context.Context, p *Problem) {
	origin, placed := ctx.Value(originKey{}).(*requestOrigin)
	id, known := ctx.Value(identityKey{}).(session.Identity)
	if !placed || !known || id.Caller.UserID == "" {
		return
	}
	a.log.WarnContext(ctx, "a request was refused", slog.String("call", origin.call), slog.String("by", id.Caller.UserID),
		slog.String("partner", id.Caller.PartnerID), slog.String("from", attempt.Network(origin.Client)), slog.String("instance", p.Instance))
}

// Fail answers a request that a Handle'd route could not.
func (a *API) Fail(w http.ResponseWriter, r *http.Request, err error) {
	r = a.placed(r)
	a.fail(r.Context(), err).Write(w)
}

// Problem answers with a problem of the caller's own words.
func (a *API) Problem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	p := newProblem(status, code, detail)
	p.Instance = instance(a.placed(r).Context())
	p.Write(w)
}

// refine turns what huma refuses by itself into problems of ours. The refused
// values are left out: they may be secrets.
func refine(ctx huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := newProblem(ourStatus(model.Status), Invalid, model.Detail)
	if p.Status >= http.StatusInternalServerError {
		p = problemOf(errors.New(model.Detail))
	}
	if p.Status == http.StatusRequestEntityTooLarge {
		p.Detail = tooLargeFor(ctx.Operation().MaxBodyBytes - 1)
	}
	p.Instance = instance(ctx.Context())
	for _, e := range model.Errors {
		p.Errors = append(p.Errors, input.Field{Location: e.Location, Message: e.Message})
	}
	if p.Status == http.StatusUnprocessableEntity && len(p.Errors) == 0 {
		p.Errors = []input.Field{{Location: "body", Message: model.Detail}}
	}
	if p.Status == http.StatusUnprocessableEntity {
		texts := make([]string, len(p.Errors))
		for i, e := range p.Errors {
			texts[i] = e.Location + ": " + e.Message
		}
		p.Detail = strings.Join(texts, "; ")
	}
	return p, nil
}

// ourStatus: what API.md calls invalid is 422, malformed JSON included.
func ourStatus(status int) int {
	if status == http.StatusBadRequest {
		return http.StatusUnprocessableEntity
	}
	return status
}
