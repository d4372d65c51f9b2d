package local_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/authenticator"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// ledger holds what each operation costs against the table in
// docs/access-patterns.md.
type ledger struct {
	*localtest.World
	t *testing.T
	// spent is what was spent since the last time, as a row has it.
	spent     func() string
	documents string
	rows      int
}

func newLedger(t *testing.T, store table.Table, clock *localtest.Clock, spent func() string) *ledger {
	t.Helper()
	text, err := os.ReadFile("../../docs/access-patterns.md")
	if err != nil {
		t.Fatal(err)
	}
	return &ledger{World: localtest.On(t, store, clock), t: t, spent: spent, documents: string(text)}
}

// costs does an operation and demands its row.
func (l *ledger) costs(name string, do func()) {
	l.t.Helper()
	l.spent()
	do()
	l.rows++
	if row := "| " + name + " |" + l.spent(); !strings.Contains(l.documents, "\n"+row) {
		l.t.Errorf("docs/access-patterns.md lacks the row\n%s", row)
	}
}

// documented are the operations' rows: those with numbers.
func (l *ledger) documented() int {
	rows := 0
	for line := range strings.Lines(l.documents) {
		var trips int
		var units float64
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			if _, err := fmt.Sscanf(cells[2]+" "+cells[3], "%d %f", &trips, &units); err == nil {
				rows++
			}
		}
	}
	return rows
}

// Round trips and write units as DynamoDB has them; the read units are its own.
func TestCostsOnDynamoDBAreTheDocumented(t *testing.T) {
	clock, meter := localtest.NewClock(), dynamotest.NewMeter()
	balance(newLedger(t, dynamotest.New(t, meter, clock.Now), clock, func() string {
		n := meter.Reset()
		return fmt.Sprintf(" %d | %g | %g |", n.RoundTrips, n.ReadUnits, n.WriteUnits)
	}))
}

// What is counted on any table agrees with what DynamoDB reports.
func TestCostsAreTheDocumented(t *testing.T) {
	clock := localtest.NewClock()
	calls := tabletest.NewCounting(localtest.Bolt(t, clock))
	balance(newLedger(t, calls, clock, func() string {
		n := calls.Reset()
		return fmt.Sprintf(" %d | %g |", n.RoundTrips, n.ReadUnits)
	}))
}

func balance(l *ledger) {
	l.t.Helper()
	admin := l.signingIn()
	gate := l.phoneSystems(admin)
	l.windows(admin, gate)
	l.gates(admin, gate)
	operator := l.partners()
	l.exceptions(operator, gate)
	l.people(admin)
	l.lists(admin)
	l.programs(admin)
	l.schedules(admin, gate)
	l.recoveries(admin, operator)
	if n := l.documented(); n != l.rows {
		l.t.Errorf("docs/access-patterns.md has %d rows, %d operations were done", n, l.rows)
	}
}

