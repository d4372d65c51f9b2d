package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table"
)

// recorded is a table that remembers the kinds of what is written to it.
type recorded struct {
	table.Table
	mu    sync.Mutex
	kinds []string
}

func (r *recorded) Apply(ctx context.Context, writes ...table.Write) error {
	r.mu.Lock()
	for _, w := range writes {
		kind := w.Item.Kind
		if w.Op == table.OpCount {
			kind = "counter"
		}
		if w.Op != table.OpCheck {
			r.kinds = append(r.kinds, kind)
		}
	}
	r.mu.Unlock()
	return r.Table.Apply(ctx, writes...)
}

func (r *recorded) Add(ctx context.Context, key table.Key, delta int64, expires time.Time) (int64, error) {
	r.mu.Lock()
	r.kinds = append(r.kinds, "counter")
	r.mu.Unlock()
	return r.Table.Add(ctx, key, delta, expires)
}

// left answers what was written since the last call and is neither a count of
// attempts nor an entry of the audit.
func (r *recorded) left() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	kinds := slices.DeleteFunc(r.kinds, func(kind string) bool { return kind == "counter" || kind == "attempts" || kind == "audit" })
	r.kinds = nil
	return kinds
}

// spoiler sends bad requests of each kind to every route that there is.
type spoiler struct {
	*localtest.World
	t     *testing.T
	table *recorded
	doc   openapi
	admin *localtest.Person
	// operator is who asks for partners.
	operator *localtest.Person
	login    string
	// ids are those of an object of the partner's and of another partner's, by
	// the path's beginning.
	ids, foreign map[string]string
	sent         int
}

func newSpoiler(t *testing.T) *spoiler {
	t.Helper()
	clock := localtest.NewClock()
	r := &recorded{Table: localtest.Bolt(t, clock)}
	w := localtest.On(t, r, clock)
	s := &spoiler{World: w, t: t, table: r, doc: readOpenAPI(t, w)}
	s.operator = s.Operator()
	s.foreign, _ = s.objects("rival", "mallory@rival.example")
	s.ids, s.admin = s.objects("acme", "alice@acme.example")
	s.foreign["/v1/partners"] = "01ARZ3NDEKTSV4RRFFQ69G5FAV"                                                          // to an operator none is foreign
	s.ids["/v1/exceptions"], s.foreign["/v1/exceptions"] = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV" // likewise
	s.login = s.admin.Login()
	r.left()
	return s
}

func (s *spoiler) objects(partner, email string) (map[string]string, *localtest.Person) {
	p := s.Administrator(partner, email)
	gate := p.PhoneSystem("pbx."+partner+".example", nil)
	unlock := p.Unlock(p.PhoneSystem("busy."+partner+".example", nil), 600)
	user := p.Must(http.StatusCreated, "POST", "/v1/users", map[string]any{"email": "spare@" + partner + ".example"})
	role := p.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{"name": "x", "permissions": []string{"view_audit"}, "phone_systems": []string{"*"}})
	key := p.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "x", "permissions": []any{}})
	return map[string]string{"/v1/users": user.Text("id"), "/v1/roles": role.Text("id"), "/v1/phone-systems": gate.ID, "/v1/unlocks": unlock.Text("id"), "/v1/partners": p.PartnerID, "/v1/api-keys": key.Text("id")}, p
}

