// Package reports is the function that searches the audit and makes the evidence
// for insurers: its routes and nothing else. It guarantees no more than
// shared/audit and shared/evidence do, whose methods it calls, and that no text
// that people sent is markup in a page or a formula in a spreadsheet.
package reports

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/audit"
	"portcullis.example/shared/evidence"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API      *web.API
	Journal  *audit.Journal
	Reporter *evidence.Reporter
}

const path = "/v1/audit"

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Journal: g.Journal, Reporter: g.Reporter}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: path, ID: "list-audit", Summary: "Search the audit, newest first", Tag: "Audit and evidence", Errors: []int{403, 422}, Programs: true}, f.list)
	f.exportRoute()
	f.evidenceRoute()
}

// Filter is what the list is narrowed by.
type Filter struct {
	From        time.Time    `query:"from"`
	To          time.Time    `query:"to" doc:"exclusive"`
	Actor       string       `query:"actor" maxLength:"64"`
	PhoneSystem string       `query:"phone_system" maxLength:"64"`
	Action      audit.Action `query:"action" maxLength:"64"`
}

type listInput struct {
	web.Paging
	Filter
}

type entryView struct {
	ID            string            `json:"id"`
	At            time.Time         `json:"at"`
	Action        audit.Action      `json:"action"`
	Actor         string            `json:"actor"`
	Subject       string            `json:"subject"`
	PhoneSystemID string            `json:"phone_system_id,omitempty"`
	ClientIP      string            `json:"client_ip"`
	Outcome       string            `json:"outcome" enum:"success,failure"`
	Details       map[string]string `json:"details" nullable:"false"`
}

type listView struct{ Body web.Items[entryView] }

func (f Function) list(ctx context.Context, in *listInput) (*listView, error) {
	after, err := f.API.Cursors.Open(ctx, path, in.Filter, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Journal.List(ctx, web.Identity(ctx).Caller, audit.Filter(in.Filter), after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listView{Body: web.Items[entryView]{Items: []entryView{}, Next: f.API.Cursors.Seal(ctx, path, in.Filter, next)}}
	for _, e := range page {
		out.Body.Items = append(out.Body.Items, newEntryView(e))
	}
	return out, nil
}

func newEntryView(e audit.Entry) entryView {
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	return entryView{e.ID, e.At, e.Action, e.Actor, e.Subject, e.PhoneSystemID, e.ClientIP, e.Outcome, e.Details}
}