func (l *ledger) signingIn() *localtest.Person {
	admin := l.Administrator("acme", "alice@acme.example")
	as := func(status int, path string, body map[string]any) localtest.Answer {
		return l.Must(status, localtest.Request{Method: "POST", Path: path, Body: body})
	}
	password := map[string]any{"email": admin.Email, "password": localtest.Password}
	var login string
	l.costs("POST /v1/login", func() { login = as(200, "/v1/login", password).Text("login_token") })
	l.costs("POST /v1/login, wrong password", func() { as(401, "/v1/login", map[string]any{"email": admin.Email, "password": "x"}) })
	l.costs("POST /v1/login, unknown address", func() { as(401, "/v1/login", map[string]any{"email": "nobody@acme.example", "password": "x"}) })
	l.costs("POST /v1/password/forgot", func() { as(202, "/v1/password/forgot", map[string]any{"email": admin.Email}) })
	l.costs("POST /v1/password/forgot, unknown address", func() { as(202, "/v1/password/forgot", map[string]any{"email": "nobody@acme.example"}) })
	l.suspensions(admin, as)
	code := admin.NextCode()
	l.costs("POST /v1/login/mfa, wrong code", func() { as(401, "/v1/login/mfa", map[string]any{"login_token": login, "method": "totp", "code": "x"}) })
	l.costs("POST /v1/login/mfa", func() { as(200, "/v1/login/mfa", map[string]any{"login_token": login, "method": "totp", "code": code}) })
	invited := l.invited("bob@acme.example", admin)
	l.costs("POST /v1/invitations/accept", func() {
		login = as(200, "/v1/invitations/accept", map[string]any{"token": invited, "password": localtest.Password}).Text("login_token")
	})
	bob := *admin
	l.costs("POST /v1/login/enroll", func() { bob.Secret = as(200, "/v1/login/enroll", map[string]any{"login_token": login}).Text("secret") })
	code = bob.Code()
	l.costs("POST /v1/login/enroll/confirm", func() { as(200, "/v1/login/enroll/confirm", map[string]any{"login_token": login, "code": code}) })
	l.costs("GET /v1/session", func() { admin.Must(200, "GET", "/v1/session", nil) })
	l.Clock.Add(2 * time.Minute)
	l.costs("GET /v1/session, a minute after the last request", func() { admin.Must(200, "GET", "/v1/session", nil) })
	code = admin.NextCode()
	l.costs("POST /v1/session/step-up", func() { admin.Must(200, "POST", "/v1/session/step-up", map[string]any{"method": "totp", "code": code}) })
	l.passkeys(admin)
	other := *admin
	other.SignIn()
	l.ownFactors(&other)
	admin.Secret = other.Secret
	l.costs("GET /v1/sessions", func() { other.Must(200, "GET", "/v1/sessions", nil) })
	l.costs("DELETE /v1/sessions", func() { other.Must(204, "DELETE", "/v1/sessions", nil) })
	l.costs("DELETE /v1/session", func() { other.Must(204, "DELETE", "/v1/session", nil) })
	admin.SignIn()
	return admin
}

func (l *ledger) suspensions(admin *localtest.Person, as func(status int, path string, body map[string]any) localtest.Answer) {
	for _, email := range []string{admin.Email, "nobody@acme.example"} {
		item, err := table.Encode(attempt.CountKey(attempt.Password, email, ""), "attempts", attempt.Count{InARow: attempt.SuspendAfter - 1})
		if err == nil {
			err = l.Table.Apply(context.Background(), table.Put(item, table.Always()))
		}
		if err != nil {
			l.t.Fatal(err)
		}
	}
	l.costs("POST /v1/login, wrong password that suspends", func() { as(401, "/v1/login", map[string]any{"email": admin.Email, "password": "x"}) })
	l.costs("POST /v1/login, unknown address that is suspended", func() { as(401, "/v1/login", map[string]any{"email": "nobody@acme.example", "password": "x"}) })
	l.Tick()
	letters := l.Mail.To(admin.Email)
	_, secret, _ := strings.Cut(letters[len(letters)-1].Text, "token=")
	l.costs("POST /v1/login/unsuspend", func() { as(204, "/v1/login/unsuspend", map[string]any{"token": strings.Fields(secret)[0]}) })
}

