package local_test

import (
	"context"
	"strings"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/recovery"
)

// recoveries cost so with an administrator and a user to be told.
func (l *ledger) recoveries(admin, op *localtest.Person) {
	path := "/v1/partners/" + admin.PartnerID + "/recovery"
	begin := func() { op.Must(201, "POST", path, map[string]any{"administrator_email": admin.Email}) }
	run := func(do func(context.Context) error) func() {
		return func() {
			if err := do(context.Background()); err != nil {
				l.t.Error(err)
			}
		}
	}
	op.SignIn()
	admin.SignIn()
	l.costs("POST /v1/partners/{id}/recovery", begin)
	l.costs("GET /v1/partners/{id}/recovery", func() { op.Must(200, "GET", path, nil) })
	l.costs("GET /v1/partner/recovery", func() { admin.Must(200, "GET", "/v1/partner/recovery", nil) })
	l.costs("DELETE /v1/partner/recovery", func() { admin.Must(204, "DELETE", "/v1/partner/recovery", nil) })
	begin()
	l.costs("DELETE /v1/partners/{id}/recovery", func() { op.Must(204, "DELETE", path, nil) })
	begin()
	l.costs("courier, a recovery's letters, all users on one page", run(l.Recovery.Notify))
	l.Tick()
	var token string
	for _, letter := range l.Mail.To(admin.Email) {
		if _, rest, found := strings.Cut(letter.Text, "#cancel-recovery?token="); found {
			token = strings.Fields(rest)[0]
		}
	}
	l.costs("POST /v1/recovery/cancel", func() {
		l.Must(204, localtest.Request{Method: "POST", Path: "/v1/recovery/cancel", Body: map[string]any{"token": token}})
	})
	begin()
	l.Tick()
	l.Clock.Add(recovery.Wait)
	l.costs("auditor, a recovery's end", run(l.Recovery.Complete))
}
