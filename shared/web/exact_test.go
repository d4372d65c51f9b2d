package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// A field under another spelling of its name, or twice, is no field: what one
// decoder judges and another takes would count nowhere, at no limit.
func TestAttack08FieldsOfAnotherSpelling(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	session := http.Header{"Authorization": {"Bearer " + alice.Token}}
	login := fmt.Sprintf(`"login_token":%q,"code":"123456"`, alice.Login())
	const password = `"password":"` + localtest.Password + `"`
	for _, c := range []struct{ path, body string }{
		{"/v1/login", `{"EMAIL":"alice@acme.example",` + password + `}`},
		{"/v1/login", `{"email":"x","EMAIL":"alice@acme.example",` + password + `}`},
		{"/v1/login", `{"email":"x","email":"alice@acme.example",` + password + `}`},
		{"/v1/login", `{"email":"alice@acme.example",` + password + `,"pa\u017fsword":"x"}`},
		{"/v1/login/mfa", `{` + login + `,"method":"totp","METHOD":"` + strings.Repeat("x", 60000) + `"}`},
		{"/v1/login/mfa", `{` + login + `,"Method":"totp"}`},
		{"/v1/login/mfa", `{` + login + `,"method":"passkey","assertion":{"id":"a","id":"b"}}`},
		{"/v1/session/step-up", `{"method":"totp","Method":"anything","code":"123456"}`},
		{"/v1/phone-systems", `{"name":"a","host":"a.acme.example","profile":"3cx-v20","policy":{"binding":"pass","BINDING":"ip"}}`},
		{"/v1/phone-systems", `{"name":"a","host":"a.acme.example","profile":"3cx-v20","policy":{"max_seconds":600},"policy":{}}`},
		{"/v1/users", `{"email":"bob@acme.example","Administrator":true}`},
	} {
		a := w.Send(localtest.Request{Method: "POST", Path: c.path, Body: c.body, Header: session})
		if a.Status != 422 || a.Text("code") != "invalid" || strings.Contains(a.Body, "xxx") {
			t.Errorf("%s %.80s: %d %.200s", c.path, c.body, a.Status, a.Body)
		}
	}
	for _, action := range []string{"login.failed", "step_up.failed", "phone_system.created", "user.invited"} {
		if a := alice.Must(200, "GET", "/v1/audit?action="+action, nil); len(a.Items()) != 0 {
			t.Errorf("%s: %.300s", action, a.Body)
		}
	}
}
