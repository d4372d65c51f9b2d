// Package unlocks is the function that opens, extends, closes and lists unlock
// windows: its routes and nothing else. It guarantees no more than
// shared/unlock does, whose methods it calls.
package unlocks

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/ground"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/unlock"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API  *web.API
	Book *unlock.Book
	Now  func() time.Time
}

const (
	path       = "/v1/unlocks"
	systemPath = "/v1/phone-systems/{id}"
)

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Book: g.Book, Now: g.Now}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	route := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Unlocks", Status: status, Errors: errs}
	}
	web.Register(f.API, route(http.MethodPost, systemPath+"/unlocks", "open-unlock", "Open an unlock window", 201, 403, 404, 409, 422), f.open)
	web.Register(f.API, route(http.MethodPost, systemPath+"/lock", "lock-phone-system", "Close all windows of a phone system", 0, 403, 404), f.lock)
	web.Register(f.API, route(http.MethodGet, path, "list-unlocks", "List unlock windows, newest first", 0, 422).OrProgram(), f.list)
	web.Register(f.API, route(http.MethodGet, path+"/{id}", "get-unlock", "Read one unlock window", 0, 403, 404).OrProgram(), f.get)
	web.Register(f.API, route(http.MethodPost, path+"/{id}/extend", "extend-unlock", "Make your window longer", 0, 403, 404, 409, 422), f.extend)
	web.Register(f.API, route(http.MethodPost, path+"/{id}/pass", "new-pass", "Get a pass for another browser", 0, 403, 404, 409), f.pass)
	web.Register(f.API, route(http.MethodDelete, path+"/{id}", "close-unlock", "Close a window", 0, 403, 404), f.close)
}

type passView struct {
	URL    string `json:"url" doc:"post the ticket here, as form field ticket"`
	Ticket string `json:"ticket,omitempty" doc:"works once, for 60 seconds"`
}

type unlockView struct {
	ID             string     `json:"id"`
	PhoneSystemID  string     `json:"phone_system_id"`
	UserID         string     `json:"user_id"`
	UserEmail      string     `json:"user_email" doc:"as it was when the window was opened"`
	State          string     `json:"state" enum:"open,ended"`
	OpenedAt       time.Time  `json:"opened_at"`
	ExpiresAt      time.Time  `json:"expires_at"`
	Reason         string     `json:"reason"`
	Ticket         string     `json:"ticket"`
	ClientIP       string     `json:"client_ip"`
	Binding        string     `json:"binding" enum:"pass,ip,pass+ip"`
	ExtensionsLeft int64      `json:"extensions_left"`
	Pass           *passView  `json:"pass,omitempty"`
	EndedAt        *time.Time `json:"ended_at,omitempty"`
	EndedBy        string     `json:"ended_by,omitempty"`
	End            string     `json:"end,omitempty" enum:"expired,closed,revoked"`
}

// view shows a window whose time is over as ended, whether or not the auditor
// has told its end yet.
func (f Function) view(u unlock.Unlock) unlockView { return viewAt(u, f.Now()) }

func viewAt(u unlock.Unlock, now time.Time) unlockView {
	u = u.Told(now)
	v := unlockView{
		ID: u.ID, PhoneSystemID: u.PhoneSystemID, UserID: u.UserID, UserEmail: u.UserEmail, State: "open", OpenedAt: u.OpenedAt, ExpiresAt: u.ExpiresAt,
		Reason: u.Reason, Ticket: u.Reference, ClientIP: u.ClientIP, Binding: string(u.Binding), ExtensionsLeft: u.ExtensionsLeft,
	}
	if u.End != "" {
		v.State, v.EndedAt, v.EndedBy, v.End = "ended", &u.EndedAt, u.EndedBy, u.End
	}
	return v
}

type oneView struct{ Body unlockView }

type openInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	ID   string `path:"id" maxLength:"64"`
	Body *openBody
}

type openBody struct {
	Seconds *int64 `json:"duration_seconds,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Ticket  string `json:"ticket,omitempty" doc:"reference of a service desk's ticket"`
}

func (f Function) open(ctx context.Context, in *openInput) (*oneView, error) {
	caller := web.Identity(ctx).Caller
	var body openBody // nothing in it must be said
	if in.Body != nil {
		body = *in.Body
	}
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+systemPath+"/unlocks "+in.ID, body)
	if err != nil {
		return nil, err
	}
	opened, err := f.Book.Open(ctx, caller, once, unlock.Request{PhoneSystemID: in.ID, Seconds: body.Seconds, Reason: body.Reason, Reference: body.Ticket})
	if err != nil {
		return nil, err
	}
	return withPass(opened), nil
}

// withPass shows the window as it was opened: a repeated request answers the same
// even when the window is over.
func withPass(opened unlock.Opened) *oneView {
	out := &oneView{Body: viewAt(opened.Unlock, opened.Unlock.OpenedAt)}
	out.Body.Pass = &passView{URL: opened.PassURL, Ticket: opened.Ticket}
	return out
}

// IDInput names one object in the path.
type IDInput struct {
	ID string `path:"id" maxLength:"64"`
}

type lockView struct {
	Body struct {
		Closed int `json:"closed"`
	}
}

func (f Function) lock(ctx context.Context, in *IDInput) (*lockView, error) {
	closed, err := f.Book.Lock(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	out := &lockView{}
	out.Body.Closed = closed
	return out, nil
}

// Filter is what the list is narrowed by.
type Filter struct {
	State       string    `query:"state" enum:"open,ended"`
	PhoneSystem string    `query:"phone_system" maxLength:"64"`
	User        string    `query:"user" maxLength:"64"`
	From        time.Time `query:"from"`
	To          time.Time `query:"to" doc:"exclusive"`
}

type listInput struct {
	web.Paging
	Filter
}

type listView struct{ Body web.Items[unlockView] }

func (f Function) list(ctx context.Context, in *listInput) (*listView, error) {
	after, err := f.API.Cursors.Open(ctx, path, in.Filter, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Book.List(ctx, web.Identity(ctx).Caller, unlock.Filter(in.Filter), after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listView{Body: web.Items[unlockView]{Items: []unlockView{}, Next: f.API.Cursors.Seal(ctx, path, in.Filter, next)}}
	for _, u := range page {
		out.Body.Items = append(out.Body.Items, f.view(u))
	}
	return out, nil
}

func (f Function) get(ctx context.Context, in *IDInput) (*oneView, error) {
	u, err := f.Book.Get(ctx, web.Identity(ctx).Caller, in.ID)
	return &oneView{Body: f.view(u)}, err
}

type extendInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Seconds int64 `json:"seconds"`
	}
}

func (f Function) extend(ctx context.Context, in *extendInput) (*oneView, error) {
	extended, err := f.Book.Extend(ctx, web.Identity(ctx).Caller, in.ID, in.Body.Seconds)
	if err != nil {
		return nil, err
	}
	return withPass(extended), nil
}

type newPassView struct {
	Body struct {
		Pass passView `json:"pass"`
	}
}

func (f Function) pass(ctx context.Context, in *IDInput) (*newPassView, error) {
	opened, err := f.Book.NewPass(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	out := &newPassView{}
	out.Body.Pass = passView{URL: opened.PassURL, Ticket: opened.Ticket}
	return out, nil
}

func (f Function) close(ctx context.Context, in *IDInput) (*oneView, error) {
	u, err := f.Book.Close(ctx, web.Identity(ctx).Caller, in.ID)
	return &oneView{Body: f.view(u)}, err
}