func (l *ledger) passkeys(admin *localtest.Person) {
	var options []byte
	l.costs("POST /v1/mfa/passkeys/options", func() {
		options = []byte(admin.Must(200, "POST", "/v1/mfa/passkeys/options", nil).Body)
	})
	key, attestation, err := authenticator.Create(rand.Reader, localtest.BaseURL, options)
	if err != nil {
		l.t.Fatal(err)
	}
	var id string
	l.costs("POST /v1/mfa/passkeys", func() {
		id = admin.Must(201, "POST", "/v1/mfa/passkeys", map[string]any{"attestation": attestation}).Text("id")
	})
	login := admin.Login()
	l.costs("POST /v1/login/passkey-options", func() { options = l.PasskeyOptions(login) })
	proof := l.WithPasskey(login, l.Signed(key, options))
	l.costs("POST /v1/login/mfa, a passkey", func() { l.Must(200, proof) })
	l.costs("POST /v1/session/step-up/options", func() {
		options = []byte(admin.Must(200, "POST", "/v1/session/step-up/options", nil).Body)
	})
	wrong := map[string]any{"method": "passkey"}
	l.costs("POST /v1/session/step-up, a wrong passkey", func() { admin.Must(401, "POST", "/v1/session/step-up", wrong) })
	l.costs("DELETE /v1/mfa/passkeys/{id}", func() { admin.Must(204, "DELETE", "/v1/mfa/passkeys/"+id, nil) })
}

func (l *ledger) ownFactors(p *localtest.Person) {
	next := *p
	l.costs("GET /v1/mfa", func() { p.Must(200, "GET", "/v1/mfa", nil) })
	l.costs("POST /v1/mfa/totp", func() { next.Secret = p.Must(200, "POST", "/v1/mfa/totp", nil).Text("secret") })
	l.Clock.Add(30 * time.Second)
	code := next.Code()
	l.costs("POST /v1/mfa/totp/confirm", func() { p.Must(200, "POST", "/v1/mfa/totp/confirm", map[string]any{"code": code}) })
	p.Secret = next.Secret
	l.costs("POST /v1/password", func() {
		p.Must(204, "POST", "/v1/password", map[string]any{"current_password": localtest.Password, "new_password": localtest.Password})
	})
	l.costs("POST /v1/mfa/recovery-codes", func() { p.Must(200, "POST", "/v1/mfa/recovery-codes", nil) })
}

func (l *ledger) phoneSystems(admin *localtest.Person) *localtest.Gate {
	spare := admin.PhoneSystem("spare.acme.example", nil)
	path := "/v1/phone-systems/" + spare.ID
	var gate *localtest.Gate
	l.costs("POST /v1/phone-systems", func() { gate = admin.PhoneSystem("pbx.acme.example", nil) })
	file := localtest.CSV("name,host\nOne,one.imported.example\nTwo,two.imported.example\n")
	l.costs("POST /v1/phone-systems/import, 2 new ones", func() { admin.Must(200, "POST", "/v1/phone-systems/import", file) })
	l.costs("POST /v1/phone-systems/import, the same again", func() { admin.Must(200, "POST", "/v1/phone-systems/import", file) })
	l.costs("GET /v1/phone-systems/{id}", func() { admin.Must(200, "GET", path, nil) })
	l.costs("PATCH /v1/phone-systems/{id}", func() { admin.Must(200, "PATCH", path, map[string]any{"customer": "x"}) })
	l.costs("POST /v1/phone-systems/{id}/gate-key", func() { admin.Must(200, "POST", path+"/gate-key", nil) })
	export := localtest.CSV("Number,EmailAddress,Role\n100,alice@acme.example,system_owners\n101,erin@acme.example,managers\n102,bob@acme.example,users\n")
	l.costs("POST /v1/phone-systems/{id}/affected", func() { admin.Must(200, "POST", path+"/affected", export) })
	l.costs("POST /v1/phone-systems/{id}/classify", func() {
		admin.Must(200, "POST", path+"/classify", map[string]any{"requests": []any{map[string]any{"path": "/"}}})
	})
	l.costs("POST /v1/phone-systems/{id}/rehearse", func() {
		admin.Must(200, "POST", path+"/rehearse", localtest.Text{Type: "text/plain", Content: "x"})
	})
	l.costs("GET /v1/phone-systems/{id}/gate-config", func() { admin.Must(200, "GET", path+"/gate-config", nil) })
	admin.Unlock(spare, 600)
	l.costs("POST /v1/phone-systems/{id}/lock, one window", func() { admin.Must(200, "POST", path+"/lock", nil) })
	l.costs("POST /v1/phone-systems/{id}/lock, none", func() { admin.Must(200, "POST", path+"/lock", nil) })
	l.costs("DELETE /v1/phone-systems/{id}", func() { admin.Must(204, "DELETE", path, nil) })
	return gate
}

