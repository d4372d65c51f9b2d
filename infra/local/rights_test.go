package local_test

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

// askers are the columns of the table in docs/rights.md, in the order in which
// they ask: the administrator, who may end what the others ask about, last.
func askers() []string {
	return []string{"nobody", "ended", "other partner", "operator", "elsewhere", "Limited access", "Auditor", "Technician", "administrator"}
}

// rights are what docs/rights.md says: for each call what each may.
type rights struct {
	matrix map[string]map[string]string
	// without are the calls that take no session, and what they take.
	without map[string]string
}

func readRights(t *testing.T) rights {
	t.Helper()
	text, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	r := rights{matrix: map[string]map[string]string{}, without: map[string]string{}}
	var columns []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch call := cells[0]; {
		case call == "call":
			if columns = cells[1:]; len(columns) > 1 && !slices.Equal(slices.Sorted(slices.Values(columns)), slices.Sorted(slices.Values(askers()))) {
				t.Errorf("the columns are %q, those who ask %q", columns, askers())
			}
		case r.matrix[call] != nil || r.without[call] != "":
			t.Errorf("docs/rights.md has %s twice", call)
		case !strings.Contains(call, " /"):
		case len(cells) == 2:
			r.without[call] = cells[1]
		default:
			r.matrix[call] = map[string]string{}
			for i, column := range columns {
				r.matrix[call][column] = cells[i+1]
			}
		}
	}
	return r
}

// parliament is a partner with one of everything, and one of each asker.
type parliament struct {
	*localtest.World
	people map[string]*localtest.Person
	ids    map[string]string // of the objects asked about, by the beginning of their paths
	bodies map[string]map[string]any
}

func assemble(w *localtest.World) *parliament {
	p := found(w)
	admin := p.people["administrator"]
	other := admin.PhoneSystem("other.acme.example", nil)
	elsewhere := admin.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{"name": "elsewhere", "permissions": access.Permissions(), "phone_systems": []string{other.ID}, "max_unlock_seconds": 600}).Text("id")
	for name, person := range map[string]*localtest.Person{
		"nobody":         w.As("nobody"),
		"Technician":     w.User(admin, "tech@acme.example", access.Technician),
		"Auditor":        w.User(admin, "auditor@acme.example", access.Auditor),
		"Limited access": w.User(admin, "limited@acme.example", access.LimitedAccess),
		"elsewhere":      w.User(admin, "elsewhere@acme.example", elsewhere),
		"other partner":  w.Administrator("rival", "mallory@rival.example"),
		"operator":       w.Operator(),
	} {
		p.people[name] = person
	}
	p.ids["/v1/exceptions"] = p.people["operator"].Must(http.StatusCreated, "POST", "/v1/exceptions", map[string]any{
		"phone_system_id": p.ids["/v1/phone-systems"], "host": "pbx.acme.example", "name": "x", "reason": "x", "paths": []string{"/x"},
	}).Text("id")
	for _, partner := range []string{admin.PartnerID, p.people["other partner"].PartnerID} {
		p.people["operator"].Must(http.StatusCreated, "POST", "/v1/partners/"+partner+"/recovery", map[string]any{"administrator_email": "spare@acme.example"})
	}
	return p
}

// found is a partner with one of everything, its administrator, and somebody who
// has signed out.
func found(w *localtest.World) *parliament {
	admin := w.Administrator("acme", "alice@acme.example")
	gate := admin.PhoneSystem("pbx.acme.example", nil)
	made := func(path string, body map[string]any) string {
		return admin.Must(http.StatusCreated, "POST", path, body).Text("id")
	}
	p := &parliament{World: w, bodies: (&spoiler{}).bodies()}
	p.ids = map[string]string{
		"/v1/phone-systems": gate.ID, "/v1/unlocks": admin.Unlock(gate, 600).Text("id"), "/v1/partners": admin.PartnerID, "/v1/exceptions": gate.ID,
		"/v1/users":    made("/v1/users", map[string]any{"email": "spare@acme.example"}),
		"/v1/roles":    made("/v1/roles", map[string]any{"name": "spare", "permissions": []string{"view_audit"}, "phone_systems": []string{"*"}}),
		"/v1/api-keys": made("/v1/api-keys", map[string]any{"name": "x", "permissions": []any{}}),
	}
	admin.Passkey("spare")
	keys, _ := admin.Must(http.StatusOK, "GET", "/v1/mfa", nil).JSON["passkeys"].([]any)
	p.ids["/v1/mfa/passkeys"], _ = keys[0].(map[string]any)["id"].(string)
	p.people = map[string]*localtest.Person{"administrator": admin, "ended": w.User(admin, "ended@acme.example", access.Technician)}
	p.people["ended"].Must(http.StatusNoContent, "DELETE", "/v1/session", nil)
	return p
}

