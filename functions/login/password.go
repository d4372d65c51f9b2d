package login

import (
	"context"
	"net/http"

	"portcullis.example/shared/session"
	"portcullis.example/shared/web"
)

func (f Function) passwordRoutes() {
	post := func(path, id, summary string, status int, errs ...int) web.Route {
		return web.Route{Method: http.MethodPost, Path: path, ID: id, Summary: summary, Tag: "Signing in", Public: true, Status: status, Errors: errs}
	}
	web.Register(f.API, post("/v1/password/forgot", "forgot-password", "Have a link mailed by which a new password can be chosen", http.StatusAccepted, 422), f.forgot)
	web.Register(f.API, post("/v1/password/reset", "reset-password", "Choose a new password with a mailed link", http.StatusNoContent, 410, 422), f.reset)
	web.Register(f.API, post("/v1/login/unsuspend", "unsuspend-login", "End a suspension of sign-ins early with a mailed link", http.StatusNoContent, 410, 422), f.unsuspend)
	web.Register(f.API, web.Route{Method: http.MethodPost, Path: "/v1/password", ID: "change-password", Summary: "Change your password; ends your other sessions", Tag: "Signing in", Status: http.StatusNoContent, Errors: []int{403, 422, 429}}, f.changePassword)
}

type forgotInput struct {
	Body struct {
		Email string `json:"email" maxLength:"1000"`
	}
}

func (f Function) forgot(ctx context.Context, in *forgotInput) (*struct{}, error) {
	return nil, f.Desk.Forgot(ctx, in.Body.Email, web.OriginOf(ctx))
}

type resetInput struct {
	Body struct {
		Token       string `json:"token" maxLength:"256"`
		NewPassword string `json:"new_password" maxLength:"4096"`
	}
}

func (f Function) reset(ctx context.Context, in *resetInput) (*struct{}, error) {
	return nil, f.Desk.Reset(ctx, in.Body.Token, in.Body.NewPassword, web.OriginOf(ctx))
}

type unsuspendInput struct {
	Body struct {
		Token string `json:"token" maxLength:"256"`
	}
}

func (f Function) unsuspend(ctx context.Context, in *unsuspendInput) (*struct{}, error) {
	return nil, f.Desk.Unsuspend(ctx, in.Body.Token, web.OriginOf(ctx))
}

type changePasswordInput struct {
	Body struct {
		CurrentPassword string `json:"current_password" maxLength:"4096"`
		NewPassword     string `json:"new_password" maxLength:"4096"`
	}
}

func (f Function) changePassword(ctx context.Context, in *changePasswordInput) (*struct{}, error) {
	p := session.NewPassword{Current: in.Body.CurrentPassword, New: in.Body.NewPassword}
	return nil, f.Desk.ChangePassword(ctx, web.Identity(ctx), web.Secret(ctx), p, web.OriginOf(ctx))
}
