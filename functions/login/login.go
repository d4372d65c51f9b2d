// Package login is the function that signs people in and out: its routes and
// nothing else. It guarantees no more than shared/session does, whose methods
// it calls.
package login

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/passkey"
	"portcullis.example/shared/session"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API  *web.API
	Desk *session.Desk
	Now  func() time.Time
}

// New makes the function. It alone judges passkeys, so that no other links
// WebAuthn.
func New(g *ground.Ground, api *web.API) Function {
	desk := *g.Desk
	desk.Factors.Passkeys = passkey.New(g.BaseURL)
	return Function{API: api, Desk: &desk, Now: g.Now}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	post := func(path, id, summary string, errs ...int) web.Route {
		return web.Route{Method: http.MethodPost, Path: path, ID: id, Summary: summary, Tag: "Signing in", Public: true, Errors: errs}
	}
	web.Register(f.API, post("/v1/login", "login", "Sign in with e-mail and password", 401, 403, 422, 429), f.login)
	web.Register(f.API, post("/v1/login/mfa", "login-mfa", "Complete the sign-in with a second factor", 401, 403, 422, 429), f.mfa)
	web.Register(f.API, post("/v1/login/enroll", "login-enroll", "Begin to enrol a second factor", 401, 403, 409, 422), f.enroll)
	web.Register(f.API, post("/v1/login/enroll/confirm", "login-enroll-confirm", "Confirm the second factor and complete the sign-in", 401, 403, 409, 422, 429), f.confirm)
	web.Register(f.API, post("/v1/invitations/accept", "accept-invitation", "Accept an invitation and choose a password", 403, 409, 410, 422), f.accept)
	f.sessionRoutes()
	f.passwordRoutes()
	f.passkeyRoutes()
	f.mfaRoutes()
}

func (f Function) sessionRoutes() {
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: "/v1/session", ID: "get-session", Summary: "Who is signed in, and for how long", Tag: "Signing in"}, f.get)
	web.Register(f.API, web.Route{Method: http.MethodPost, Path: "/v1/session/step-up", ID: "step-up", Summary: "Verify a second factor again", Tag: "Signing in", Errors: []int{403, 422, 429}}, f.stepUp)
	web.Register(f.API, web.Route{Method: http.MethodDelete, Path: "/v1/session", ID: "end-session", Summary: "Sign out", Tag: "Signing in", Status: http.StatusNoContent, Errors: []int{403}}, f.end)
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: sessionsPath, ID: "list-sessions", Summary: "List one's own sessions, the present one first", Tag: "Signing in", Errors: []int{422}}, f.sessions)
	web.Register(f.API, web.Route{Method: http.MethodDelete, Path: sessionsPath, ID: "end-other-sessions", Summary: "End all of one's own sessions but the present one", Tag: "Signing in", Status: http.StatusNoContent, Errors: []int{403}}, f.endOthers)
}

type pendingView struct {
	Body struct {
		LoginToken string       `json:"login_token"`
		Next       session.Next `json:"next" enum:"mfa,enroll_mfa"`
		Methods    []mfa.Method `json:"methods" nullable:"false"`
		ExpiresAt  time.Time    `json:"expires_at"`
	}
}

func viewPending(p session.Pending) *pendingView {
	view := &pendingView{}
	view.Body.LoginToken, view.Body.Next, view.Body.Methods, view.Body.ExpiresAt = p.LoginToken, p.Next, p.Methods, p.ExpiresAt
	return view
}

// Delivered says how the session is to travel.
type Delivered struct {
	Delivery session.Delivery `json:"delivery,omitempty" enum:"bearer,cookie" default:"bearer"`
}

// check: no other page may have a cookie set, or it could sign somebody in to an
// account that is not theirs.
func (d Delivered) check(ctx context.Context) error {
	if d.Delivery == session.Cookie {
		return web.NotForeign(ctx)
	}
	return nil
}

type loginInput struct {
	Body struct {
		Email    string `json:"email" maxLength:"1000"`
		Password string `json:"password" maxLength:"4096"`
		Delivered
	}
}

