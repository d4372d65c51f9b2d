// Package phonesystems is the function that keeps phone systems, their policies
// and gate keys: its routes and nothing else. It guarantees no more than
// shared/phonesystem does, whose methods it calls.
package phonesystems

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API      *web.API
	Registry *phonesystem.Registry
	Book     *unlock.Book
	Table    table.Table
	// Log gets what goes wrong after a change is done.
	Log *slog.Logger
	// BaseURL is the control portal's, which gates ask.
	BaseURL string
}

const path = "/v1/phone-systems"

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Registry: g.Registry, Book: g.Book, Table: g.Table, Log: g.Log, BaseURL: g.BaseURL}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	route := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Phone systems", Status: status, Errors: errs}
	}
	web.Register(f.API, route(http.MethodGet, path, "list-phone-systems", "List the phone systems that you may see", 0, 422).OrProgram(), f.list)
	web.Register(f.API, route(http.MethodPost, path, "create-phone-system", "Register a phone system; it is locked from then on", 201, 403, 409, 422).OrProgram(), f.create)
	web.Register(f.API, route(http.MethodGet, path+"/{id}", "get-phone-system", "Read one phone system", 0, 403, 404).OrProgram(), f.get)
	web.Register(f.API, route(http.MethodPatch, path+"/{id}", "change-phone-system", "Change a phone system", 0, 403, 404, 409, 422).OrProgram(), f.change)
	web.Register(f.API, route(http.MethodDelete, path+"/{id}", "delete-phone-system", "Remove a phone system and end its windows", 204, 403, 404), f.remove)
	web.Register(f.API, route(http.MethodPost, path+"/{id}/gate-key", "replace-gate-key", "Replace the gate key", 0, 403, 404, 422), f.rotate)
	web.Register(f.API, route(http.MethodPost, path+"/import", "import-phone-systems", "Register the phone systems of a CSV file", 0, 403, 413, 415, 422).WithCSV(), f.importSystems)
	f.affectedRoute()
	f.classifyRoute()
	f.rehearseRoute()
	f.exceptionRoutes()
	f.gateConfigRoute()
}

type policyInput struct {
	DefaultSeconds       *int64               `json:"default_seconds,omitempty"`
	MaxSeconds           *int64               `json:"max_seconds,omitempty"`
	MaxExtensions        *int64               `json:"max_extensions,omitempty"`
	Binding              *phonesystem.Binding `json:"binding,omitempty" enum:"pass,ip,pass+ip"`
	Reason               *string              `json:"reason,omitempty" enum:"required,optional"`
	DecisionCacheSeconds *int64               `json:"decision_cache_seconds,omitempty"`
}

// merge answers what stands with what was sent; what was left out stays.
func (in *policyInput) merge(p phonesystem.Policy) phonesystem.Policy {
	if in == nil {
		return p
	}
	set(&p.DefaultSeconds, in.DefaultSeconds)
	set(&p.MaxSeconds, in.MaxSeconds)
	set(&p.MaxExtensions, in.MaxExtensions)
	set(&p.Binding, in.Binding)
	set(&p.Reason, in.Reason)
	set(&p.DecisionCacheSeconds, in.DecisionCacheSeconds)
	return p
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

type systemView struct {
	ID              string             `json:"id"`
	Name            string             `json:"name"`
	Host            string             `json:"host"`
	Customer        string             `json:"customer"`
	Profile         string             `json:"profile"`
	RestrictedPaths []string           `json:"restricted_paths" nullable:"false"`
	Exceptions      []exceptionView    `json:"exceptions" nullable:"false" doc:"the operator's, to the profile"`
	Policy          phonesystem.Policy `json:"policy"`
	State           string             `json:"state" enum:"locked,unlocked"`
	OpenUnlocks     int                `json:"open_unlocks"`
	Gate            gateView           `json:"gate"`
	CreatedAt       time.Time          `json:"created_at"`
	GateKey         string             `json:"gate_key,omitempty" doc:"shown once"`
}

func newView(p phonesystem.PhoneSystem, open int, gate gateView) systemView {
	v := systemView{
		ID: p.ID, Name: p.Name, Host: p.Host, Customer: p.Customer, Profile: p.Profile, RestrictedPaths: append([]string{}, p.RestrictedPaths...),
		Exceptions: viewExceptions(p), Policy: p.Policy, State: "locked", OpenUnlocks: open, CreatedAt: p.CreatedAt, Gate: gate,
	}
	if open > 0 {
		v.State = "unlocked"
	}
	return v
}

// view reads what is shown of one phone system beside its record.
func (f Function) view(ctx context.Context, p phonesystem.PhoneSystem) (systemView, error) {
	open, err := f.Book.OpenOn(ctx, p.PartnerID, p.ID)
	if err != nil {
		return systemView{}, err
	}
	reports, err := gatekeeper.Reports(ctx, f.Table, p)
	if err != nil {
		return systemView{}, err
	}
	gate, err := f.gateOf(p, reports[p.ID])
	if err == nil && web.Identity(ctx).Caller.May(access.ViewAudit, p.ID) {
		gate.showSources(reports[p.ID])
	}
	return newView(p, open[p.ID], gate), err
}

// Filter is what the list is narrowed by.
type Filter struct {
	Customer string `query:"customer" maxLength:"200"`
	Text     string `query:"q" maxLength:"200" doc:"part of name, host or customer"`
}

type listInput struct {
	web.Paging
	Filter
}

type listView struct{ Body web.Items[systemView] }

func (f Function) list(ctx context.Context, in *listInput) (*listView, error) {
	after, err := f.API.Cursors.Open(ctx, path, in.Filter, in.Cursor)
	if err != nil {
		return nil, err
	}
	caller := web.Identity(ctx).Caller
	page, next, err := f.Registry.List(ctx, caller, phonesystem.Filter(in.Filter), after, in.Limit)
	if err != nil {
		return nil, err
	}
	open, err := f.Book.OpenOn(ctx, caller.PartnerID, "")
	if err != nil {
		return nil, err
	}
	reports, err := gatekeeper.Reports(ctx, f.Table, page...)
	if err != nil {
		return nil, err
	}
	out := &listView{Body: web.Items[systemView]{Items: []systemView{}, Next: f.API.Cursors.Seal(ctx, path, in.Filter, next)}}
	for _, p := range page {
		gate, err := f.gateOf(p, reports[p.ID])
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, newView(p, open[p.ID], gate))
	}
	return out, nil
}

type createInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Name            string       `json:"name"`
		Host            string       `json:"host"`
		Customer        string       `json:"customer,omitempty"`
		Profile         string       `json:"profile,omitempty" enum:"3cx-v20,3cx-v18,freepbx,yeastar,custom" default:"3cx-v20"`
		RestrictedPaths []string     `json:"restricted_paths,omitempty" nullable:"false"`
		Policy          *policyInput `json:"policy,omitempty"`
	}
}

type oneView struct{ Body systemView }

func (f Function) create(ctx context.Context, in *createInput) (*oneView, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+path, in.Body)
	if err != nil {
		return nil, err
	}
	created, err := f.Registry.Create(ctx, caller, once, phonesystem.PhoneSystem{
		Name: in.Body.Name, Host: in.Body.Host, Customer: in.Body.Customer, Profile: in.Body.Profile,
		RestrictedPaths: in.Body.RestrictedPaths, Policy: in.Body.Policy.merge(phonesystem.DefaultPolicy()),
	})
	if err != nil {
		return nil, err
	}
	gate, err := f.gateOf(created.PhoneSystem, gatekeeper.Report{})
	out := &oneView{Body: newView(created.PhoneSystem, 0, gate)}
	out.Body.GateKey = created.GateKey
	return out, err
}

// IDInput names one object in the path.
type IDInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (f Function) get(ctx context.Context, in *IDInput) (*oneView, error) {
	p, _, err := f.Registry.Get(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	v, err := f.view(ctx, p)
	return &oneView{Body: v}, err
}

type changeInput struct {
	IDInput
	Body struct {
		Name            *string      `json:"name,omitempty"`
		Host            *string      `json:"host,omitempty"`
		Customer        *string      `json:"customer,omitempty"`
		Profile         *string      `json:"profile,omitempty" enum:"3cx-v20,3cx-v18,freepbx,yeastar,custom"`
		RestrictedPaths *[]string    `json:"restricted_paths,omitempty"`
		Policy          *policyInput `json:"policy,omitempty"`
	}
}

func (f Function) change(ctx context.Context, in *changeInput) (*oneView, error) {
	ends := f.ends(ctx)
	p, err := f.Registry.Update(ctx, web.Identity(ctx).Caller, in.ID, phonesystem.Change{
		Name: in.Body.Name, Host: in.Body.Host, Customer: in.Body.Customer, Profile: in.Body.Profile,
		RestrictedPaths: in.Body.RestrictedPaths, Policy: in.Body.Policy.merge,
	}, ends.closing)
	if err != nil {
		return nil, err
	}
	ends.follow(ctx)
	v, err := f.view(ctx, p)
	return &oneView{Body: v}, err
}

func (f Function) remove(ctx context.Context, in *IDInput) (*struct{}, error) {
	ends := f.ends(ctx)
	if err := f.Registry.Delete(ctx, web.Identity(ctx).Caller, in.ID, ends.closing); err != nil {
		return nil, err
	}
	ends.follow(ctx)
	return &struct{}{}, nil
}

// ends tells the ends of windows that a change of their phone system closed.
type ends struct {
	Function
	caller access.Caller
	task   table.Item
}

func (f Function) ends(ctx context.Context) *ends {
	return &ends{Function: f, caller: web.Identity(ctx).Caller}
}

func (e *ends) closing(p phonesystem.PhoneSystem, cause audit.Action) ([]table.Write, error) {
	var err error
	e.task, err = e.Book.Closing(e.caller, p, cause)
	return []table.Write{table.Put(e.task, table.Absent())}, err
}

// follow does not fail a change that is done: what it can't tell, the auditor
// will.
func (e *ends) follow(ctx context.Context) {
	if e.task.Kind == "" {
		return
	}
	if err := e.Book.Follow(ctx, e.task); err != nil {
		e.Log.WarnContext(ctx, "the ends of windows could not be told yet", "error", err)
	}
}

type rotateInput struct {
	IDInput
	Body *struct {
		RevokePrevious bool `json:"revoke_previous,omitempty"`
	}
}

type rotateView struct {
	Body struct {
		GateKey            string     `json:"gate_key" doc:"shown once"`
		PreviousValidUntil *time.Time `json:"previous_valid_until" doc:"null: not any more"`
	}
}

func (f Function) rotate(ctx context.Context, in *rotateInput) (*rotateView, error) {
	revoke := in.Body != nil && in.Body.RevokePrevious
	rotated, err := f.Registry.RotateKey(ctx, web.Identity(ctx).Caller, in.ID, revoke)
	if err != nil {
		return nil, err
	}
	out := &rotateView{}
	out.Body.GateKey = rotated.GateKey
	if !rotated.PreviousValidUntil.IsZero() {
		out.Body.PreviousValidUntil = &rotated.PreviousValidUntil
	}
	return out, nil
}
