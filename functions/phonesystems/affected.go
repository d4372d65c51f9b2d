package phonesystems

import (
	"context"
	"net/http"

	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/web"
)

// affectedRoute adds the call that tells who meets the lock.
func (f Function) affectedRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodPost, Path: path + "/{id}/affected", ID: "list-affected", Tag: "Phone systems",
		Summary: "Tell who of a 3CX phone system's exported extensions is affected by the lock", Errors: []int{403, 404, 413, 415, 422},
	}.WithCSV(), f.affected)
}

type affectedInput struct {
	IDInput
	RawBody []byte `contentType:"text/csv"`
}

type affectedView struct {
	Body struct {
		UsersMatched bool           `json:"users_matched" doc:"false: you do not manage users, so who of them is one is not told"`
		Counts       affectedCounts `json:"counts"`
		Items        []affectedItem `json:"items" nullable:"false"`
	}
}

type affectedCounts struct {
	Affected    int `json:"affected"`
	NotAffected int `json:"not_affected"`
	WithoutUser int `json:"without_user" doc:"of the affected"`
	Unreadable  int `json:"unreadable"`
}

type affectedItem struct {
	Line     int    `json:"line" doc:"of the file, whose header is line 1"`
	Number   string `json:"number"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Affected bool   `json:"affected"`
	Access   string `json:"access" doc:"what gives access to the admin console; of a disabled extension, what would"`
	Disabled bool   `json:"disabled"`
	User     string `json:"user,omitempty" enum:"none,invited,active,inactive" doc:"of who is affected"`
	UserID   string `json:"user_id,omitempty"`
	Message  string `json:"message,omitempty" doc:"why the line can't be read"`
}

func (f Function) affected(ctx context.Context, in *affectedInput) (*affectedView, error) {
	all, matched, err := f.Registry.Affected(ctx, web.Identity(ctx).Caller, in.ID, in.RawBody)
	if err != nil {
		return nil, err
	}
	out := &affectedView{}
	out.Body.UsersMatched, out.Body.Items = matched, make([]affectedItem, len(all))
	for i, e := range all {
		out.Body.Counts.add(e)
		out.Body.Items[i] = affectedItem{
			Line: e.Line, Number: e.Number, Name: e.Name, Email: e.Email, Affected: e.Admin, Access: e.Access, Disabled: e.Disabled,
			User: e.User.State, UserID: e.User.ID, Message: e.Wrong,
		}
	}
	return out, nil
}

func (c *affectedCounts) add(e phonesystem.Affected) {
	switch {
	case e.Wrong != "":
		c.Unreadable++
	case !e.Admin:
		c.NotAffected++
	default:
		c.Affected++
	}
	if e.User.State == phonesystem.NoUser {
		c.WithoutUser++
	}
}
