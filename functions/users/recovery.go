package users

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/web"
)

const (
	recoveryPath    = partnersPath + "/{id}/recovery"
	ownRecoveryPath = "/v1/partner/recovery"
)

func (f Function) recoveryRoutes(route router) {
	web.Register(f.API, route(http.MethodPost, recoveryPath, "begin-recovery", "Begin to recover a partner whose administrators lost every factor", 201, 403, 404, 409, 422), f.beginRecovery)
	web.Register(f.API, route(http.MethodGet, recoveryPath, "get-recovery", "Read the recovery of a partner that is under way", 0, 403, 404), f.getRecovery)
	web.Register(f.API, route(http.MethodDelete, recoveryPath, "withdraw-recovery", "Cancel the recovery of a partner, for operators", 204, 403, 404), f.withdrawRecovery)
	web.Register(f.API, route(http.MethodGet, ownRecoveryPath, "get-own-recovery", "Read the recovery of one's own partner that is under way", 0, 403, 404), f.ownRecovery)
	web.Register(f.API, route(http.MethodDelete, ownRecoveryPath, "cancel-recovery", "Cancel the recovery of one's own partner", 204, 403, 404), f.cancelRecovery)
	byLink := route(http.MethodPost, "/v1/recovery/cancel", "cancel-recovery-by-link", "Cancel a recovery with a mailed link", 204, 410, 422)
	byLink.Public = true
	web.Register(f.API, byLink, f.cancelByLink)
}

type recoveryView struct {
	Body struct {
		AdministratorEmail string    `json:"administrator_email"`
		BegunBy            string    `json:"begun_by" doc:"the operator's e-mail"`
		BegunAt            time.Time `json:"begun_at"`
		EndsAt             time.Time `json:"ends_at" doc:"24 hours after the last user was told; later than it reads while they are being told"`
	}
}

func viewRecovery(r recovery.Recovery, err error) (*recoveryView, error) {
	if err != nil {
		return nil, err
	}
	view := &recoveryView{}
	view.Body.AdministratorEmail, view.Body.BegunBy, view.Body.BegunAt, view.Body.EndsAt = r.Email, r.ByEmail, r.BegunAt, r.EndsAt
	return view, nil
}

type beginRecoveryInput struct {
	IDInput
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body *beginRecoveryBody
}

type beginRecoveryBody struct {
	AdministratorEmail string `json:"administrator_email,omitempty" doc:"whose second factor is to be replaced; left out: the first administrator's, as named when the partner was made. Whether there is such an administrator is not told"`
}

func (f Function) beginRecovery(ctx context.Context, in *beginRecoveryInput) (*recoveryView, error) {
	caller := web.Identity(ctx).Caller
	var body beginRecoveryBody // nothing in it must be said
	if in.Body != nil {
		body = *in.Body
	}
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+partnersPath+"/"+in.ID+"/recovery", body)
	if err != nil {
		return nil, err
	}
	return viewRecovery(f.Recovery.Begin(ctx, caller, once, in.ID, body.AdministratorEmail))
}

func (f Function) getRecovery(ctx context.Context, in *IDInput) (*recoveryView, error) {
	return viewRecovery(f.Recovery.Of(ctx, web.Identity(ctx).Caller, in.ID))
}

func (f Function) withdrawRecovery(ctx context.Context, in *IDInput) (*struct{}, error) {
	return nil, f.Recovery.CancelOf(ctx, web.Identity(ctx).Caller, in.ID)
}

func (f Function) ownRecovery(ctx context.Context, _ *struct{}) (*recoveryView, error) {
	return viewRecovery(f.Recovery.Own(ctx, web.Identity(ctx).Caller))
}

func (f Function) cancelRecovery(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, f.Recovery.Cancel(ctx, web.Identity(ctx).Caller)
}

type cancelByLinkInput struct {
	Body struct {
		Token string `json:"token" maxLength:"256"`
	}
}

func (f Function) cancelByLink(ctx context.Context, in *cancelByLinkInput) (*struct{}, error) {
	return nil, f.Recovery.CancelByLink(ctx, in.Body.Token, web.OriginOf(ctx).Client)
}
