//go:build rehearsal

package rehearsal

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/gate/proxytest"
	"portcullis.example/infra/local/scenario"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
)

// visitor is a client of the API.
type visitor struct {
	w     *world
	token string
}

func (v *visitor) ask(status int, method, path string, body any) map[string]any {
	v.w.t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		v.w.must(err)
	}
	r, err := http.NewRequest(method, portal+path, strings.NewReader(string(text)))
	v.w.must(err)
	r.RemoteAddr = "192.0.2.1:40000"
	r.Header.Set("Content-Type", "application/json")
	if v.token != "" {
		r.Header.Set("Authorization", "Bearer "+v.token)
	}
	res, err := v.w.Do(r)
	v.w.must(err)
	raw, err := io.ReadAll(res.Body)
	v.w.must(err)
	if res.StatusCode != status {
		v.w.t.Fatalf("%s %s: %d, want %d: %s %s", method, path, res.StatusCode, status, raw, res.Header.Get("Rehearsal-Error"))
	}
	answer := map[string]any{}
	if len(raw) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		v.w.must(json.Unmarshal(raw, &answer))
	}
	return answer
}

// joins accepts the newest invitation to an address.
func (w *world) joins(email string) *visitor {
	w.t.Helper()
	w.must(w.Tick())
	text, err := w.Mail(email)
	w.must(err)
	_, rest, _ := strings.Cut(text, "token=")
	invitation, _, _ := strings.Cut(rest, "\n")
	v := &visitor{w: w}
	login := v.ask(200, "POST", "/v1/invitations/accept", map[string]any{"token": strings.TrimSpace(invitation), "password": "quiet otter paints lanterns"})["login_token"]
	secret := fmt.Sprint(v.ask(200, "POST", "/v1/login/enroll", map[string]any{"login_token": login})["secret"])
	parsed, err := totp.ParseSecret(secret)
	w.must(err)
	code, err := totp.Code(parsed, w.Now())
	w.must(err)
	v.token = fmt.Sprint(v.ask(200, "POST", "/v1/login/enroll/confirm", map[string]any{"login_token": login, "code": code})["token"])
	return v
}

// administrator is the first of a new partner.
func (w *world) administrator() *visitor {
	w.t.Helper()
	w.must(w.Partner("acme", "alice@acme.example"))
	return w.joins("alice@acme.example")
}

// rehearseRest does what no scenario does and the functions can do all the same.
func rehearseRest(t *testing.T, c *cloud, fresh func(*testing.T, map[string]string) *world) {
	t.Run("ends", func(t *testing.T) { rehearseEnds(t, fresh(t, nil)) })
	t.Run("aged hints", func(t *testing.T) { rehearseAgedHints(fresh(t, nil)) })
	t.Run("letters", func(t *testing.T) { rehearseLetters(t, fresh(t, nil)) })
	t.Run("attack 24 and 25: headers", func(t *testing.T) { attackHeaders(t, fresh(t, nil)) })
	t.Run("attack 31: tenants", func(t *testing.T) { attackTenants(t, fresh(t, nil)) })
	t.Run("attack 46: a restored backup", func(t *testing.T) {
		attackRestored(t, fresh(t, nil), func(table string, at time.Time) *world {
			w := fresh(t, map[string]string{"Table": table, "RestoredAt": at.UTC().Format(time.RFC3339)})
			w.must(w.begin(at))
			return w
		})
	})
	for _, proxy := range proxytest.Names() {
		t.Run("attacks through "+proxy, func(t *testing.T) { attackProxies(t, guard(t, fresh(t, nil), proxy)) })
	}
	t.Run("attack 30: outage", func(t *testing.T) { rehearseOutage(t, fresh(t, nil)) })
	t.Run("refused alike", func(t *testing.T) {
		w := fresh(t, nil)
		for path, want := range map[string]string{"/nothing": "problem 404 not_found", "/v1//login": "problem 404 not_found"} {
			w.must(scenario.Run(w, path, "get "+path+"\n"+want+"\n"))
		}
		w.must(scenario.Run(w, "405", "put /v1/login {}\nproblem 405 not_found\nheader Allow POST\nget /healthz\nstatus 200\njson status ok\n"))
	})
}

// The auditor, time-to-live and a lock left half way tell each end once.
func rehearseEnds(t *testing.T, w *world) {
	alice := w.administrator()
	var windows []string
	for i := range 3 {
		system := fmt.Sprint(alice.ask(201, "POST", "/v1/phone-systems", map[string]any{"name": "PBX", "host": fmt.Sprintf("pbx%d.acme.example", i), "policy": map[string]any{"binding": "ip"}})["id"])
		opened := alice.ask(201, "POST", "/v1/phone-systems/"+system+"/unlocks", map[string]any{"reason": "x", "duration_seconds": 120})
		windows = append(windows, fmt.Sprint(opened["id"]))
		if i == 2 { // as a lock that was cut off after it had raised the epoch
			w.halfLocked(system)
			continue
		}
		alice.ask(200, "POST", "/v1/unlocks/"+windows[i]+"/extend", map[string]any{"seconds": 60})
	}
	invoke := func(name string) {
		_, err := w.functions[name].invoke(context.Background(), []byte(`{}`))
		w.must(err)
	}
	invoke("auditor") // the lock
	w.must(w.Advance(4 * time.Minute))
	invoke("auditor") // the time
	w.must(w.Tick())  // and time-to-live, for what the auditor left
	invoke("auditor")
	told := map[string]int{}
	for _, action := range []string{"unlock.expired", "unlock.revoked"} {
		for _, entry := range alice.ask(200, "GET", "/v1/audit?action="+action, nil)["items"].([]any) {
			told[fmt.Sprint(get(entry, "subject"))]++
		}
	}
	for _, window := range windows {
		if told[window] != 1 {
			t.Errorf("the end of %s is told %d times", window, told[window])
		}
	}
}

