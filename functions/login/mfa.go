package login

import (
	"context"
	"net/http"
	"strings"
	"time"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/notice"
	"portcullis.example/shared/web"
)

func (f Function) mfaRoutes() {
	own := func(method, path, id, summary string, errs ...int) web.Route {
		return web.Route{Method: method, Path: path, ID: id, Summary: summary, Tag: "Signing in", Errors: errs}
	}
	web.Register(f.API, own(http.MethodGet, "/v1/mfa", "get-mfa", "One's own second factors"), f.getMFA)
	web.Register(f.API, own(http.MethodPost, "/v1/mfa/totp", "replace-totp", "Begin to replace the authenticator", 403), f.replaceTOTP)
	web.Register(f.API, own(http.MethodPost, "/v1/mfa/totp/confirm", "replace-totp-confirm", "Confirm the new authenticator in the place of the old one", 403, 409, 422, 429), f.confirmTOTP)
	web.Register(f.API, own(http.MethodPost, "/v1/mfa/recovery-codes", "renew-recovery-codes", "Make new recovery codes; the old ones are void", 403), f.renewRecoveryCodes)
}

// RecoveryLeft says how many recovery codes are left, and what to do about it.
type RecoveryLeft struct {
	Left   *int   `json:"recovery_codes_left,omitempty" doc:"where a recovery code was used"`
	Notice string `json:"notice,omitempty" doc:"what to do next, where fewer than 3 recovery codes are left"`
}

func viewLeft(left *int) RecoveryLeft {
	if left == nil || !notice.FewLeft(*left) {
		return RecoveryLeft{Left: left}
	}
	return RecoveryLeft{left, strings.ReplaceAll(notice.Left(*left), "\n", " ")}
}

type totpView struct {
	EnrolledAt time.Time `json:"enrolled_at"`
}

type mfaView struct {
	Body struct {
		TOTP     *totpView     `json:"totp"`
		Passkeys []passkeyView `json:"passkeys" nullable:"false"`
		Left     int           `json:"recovery_codes_left"`
		Notice   string        `json:"notice,omitempty" doc:"what to do next, where fewer than 3 recovery codes are left"`
	}
}

func viewMFA(factors mfa.Factors, left int) *mfaView {
	view := &mfaView{}
	if factors.TOTP != nil {
		view.Body.TOTP = &totpView{factors.TOTP.EnrolledAt}
	}
	view.Body.Passkeys = []passkeyView{}
	for _, p := range factors.Passkeys {
		view.Body.Passkeys = append(view.Body.Passkeys, viewPasskey(p))
	}
	view.Body.Left, view.Body.Notice = left, viewLeft(&left).Notice
	return view
}

func (f Function) getMFA(ctx context.Context, _ *struct{}) (*mfaView, error) {
	factors, left, err := f.Desk.FactorsOf(ctx, web.Identity(ctx))
	if err != nil {
		return nil, err
	}
	return viewMFA(factors, left), nil
}

func (f Function) replaceTOTP(ctx context.Context, _ *struct{}) (*enrollView, error) {
	begun, err := f.Desk.ReplaceAuthenticator(ctx, web.Identity(ctx), web.Secret(ctx))
	if err != nil {
		return nil, err
	}
	return viewEnrollment(begun), nil
}

type confirmTOTPInput struct {
	Body struct {
		Code string `json:"code" maxLength:"100" doc:"of the new authenticator"`
	}
}

func (f Function) confirmTOTP(ctx context.Context, in *confirmTOTPInput) (*mfaView, error) {
	factors, left, err := f.Desk.ConfirmAuthenticator(ctx, web.Identity(ctx), web.Secret(ctx), in.Body.Code, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return viewMFA(factors, left), nil
}

type recoveryCodesView struct {
	Body struct {
		RecoveryCodes []string `json:"recovery_codes" nullable:"false" doc:"shown once"`
	}
}

func (f Function) renewRecoveryCodes(ctx context.Context, _ *struct{}) (*recoveryCodesView, error) {
	codes, err := f.Desk.RenewRecoveryCodes(ctx, web.Identity(ctx), web.Secret(ctx))
	if err != nil {
		return nil, err
	}
	view := &recoveryCodesView{}
	view.Body.RecoveryCodes = codes
	return view, nil
}
