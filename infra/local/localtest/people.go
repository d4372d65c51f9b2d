package localtest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table"
)

// Password is everybody's.
const Password = "quiet otter paints lanterns"

// Person is somebody who has signed in, and what they carry.
type Person struct {
	w             *World
	Email         string
	ID            string
	PartnerID     string
	Secret        string // TOTP, base32
	RecoveryCodes []string
	Token         string
	Device        string
}

// Operator makes the installation's operator, signed in.
func (w *World) Operator() *Person {
	w.T.Helper()
	invited, _, err := w.Directory.InviteOperator(context.Background(), idempotency.Once("operator"), "operator@example.com")
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Join(invited)
}

// Administrator makes a partner and its first administrator, signed in, with a
// second factor that is fresh.
func (w *World) Administrator(partner, email string) *Person {
	w.T.Helper()
	operator := access.Caller{UserID: "OPERATOR", PartnerID: access.Operators, Administrator: true, MFAAt: w.Clock.Now()}
	_, invited, err := w.Directory.CreatePartner(context.Background(), operator, idempotency.Key{}, account.Partner{Name: partner, SupportContact: "help@" + partner + ".example"}, email)
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Join(invited)
}

// User has an administrator invite somebody with roles, who joins.
func (w *World) User(by *Person, email string, roles ...string) *Person {
	w.T.Helper()
	return w.Join(w.Invite(by, email, roles...))
}

// Invite has an administrator invite somebody with roles.
func (w *World) Invite(by *Person, email string, roles ...string) account.Invited {
	w.T.Helper()
	caller := access.Caller{UserID: by.ID, PartnerID: by.PartnerID, Administrator: true, MFAAt: w.Clock.Now()}
	invited, err := w.Directory.Invite(context.Background(), caller, account.Person{Email: email, Roles: roles})
	if err != nil {
		w.T.Fatal(err)
	}
	return invited
}

// Role puts a role into a partner. Until roles have calls of their own, it is
// written as such a call would.
func (w *World) Role(partner string, role access.Role) {
	w.T.Helper()
	item, err := table.Encode(account.RoleKey(partner, role.ID), "role", role)
	if err == nil {
		err = w.Table.Apply(context.Background(), table.Put(item, table.Always()))
	}
	if err != nil {
		w.T.Fatal(err)
	}
}

// Join accepts an invitation and enrols a second factor.
func (w *World) Join(invited account.Invited) *Person {
	w.T.Helper()
	_, secret, _ := strings.Cut(invited.Link, "token=")
	accepted := w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": secret, "password": Password, "name": "Person"}})
	p := &Person{w: w, Email: invited.User.Email, ID: invited.User.ID, PartnerID: invited.User.PartnerID}
	login := accepted.Text("login_token")
	p.Secret = w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/login/enroll", Body: map[string]any{"login_token": login}}).Text("secret")
	done := w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/login/enroll/confirm", Body: map[string]any{"login_token": login, "code": p.Code()}})
	p.carry(done)
	codes, _ := done.at("recovery_codes").([]any)
	for _, code := range codes {
		text, _ := code.(string)
		p.RecoveryCodes = append(p.RecoveryCodes, text)
	}
	return p
}

func (p *Person) carry(a Answer) {
	p.Token = a.Text("token")
	if device := a.Header.Get("Portcullis-Device"); device != "" {
		p.Device = device
	}
}

// Must sends a request and ends the test unless it is answered so.
func (w *World) Must(status int, req Request) Answer {
	w.T.Helper()
	a := w.Send(req)
	if a.Status != status {
		w.T.Fatalf("%s %s: %d, want %d: %s", req.Method, req.Path, a.Status, status, a.Body)
	}
	return a
}

// Code is the present code of the person's authenticator.
func (p *Person) Code() string {
	p.w.T.Helper()
	secret, err := totp.ParseSecret(p.Secret)
	if err != nil {
		p.w.T.Fatal(err)
	}
	code, err := totp.Code(secret, p.w.Clock.Now())
	if err != nil {
		p.w.T.Fatal(err)
	}
	return code
}

// NextCode waits for a code that has not been used.
func (p *Person) NextCode() string {
	p.w.Clock.Add(totp.Period)
	return p.Code()
}

// Login passes the password and answers the login token.
func (p *Person) Login() string {
	p.w.T.Helper()
	return p.w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": p.Email, "password": Password}}).Text("login_token")
}

// SignIn signs in anew; the clock moves on to the next code.
func (p *Person) SignIn() {
	p.w.T.Helper()
	code := p.NextCode()
	p.carry(p.w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": p.Login(), "method": "totp", "code": code}}))
}

// StepUp makes the second factor fresh; the clock moves on to the next code.
func (p *Person) StepUp() {
	p.w.T.Helper()
	a := p.Must(http.StatusOK, "POST", "/v1/session/step-up", map[string]any{"method": "totp", "code": p.NextCode()})
	if fresh := a.Text("token"); fresh != "" {
		p.Token = fresh
	}
}

// Do sends a request in the person's session.
func (p *Person) Do(method, path string, body any) Answer {
	p.w.T.Helper()
	return p.w.Send(Request{Method: method, Path: path, Body: body, Header: http.Header{"Authorization": {"Bearer " + p.Token}}})
}

// Must is Do that ends the test unless it is answered so.
func (p *Person) Must(status int, method, path string, body any) Answer {
	p.w.T.Helper()
	a := p.Do(method, path, body)
	if a.Status != status {
		p.w.T.Fatalf("%s %s: %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a
}

// As is a person of this world by their id alone, for what takes no more.
func (w *World) As(id string) *Person { return &Person{w: w, ID: id} }

// Caller is the person as a request would find them now.
func (p *Person) Caller() access.Caller {
	p.w.T.Helper()
	ctx := context.Background()
	user, _, err := p.w.Directory.User(ctx, p.ID)
	if err != nil {
		p.w.T.Fatal(err)
	}
	roles, err := p.w.Directory.Roles(ctx, user)
	if err != nil {
		p.w.T.Fatal(err)
	}
	return access.Caller{
		UserID: user.ID, Email: user.Email, PartnerID: user.PartnerID, Administrator: user.Administrator, Roles: roles,
		Epoch: user.Epoch, SessionID: "test", MFAAt: p.w.Clock.Now().Truncate(time.Second),
	}
}