func (l *ledger) windows(admin *localtest.Person, gate *localtest.Gate) {
	path := "/v1/phone-systems/" + gate.ID + "/unlocks"
	body := map[string]any{"reason": "x"}
	var opened localtest.Answer
	l.costs("POST /v1/phone-systems/{id}/unlocks", func() { opened = admin.Must(201, "POST", path, body) })
	l.costs("POST /v1/phone-systems/{id}/unlocks, already unlocked", func() { admin.Must(409, "POST", path, body) })
	one := "/v1/unlocks/" + opened.Text("id")
	l.costs("GET /v1/unlocks/{id}", func() { admin.Must(200, "GET", one, nil) })
	l.costs("POST /v1/unlocks/{id}/extend", func() { admin.Must(200, "POST", one+"/extend", map[string]any{"seconds": 60}) })
	l.costs("POST /v1/unlocks/{id}/pass", func() { admin.Must(200, "POST", one+"/pass", nil) })
	l.costs("DELETE /v1/unlocks/{id}", func() { admin.Must(200, "DELETE", one, nil) })
	l.costs("DELETE /v1/unlocks/{id}, again", func() { admin.Must(200, "DELETE", one, nil) })
	once := localtest.Request{Method: "POST", Path: path, Body: body, Header: http.Header{"Authorization": {"Bearer " + admin.Token}, "Idempotency-Key": {"k"}}}
	l.costs("POST /v1/phone-systems/{id}/unlocks, with an Idempotency-Key", func() { opened = l.Must(201, once) })
	l.costs("POST /v1/phone-systems/{id}/unlocks, repeated with it", func() { l.Must(201, once) })
	admin.Must(200, "DELETE", "/v1/unlocks/"+opened.Text("id"), nil)
}

func (l *ledger) gates(admin *localtest.Person, gate *localtest.Gate) {
	gate.Decide("GET", "/webclient/", "") // from now on the gate is known
	l.Clock.Add(6 * time.Minute)
	l.costs("GET /v1/gate/decision, unrestricted", func() { gate.Decide("GET", "/webclient/", "") })
	l.costs("GET /v1/gate/decision, denied, first of its source in 5 minutes", func() { gate.Reason("") })
	l.costs("GET /v1/gate/decision, denied", func() { gate.Reason("") })
	admin.StepUp()
	opened := admin.Unlock(gate, 3600)
	var pass string
	l.costs("POST /v1/gate/pass", func() { pass = gate.Pass(opened) })
	l.costs("GET /v1/gate/decision, with a pass, allowed", func() { gate.Reason(pass) })
	l.costs("GET /v1/gate/decision, no pass", func() { gate.Reason("") })
	l.costs("GET /v1/gate/notice", func() {
		l.Must(200, localtest.Request{Method: "GET", Path: "/v1/gate/notice", Header: gate.Header("GET", "/", "")})
	})
	l.Role(admin.PartnerID, access.Role{ID: "HELP", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600})
	carol := l.User(admin, "carol@acme.example", "HELP")
	pass = gate.Pass(carol.Unlock(gate, 600))
	l.costs("GET /v1/gate/decision, with a pass that a role granted, allowed", func() { gate.Reason(pass) })
	l.costs("GET /v1/session, with a role", func() { carol.Must(200, "GET", "/v1/session", nil) })
	byIP := admin.PhoneSystem("ip.acme.example", map[string]any{"binding": "ip"})
	gate.Client = "192.0.2.1"
	byIP.Client = "192.0.2.1"
	admin.Unlock(byIP, 600)
	byIP.Reason("")
	l.costs("GET /v1/gate/decision, by address, allowed", func() { byIP.Reason("") })
	byIP.Client = "192.0.2.2"
	byIP.Reason("")
	l.costs("GET /v1/gate/decision, by address, denied", func() { byIP.Reason("") })
	l.Clock.Add(11 * time.Minute)
	l.costs("GET /v1/gate/decision, with a pass, the window over", func() { gate.Client = "192.0.2.1"; gate.Reason(pass) })
}

