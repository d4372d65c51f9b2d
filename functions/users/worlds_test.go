package users_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/unlock"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// onBoth runs a test on each store.
func onBoth(t *testing.T, do func(t *testing.T, w *localtest.World)) {
	t.Run("bolt", func(t *testing.T) { do(t, localtest.New(t)) })
	t.Run("DynamoDB", func(t *testing.T) { do(t, onDynamoDB(t)) })
}

func onDynamoDB(t *testing.T) *localtest.World {
	t.Helper()
	clock := localtest.NewClock()
	return localtest.On(t, dynamotest.New(t, nil, clock.Now), clock)
}

func userPath(p *localtest.Person) string { return "/v1/users/" + p.ID }

// bearer is a request of a session's.
func bearer(token, method, path string, body any) localtest.Request {
	return localtest.Request{Method: method, Path: path, Body: body, Header: http.Header{"Authorization": {"Bearer " + token}}}
}

// role makes a role and answers its id.
func role(by *localtest.Person, seconds int, systems []string, permissions ...string) string {
	return by.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{
		"name": strings.Join(permissions, " "), "permissions": permissions, "phone_systems": systems, "max_unlock_seconds": seconds,
	}).Text("id")
}

// joinByMail has somebody join by the newest letter to an address.
func joinByMail(w *localtest.World, address string) *localtest.Person {
	w.T.Helper()
	w.Tick()
	letters := w.Mail.To(address)
	if len(letters) == 0 {
		w.T.Fatalf("no letter to %s", address)
	}
	token := tokenIn(letters[len(letters)-1].Text)
	if token == "" {
		w.T.Fatalf("the newest letter to %s carries no token", address)
	}
	user, _, err := w.Directory.User(w.T.Context(), strings.Split(token, "_")[1])
	if err != nil {
		w.T.Fatal(err)
	}
	return w.Join(account.Invited{User: user, Link: "token=" + token})
}

// tokenIn is the token of a letter's link; empty where there is none.
func tokenIn(text string) string {
	_, link, found := strings.Cut(text, "token=")
	if !found {
		return ""
	}
	return strings.Fields(link)[0]
}

// openAs opens a window as a request would that found the caller so.
func openAs(w *localtest.World, caller access.Caller, system string) (unlock.Opened, error) {
	return w.Book.Open(w.T.Context(), caller, idempotency.Key{}, unlock.Request{PhoneSystemID: system, Reason: "x"})
}