// bodies are what each route takes. None is ever sent unspoiled.
func (s *spoiler) bodies() map[string]map[string]any {
	policy := map[string]any{"default_seconds": 60, "max_seconds": 60, "max_extensions": 0, "binding": "ip", "reason": "optional", "decision_cache_seconds": 0}
	system := map[string]any{"name": "x", "host": "x.example", "customer": "x", "profile": "custom", "restricted_paths": []any{"/x/"}, "policy": policy}
	return map[string]map[string]any{
		"POST /v1/login":                       {"email": "alice@acme.example", "password": "x", "delivery": "bearer"},
		"POST /v1/login/mfa":                   {"login_token": s.login, "method": "totp", "code": "123456", "assertion": map[string]any{}},
		"POST /v1/login/passkey-options":       {"login_token": s.login},
		"POST /v1/mfa/passkeys":                {"name": "x", "attestation": map[string]any{"id": "x"}},
		"POST /v1/login/enroll":                {"login_token": s.login, "enrollment_code": "x"},
		"POST /v1/login/enroll/confirm":        {"login_token": s.login, "code": "123456"},
		"POST /v1/invitations/accept":          {"token": "x", "name": "x", "password": "quiet otter paints lanterns", "delivery": "bearer"},
		"POST /v1/password":                    {"current_password": "x", "new_password": "quiet otter paints lanterns"},
		"POST /v1/password/forgot":             {"email": "alice@acme.example"},
		"POST /v1/login/unsuspend":             {"token": "x"},
		"POST /v1/password/reset":              {"token": "x", "new_password": "quiet otter paints lanterns"},
		"POST /v1/session/step-up":             {"method": "totp", "code": "123456", "assertion": map[string]any{}},
		"POST /v1/mfa/totp/confirm":            {"code": "123456"},
		"POST /v1/partners":                    {"name": "x", "administrator_email": "x@y.example", "support_contact": "x"},
		"POST /v1/partners/{id}/recovery":      {"administrator_email": "alice@acme.example"},
		"POST /v1/recovery/cancel":             {"token": "x"},
		"PATCH /v1/partners/{id}":              {"name": "x", "support_contact": "x"},
		"POST /v1/exceptions":                  {"phone_system_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "host": "x.example", "name": "x", "reason": "x", "paths": []any{"/x"}},
		"POST /v1/api-keys":                    {"name": "x", "permissions": []any{"view_audit"}, "expires_at": "2030-01-01T00:00:00Z"},
		"POST /v1/users":                       {"email": "new@acme.example", "name": "x", "administrator": false, "roles": []any{}},
		"PATCH /v1/users/{id}":                 {"name": "x", "active": true, "administrator": false, "roles": []any{}},
		"POST /v1/roles":                       {"name": "x", "permissions": []any{"view_audit"}, "phone_systems": []any{"*"}, "max_unlock_seconds": 60},
		"PATCH /v1/roles/{id}":                 {"name": "x", "permissions": []any{"view_audit"}, "phone_systems": []any{"*"}, "max_unlock_seconds": 60},
		"POST /v1/phone-systems":               system,
		"PATCH /v1/phone-systems/{id}":         system,
		"POST /v1/phone-systems/{id}/gate-key": {"revoke_previous": true},
		"POST /v1/phone-systems/{id}/classify": {"requests": []any{map[string]any{"method": "GET", "path": "/"}}},
		"POST /v1/phone-systems/{id}/unlocks":  {"duration_seconds": 60, "reason": "x", "ticket": "x"},
		"POST /v1/unlocks/{id}/extend":         {"seconds": 60},
	}
}

// refused sends one bad request and demands one of the problems, whole, and
// that nothing is left behind. Each comes from a source of its own.
func (s *spoiler) refused(what string, req localtest.Request, problems ...string) {
	s.t.Helper()
	s.sent++
	req.From = fmt.Sprintf("[2001:db8:%x:%x::1]:40000", s.sent>>16, s.sent&0xffff)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if req.Header.Get("Authorization") == "" {
		who := s.admin
		if strings.HasPrefix(req.Path, "/v1/partners") || strings.HasPrefix(req.Path, "/v1/exceptions") {
			who = s.operator
		}
		req.Header.Set("Authorization", "Bearer "+who.Token)
	}
	a := s.Send(req)
	name := fmt.Sprintf("%s %.80s: %s", req.Method, req.Path, what)
	if got := fmt.Sprint(a.Status, " ", a.Text("code")); !slices.Contains(problems, got) {
		s.t.Errorf("%s: %s, want %q: %.300s", name, got, problems, a.Body)
		return
	}
	whole := a.Header.Get("Content-Type") == "application/problem+json" && a.Number("status") == float64(a.Status)
	for _, member := range []string{"type", "title", "detail", "instance"} {
		whole = whole && a.Text(member) != ""
	}
	if whole = whole && (a.Status != 422 || a.JSON["errors"] != nil); !whole {
		s.t.Errorf("%s: no whole problem: %.300s", name, a.Body)
	}
	if left := s.table.left(); len(left) > 0 {
		s.t.Errorf("%s: left behind: %q", name, left)
	}
}

const (
	invalid  = "422 invalid"
	notFound = "404 not_found"
	nobody   = "401 bad_attempt"
)

// path is the route with an id of its own partner.
func (s *spoiler) path(template string) string { return fill(template, s.ids) }

func fill(template string, ids map[string]string) string {
	for prefix, id := range ids {
		if strings.HasPrefix(template, prefix) {
			return strings.Replace(template, "{id}", id, 1)
		}
	}
	return template
}

func TestBadBodies(t *testing.T) {
	s := newSpoiler(t)
	bodies := s.bodies()
	for _, op := range s.doc.operations() {
		switch {
		case op.text != "":
			s.spoilText(op)
			continue
		case op.body == nil:
			s.spoilNothing(op)
			continue
		}
		good, ok := bodies[op.name()]
		if !ok {
			t.Errorf("%s takes a body that this test does not know", op.name())
			continue
		}
		delete(bodies, op.name())
		s.spoilWhole(op, good)
		s.spoilFields(op, good, op.body, nil)
	}
	for name := range bodies {
		t.Errorf("%s is no route", name)
	}
	t.Logf("%d bad requests", s.sent)
}

// spoilNothing sends something to a call that takes nothing.
func (s *spoiler) spoilNothing(op operation) {
	if op.method == http.MethodGet || strings.HasPrefix(op.path, "/v1/gate/") {
		return
	}
	send := func(what, body string, problems ...string) {
		s.refused(what, localtest.Request{Method: op.method, Path: s.path(op.path), Body: body}, problems...)
	}
	for _, body := range []string{`{"x":1}`, `{"id":"x","x":{}}`, "{", "[]", `"x"`, "7", "{} {}", "{\"a\":\xff}"} {
		send(body, body, invalid)
	}
	send("too large", "{}"+strings.Repeat(" ", 64<<10-1), "413 invalid")
}

// spoilText sends what is no such text.
func (s *spoiler) spoilText(op operation) {
	path := s.path(op.path)
	s.refused("too large", localtest.Request{Method: op.method, Path: path, Body: localtest.Text{Type: op.text, Content: strings.Repeat("x", 1<<20+1)}}, "413 invalid")
	if op.text == "text/csv" {
		s.refused("as large as may be", localtest.Request{Method: op.method, Path: path, Body: localtest.Text{Type: op.text, Content: strings.Repeat("\n", 1<<20)}}, invalid)
	}
	s.refused("nothing", localtest.Request{Method: op.method, Path: path, Body: localtest.Text{Type: op.text}}, invalid)
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", op.text + "; charset", op.text + "x"} {
		s.refused("sent as "+kind, localtest.Request{Method: op.method, Path: path, Body: localtest.Text{Type: kind, Content: "x"}}, "415 invalid")
	}
}