func (l *ledger) partners() *localtest.Person {
	op := l.Operator()
	var made localtest.Answer
	l.costs("POST /v1/partners", func() {
		made = op.Must(201, "POST", "/v1/partners", map[string]any{"name": "Other", "administrator_email": "dave@other.example"})
	})
	path := "/v1/partners/" + made.Text("id")
	l.costs("GET /v1/partners", func() { op.Must(200, "GET", "/v1/partners", nil) })
	l.costs("GET /v1/partners/{id}", func() { op.Must(200, "GET", path, nil) })
	l.costs("PATCH /v1/partners/{id}", func() { op.Must(200, "PATCH", path, map[string]any{"name": "Another"}) })
	return op
}

func (l *ledger) people(admin *localtest.Person) {
	admin.SignIn()
	var made, role localtest.Answer
	l.costs("POST /v1/roles", func() {
		role = admin.Must(201, "POST", "/v1/roles", map[string]any{"name": "Role", "permissions": []string{"unlock"}, "phone_systems": []string{"*"}, "max_unlock_seconds": 600})
	})
	roles := "/v1/roles/" + role.Text("id")
	l.costs("POST /v1/users", func() {
		made = admin.Must(201, "POST", "/v1/users", map[string]any{"email": "erin@acme.example", "name": "Erin", "roles": []string{role.Text("id")}})
	})
	people := localtest.CSV("email,name\none@acme.example,One\ntwo@acme.example,Two\nthree@acme.example,Three\n")
	l.costs("POST /v1/users/import, 3 new users", func() { admin.Must(200, "POST", "/v1/users/import", people) })
	l.costs("POST /v1/users/import, the same again", func() { admin.Must(200, "POST", "/v1/users/import", people) })
	path := "/v1/users/" + made.Text("id")
	l.costs("GET /v1/users/{id}", func() { admin.Must(200, "GET", path, nil) })
	l.Clock.Add(time.Second)
	l.costs("POST /v1/users/{id}/invitation", func() { admin.Must(200, "POST", path+"/invitation", nil) })
	l.costs("PATCH /v1/users/{id}, a name", func() { admin.Must(200, "PATCH", path, map[string]any{"name": "Erin Example"}) })
	l.costs("PATCH /v1/users/{id}, a role less", func() { admin.Must(200, "PATCH", path, map[string]any{"roles": []string{}}) })
	l.costs("PATCH /v1/users/{id}, an administrator", func() { admin.Must(200, "PATCH", path, map[string]any{"administrator": true}) })
	l.costs("DELETE /v1/users/{id}", func() { admin.Must(204, "DELETE", path, nil) })
	frank := l.User(admin, "frank@acme.example", access.Technician)
	path = "/v1/users/" + frank.ID
	frank.Unlock(admin.PhoneSystem("people.acme.example", nil), 600)
	l.costs("PATCH /v1/users/{id}, inactive, one window", func() { admin.Must(200, "PATCH", path, map[string]any{"active": false}) })
	l.costs("POST /v1/users/{id}/mfa-reset", func() { admin.Must(200, "POST", path+"/mfa-reset", nil) })
	l.costs("GET /v1/users", func() { admin.Must(200, "GET", "/v1/users", nil) })
	l.costs("GET /v1/users?q=", func() { admin.Must(200, "GET", "/v1/users?q=fr", nil) })
	l.costs("GET /v1/roles", func() { admin.Must(200, "GET", "/v1/roles", nil) })
	l.costs("GET /v1/roles/{id}", func() { admin.Must(200, "GET", roles, nil) })
	l.costs("PATCH /v1/roles/{id}, narrowed", func() { admin.Must(200, "PATCH", roles, map[string]any{"max_unlock_seconds": 60}) })
	l.costs("PATCH /v1/roles/{id}, widened", func() { admin.Must(200, "PATCH", roles, map[string]any{"max_unlock_seconds": 6000}) })
	l.costs("DELETE /v1/roles/{id}", func() { admin.Must(204, "DELETE", roles, nil) })
}

