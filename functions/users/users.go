// Package users is the function for who there is: the operators' partners, their
// users and roles, and the API keys of their programs. Its routes and nothing
// else: it guarantees no more than shared/account, shared/session and
// shared/apikey do, whose methods it calls.
package users

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/session"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API       *web.API
	Directory *account.Directory
	Keys      *apikey.Ring
	Desk      *session.Desk
	Recovery  *recovery.Service
}

// router makes the declaration of a route of this function's.
type router func(method, path, id, summary string, status int, errs ...int) web.Route

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Directory: g.Directory, Desk: g.Desk, Keys: g.Keys, Recovery: g.Recovery}
}

const partnersPath = "/v1/partners"

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	route := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Partners, users, roles", Status: status, Errors: errs}
	}
	web.Register(f.API, route(http.MethodGet, partnersPath, "list-partners", "List partners, for operators", 0, 403, 422), f.listPartners)
	web.Register(f.API, route(http.MethodPost, partnersPath, "create-partner", "Make a partner and invite its first administrator", 201, 403, 422), f.createPartner)
	web.Register(f.API, route(http.MethodGet, partnersPath+"/{id}", "get-partner", "Read one partner", 0, 403, 404), f.getPartner)
	web.Register(f.API, route(http.MethodPatch, partnersPath+"/{id}", "change-partner", "Change a partner", 0, 403, 404, 422), f.changePartner)
	f.recoveryRoutes(route)
	f.apiKeyRoutes()
	f.peopleRoutes(route)
	f.roleRoutes(route)
}

type partnerView struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	SupportContact string    `json:"support_contact"`
	CreatedAt      time.Time `json:"created_at"`
}

func viewPartner(p account.Partner) partnerView {
	return partnerView{p.ID, p.Name, p.SupportContact, p.CreatedAt}
}

type onePartner struct{ Body partnerView }

type listPartnersInput struct{ web.Paging }

type listPartnersView struct{ Body web.Items[partnerView] }

func (f Function) listPartners(ctx context.Context, in *listPartnersInput) (*listPartnersView, error) {
	after, err := f.API.Cursors.Open(ctx, partnersPath, nil, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Directory.Partners(ctx, web.Identity(ctx).Caller, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listPartnersView{Body: web.Items[partnerView]{Items: []partnerView{}, Next: f.API.Cursors.Seal(ctx, partnersPath, nil, next)}}
	for _, p := range page {
		out.Body.Items = append(out.Body.Items, viewPartner(p))
	}
	return out, nil
}

type createPartnerInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Name               string `json:"name"`
		AdministratorEmail string `json:"administrator_email"`
		SupportContact     string `json:"support_contact,omitempty" doc:"shown to whoever meets a locked console, and named in security notices"`
	}
}

func (f Function) createPartner(ctx context.Context, in *createPartnerInput) (*onePartner, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+partnersPath, in.Body)
	if err != nil {
		return nil, err
	}
	made, _, err := f.Directory.CreatePartner(ctx, caller, once, account.Partner{Name: in.Body.Name, SupportContact: in.Body.SupportContact}, in.Body.AdministratorEmail)
	return &onePartner{Body: viewPartner(made)}, err
}

// IDInput names one object in the path.
type IDInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (f Function) getPartner(ctx context.Context, in *IDInput) (*onePartner, error) {
	p, err := f.Directory.PartnerFor(ctx, web.Identity(ctx).Caller, in.ID)
	return &onePartner{Body: viewPartner(p)}, err
}

type changePartnerInput struct {
	IDInput
	Body struct {
		Name           *string `json:"name,omitempty"`
		SupportContact *string `json:"support_contact,omitempty"`
	}
}

func (f Function) changePartner(ctx context.Context, in *changePartnerInput) (*onePartner, error) {
	p, err := f.Directory.ChangePartner(ctx, web.Identity(ctx).Caller, in.ID, account.PartnerChange(in.Body))
	return &onePartner{Body: viewPartner(p)}, err
}
