package local_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// openapi is the generated document.
type openapi struct {
	t    *testing.T
	root map[string]any
}

func readOpenAPI(t *testing.T, w *localtest.World) openapi {
	t.Helper()
	a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/openapi.json"})
	return openapi{t, a.JSON}
}

// operation is one method of one path.
type operation struct {
	method, path string
	raw          map[string]any
	// body is the schema of the JSON body; nil: it takes none.
	body         map[string]any
	bodyRequired bool
	// text is the media type of a body that is no JSON; empty: it takes none.
	text    string
	query   []string
	session bool
}

func (o operation) name() string { return o.method + " " + o.path }

// sample is a body that is read: the given one, or where the operation takes a
// text, any; nil where it takes none.
func (o operation) sample(good map[string]any) any {
	switch {
	case o.text != "":
		return localtest.Text{Type: o.text, Content: "x"}
	case good == nil:
		return nil
	}
	return good
}

// object is a member that must be an object; empty where there is none.
func object(parent map[string]any, path ...string) map[string]any {
	for _, name := range path {
		parent, _ = parent[name].(map[string]any)
	}
	return parent
}

func list(parent map[string]any, name string) []map[string]any {
	var found []map[string]any
	items, _ := parent[name].([]any)
	for _, item := range items {
		one, _ := item.(map[string]any)
		found = append(found, one)
	}
	return found
}