// halfLocked raises the epoch and leaves the task, as Lock does before it tells
// the ends.
func (w *world) halfLocked(id string) {
	w.t.Helper()
	ctx := context.Background()
	item, err := w.ground.Table.Get(ctx, phonesystem.Key(id))
	w.must(err)
	system, err := table.Decode[phonesystem.PhoneSystem](item)
	w.must(err)
	task, err := w.ground.Book.Closing(access.Caller{UserID: "SCENARIO", PartnerID: system.PartnerID}, system, audit.PhoneSystemLocked)
	w.must(err)
	system.Epoch, system.EpochAt = system.Epoch+1, w.Now().Truncate(time.Second)
	writes, err := system.Writes(table.Is(item.Rev))
	w.must(err)
	w.must(w.ground.Table.Apply(ctx, append(writes, table.Put(task, table.Absent()))...))
}

// A session whose token names the roles of another day costs a read more, in
// each function.
func rehearseAgedHints(w *world) {
	w.administrator()
	const all = `{"permissions":["unlock","view_unlocks","view_audit","manage_phone_systems","close_unlocks"],"phone_systems":["*"],"max_unlock_seconds":600}`
	w.must(w.Role("acme", "OLD", json.RawMessage(all)))
	w.must(w.Role("acme", "NEW", json.RawMessage(all)))
	w.must(w.Invite("acme", "bob@acme.example", []string{"OLD"}))
	bob := w.joins("bob@acme.example")
	bob.ask(403, "GET", "/v1/partners", nil)
	id := fmt.Sprint(get(bob.ask(200, "GET", "/v1/session", nil), "user", "id"))
	user, rev, err := w.ground.Directory.User(context.Background(), id)
	w.must(err)
	user.Roles = []string{"NEW"}
	write, err := user.Write(table.Is(rev))
	w.must(err)
	w.must(w.ground.Table.Apply(context.Background(), write))
	for _, path := range []string{"/v1/session", "/v1/phone-systems", "/v1/unlocks", "/v1/audit"} {
		bob.ask(200, "GET", path, nil)
	}
	bob.ask(403, "GET", "/v1/partners", nil)
}

// A letter to all administrators reaches the others when one can't be reached,
// and that one later.
func rehearseLetters(t *testing.T, w *world) {
	alice := w.administrator()
	caller := w.caller(w.admins["acme"], w.partners["acme"])
	_, err := w.ground.Directory.Invite(context.Background(), caller, account.Person{Email: "carol@acme.example", Administrator: true})
	w.must(err)
	w.joins("carol@acme.example")
	w.must(w.Tick()) // what tells her of her authenticator is out
	system := fmt.Sprint(alice.ask(201, "POST", "/v1/phone-systems", map[string]any{"name": "PBX", "host": "pbx.acme.example"})["id"])
	w.cloud.refuseMail("carol@acme.example")
	alice.ask(200, "POST", "/v1/phone-systems/"+system+"/gate-key", nil)
	if err := w.stream.hand(context.Background(), w.functions["courier"]); err != nil {
		t.Logf("handed: %v", err) // it goes to the schedule
	}
	got := func(address string) string { m, _ := w.cloud.mailTo(address); return m.subject }
	if !strings.Contains(got("alice@acme.example"), "key") || strings.Contains(got("carol@acme.example"), "key") {
		t.Errorf("alice has %q, carol %q", got("alice@acme.example"), got("carol@acme.example"))
	}
	w.cloud.refuseMail("")
	w.must(w.Advance(2 * time.Minute))
	w.must(w.Tick())
	if !strings.Contains(got("carol@acme.example"), "key") {
		t.Errorf("carol has %q", got("carol@acme.example"))
	}
}

// ATTACKS.md 30: while the table refuses or is silent, gates deny within their
// time, the API answers 503, and both are back by themselves. What follows the
// answers meets the outage too and is over before Lambda would kill the process:
// the world's end tells if it is not.
func rehearseOutage(t *testing.T, w *world) {
	w.asDeployed()
	alice := w.administrator()
	made := alice.ask(201, "POST", "/v1/phone-systems", map[string]any{"name": "PBX", "host": "pbx.acme.example"})
	decide := func() (int, string) {
		r, err := http.NewRequest("GET", portal+"/v1/gate/decision", http.NoBody)
		w.must(err)
		r.RemoteAddr = "192.0.2.9:1"
		r.Header = http.Header{"Authorization": {"Bearer " + fmt.Sprint(made["gate_key"])}, "Portcullis-Method": {"GET"}, "Portcullis-Url": {"https://pbx.acme.example/webclient/"}, "Portcullis-Client": {"198.51.100.7"}}
		res, err := w.Do(r)
		w.must(err)
		return res.StatusCode, res.Header.Get("Portcullis-Decision")
	}
	if status, _ := decide(); status != 204 {
		t.Fatalf("before: %d", status)
	}
	for what, how := range map[string]outage{"refuses": throttled, "is silent": silent} {
		w.must(w.Advance(2 * time.Minute)) // so that something follows
		w.cloud.fail(how)
		if status, decision := decide(); status != 503 || decision != "deny" {
			t.Errorf("while the table %s: %d %s", what, status, decision)
		}
		w.cloud.fail(none)
		if status, _ := decide(); status != 204 {
			t.Errorf("after it %s: %d", what, status)
		}
	}
	w.cloud.fail(throttled)
	if answer := alice.ask(503, "GET", "/v1/session", nil); answer["code"] != "unavailable" {
		t.Errorf("while the table refuses: %v", answer)
	}
	w.cloud.fail(none)
	alice.ask(200, "GET", "/v1/session", nil)
}
