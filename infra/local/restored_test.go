package local_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/table"
)

// backup is what a copy of the store brings back: everything that lets somebody
// in, whatever became of it since.
type backup struct {
	*localtest.World
	alice, bob    *localtest.Person
	gate, street  *localtest.Gate // street's windows are bound to addresses
	unlock        localtest.Answer
	pass, ticket  string
	login, invite string
	code          string // accepted after the copy was taken
}

func newBackup(t *testing.T) *backup {
	b := &backup{World: localtest.New(t)}
	b.alice = b.Administrator("acme", "alice@acme.example")
	b.bob = b.User(b.alice, "bob@acme.example")
	b.gate = b.alice.PhoneSystem("pbx.acme.example", nil)
	b.unlock = b.alice.Unlock(b.gate, 3600)
	b.pass = b.gate.Pass(b.unlock)
	b.street = b.alice.PhoneSystem("street.acme.example", map[string]any{"binding": "ip"})
	b.street.Client = b.alice.Unlock(b.street, 3600).Text("client_ip")
	_, accepted, _ := strings.Cut(b.Invite(b.alice, "dave@acme.example").Link, "token=")
	b.login = b.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": accepted, "password": localtest.Password}}).Text("login_token")
	_, b.invite, _ = strings.Cut(b.Invite(b.alice, "carol@acme.example").Link, "token=")
	old, err := b.Table.Get(context.Background(), mfa.Key(b.bob.ID))
	if err != nil {
		t.Fatal(err)
	}
	b.code = b.bob.NextCode()
	b.bob.Must(http.StatusOK, "POST", "/v1/session/step-up", map[string]any{"method": "totp", "code": b.code})
	if err := b.Table.Apply(context.Background(), table.Put(old, table.Always())); err != nil {
		t.Fatal(err)
	}
	b.ticket = b.alice.Must(http.StatusOK, "POST", "/v1/unlocks/"+b.unlock.Text("id")+"/pass", nil).Text("pass.ticket")
	return b
}

func (b *backup) post(path string, body map[string]any) int {
	return b.Send(localtest.Request{Method: "POST", Path: path, Body: body}).Status
}

// tries are what a copy brings back, and the answer of each.
func (b *backup) tries() map[string]func() int {
	return map[string]func() int{
		"a session":  func() int { return b.alice.Do("GET", "/v1/session", nil).Status },
		"a window":   func() int { return b.gate.Decide("GET", "/xapi/v1/Users", b.pass).Status },
		"an address": func() int { return b.street.Decide("GET", "/xapi/v1/Users", "").Status },
		"a ticket":   func() int { return b.gate.Post(b.ticket, localtest.BaseURL, "").Status },
		"an invitation": func() int {
			return b.post("/v1/invitations/accept", map[string]any{"token": b.invite, "password": localtest.Password})
		},
		"a sign-in": func() int {
			return b.post("/v1/login/enroll", map[string]any{"login_token": b.login})
		},
		"a spent code": func() int {
			return b.post("/v1/login/mfa", map[string]any{"login_token": b.bob.Login(), "method": "totp", "code": b.code})
		},
		"a recovery code": func() int {
			return b.post("/v1/login/mfa", map[string]any{"login_token": b.bob.Login(), "method": "recovery_code", "code": b.bob.RecoveryCodes[0]})
		},
	}
}

// ATTACKS.md 46: what a restored backup brings back lets nobody in. Each works
// without the restore's epoch, or the test would show nothing.
func TestAttack46RestoredBackup(t *testing.T) {
	for name := range newBackup(t).tries() {
		t.Run(name, func(t *testing.T) {
			b := newBackup(t)
			if status := b.tries()[name](); status >= 400 {
				t.Errorf("without an epoch: %d, so this shows nothing", status)
			}
			b = newBackup(t)
			b.Clock.Add(time.Second)
			b.Restore()
			if status := b.tries()[name](); status < 400 || status >= 500 {
				t.Errorf("after the restore: %d", status)
			}
		})
	}
}

// Nobody is locked out: who has password and authenticator goes on at once.
func TestRestoredStoreGoesOn(t *testing.T) {
	b := newBackup(t)
	b.Clock.Add(time.Second)
	b.Restore()
	restored := b.Clock.Now().Truncate(time.Second)
	b.Clock.Add(time.Minute) // until a code comes that can't have been spent
	b.alice.SignIn()
	again := b.alice.Unlock(b.gate, 600)
	if a := b.gate.Decide("GET", "/xapi/v1/Users", b.gate.Pass(again)); a.Status != http.StatusNoContent {
		t.Errorf("the new window: %d", a.Status)
	}
	b.Tick()
	b.Clock.Add(2 * time.Hour)
	b.Tick()
	b.alice.SignIn()
	old := b.alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+b.unlock.Text("id"), nil)
	if old.Text("state") != "ended" || old.Text("end") != "revoked" || old.Text("ended_by") != "system" || old.Text("ended_at") != restored.Format(time.RFC3339) {
		t.Errorf("the old window: %s", old.Body)
	}
	ends := b.alice.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.revoked", nil).Items()
	told := 0
	for _, end := range ends {
		if end.Text("subject") == b.unlock.Text("id") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("its end is told %d times", told)
	}
}

// The auditor tells the ends of voided windows that nobody asks for.
func TestRestoreEndsWindows(t *testing.T) {
	b := newBackup(t)
	b.Clock.Add(time.Second)
	b.Restore()
	b.Tick()
	b.Tick()
	b.Clock.Add(time.Minute)
	b.alice.SignIn()
	if a := b.alice.Must(http.StatusOK, "GET", "/v1/unlocks?state=open", nil); len(a.Items()) != 0 {
		t.Errorf("still open: %s", a.Body)
	}
	if ends := b.alice.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.revoked", nil).Items(); len(ends) != 2 {
		t.Errorf("the ends of two windows are told %d times", len(ends))
	}
}
