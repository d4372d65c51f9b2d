package idempotency_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// desk is a partner with a phone system and two administrators.
type desk struct {
	*localtest.World
	faulty     *tabletest.Faulty
	alice, bob *localtest.Person
	gate       *localtest.Gate
}

func newDesk(t *testing.T) desk {
	t.Helper()
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	d := desk{World: localtest.On(t, faulty, clock), faulty: faulty}
	d.alice = d.Administrator("acme", "alice@acme.example")
	d.gate = d.alice.PhoneSystem("pbx.acme.example", nil)
	d.Role(d.alice.PartnerID, access.Role{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600})
	d.bob = d.User(d.alice, "bob@acme.example", "01JZZZZZZZZZZZZZZZZZZZZZZZ")
	return d
}

func (d desk) send(who *localtest.Person, path, key string, body any) localtest.Answer {
	d.T.Helper()
	h := http.Header{"Authorization": {"Bearer " + who.Token}}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	return d.Send(localtest.Request{Method: "POST", Path: path, Body: body, Header: h})
}

func (d desk) open(who *localtest.Person, key string, seconds int) localtest.Answer {
	d.T.Helper()
	return d.send(who, "/v1/phone-systems/"+d.gate.ID+"/unlocks", key, map[string]any{"duration_seconds": seconds, "reason": "test"})
}

func (d desk) entries(action string) int {
	d.T.Helper()
	return len(d.alice.Must(200, "GET", "/v1/audit?action="+action, nil).Items())
}

