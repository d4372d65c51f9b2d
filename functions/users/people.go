package users

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/web"
)

const peoplePath = "/v1/users"

func (f Function) peopleRoutes(route router) {
	web.Register(f.API, route(http.MethodGet, peoplePath, "list-users", "List and search users", 0, 403, 422), f.listPeople)
	web.Register(f.API, route(http.MethodPost, peoplePath, "create-user", "Invite a user", 201, 403, 409, 422), f.invite)
	web.Register(f.API, route(http.MethodPost, peoplePath+"/import", "import-users", "Invite whom a CSV file names", 0, 403, 413, 415, 422).WithCSV(), f.importPeople)
	web.Register(f.API, route(http.MethodGet, peoplePath+"/{id}", "get-user", "Read one user", 0, 403, 404), f.getPerson)
	web.Register(f.API, route(http.MethodPatch, peoplePath+"/{id}", "change-user", "Change, activate or deactivate a user", 0, 403, 404, 409, 422), f.changePerson)
	web.Register(f.API, route(http.MethodDelete, peoplePath+"/{id}", "delete-user", "Remove a user and end their sessions and windows", 204, 403, 404, 409), f.removePerson)
	web.Register(f.API, route(http.MethodPost, peoplePath+"/{id}/invitation", "send-invitation", "Send a user's invitation again; the earlier one is void", 0, 403, 404, 409), f.reinvite)
	web.Register(f.API, route(http.MethodPost, peoplePath+"/{id}/mfa-reset", "reset-mfa", "Take a user's second factors away, to be enrolled anew with a code", 0, 403, 404, 409), f.resetFactors)
}

// personView is a user as API.md has it.
type personView struct {
	ID            string      `json:"id"`
	Email         string      `json:"email"`
	Name          string      `json:"name"`
	Active        bool        `json:"active"`
	Administrator bool        `json:"administrator"`
	Roles         []string    `json:"roles" nullable:"false"`
	MFA           factorsView `json:"mfa"`
	InvitedAt     time.Time   `json:"invited_at"`
	JoinedAt      *time.Time  `json:"joined_at"`
	LastLoginAt   *time.Time  `json:"last_login_at"`
}

type factorsView struct {
	Enrolled bool     `json:"enrolled"`
	Methods  []string `json:"methods" nullable:"false"`
}

type onePerson struct{ Body personView }

func viewPerson(u account.User) personView {
	return personView{
		ID: u.ID, Email: u.Email, Name: u.Name, Active: u.Active, Administrator: u.Administrator, Roles: append([]string{}, u.Roles...),
		MFA: factorsView{Enrolled: len(u.Methods) > 0, Methods: append([]string{}, u.Methods...)}, InvitedAt: u.InvitedAt,
		JoinedAt: when(u.JoinedAt), LastLoginAt: when(u.LastLoginAt),
	}
}

// when is a time that may not have come yet.
func when(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func seen(u account.User, err error) (*onePerson, error) {
	if err != nil {
		return nil, err
	}
	return &onePerson{Body: viewPerson(u)}, nil
}

type listPeopleInput struct {
	web.Paging
	Text   string `query:"q" maxLength:"254" doc:"what the e-mail or the name begins with"`
	Role   string `query:"role" maxLength:"64" doc:"the id of a role that they have"`
	Active string `query:"active" enum:"true,false"`
}

type listPeopleView struct{ Body web.Items[personView] }

func (f Function) listPeople(ctx context.Context, in *listPeopleInput) (*listPeopleView, error) {
	filter := []string{in.Text, in.Role, in.Active}
	after, err := f.API.Cursors.Open(ctx, peoplePath, filter, in.Cursor)
	if err != nil {
		return nil, err
	}
	wanted := account.UserFilter{Text: in.Text, Role: in.Role}
	if in.Active != "" {
		active := in.Active == "true"
		wanted.Active = &active
	}
	page, next, err := f.Directory.Users(ctx, web.Identity(ctx).Caller, wanted, after, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &listPeopleView{Body: web.Items[personView]{Items: []personView{}, Next: f.API.Cursors.Seal(ctx, peoplePath, filter, next)}}
	for _, u := range page {
		out.Body.Items = append(out.Body.Items, viewPerson(u))
	}
	return out, nil
}

type inviteInput struct {
	Once string `header:"Idempotency-Key" maxLength:"255"`
	Body struct {
		Email         string   `json:"email"`
		Name          string   `json:"name,omitempty"`
		Administrator bool     `json:"administrator,omitempty"`
		Roles         []string `json:"roles,omitempty"`
	}
}

func (f Function) invite(ctx context.Context, in *inviteInput) (*onePerson, error) {
	caller := web.Identity(ctx).Caller
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+peoplePath, in.Body)
	if err != nil {
		return nil, err
	}
	invited, err := f.Directory.Invite(ctx, caller, account.Person{
		Email: in.Body.Email, Name: in.Body.Name, Administrator: in.Body.Administrator, Roles: in.Body.Roles, Once: once,
	})
	return seen(invited.User, err)
}

func (f Function) getPerson(ctx context.Context, in *IDInput) (*onePerson, error) {
	return seen(f.Directory.UserFor(ctx, web.Identity(ctx).Caller, in.ID))
}

type changePersonInput struct {
	IDInput
	Body struct {
		Name          *string   `json:"name,omitempty"`
		Active        *bool     `json:"active,omitempty"`
		Administrator *bool     `json:"administrator,omitempty"`
		Roles         *[]string `json:"roles,omitempty"`
	}
}

func (f Function) changePerson(ctx context.Context, in *changePersonInput) (*onePerson, error) {
	return seen(f.Directory.ChangeUser(ctx, web.Identity(ctx).Caller, in.ID, account.UserChange{
		Name: in.Body.Name, Active: in.Body.Active, Administrator: in.Body.Administrator, Roles: in.Body.Roles,
	}))
}

func (f Function) removePerson(ctx context.Context, in *IDInput) (*struct{}, error) {
	return &struct{}{}, f.Directory.DeleteUser(ctx, web.Identity(ctx).Caller, in.ID)
}

func (f Function) reinvite(ctx context.Context, in *IDInput) (*onePerson, error) {
	invited, err := f.Directory.Reinvite(ctx, web.Identity(ctx).Caller, in.ID)
	return seen(invited.User, err)
}

type resetView struct {
	Body struct {
		EnrollmentCode string `json:"enrollment_code" doc:"shown once; works once, for an hour; hand it over outside mail"`
	}
}

func (f Function) resetFactors(ctx context.Context, in *IDInput) (*resetView, error) {
	code, err := f.Desk.ResetFactors(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	out := &resetView{}
	out.Body.EnrollmentCode = code
	return out, nil
}
