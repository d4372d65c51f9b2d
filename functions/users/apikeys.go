package users

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/web"
)

const apiKeysPath = "/v1/api-keys"

func (f Function) apiKeyRoutes() {
	route := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Partners, users, roles", Status: status, Errors: errs}
	}
	web.Register(f.API, route(http.MethodGet, apiKeysPath, "list-api-keys", "List the API keys of your programs", 0, 403, 422), f.listAPIKeys)
	web.Register(f.API, route(http.MethodPost, apiKeysPath, "create-api-key", "Make an API key for a program", 201, 403, 422), f.createAPIKey)
	web.Register(f.API, route(http.MethodDelete, apiKeysPath+"/{id}", "delete-api-key", "Remove an API key; it is refused from then on", 204, 403, 404), f.deleteAPIKey)
}

type apiKeyView struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Permissions []access.Permission `json:"permissions" nullable:"false" enum:"view_unlocks,manage_phone_systems,view_audit"`
	CreatedAt   time.Time           `json:"created_at"`
	CreatedBy   string              `json:"created_by"`
	ExpiresAt   *time.Time          `json:"expires_at" doc:"null: never"`
	LastUsedAt  *time.Time          `json:"last_used_at" doc:"to 5 minutes; null: never"`
	APIKey      string              `json:"api_key,omitempty" doc:"shown once"`
}

func viewAPIKey(k apikey.Key, used time.Time) apiKeyView {
	return apiKeyView{
		ID: k.ID, Name: k.Name, Permissions: append([]access.Permission{}, k.Permissions...),
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, ExpiresAt: web.OrNull(k.ExpiresAt), LastUsedAt: web.OrNull(used),
	}
}

type listAPIKeysInput struct{ web.Paging }

type listAPIKeysView struct{ Body web.Items[apiKeyView] }

func (f Function) listAPIKeys(ctx context.Context, in *listAPIKeysInput) (*listAPIKeysView, error) {
	after, err := f.API.Cursors.Open(ctx, apiKeysPath, nil, in.Cursor)
	if err != nil {
		return nil, err
	}
	page, next, err := f.Keys.List(ctx, web.Identity(ctx).Caller, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listAPIKeysView{Body: web.Items[apiKeyView]{Items: []apiKeyView{}, Next: f.API.Cursors.Seal(ctx, apiKeysPath, nil, next)}}
	for _, k := range page {
		out.Body.Items = append(out.Body.Items, viewAPIKey(k.Key, k.LastUsedAt))
	}
	return out, nil
}

type createAPIKeyInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Name        string              `json:"name"`
		Permissions []access.Permission `json:"permissions" nullable:"false" maxItems:"16" enum:"view_unlocks,manage_phone_systems,view_audit"`
		ExpiresAt   time.Time           `json:"expires_at,omitzero" doc:"leave it out for a key without an end"`
	}
}

type oneAPIKey struct{ Body apiKeyView }

func (f Function) createAPIKey(ctx context.Context, in *createAPIKeyInput) (*oneAPIKey, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+apiKeysPath, in.Body)
	if err != nil {
		return nil, err
	}
	made, err := f.Keys.Create(ctx, caller, once, apikey.Key{Name: in.Body.Name, Permissions: in.Body.Permissions, ExpiresAt: in.Body.ExpiresAt})
	if err != nil {
		return nil, err
	}
	out := &oneAPIKey{Body: viewAPIKey(made.Key, time.Time{})}
	out.Body.APIKey = made.Secret
	return out, nil
}

func (f Function) deleteAPIKey(ctx context.Context, in *IDInput) (*struct{}, error) {
	return &struct{}{}, f.Keys.Delete(ctx, web.Identity(ctx).Caller, in.ID)
}
