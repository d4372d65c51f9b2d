package login

import (
	"context"
	"time"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/session"
	"portcullis.example/shared/web"
)

const sessionsPath = "/v1/sessions"

type ownSessionView struct {
	ID            string     `json:"id"`
	Current       bool       `json:"current" doc:"the session that asks"`
	CreatedAt     time.Time  `json:"created_at"`
	LastSeenAt    time.Time  `json:"last_seen_at" doc:"to the minute"`
	ExpiresAt     time.Time  `json:"expires_at"`
	IdleExpiresAt time.Time  `json:"idle_expires_at" doc:"when it ends if nothing more is asked"`
	MFAAt         time.Time  `json:"mfa_at"`
	Method        mfa.Method `json:"method" enum:"totp,recovery_code,passkey" doc:"the second factor that it was opened with"`
	ClientNetwork string     `json:"client_network" doc:"where it was opened from: an IPv4 address, or the /64 of an IPv6 address"`
}

type sessionsInput struct{ web.Paging }

type sessionsView struct{ Body web.Items[ownSessionView] }

func (f Function) sessions(ctx context.Context, in *sessionsInput) (*sessionsView, error) {
	after, err := f.API.Cursors.Open(ctx, sessionsPath, nil, in.Cursor)
	if err != nil {
		return nil, err
	}
	id := web.Identity(ctx)
	page, next, err := f.Desk.Sessions(ctx, id, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &sessionsView{Body: web.Items[ownSessionView]{Items: []ownSessionView{}, Next: f.API.Cursors.Seal(ctx, sessionsPath, nil, next)}}
	for _, s := range page {
		out.Body.Items = append(out.Body.Items, f.viewOwnSession(s, s.ID == id.Session.ID))
	}
	return out, nil
}

func (f Function) viewOwnSession(s session.Session, current bool) ownSessionView {
	return ownSessionView{
		ID: s.ID, Current: current, CreatedAt: s.CreatedAt, LastSeenAt: s.SeenAt, ExpiresAt: s.Ends, IdleExpiresAt: s.IdleEnds(f.Desk.Lifetimes),
		MFAAt: s.MFAAt, Method: s.Method, ClientNetwork: s.ClientIP,
	}
}

func (f Function) endOthers(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, f.Desk.EndOthers(ctx, web.Identity(ctx), web.Secret(ctx))
}
