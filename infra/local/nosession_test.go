package local_test

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

// pending are the tokens of sign-ins that have passed the password and no second
// factor: of somebody who has one, and of somebody who is to enrol one.
func (p *parliament) pending() (enrolled, enrolling string) {
	invited := p.Invite(p.people["administrator"], "pending@acme.example")
	accepted := p.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": linked(invited.Link), "password": localtest.Password}})
	return p.people["administrator"].Login(), accepted.Text("login_token")
}

func linked(link string) string {
	_, token, _ := strings.Cut(link, "token=")
	return token
}

// sessionless are ways to ask without a living session that has passed a second
// factor.
func (p *parliament) sessionless() map[string]http.Header {
	enrolled, enrolling := p.pending()
	found := map[string]http.Header{"nothing": {}}
	for name, token := range map[string]string{
		"a login token": enrolled, "a login token before enrolling": enrolling, "an ended session": p.people["ended"].Token,
		"a device": p.people["administrator"].Device, "a mailed token": linked(p.Invite(p.people["administrator"], "mailed@acme.example").Link),
	} {
		found[name] = http.Header{"Authorization": {"Bearer " + token}}
		found[name+", as a cookie"] = http.Header{"Cookie": {"__Host-portcullis=" + token}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {localtest.BaseURL}}
	}
	return found
}

// Every call of the OpenAPI document that takes a credential, asked without a
// living session past its second factor: each is refused as nobody is, and nothing
// is written.
func TestAttack09EveryRouteBeforeTheSecondFactor(t *testing.T) {
	stores := map[string]func(*testing.T, *localtest.Clock) table.Table{
		"bolt":     func(t *testing.T, clock *localtest.Clock) table.Table { return localtest.Bolt(t, clock) },
		"DynamoDB": func(t *testing.T, clock *localtest.Clock) table.Table { return dynamotest.New(t, nil, clock.Now) },
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := localtest.NewClock()
			written := &recorded{Table: store(t, clock)}
			p := found(localtest.On(t, written, clock))
			ways := p.sessionless()
			written.left()
			for _, op := range readOpenAPI(t, p.World).operations() {
				if len(list(op.raw, "security")) == 0 {
					continue // TestCallsWithoutASessionAreWritten has these
				}
				for way, header := range ways {
					p.refuses(t, op, way, header)
				}
			}
			if left := written.left(); len(left) > 0 {
				t.Errorf("something was written: %q", left)
			}
		})
	}
}

// refuses asks for one object as somebody without a session.
func (p *parliament) refuses(t *testing.T, op operation, way string, header http.Header) {
	t.Helper()
	req := localtest.Request{Method: op.method, Path: fill(op.path, p.ids), Header: header.Clone()}
	if body := p.bodies[op.name()]; body != nil {
		req.Body = body
	}
	if !op.session {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Portcullis-Url", "https://pbx.acme.example/")
	}
	a := p.Send(req)
	if op.path == "/v1/gate/notice" && header.Get("Authorization") == "" {
		// The page that names nothing: whom a browser is sent to that asks nobody's gate.
		if a.Status != http.StatusOK || strings.Contains(a.Body, "pbx.acme.example") || strings.Contains(a.Body, "help@acme.example") {
			t.Errorf("the notice with %s: %d %s", way, a.Status, a.Body)
		}
		return
	}
	if a.Status != http.StatusUnauthorized {
		t.Errorf("%s with %s: %d %.200s", op.name(), way, a.Status, a.Body)
	}
}
