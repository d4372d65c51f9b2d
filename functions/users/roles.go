package users

import (
	"context"
	"net/http"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/web"
)

const rolesPath = "/v1/roles"

func (f Function) roleRoutes(route router) {
	web.Register(f.API, route(http.MethodGet, rolesPath, "list-roles", "List roles, the built-in ones first", 0, 403, 422), f.listRoles)
	web.Register(f.API, route(http.MethodPost, rolesPath, "create-role", "Make a role", 201, 403, 422), f.createRole)
	web.Register(f.API, route(http.MethodGet, rolesPath+"/{id}", "get-role", "Read one role", 0, 403, 404), f.getRole)
	web.Register(f.API, route(http.MethodPatch, rolesPath+"/{id}", "change-role", "Change a role", 0, 403, 404, 409, 422), f.changeRole)
	web.Register(f.API, route(http.MethodDelete, rolesPath+"/{id}", "delete-role", "Remove a role", 204, 403, 404, 409), f.removeRole)
}

type roleView struct {
	ID               string              `json:"id"`
	Name             string              `json:"name"`
	Permissions      []access.Permission `json:"permissions" nullable:"false"`
	PhoneSystems     []string            `json:"phone_systems" nullable:"false"`
	MaxUnlockSeconds int64               `json:"max_unlock_seconds"`
	BuiltIn          bool                `json:"built_in"`
}

type oneRole struct{ Body roleView }

func viewRole(r access.Role) roleView {
	_, builtIn := access.BuiltInRole(r.ID)
	return roleView{r.ID, r.Name, append([]access.Permission{}, r.Permissions...), append([]string{}, r.PhoneSystems...), r.MaxUnlockSeconds, builtIn}
}

func shown(r access.Role, err error) (*oneRole, error) {
	if err != nil {
		return nil, err
	}
	return &oneRole{Body: viewRole(r)}, nil
}

type listRolesInput struct{ web.Paging }

type listRolesView struct{ Body web.Items[roleView] }

func (f Function) listRoles(ctx context.Context, in *listRolesInput) (*listRolesView, error) {
	after, err := f.API.Cursors.Open(ctx, rolesPath, nil, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Directory.ListRoles(ctx, web.Identity(ctx).Caller, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listRolesView{Body: web.Items[roleView]{Items: []roleView{}, Next: f.API.Cursors.Seal(ctx, rolesPath, nil, next)}}
	for _, r := range page {
		out.Body.Items = append(out.Body.Items, viewRole(r))
	}
	return out, nil
}

type createRoleInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Name             string              `json:"name"`
		Permissions      []access.Permission `json:"permissions"`
		PhoneSystems     []string            `json:"phone_systems" doc:"ids, or * alone for every phone system"`
		MaxUnlockSeconds int64               `json:"max_unlock_seconds,omitempty" doc:"needed by a role that unlocks"`
	}
}

func (f Function) createRole(ctx context.Context, in *createRoleInput) (*oneRole, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+rolesPath, in.Body)
	if err != nil {
		return nil, err
	}
	return shown(f.Directory.CreateRole(ctx, caller, once, access.Role{
		Name: in.Body.Name, Permissions: in.Body.Permissions, PhoneSystems: in.Body.PhoneSystems, MaxUnlockSeconds: in.Body.MaxUnlockSeconds,
	}))
}

func (f Function) getRole(ctx context.Context, in *IDInput) (*oneRole, error) {
	return shown(f.Directory.RoleFor(ctx, web.Identity(ctx).Caller, in.ID))
}

type changeRoleInput struct {
	IDInput
	Body struct {
		Name             *string              `json:"name,omitempty"`
		Permissions      *[]access.Permission `json:"permissions,omitempty"`
		PhoneSystems     *[]string            `json:"phone_systems,omitempty"`
		MaxUnlockSeconds *int64               `json:"max_unlock_seconds,omitempty"`
	}
}

func (f Function) changeRole(ctx context.Context, in *changeRoleInput) (*oneRole, error) {
	return shown(f.Directory.ChangeRole(ctx, web.Identity(ctx).Caller, in.ID, account.RoleChange(in.Body)))
}

func (f Function) removeRole(ctx context.Context, in *IDInput) (*struct{}, error) {
	return &struct{}{}, f.Directory.DeleteRole(ctx, web.Identity(ctx).Caller, in.ID)
}