func (f Function) login(ctx context.Context, in *loginInput) (*pendingView, error) {
	if err := in.Body.check(ctx); err != nil {
		return nil, err
	}
	c := session.Credentials{Email: in.Body.Email, Password: in.Body.Password, Delivery: in.Body.Delivery}
	pending, err := f.Desk.Login(ctx, c, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return viewPending(pending), nil
}

type acceptInput struct {
	Body struct {
		Token    string `json:"token" maxLength:"256"`
		Name     string `json:"name,omitempty" maxLength:"200"`
		Password string `json:"password" maxLength:"4096"`
		Delivered
	}
}

func (f Function) accept(ctx context.Context, in *acceptInput) (*pendingView, error) {
	if err := in.Body.check(ctx); err != nil {
		return nil, err
	}
	a := account.Acceptance{Token: in.Body.Token, Name: in.Body.Name, Password: in.Body.Password}
	pending, err := f.Desk.Accept(ctx, a, in.Body.Delivery)
	if err != nil {
		return nil, err
	}
	return viewPending(pending), nil
}

type userView struct {
	ID            string   `json:"id"`
	Email         string   `json:"email"`
	Name          string   `json:"name"`
	Active        bool     `json:"active"`
	Administrator bool     `json:"administrator"`
	Roles         []string `json:"roles" nullable:"false"`
	MFA           struct {
		Enrolled bool     `json:"enrolled"`
		Methods  []string `json:"methods" nullable:"false"`
	} `json:"mfa"`
	InvitedAt   time.Time  `json:"invited_at"`
	JoinedAt    *time.Time `json:"joined_at"`
	LastLoginAt *time.Time `json:"last_login_at"`
}

func viewUser(u account.User) userView {
	view := userView{ID: u.ID, Email: u.Email, Name: u.Name, Active: u.Active, Administrator: u.Administrator, Roles: append([]string{}, u.Roles...), InvitedAt: u.InvitedAt}
	view.MFA.Methods = append([]string{}, u.Methods...)
	view.MFA.Enrolled = len(u.Methods) > 0
	view.JoinedAt, view.LastLoginAt = known(u.JoinedAt), known(u.LastLoginAt)
	return view
}

func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

type sessionView struct {
	ID            string    `json:"id"`
	CreatedAt     time.Time `json:"created_at"`
	ExpiresAt     time.Time `json:"expires_at"`
	IdleExpiresAt time.Time `json:"idle_expires_at"`
	MFAAt         time.Time `json:"mfa_at"`
	FreshUntil    time.Time `json:"fresh_until"`
}

func (f Function) viewSession(s session.Session) sessionView {
	return sessionView{ID: s.ID, CreatedAt: s.CreatedAt, ExpiresAt: s.Ends, IdleExpiresAt: s.IdleEnds(f.Desk.Lifetimes), MFAAt: s.MFAAt, FreshUntil: s.FreshUntil()}
}

type signedInView struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Device    string        `header:"Portcullis-Device" doc:"send it with later sign-ins of this client: its failures then count for it alone"`
	Body      struct {
		RecoveryCodes []string    `json:"recovery_codes,omitempty" doc:"shown once"`
		Token         string      `json:"token,omitempty" doc:"for delivery bearer, shown once"`
		User          userView    `json:"user"`
		Session       sessionView `json:"session"`
		RecoveryLeft
	}
}

// viewSignedIn hands the secrets over the way that the sign-in asked for.
func (f Function) viewSignedIn(done session.SignedIn) *signedInView {
	view := &signedInView{}
	view.Body.RecoveryLeft = viewLeft(done.Left)
	view.Body.RecoveryCodes, view.Body.User, view.Body.Session = done.RecoveryCodes, viewUser(done.User), f.viewSession(done.Session)
	if done.Session.Delivery == session.Bearer {
		view.Body.Token, view.Device = done.Token, done.Device
		return view
	}
	view.SetCookie = []http.Cookie{f.API.Cookies.Session(done.Token, done.Session.Ends, f.Now())}
	if done.Device != "" {
		view.SetCookie = append(view.SetCookie, f.API.Cookies.Device(done.Device))
	}
	return view
}

// Proof is a second factor as shown.
type Proof struct {
	Method    mfa.Method     `json:"method,omitempty" enum:"totp,recovery_code,passkey" default:"totp"`
	Code      string         `json:"code,omitempty" maxLength:"100"`
	Assertion map[string]any `json:"assertion,omitempty" doc:"a browser's answer to the options of a passkey, by its toJSON"`
}