// spoilWhole sends what is no such object at all.
func (s *spoiler) spoilWhole(op operation, good map[string]any) {
	path := s.path(op.path)
	text, err := json.Marshal(good)
	if err != nil {
		s.t.Fatal(err)
	}
	send := func(what, body string, problems ...string) {
		s.refused(what, localtest.Request{Method: op.method, Path: path, Body: body}, problems...)
	}
	for _, body := range []string{"{", "[]", `"x"`, "7", "true", "{} {}", string(text) + "x", "{\"a\":\xff}", strings.Repeat("[", 20000)} {
		send(fmt.Sprintf("%.20q", body), body, invalid)
	}
	if op.bodyRequired {
		send("no body", "", invalid)
		send("null", "null", invalid)
	}
	send("as large as may be", `{"y":1}`+strings.Repeat(" ", 64<<10-7), invalid)
	send("too large", `{"y":1}`+strings.Repeat(" ", 64<<10-6), "413 invalid")
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json; charset", "application/jsonp"} {
		s.refused("sent as "+kind, localtest.Request{Method: op.method, Path: path, Body: string(text), Header: http.Header{"Content-Type": {kind}}}, "415 invalid")
	}
}

// spoilFields spoils one field after the other, in nested objects too.
func (s *spoiler) spoilFields(op operation, good map[string]any, schema map[string]any, within []string) {
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		field := s.doc.resolve(properties[name])
		for what, value := range wrong(field) {
			if what == "null" && !slices.Contains(required, any(name)) {
				continue // as left out
			}
			s.spoil(op, good, append(slices.Clone(within), name), what, value, invalid)
		}
		if slices.Contains(required, any(name)) {
			s.spoil(op, good, append(slices.Clone(within), name), "missing", nil, invalid)
		}
		if nested, ok := good[name].(map[string]any); ok && field["properties"] != nil {
			s.spoilFields(op, nested, field, append(slices.Clone(within), name))
		}
	}
	s.spoil(op, good, append(slices.Clone(within), "operator"), "unknown", true, invalid)
	if properties["administrator"] == nil {
		s.spoil(op, good, append(slices.Clone(within), "administrator"), "unknown", true, invalid)
	}
}

// wrong are values that a field does not take.
func wrong(field map[string]any) map[string]any {
	values := map[string]any{"null": json.RawMessage("null"), "a list": []any{[]any{1}}, "an object": map[string]any{"x": 1}, "a number": 7, "a truth": true, "a text": "x", "a long text": strings.Repeat("ä", 5000)}
	switch field["type"] {
	case "string":
		delete(values, "a text")
		values["control characters"] = "a\x00b\nc"
		if field["enum"] != nil {
			values["unheard of"] = "x"
			values["empty"] = ""
		}
	case "integer":
		delete(values, "a number")
		values["a fraction"], values["huge"], values["larger"] = 1.5, json.RawMessage("9223372036854775808"), json.RawMessage("1e400")
	case "boolean":
		delete(values, "a truth")
	case "array":
		values["of numbers"] = []any{1}
	case "object":
		delete(values, "an object")
	}
	return values
}

