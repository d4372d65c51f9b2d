package phonesystems

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/web"
)

const exceptionsPath = "/v1/exceptions"

// exceptionRoutes adds the operators' calls for exceptions to profiles.
func (f Function) exceptionRoutes() {
	route := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Exceptions", Status: status, Errors: errs}
	}
	web.Register(f.API, route(http.MethodGet, exceptionsPath, "list-exceptions", "List the exceptions to profiles, for operators", 0, 403, 422), f.listExceptions)
	web.Register(f.API, route(http.MethodPost, exceptionsPath, "create-exception", "Take paths out of what a phone system's profile restricts, for operators", 201, 403, 404, 409, 422), f.except)
	web.Register(f.API, route(http.MethodDelete, exceptionsPath+"/{id}", "withdraw-exception", "Withdraw an exception, for operators", 204, 403, 404), f.withdraw)
}

// exceptionView is an exception as the phone system's partner sees it.
type exceptionView struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Reason    string    `json:"reason"`
	Paths     []string  `json:"paths" nullable:"false"`
	Applies   bool      `json:"applies" doc:"false: it was made for another profile or host, and opens nothing"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by" doc:"the operator's e-mail address"`
}

func viewExceptions(p phonesystem.PhoneSystem) []exceptionView {
	all := []exceptionView{}
	for _, e := range p.Exceptions {
		all = append(all, exceptionView{ID: e.ID, Name: e.Name, Reason: e.Reason, Paths: e.Paths, Applies: p.Applies(e), CreatedAt: e.CreatedAt, CreatedBy: e.CreatedBy})
	}
	return all
}

// grantedView is an exception as operators see it.
type grantedView struct {
	ID            string    `json:"id"`
	PhoneSystemID string    `json:"phone_system_id"`
	PartnerID     string    `json:"partner_id"`
	Host          string    `json:"host" doc:"the phone system's as the exception was made"`
	Profile       string    `json:"profile" doc:"likewise"`
	Name          string    `json:"name"`
	Reason        string    `json:"reason"`
	Paths         []string  `json:"paths" nullable:"false"`
	CreatedAt     time.Time `json:"created_at"`
	CreatedBy     string    `json:"created_by"`
}

func viewGranted(g phonesystem.Granted) grantedView {
	return grantedView{g.ID, g.PhoneSystemID, g.PartnerID, g.Host, g.Profile, g.Name, g.Reason, g.Paths, g.CreatedAt, g.CreatedBy}
}

type listExceptionsInput struct{ web.Paging }

type listExceptionsView struct{ Body web.Items[grantedView] }

func (f Function) listExceptions(ctx context.Context, in *listExceptionsInput) (*listExceptionsView, error) {
	after, err := f.API.Cursors.Open(ctx, exceptionsPath, nil, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Registry.Exceptions(ctx, web.Identity(ctx).Caller, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listExceptionsView{Body: web.Items[grantedView]{Items: []grantedView{}, Next: f.API.Cursors.Seal(ctx, exceptionsPath, nil, next)}}
	for _, g := range page {
		out.Body.Items = append(out.Body.Items, viewGranted(g))
	}
	return out, nil
}

type exceptInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		PhoneSystemID string   `json:"phone_system_id" maxLength:"64" doc:"as its partner told it"`
		Host          string   `json:"host" doc:"the same phone system's, as its partner told it"`
		Name          string   `json:"name"`
		Reason        string   `json:"reason"`
		Paths         []string `json:"paths" nullable:"false"`
	}
}

type exceptView struct{ Body grantedView }

func (f Function) except(ctx context.Context, in *exceptInput) (*exceptView, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+exceptionsPath, in.Body)
	if err != nil {
		return nil, err
	}
	made, err := f.Registry.Except(ctx, caller, once, in.Body.PhoneSystemID, in.Body.Host, phonesystem.Exception{Name: in.Body.Name, Reason: in.Body.Reason, Paths: in.Body.Paths})
	return &exceptView{Body: viewGranted(made)}, err
}

func (f Function) withdraw(ctx context.Context, in *IDInput) (*struct{}, error) {
	return &struct{}{}, f.Registry.Withdraw(ctx, web.Identity(ctx).Caller, in.ID)
}