// ask asks one call as one of them, with what it takes.
func (p *parliament) ask(op operation, who string) localtest.Answer {
	person := p.people[who]
	body := maps.Clone(p.bodies[op.name()])
	switch op.name() {
	case "POST /v1/session/step-up":
		if person.Secret != "" {
			body = map[string]any{"method": "totp", "code": person.NextCode()}
		}
	case "POST /v1/password":
		body = map[string]any{"current_password": localtest.Password, "new_password": "quieter otters painted the lanterns"}
	case "POST /v1/phone-systems/{id}/affected":
		return person.Do(op.method, fill(op.path, p.ids), localtest.CSV("Number,Role\n100,users\n"))
	case "POST /v1/phone-systems/import":
		return person.Do(op.method, op.path, localtest.CSV("name,host\nPBX,imported.new.example\n"))
	case "POST /v1/users/import":
		return person.Do(op.method, op.path, localtest.CSV("email\nimported@new.example\n"))
	case "POST /v1/exceptions":
		body["phone_system_id"], body["host"] = p.ids["/v1/phone-systems"], "pbx.acme.example"
	case "POST /v1/users":
		body["email"] = strings.ReplaceAll(who, " ", "-") + "@new.example"
	}
	if person.Token == "" {
		return p.Send(localtest.Request{Method: op.method, Path: fill(op.path, p.ids), Body: op.sample(body)})
	}
	return person.Do(op.method, fill(op.path, p.ids), op.sample(body))
}

// refusals are the answers of who may not; anything else was let past.
func refusals() []int {
	return []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound}
}

// Every call of the OpenAPI document, by everybody, is answered as docs/rights.md
// says: another partner's object does not exist, nobody does what they may not.
func TestAttack31EveryRouteAnswersWhoItSays(t *testing.T) {
	said := readRights(t)
	for _, op := range readOpenAPI(t, localtest.New(t)).operations() {
		if !op.session {
			continue
		}
		cells, ok := said.matrix[op.name()]
		if !ok {
			t.Errorf("docs/rights.md lacks %s: add who may call it", op.name())
			continue
		}
		delete(said.matrix, op.name())
		t.Run(strings.ReplaceAll(op.name(), "/", "_"), func(t *testing.T) {
			t.Parallel()
			assemble(localtest.New(t)).holds(t, op, cells)
		})
	}
	for name := range said.matrix {
		t.Errorf("docs/rights.md has %s, which is no call with a session", name)
	}
}

func (p *parliament) holds(t *testing.T, op operation, cells map[string]string) {
	t.Helper()
	for _, who := range askers() {
		want, a := cells[who], p.ask(op, who)
		past := !slices.Contains(refusals(), a.Status) && a.Status < 500
		if allowed := want == "yes" || want == "own"; allowed != past || !allowed && strconv.Itoa(a.Status) != want {
			t.Errorf("%s, %s: %d, want %q: %.200s", op.name(), who, a.Status, want, a.Body)
		}
	}
}

// The same calls on DynamoDB, where reads and conditions are another engine's:
// those about one object, in one world as far as nobody may end it.
func TestAttack31RoutesOnDynamoDB(t *testing.T) {
	clock := localtest.NewClock()
	p := assemble(localtest.On(t, dynamotest.New(t, nil, clock.Now), clock))
	said := readRights(t)
	for _, op := range readOpenAPI(t, p.World).operations() {
		if !op.session || !strings.Contains(op.path, "{id}") {
			continue
		}
		for _, who := range askers() {
			want := said.matrix[op.name()][who]
			if want == "yes" || want == "own" {
				continue // it might end what the others ask about
			}
			if a := p.ask(op, who); strconv.Itoa(a.Status) != want {
				t.Errorf("%s, %s: %d, want %q: %.200s", op.name(), who, a.Status, want, a.Body)
			}
		}
	}
}

// Calls without a session are the ones said to be, and no others.
func TestCallsWithoutASessionAreWritten(t *testing.T) {
	said := readRights(t)
	for _, op := range readOpenAPI(t, localtest.New(t)).operations() {
		if op.session {
			continue
		}
		takes := "nothing"
		if len(list(op.raw, "security")) > 0 {
			takes = "gate key"
		}
		if said.without[op.name()] != takes {
			t.Errorf("%s takes %s, docs/rights.md says %q", op.name(), takes, said.without[op.name()])
		}
		delete(said.without, op.name())
	}
	for name := range said.without {
		t.Errorf("docs/rights.md has %s, which is no call without a session", name)
	}
}