func (l *ledger) lists(admin *localtest.Person) {
	l.costs("GET /v1/phone-systems", func() { admin.Must(200, "GET", "/v1/phone-systems", nil) })
	l.costs("GET /v1/unlocks", func() { admin.Must(200, "GET", "/v1/unlocks", nil) })
	l.costs("GET /v1/audit", func() { admin.Must(200, "GET", "/v1/audit", nil) })
	l.costs("GET /v1/audit/export", func() { admin.Must(200, "GET", "/v1/audit/export", nil) })
	eve := l.Administrator("other", "eve@other.example")
	l.costs("GET /v1/reports/mfa", func() { eve.Must(200, "GET", "/v1/reports/mfa", nil) })
	l.costs("GET /healthz", func() { l.Must(200, localtest.Request{Method: "GET", Path: "/healthz"}) })
}

func (l *ledger) schedules(admin *localtest.Person, gate *localtest.Gate) {
	l.Clock.Add(2 * time.Hour)
	l.Tick()
	run := func() {
		if _, err := l.Auditor.Run(context.Background()); err != nil {
			l.t.Error(err)
		}
	}
	l.costs("auditor, nothing due", run)
	admin.SignIn()
	admin.Unlock(gate, 60)
	l.Clock.Add(time.Minute)
	l.costs("auditor, one window over", run)
	admin.Must(200, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", nil)
	l.costs("courier, one letter to one administrator", func() {
		if _, err := l.Courier.Deliver(context.Background()); err != nil {
			l.t.Error(err)
		}
	})
	gate.Decide("GET", "/webclient/", "")
	l.costs("gates last seen, one gate", func() {
		if err := l.Keeper.Flush(context.Background()); err != nil {
			l.t.Error(err)
		}
	})
}

func (l *ledger) programs(admin *localtest.Person) {
	admin.SignIn()
	var made localtest.Answer
	l.costs("POST /v1/api-keys", func() {
		made = admin.Must(201, "POST", "/v1/api-keys", map[string]any{"name": "x", "permissions": access.ProgramPermissions()})
	})
	program := *admin
	program.Token = made.Text("api_key")
	l.costs("GET /v1/unlocks, by a program, first in 5 minutes", func() { program.Must(200, "GET", "/v1/unlocks", nil) })
	l.costs("GET /v1/unlocks, by a program", func() { program.Must(200, "GET", "/v1/unlocks", nil) })
	l.costs("GET /v1/session, by a program: refused", func() { program.Must(403, "GET", "/v1/session", nil) })
	l.costs("GET /v1/api-keys", func() { admin.Must(200, "GET", "/v1/api-keys", nil) })
	l.costs("DELETE /v1/api-keys/{id}", func() { admin.Must(204, "DELETE", "/v1/api-keys/"+made.Text("id"), nil) })
}

// invited has somebody invited and answers the invitation's token.
func (l *ledger) invited(email string, by *localtest.Person) string {
	l.t.Helper()
	invited, err := l.Directory.Invite(context.Background(), by.Caller(), account.Person{Email: email})
	if err != nil {
		l.t.Fatal(err)
	}
	_, token, _ := strings.Cut(invited.Link, "token=")
	return token
}