// spoil sends the good body with one value replaced; nil leaves it out.
func (s *spoiler) spoil(op operation, good map[string]any, at []string, what string, value any, problems ...string) {
	body := maps.Clone(s.bodies()[op.name()])
	object := body
	for _, name := range at[:len(at)-1] {
		nested := maps.Clone(object[name].(map[string]any))
		object[name] = nested
		object = nested
	}
	last := at[len(at)-1]
	if object[last] = value; value == nil {
		delete(object, last)
	}
	if what == "control characters" && op.path == "/v1/password/forgot" {
		return // always answered alike, whatever the address
	}
	if what == "control characters" {
		// Where the text is a secret or an address that may be anything, it is
		// simply the wrong one.
		problems = append(problems, nobody, "410 gone", "409 conflict")
	}
	s.refused(fmt.Sprintf("%s %s", strings.Join(at, "."), what), localtest.Request{Method: op.method, Path: s.path(op.path), Body: body}, problems...)
}

func TestBadPathsAndQueries(t *testing.T) {
	s := newSpoiler(t)
	long := strings.Repeat("A", 10<<10)
	ids := []string{"..", ".", "%2e%2e", "%00", "%ff", "%2f", "a%2fb", "0", "x", "*", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav", "01ARZ3NDEKTSV4RRFFQ69G5FAV%20", "%F0%9F%94%93", "'%20OR%201=1"}
	for _, op := range s.doc.operations() {
		if strings.HasPrefix(op.path, "/v1/gate/") || !strings.HasPrefix(op.path, "/v1/") {
			continue
		}
		body := op.sample(s.bodies()[op.name()])
		send := func(what, path string, problems ...string) {
			s.refused(what, localtest.Request{Method: op.method, Path: path, Body: body}, problems...)
		}
		send("an unknown parameter", s.path(op.path)+"?nonsense=1", invalid)
		for _, name := range op.query {
			send("a long "+name, s.path(op.path)+"?"+name+"="+long, invalid)
			if name == "limit" || name == "from" || name == "to" || name == "cursor" || name == "state" || name == "active" {
				for _, value := range []string{"x", "-1", "0.5", "%00", "99999999999999999999"} {
					send("a wrong "+name, s.path(op.path)+"?"+name+"="+value, invalid)
				}
			}
		}
		if strings.Contains(op.path, "{id}") {
			for _, id := range ids {
				// What the mux takes for another path may be one, that knows other
				// methods.
				send("the id "+id, strings.Replace(op.path, "{id}", id, 1), notFound, "405 not_found")
			}
			send("a long id", strings.Replace(op.path, "{id}", long, 1), invalid)
			send("another partner's id", fill(op.path, s.foreign), notFound)
		}
		if op.session {
			for _, token := range []string{"Bearer", "Bearer x", "Basic eDp4", "Bearer " + s.admin.Token + "x", "bearer " + s.admin.Token, "Bearer  " + s.admin.Token, long} {
				s.refused("the token "+token[:min(len(token), 12)], localtest.Request{Method: op.method, Path: s.path(op.path), Body: body, Header: http.Header{"Authorization": {token}}}, nobody)
			}
			s.refused("two tokens", localtest.Request{Method: op.method, Path: s.path(op.path), Body: body, Header: http.Header{"Authorization": {"Bearer " + s.admin.Token, "Bearer " + s.admin.Token}}}, nobody)
		}
	}
	for _, path := range []string{"/v1", "/v1/", "/v1/login/", "/V1/session", "/v1/session/x", "//v1/session", "/v1/../v1/session", "/x", "/.git/config", "/index.html"} {
		s.refused("no such path", localtest.Request{Method: "GET", Path: path}, notFound)
	}
	for _, method := range []string{"PUT", "TRACE", "OPTIONS", "BREW"} {
		s.refused("no such method", localtest.Request{Method: method, Path: "/v1/session"}, "405 not_found")
	}
	s.refused("a long Idempotency-Key", localtest.Request{Method: "POST", Path: "/v1/phone-systems", Body: s.bodies()["POST /v1/phone-systems"], Header: http.Header{"Idempotency-Key": {long}}}, invalid)
	t.Logf("%d bad requests", s.sent)
}
