package login

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/web"
)

func (f Function) passkeyRoutes() {
	own := func(method, path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Signing in", Status: status, Errors: errs}
	}
	web.Register(f.API, web.Route{Method: http.MethodPost, Path: "/v1/login/passkey-options", ID: "login-passkey-options", Summary: "What a browser needs to sign in with a passkey", Tag: "Signing in", Public: true, Errors: []int{401, 403, 409, 422, 429}}, f.loginOptions)
	web.Register(f.API, own(http.MethodPost, "/v1/session/step-up/options", "step-up-options", "What a browser needs to step up with a passkey", 0, 403, 409), f.stepUpOptions)
	web.Register(f.API, own(http.MethodPost, "/v1/mfa/passkeys/options", "passkey-options", "Begin to enrol a passkey", 0, 403, 409), f.enrollPasskey)
	web.Register(f.API, own(http.MethodPost, passkeys, "add-passkey", "Enrol a passkey", http.StatusCreated, 403, 409, 422), f.addPasskey)
	web.Register(f.API, own(http.MethodDelete, passkeys+"/{id}", "remove-passkey", "Remove a passkey", http.StatusNoContent, 403, 404, 409, 422), f.removePasskey)
}

const passkeys = "/v1/mfa/passkeys"

// requestView is PublicKeyCredentialRequestOptionsJSON of WebAuthn.
type requestView struct{ Body mfa.RequestOptions }

type loginOptionsInput struct {
	Body struct {
		LoginToken string `json:"login_token" maxLength:"256"`
	}
}

func (f Function) loginOptions(ctx context.Context, in *loginOptionsInput) (*requestView, error) {
	options, err := f.Desk.PasskeyOptions(ctx, in.Body.LoginToken, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return &requestView{options}, nil
}

func (f Function) stepUpOptions(ctx context.Context, _ *struct{}) (*requestView, error) {
	options, err := f.Desk.StepUpOptions(ctx, web.Identity(ctx), web.Secret(ctx))
	if err != nil {
		return nil, err
	}
	return &requestView{options}, nil
}

// creationView is PublicKeyCredentialCreationOptionsJSON of WebAuthn.
type creationView struct{ Body mfa.CreationOptions }

func (f Function) enrollPasskey(ctx context.Context, _ *struct{}) (*creationView, error) {
	options, err := f.Desk.EnrollPasskey(ctx, web.Identity(ctx), web.Secret(ctx))
	if err != nil {
		return nil, err
	}
	return &creationView{options}, nil
}

type addPasskeyInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Name        string         `json:"name,omitempty" maxLength:"100" doc:"Passkey, if left out"`
		Attestation map[string]any `json:"attestation" doc:"the browser's answer, by its toJSON"`
	}
}

type passkeyView struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func viewPasskey(p mfa.Passkey) passkeyView {
	return passkeyView{ID: p.ID, Name: p.Name, CreatedAt: p.CreatedAt, LastUsedAt: known(p.LastUsedAt)}
}

type addedPasskeyView struct{ Body passkeyView }

func (f Function) addPasskey(ctx context.Context, in *addPasskeyInput) (*addedPasskeyView, error) {
	id := web.Identity(ctx)
	once, err := idempotency.For(id.User.ID, in.Once, "POST "+passkeys, in.Body)
	if err != nil {
		return nil, err
	}
	answer, err := json.Marshal(in.Body.Attestation)
	if err != nil {
		return nil, err
	}
	made, err := f.Desk.AddPasskey(ctx, id, web.Secret(ctx), once, mfa.NewPasskey{Name: in.Body.Name, Answer: answer})
	if err != nil {
		return nil, err
	}
	return &addedPasskeyView{viewPasskey(made)}, nil
}

// PasskeyInput names one passkey in the path.
type PasskeyInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (f Function) removePasskey(ctx context.Context, in *PasskeyInput) (*struct{}, error) {
	return nil, f.Desk.RemovePasskey(ctx, web.Identity(ctx), web.Secret(ctx), in.ID)
}