// without is a body less its one-time secrets.
func without(t *testing.T, a localtest.Answer, secrets ...string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.Body), &body); err != nil {
		t.Fatal(err)
	}
	for _, name := range secrets {
		delete(body, name)
		if pass, ok := body["pass"].(map[string]any); ok {
			delete(pass, name)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (d desk) want(a localtest.Answer, status int, code string) {
	d.T.Helper()
	if a.Status != status || a.Text("code") != code {
		d.T.Errorf("answered %d %q, want %d %q: %s", a.Status, a.Text("code"), status, code, a.Body)
	}
}

func TestAttack38SameKeySameAnswer(t *testing.T) {
	d := newDesk(t)
	first := d.open(d.bob, "k1", 60)
	if first.Status != 201 || first.Text("pass.ticket") == "" {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	for name, wait := range map[string]time.Duration{"at once": 0, "after its end": 61 * time.Second} {
		d.Clock.Add(wait)
		again := d.open(d.bob, "k1", 60)
		if again.Status != 201 || again.Text("pass.ticket") != "" {
			t.Errorf("%s: %d %s, first %s", name, again.Status, again.Body, first.Body)
		}
		if got, want := without(t, again, "ticket"), without(t, first, "ticket"); got != want {
			t.Errorf("%s:\n%s\nfirst:\n%s", name, got, want)
		}
	}
	if n := d.entries("unlock.opened"); n != 1 {
		t.Errorf("%d windows", n)
	}
	d.want(d.open(d.bob, "k2", 60), 201, "")
}

func TestAttack38OtherBodyIsRefused(t *testing.T) {
	d := newDesk(t)
	d.want(d.open(d.bob, "k1", 60), 201, "")
	other := d.alice.PhoneSystem("pbx2.acme.example", nil)
	for name, a := range map[string]localtest.Answer{
		"another length":       d.open(d.bob, "k1", 61),
		"another phone system": d.send(d.bob, "/v1/phone-systems/"+other.ID+"/unlocks", "k1", map[string]any{"duration_seconds": 60, "reason": "test"}),
		"another field":        d.send(d.bob, "/v1/phone-systems/"+d.gate.ID+"/unlocks", "k1", map[string]any{"duration_seconds": 60, "reason": "test", "ticket": "T"}),
	} {
		if a.Status != 422 || a.Text("code") != "invalid" || a.JSON["errors"] == nil {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	if n := d.entries("unlock.opened"); n != 1 {
		t.Errorf("%d windows", n)
	}
}

func TestAttack38AnotherUsersKeyIsAnother(t *testing.T) {
	d := newDesk(t)
	first, second := d.open(d.bob, "k1", 60), d.open(d.alice, "k1", 120)
	d.want(first, 201, "")
	d.want(second, 201, "")
	if first.Text("id") == second.Text("id") || second.Text("user_id") != d.alice.ID {
		t.Errorf("alice got %s", second.Body)
	}
}

func TestAttack38InParallelOneWindow(t *testing.T) {
	for range 5 {
		d := newDesk(t)
		answers := make([]localtest.Answer, 20)
		localtest.Parallel(len(answers), func(i int) { answers[i] = d.open(d.bob, "k1", 60) })
		tickets := 0
		for _, a := range answers {
			if a.Status != 201 || a.Text("id") != answers[0].Text("id") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if a.Text("pass.ticket") != "" {
				tickets++
			}
		}
		if n := d.entries("unlock.opened"); n != 1 || tickets != 1 {
			t.Errorf("%d windows, %d tickets", n, tickets)
		}
	}
}

// Half of 20 ask for something else under the same key: one of the two wins.
func TestAttack38InParallelWithAnotherBody(t *testing.T) {
	d := newDesk(t)
	answers := make([]localtest.Answer, 20)
	localtest.Parallel(len(answers), func(i int) { answers[i] = d.open(d.bob, "k1", 60+i%2) })
	ids := map[string]int{}
	for i, a := range answers {
		if a.Status == 201 {
			ids[a.Text("id")]++
			continue
		}
		if a.Status != 422 || a.Text("code") != "invalid" {
			t.Errorf("request %d: %d %s", i, a.Status, a.Body)
		}
	}
	if len(ids) != 1 || d.entries("unlock.opened") != 1 {
		t.Errorf("windows: %v", ids)
	}
	for _, n := range ids {
		if n != 10 {
			t.Errorf("%d of the 10 like requests have the answer", n)
		}
	}
}

// The same, where nothing but the key stands between two windows.
func TestAttack38InParallelOnTwoPhoneSystems(t *testing.T) {
	d := newDesk(t)
	gates := []*localtest.Gate{d.gate, d.alice.PhoneSystem("pbx2.acme.example", nil)}
	answers := make([]localtest.Answer, 20)
	localtest.Parallel(len(answers), func(i int) {
		answers[i] = d.send(d.bob, "/v1/phone-systems/"+gates[i%2].ID+"/unlocks", "k1", map[string]any{"reason": "test"})
	})
	opened := 0
	for _, a := range answers {
		if a.Status == 201 {
			opened++
		} else if a.Status != 422 || a.Text("code") != "invalid" {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if n := d.entries("unlock.opened"); n != 1 || opened != 10 {
		t.Errorf("%d windows, %d good answers", n, opened)
	}
}

func TestAttack38KeyIsFreeAfterADay(t *testing.T) {
	d := newDesk(t)
	first := d.open(d.bob, "k1", 60)
	d.Clock.Add(idempotency.Kept - time.Second - totp.Period)
	d.bob.SignIn() // moves the clock on by a period
	if again := d.open(d.bob, "k1", 60); again.Status != 201 || again.Text("id") != first.Text("id") {
		t.Errorf("a second before: %d %s", again.Status, again.Body)
	}
	d.Clock.Add(time.Second)
	if later := d.open(d.bob, "k1", 60); later.Status != 201 || later.Text("id") == first.Text("id") {
		t.Errorf("after a day: %d %s", later.Status, later.Body)
	}
}

// Only what succeeded is kept: a refused request blocks no later good one.
func TestAttack38RefusalsAreNotKept(t *testing.T) {
	d := newDesk(t)
	d.want(d.open(d.bob, "k1", 601), 422, "out_of_range")
	d.want(d.open(d.bob, "k1", 60), 201, "")
	d.want(d.open(d.bob, "k2", 60), 409, "already_unlocked")
	d.Clock.Add(60 * time.Second)
	d.want(d.open(d.bob, "k2", 60), 201, "")
	d.Clock.Add(access.FreshFor)
	d.want(d.open(d.bob, "k3", 60), 403, "mfa_required")
	d.bob.StepUp()
	d.want(d.open(d.bob, "k3", 60), 201, "")
}

// The key is looked up before the second factor's age, and after the session.
func TestAttack38ReplayNeedsTheSessionAlone(t *testing.T) {
	d := newDesk(t)
	first := d.open(d.bob, "k1", 600)
	d.Clock.Add(access.FreshFor + time.Minute)
	if again := d.open(d.bob, "k1", 600); again.Status != 201 || again.Text("id") != first.Text("id") {
		t.Errorf("stale second factor: %d %s", again.Status, again.Body)
	}
	d.want(d.open(d.bob, "k1", 601), 422, "invalid")
	d.Role(d.alice.PartnerID, access.Role{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ"})
	if again := d.open(d.bob, "k1", 600); again.Status != 201 || again.Text("id") != first.Text("id") {
		t.Errorf("without the role: %d %s", again.Status, again.Body)
	}
	d.bob.Must(204, "DELETE", "/v1/session", nil)
	d.want(d.open(d.bob, "k1", 600), 401, "bad_attempt")
}

// An answer lost on the way is answered when the client asks again, whichever
// call to the table failed and how.
func TestAttack38LostAnswers(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for call := range 8 {
			d := newDesk(t)
			d.faulty.SetPlan(tabletest.At(call, fault))
			first := d.open(d.bob, "k1", 60)
			d.faulty.SetPlan(nil)
			again := d.open(d.bob, "k1", 60)
			if first.Status != 201 && first.Status != 503 || again.Status != 201 {
				t.Errorf("fault %v at call %d: %d, then %d %s", fault, call, first.Status, again.Status, again.Body)
			}
			if first.Status == 201 && first.Text("id") != again.Text("id") || d.entries("unlock.opened") != 1 {
				t.Errorf("fault %v at call %d: %s, then %s", fault, call, first.Text("id"), again.Text("id"))
			}
		}
	}
}

// Phone systems are made once per key as well, their gate key shown once.
func TestAttack38PhoneSystems(t *testing.T) {
	d := newDesk(t)
	body := map[string]any{"name": "Two", "host": "pbx2.acme.example"}
	answers := make([]localtest.Answer, 20)
	localtest.Parallel(len(answers), func(i int) { answers[i] = d.send(d.alice, "/v1/phone-systems", "k1", body) })
	keys := 0
	for _, a := range answers {
		if a.Status != 201 || without(t, a, "gate_key") != without(t, answers[0], "gate_key") {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		if a.Text("gate_key") != "" {
			keys++
		}
	}
	if n := d.entries("phone_system.created"); n != 2 || keys != 1 {
		t.Errorf("%d phone systems, %d gate keys shown", n, keys)
	}
	body["name"] = "Three"
	d.want(d.send(d.alice, "/v1/phone-systems", "k1", body), 422, "invalid")
	d.want(d.send(d.bob, "/v1/phone-systems", "k1", body), 403, "forbidden")
}

// Neither ticket nor gate key is kept with the answer.
func TestRecordsHoldNoSecret(t *testing.T) {
	d := newDesk(t)
	ticket := d.open(d.bob, "k1", 60).Text("pass.ticket")
	gateKey := d.send(d.alice, "/v1/phone-systems", "k1", map[string]any{"name": "Two", "host": "pbx2.acme.example"}).Text("gate_key")
	found := 0
	for _, who := range []*localtest.Person{d.alice, d.bob} {
		for item, err := range d.Table.List(t.Context(), table.Range{Partition: "once#" + who.ID}) {
			if err != nil {
				t.Fatal(err)
			}
			found++
			for _, secret := range []string{ticket, gateKey} {
				if secret == "" || json.Valid(item.Body) && contains(item.Body, secret) {
					t.Errorf("the record of %s holds %q", item.Key, secret)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("%d records, want 2", found)
	}
}

func contains(body []byte, text string) bool {
	quoted, err := json.Marshal(text)
	return err == nil && len(text) > 0 && strings.Contains(string(body), string(quoted[1:len(quoted)-1]))
}