// resolve follows a reference within the document.
func (d openapi) resolve(schema any) map[string]any {
	found, _ := schema.(map[string]any)
	ref, ok := found["$ref"].(string)
	if !ok {
		return found
	}
	found = object(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	if found == nil {
		d.t.Errorf("%s leads nowhere", ref)
	}
	return found
}

func (d openapi) operations() []operation {
	var found []operation
	for path, methods := range object(d.root, "paths") {
		for method, raw := range methods.(map[string]any) {
			op := operation{method: strings.ToUpper(method), path: path, raw: raw.(map[string]any)}
			if body := object(op.raw, "requestBody"); body != nil {
				op.body = d.resolve(object(body, "content", "application/json")["schema"])
				op.bodyRequired, _ = body["required"].(bool)
				for kind := range object(body, "content") {
					if strings.HasPrefix(kind, "text/") {
						op.text = kind
					}
				}
			}
			for _, parameter := range list(op.raw, "parameters") {
				if parameter["in"] == "query" {
					op.query = append(op.query, parameter["name"].(string))
				}
			}
			for _, way := range list(op.raw, "security") {
				op.session = op.session || way["session"] != nil
			}
			found = append(found, op)
		}
	}
	slices.SortFunc(found, func(a, b operation) int { return strings.Compare(a.name(), b.name()) })
	return found
}

// contract are the calls of API.md that are built, each with who may make it.
func contract() map[string]string {
	return map[string]string{
		"POST /v1/login": "", "POST /v1/login/mfa": "", "POST /v1/login/enroll": "", "POST /v1/login/enroll/confirm": "", "POST /v1/invitations/accept": "",
		"POST /v1/password": "session", "POST /v1/password/forgot": "", "POST /v1/password/reset": "", "POST /v1/login/unsuspend": "", "POST /v1/recovery/cancel": "",
		"POST /v1/partners/{id}/recovery": "session", "GET /v1/partners/{id}/recovery": "session", "DELETE /v1/partners/{id}/recovery": "session",
		"GET /v1/partner/recovery": "session", "DELETE /v1/partner/recovery": "session",
		"POST /v1/login/passkey-options": "", "POST /v1/session/step-up/options": "session",
		"POST /v1/mfa/passkeys/options": "session", "POST /v1/mfa/passkeys": "session", "DELETE /v1/mfa/passkeys/{id}": "session",
		"GET /v1/session": "session", "DELETE /v1/session": "session", "POST /v1/session/step-up": "session",
		"GET /v1/sessions": "session", "DELETE /v1/sessions": "session",
		"GET /v1/mfa": "session", "POST /v1/mfa/totp": "session", "POST /v1/mfa/totp/confirm": "session", "POST /v1/mfa/recovery-codes": "session",
		"GET /v1/phone-systems": "session apiKey", "POST /v1/phone-systems": "session apiKey",
		"GET /v1/phone-systems/{id}": "session apiKey", "PATCH /v1/phone-systems/{id}": "session apiKey", "DELETE /v1/phone-systems/{id}": "session",
		"POST /v1/phone-systems/{id}/gate-key": "session", "POST /v1/phone-systems/{id}/unlocks": "session", "POST /v1/phone-systems/{id}/lock": "session",
		"POST /v1/phone-systems/import": "session", "POST /v1/phone-systems/{id}/affected": "session", "POST /v1/phone-systems/{id}/classify": "session", "POST /v1/phone-systems/{id}/rehearse": "session", "GET /v1/phone-systems/{id}/gate-config": "session apiKey",
		"GET /v1/unlocks": "session apiKey", "GET /v1/unlocks/{id}": "session apiKey", "DELETE /v1/unlocks/{id}": "session",
		"POST /v1/unlocks/{id}/extend": "session", "POST /v1/unlocks/{id}/pass": "session",
		"GET /v1/gate/decision": "gateKey", "GET /v1/gate/pass": "gateKey", "POST /v1/gate/pass": "gateKey", "GET /v1/gate/notice": "gateKey",
		"GET /v1/exceptions": "session", "POST /v1/exceptions": "session", "DELETE /v1/exceptions/{id}": "session",
		"GET /v1/partners": "session", "POST /v1/partners": "session", "GET /v1/partners/{id}": "session", "PATCH /v1/partners/{id}": "session",
		"GET /v1/api-keys": "session", "POST /v1/api-keys": "session", "DELETE /v1/api-keys/{id}": "session",
		"GET /v1/audit": "session apiKey", "GET /v1/audit/export": "session apiKey", "GET /v1/reports/mfa": "session apiKey", "GET /healthz": "", "GET /": "", "GET /help": "", "GET /assets/{version}/{name}": "", "GET /openapi.json": "",
		"GET /v1/users": "session", "POST /v1/users": "session", "POST /v1/users/import": "session", "GET /v1/users/{id}": "session", "PATCH /v1/users/{id}": "session", "DELETE /v1/users/{id}": "session",
		"POST /v1/users/{id}/invitation": "session", "POST /v1/users/{id}/mfa-reset": "session",
		"GET /v1/roles": "session", "POST /v1/roles": "session", "GET /v1/roles/{id}": "session", "PATCH /v1/roles/{id}": "session", "DELETE /v1/roles/{id}": "session",
	}
}

func TestOpenAPIHoldsTheContract(t *testing.T) {
	d := readOpenAPI(t, localtest.New(t))
	wanted := contract()
	for _, op := range d.operations() {
		who, ok := wanted[op.name()]
		if !ok {
			t.Errorf("%s is not in API.md", op.name())
		}
		delete(wanted, op.name())
		var ways []string
		for _, way := range list(op.raw, "security") {
			ways = slices.AppendSeq(ways, maps.Keys(way))
		}
		if strings.Join(ways, " ") != who {
			t.Errorf("%s: security %q, want %q", op.name(), ways, who)
		}
	}
	for name := range wanted {
		t.Errorf("%s is missing", name)
	}
}

// What OpenAPI 3.1 demands of a document, as far as ours goes.
func TestOpenAPIIsSound(t *testing.T) {
	d := readOpenAPI(t, localtest.New(t))
	if d.root["openapi"] != "3.1.0" || object(d.root, "info")["title"] == nil || object(d.root, "info")["version"] == nil {
		t.Errorf("%v %v", d.root["openapi"], d.root["info"])
	}
	for _, scheme := range []string{"session", "apiKey", "gateKey"} {
		if s := object(d.root, "components", "securitySchemes", scheme); s["type"] != "http" || s["scheme"] != "bearer" {
			t.Errorf("security scheme %s: %v", scheme, s)
		}
	}
	ids := map[any]bool{}
	for _, op := range d.operations() {
		if id := op.raw["operationId"]; id == nil || ids[id] {
			t.Errorf("%s: operationId %v is missing or doubled", op.name(), id)
		}
		ids[op.raw["operationId"]] = true
		d.soundOperation(op)
	}
	d.walk("", d.root, func(at string, node map[string]any) {
		if _, ok := node["$ref"]; ok {
			d.resolve(node)
		}
	})
}

var placeholder = regexp.MustCompile(`\{([^}]*)\}`)

func (d openapi) soundOperation(op operation) {
	if op.raw["summary"] == nil || len(object(op.raw, "responses")) == 0 {
		d.t.Errorf("%s: no summary or no responses", op.name())
	}
	var declared, named []string
	for _, parameter := range list(op.raw, "parameters") {
		if parameter["in"] == "path" {
			declared = append(declared, parameter["name"].(string))
		}
		if parameter["schema"] == nil {
			d.t.Errorf("%s: parameter %v has no schema", op.name(), parameter["name"])
		}
	}
	for _, match := range placeholder.FindAllStringSubmatch(op.path, -1) {
		named = append(named, match[1])
	}
	if !slices.Equal(declared, named) {
		d.t.Errorf("%s: the path names %q, the parameters %q", op.name(), named, declared)
	}
	for status := range object(op.raw, "responses") {
		response := object(op.raw, "responses", status)
		if response["description"] == nil {
			d.t.Errorf("%s: response %s has no description", op.name(), status)
		}
		for kind := range object(response, "content") {
			schema := d.resolve(object(response, "content", kind)["schema"])
			if status >= "400" && (kind != "application/problem+json" || object(schema, "properties", "code") == nil) {
				d.t.Errorf("%s: %s answers %s, without code", op.name(), status, kind)
			}
		}
	}
}

// walk visits every object of the document.
func (d openapi) walk(at string, value any, visit func(string, map[string]any)) {
	switch v := value.(type) {
	case map[string]any:
		visit(at, v)
		for name, inner := range v {
			d.walk(at+"/"+name, inner, visit)
		}
	case []any:
		for _, inner := range v {
			d.walk(at, inner, visit)
		}
	}
}

var secret = regexp.MustCompile(`pc[a-z]_[0-9A-Z]+_|\$argon2id|[a-z2-7]{52}`)

// What the portal embeds is what the code declares, at the portal's own address.
func TestOpenAPIIsTheCommitted(t *testing.T) {
	w := localtest.New(t)
	declared, err := w.Document()
	if err != nil {
		t.Fatal(err)
	}
	if a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/openapi.json"}); a.Body != string(declared) {
		t.Error("functions/portal/openapi.json is not what the code declares: run `make openapi`")
	}
}

func TestOpenAPIShowsNoSecret(t *testing.T) {
	w := localtest.New(t)
	a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/openapi.json"})
	if found := secret.FindString(a.Body); found != "" {
		t.Errorf("it shows %s", found)
	}
	d := openapi{t, a.JSON}
	d.walk("", d.root, func(at string, node map[string]any) {
		for _, name := range []string{"example", "examples"} {
			if _, ok := node[name]; ok {
				t.Errorf("%s has an example", at)
			}
		}
	})
}