func (p Proof) proof() (mfa.Proof, error) {
	assertion, err := json.Marshal(p.Assertion)
	return mfa.Proof{Method: p.Method, Code: p.Code, Assertion: assertion}, err
}

type mfaInput struct {
	Body struct {
		LoginToken string `json:"login_token" maxLength:"256"`
		Proof
	}
}

func (f Function) mfa(ctx context.Context, in *mfaInput) (*signedInView, error) {
	proof, err := in.Body.proof()
	if err != nil {
		return nil, err
	}
	done, err := f.Desk.SecondFactor(ctx, in.Body.LoginToken, proof, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return f.viewSignedIn(done), nil
}

type enrollInput struct {
	Body struct {
		LoginToken     string `json:"login_token" maxLength:"256"`
		EnrollmentCode string `json:"enrollment_code,omitempty" maxLength:"256" doc:"needed after a factor reset"`
	}
}

type enrollView struct {
	Body struct {
		Secret string `json:"secret" doc:"base32, for typing in"`
		URI    string `json:"otpauth_uri"`
		QR     string `json:"qr_png" doc:"data URI"`
	}
}

func (f Function) enroll(ctx context.Context, in *enrollInput) (*enrollView, error) {
	begun, err := f.Desk.Enroll(ctx, in.Body.LoginToken, in.Body.EnrollmentCode, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return viewEnrollment(begun), nil
}

func viewEnrollment(begun mfa.Enrollment) *enrollView {
	view := &enrollView{}
	view.Body.Secret, view.Body.URI, view.Body.QR = begun.Secret, begun.URI, begun.QR
	return view
}

type confirmInput struct {
	Body struct {
		LoginToken string `json:"login_token" maxLength:"256"`
		Code       string `json:"code" maxLength:"100"`
	}
}

func (f Function) confirm(ctx context.Context, in *confirmInput) (*signedInView, error) {
	done, err := f.Desk.ConfirmEnrollment(ctx, in.Body.LoginToken, in.Body.Code, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	return f.viewSignedIn(done), nil
}

type identityView struct {
	Body struct {
		User        userView            `json:"user"`
		Session     sessionView         `json:"session"`
		Permissions []access.Permission `json:"permissions" nullable:"false"`
	}
}

func (f Function) get(ctx context.Context, _ *struct{}) (*identityView, error) {
	id := web.Identity(ctx)
	view := &identityView{}
	view.Body.User, view.Body.Session, view.Body.Permissions = viewUser(id.User), f.viewSession(id.Session), id.Caller.Granted()
	return view, nil
}

type stepUpInput struct{ Body Proof }

type stepUpView struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      struct {
		MFAAt      time.Time `json:"mfa_at"`
		FreshUntil time.Time `json:"fresh_until"`
		Token      string    `json:"token,omitempty" doc:"where the level rose; the old one is dead"`
		RecoveryLeft
	}
}

func (f Function) stepUp(ctx context.Context, in *stepUpInput) (*stepUpView, error) {
	proof, err := in.Body.proof()
	if err != nil {
		return nil, err
	}
	done, err := f.Desk.StepUp(ctx, web.Identity(ctx), web.Secret(ctx), proof, web.OriginOf(ctx))
	if err != nil {
		return nil, err
	}
	view := &stepUpView{}
	view.Body.RecoveryLeft = viewLeft(done.Left)
	view.Body.MFAAt, view.Body.FreshUntil = done.Session.MFAAt, done.Session.FreshUntil()
	switch {
	case done.Token == "":
	case done.Session.Delivery == session.Cookie:
		view.SetCookie = []http.Cookie{f.API.Cookies.Session(done.Token, done.Session.Ends, f.Now())}
	default:
		view.Body.Token = done.Token
	}
	return view, nil
}

type endedView struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

func (f Function) end(ctx context.Context, _ *struct{}) (*endedView, error) {
	id := web.Identity(ctx)
	if err := f.Desk.End(ctx, id, web.Secret(ctx)); err != nil {
		return nil, err
	}
	if id.Session.Delivery == session.Cookie {
		return &endedView{SetCookie: []http.Cookie{f.API.Cookies.EndSession()}}, nil
	}
	return &endedView{}, nil
}
