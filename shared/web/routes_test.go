package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/table/tabletest"
)

// route is one operation of the OpenAPI document.
type route struct {
	method, path string
	public, gate bool
}

// routes reads what the document declares, all of it.
func routes(t testing.TB, w *localtest.World) []route {
	t.Helper()
	paths, _ := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/openapi.json"}).JSON["paths"].(map[string]any)
	var found []route
	for path, methods := range paths {
		for method, described := range methods.(map[string]any) {
			r := route{method: strings.ToUpper(method), path: path, public: true}
			security, _ := described.(map[string]any)["security"].([]any)
			for _, one := range security {
				r.public = false
				_, r.gate = one.(map[string]any)["gateKey"]
			}
			found = append(found, r)
		}
	}
	if len(found) < 25 {
		t.Fatalf("the document declares only %d routes", len(found))
	}
	return found
}

// bodies are what each route takes: a new one must be added here, or it fails.
func bodies() map[string]any {
	return map[string]any{
		"POST /v1/session/step-up":             map[string]any{"method": "totp", "code": "000000"},
		"DELETE /v1/session":                   nil,
		"DELETE /v1/sessions":                  nil,
		"POST /v1/password":                    map[string]any{"current_password": localtest.Password, "new_password": "seven lazy herons whisper"},
		"POST /v1/mfa/totp":                    nil,
		"POST /v1/mfa/totp/confirm":            map[string]any{"code": "000000"},
		"POST /v1/mfa/recovery-codes":          nil,
		"POST /v1/session/step-up/options":     nil,
		"POST /v1/mfa/passkeys/options":        nil,
		"POST /v1/mfa/passkeys":                map[string]any{"name": "x", "attestation": map[string]any{"id": "x"}},
		"DELETE /v1/mfa/passkeys/{id}":         nil,
		"POST /v1/partners":                    map[string]any{"name": "Other", "administrator_email": "dave@other.example"},
		"PATCH /v1/partners/{id}":              map[string]any{"name": "Other"},
		"POST /v1/api-keys":                    map[string]any{"name": "x", "permissions": []string{"view_audit"}},
		"DELETE /v1/api-keys/{id}":             nil,
		"POST /v1/partners/{id}/recovery":      map[string]any{"administrator_email": "alice@acme.example"},
		"DELETE /v1/partners/{id}/recovery":    nil,
		"DELETE /v1/partner/recovery":          nil,
		"POST /v1/users":                       map[string]any{"email": "eve@acme.example", "administrator": true},
		"POST /v1/users/import":                localtest.CSV("email,administrator\neve@acme.example,yes\n"),
		"PATCH /v1/users/{id}":                 map[string]any{"administrator": true},
		"DELETE /v1/users/{id}":                nil,
		"POST /v1/users/{id}/invitation":       nil,
		"POST /v1/users/{id}/mfa-reset":        nil,
		"POST /v1/roles":                       map[string]any{"name": "Role", "permissions": []string{"unlock"}, "phone_systems": []string{"*"}, "max_unlock_seconds": 86400},
		"PATCH /v1/roles/{id}":                 map[string]any{"max_unlock_seconds": 86400},
		"DELETE /v1/roles/{id}":                nil,
		"POST /v1/phone-systems":               map[string]any{"name": "PBX", "host": "new.acme.example"},
		"POST /v1/phone-systems/import":        localtest.CSV("name,host\nPBX,new.acme.example\n"),
		"PATCH /v1/phone-systems/{id}":         map[string]any{"host": "other.acme.example", "policy": map[string]any{"max_seconds": 86400}},
		"DELETE /v1/phone-systems/{id}":        nil,
		"POST /v1/phone-systems/{id}/gate-key": map[string]any{"revoke_previous": true},
		"POST /v1/phone-systems/{id}/affected": localtest.CSV("Number,Role\n100,users\n"),
		"POST /v1/phone-systems/{id}/classify": map[string]any{"requests": []any{map[string]any{"path": "/"}}},
		"POST /v1/exceptions":                  map[string]any{"phone_system_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "host": "pbx.acme.example", "name": "x", "reason": "x", "paths": []string{"/x"}},
		"DELETE /v1/exceptions/{id}":           nil,
		"POST /v1/phone-systems/{id}/rehearse": localtest.Text{Type: "text/plain", Content: "x"},
		"POST /v1/phone-systems/{id}/unlocks":  map[string]any{"reason": "test"},
		"POST /v1/phone-systems/{id}/lock":     nil,
		"POST /v1/unlocks/{id}/extend":         map[string]any{"seconds": 60},
		"POST /v1/unlocks/{id}/pass":           nil,
		"DELETE /v1/unlocks/{id}":              nil,
	}
}

// request is the route's request about one object; ids has them by the beginning
// of the path.
func (r route) request(t testing.TB, ids map[string]string) localtest.Request {
	t.Helper()
	name := r.method + " " + r.path
	body, known := bodies()[name]
	if !known && r.method != http.MethodGet && !r.public && !r.gate {
		t.Fatalf("%s is new: give it a body here", name)
	}
	path := r.path
	for prefix, id := range ids {
		if strings.HasPrefix(path, prefix) {
			path = strings.ReplaceAll(path, "{id}", id)
		}
	}
	return localtest.Request{Method: r.method, Path: path, Body: body, Header: http.Header{}}
}

// open is an installation with one object of each kind, and a window that is
// open; ids has them by the beginning of their paths.
func open(t testing.TB, on store) (w *localtest.World, alice *localtest.Person, gate *localtest.Gate, ids map[string]string, counting *tabletest.Counting) {
	t.Helper()
	clock := localtest.NewClock()
	counting = tabletest.NewCounting(on(t, clock))
	w = localtest.On(t, counting, clock)
	alice = w.Administrator("acme", "alice@acme.example")
	operator := access.Caller{UserID: "OPERATOR", PartnerID: access.Operators, Administrator: true, MFAAt: clock.Now()}
	if _, err := w.Recovery.Begin(t.Context(), operator, idempotency.Key{}, alice.PartnerID, alice.Email); err != nil {
		t.Fatal(err)
	}
	gate = alice.PhoneSystem("pbx.acme.example", nil)
	ids = map[string]string{
		"/v1/phone-systems": gate.ID,
		"/v1/unlocks":       alice.Unlock(gate, 3600).Text("id"),
		"/v1/users":         w.Invite(alice, "spare@acme.example").User.ID,
		"/v1/roles":         alice.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{"name": "x", "permissions": []string{"view_audit"}, "phone_systems": []string{"*"}}).Text("id"),
		"/v1/exceptions":    gate.ID,
		"/v1/partners":      gate.ID, // no partner: operators find theirs, all others none
		"/v1/api-keys":      alice.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "x", "permissions": []string{}}).Text("id"),
	}
	return w, alice, gate, ids, counting
}

// Every route that is not public answers nobody without a living session.
func TestAttack09NoRouteWithoutASession(t *testing.T) {
	w, alice, gate, ids, _ := open(t, bolt)
	pending := alice.Login()
	enrolling := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": alice.Email, "password": localtest.Password}}).Text("login_token")
	ended := alice.Token
	alice.SignIn()
	w.Must(http.StatusNoContent, localtest.Request{Method: "DELETE", Path: "/v1/session", Header: http.Header{"Authorization": {"Bearer " + ended}}})
	credentials := map[string]http.Header{
		"nothing":                        {},
		"a login token":                  {"Authorization": {"Bearer " + pending}},
		"another login token":            {"Authorization": {"Bearer " + enrolling}},
		"a login token in the cookie":    {"Cookie": {"__Host-portcullis=" + pending}, "Sec-Fetch-Site": {"same-origin"}},
		"an ended session":               {"Authorization": {"Bearer " + ended}},
		"an ended session in the cookie": {"Cookie": {"__Host-portcullis=" + ended}, "Sec-Fetch-Site": {"same-origin"}},
		"a bearer session in the cookie": {"Cookie": {"__Host-portcullis=" + alice.Token}, "Sec-Fetch-Site": {"same-origin"}},
		"a device":                       {"Authorization": {"Bearer " + alice.Device}},
		"a gate key":                     {"Authorization": {"Bearer " + gate.Key}},
		"two tokens":                     {"Authorization": {"Bearer " + alice.Token, "Bearer " + alice.Token}},
		"another scheme":                 {"Authorization": {"Basic " + alice.Token}},
	}
	public := []string{}
	for _, r := range routes(t, w) {
		if r.public {
			public = append(public, r.method+" "+r.path)
			continue
		}
		if r.gate {
			continue
		}
		for name, header := range credentials {
			req := r.request(t, ids)
			req.Header = header
			a := w.Send(req)
			if a.Status != http.StatusUnauthorized || a.Text("code") != "bad_attempt" {
				t.Errorf("%s %s with %s: %d %s", r.method, r.path, name, a.Status, a.Body)
			}
		}
	}
	slices.Sort(public)
	for _, path := range public {
		if !strings.HasPrefix(path, "POST /v1/login") && !slices.Contains([]string{"POST /v1/invitations/accept", "POST /v1/password/forgot", "POST /v1/password/reset", "POST /v1/recovery/cancel", "GET /openapi.json", "GET /healthz", "GET /", "GET /help", "GET /assets/{version}/{name}"}, path) {
			t.Errorf("%s is public", path)
		}
	}
	if got := alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+ids["/v1/unlocks"], nil); got.Text("state") != "open" {
		t.Errorf("something got through: %s", got.Body)
	}
}

// Gate routes know gate keys and nothing else.
func TestAttack09NoGateWithASession(t *testing.T) {
	w, alice, _, _, _ := open(t, bolt)
	for _, r := range routes(t, w) {
		if !r.gate {
			continue
		}
		for _, token := range []string{"", alice.Token, alice.Login(), alice.Device} {
			a := w.Send(localtest.Request{Method: r.method, Path: r.path, Header: http.Header{
				"Authorization": {"Bearer " + token}, "Portcullis-Method": {"GET"}, "Portcullis-Client": {"198.51.100.7"},
				"Portcullis-Url": {"https://pbx.acme.example/"}, "Content-Type": {"application/x-www-form-urlencoded"},
			}})
			if a.Status != http.StatusUnauthorized {
				t.Errorf("%s %s: %d", r.method, r.path, a.Status)
			}
		}
	}
}

// Another partner's administrator and the operator meet 404 wherever an id
// stands in the path.
func TestAttack09AnotherPartnersSession(t *testing.T) {
	w, alice, _, ids, _ := open(t, bolt)
	for name, stranger := range map[string]*localtest.Person{"another partner": w.Administrator("other", "carol@other.example"), "the operator": w.Operator()} {
		for _, r := range routes(t, w) {
			if r.public || r.gate || !strings.Contains(r.path, "{id}") {
				continue
			}
			req := r.request(t, ids)
			if a := stranger.Do(req.Method, req.Path, req.Body); a.Status != http.StatusNotFound || a.Text("code") != "not_found" {
				t.Errorf("%s: %s %s: %d %s", name, r.method, r.path, a.Status, a.Body)
			}
		}
	}
	if got := alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+ids["/v1/unlocks"], nil); got.Text("state") != "open" {
		t.Errorf("something got through: %s", got.Body)
	}
}

// notFresh are the routes that change something without fresh MFA: signing out,
// ending one's other sessions, proving it, closing, locking, and a pass to a window that is open; and those
// that take a body to tell something and change nothing.
func notFresh() []string {
	return []string{
		"POST /v1/session/step-up", "POST /v1/session/step-up/options", "DELETE /v1/session", "DELETE /v1/sessions", "POST /v1/phone-systems/{id}/lock",
		"DELETE /v1/unlocks/{id}", "POST /v1/unlocks/{id}/pass", "POST /v1/phone-systems/{id}/classify", "POST /v1/phone-systems/{id}/rehearse", "POST /v1/phone-systems/{id}/affected",
	}
}

// forOperators are routes that an administrator is refused whatever the age of
// the second factor; the scenario partners.txtar has their own.
func (r route) forOperators() bool {
	return strings.HasPrefix(r.path, "/v1/partners") || strings.HasPrefix(r.path, "/v1/exceptions")
}

func TestAttack40StolenSession(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		for name, header := range map[string]func(w *localtest.World, p *localtest.Person) http.Header{
			"bearer": func(_ *localtest.World, p *localtest.Person) http.Header {
				return http.Header{"Authorization": {"Bearer " + p.Token}}
			},
			"cookie": func(w *localtest.World, p *localtest.Person) http.Header {
				return http.Header{"Cookie": {cookieOf(w, p)}, "Origin": {localtest.BaseURL}}
			},
		} {
			t.Run(name, func(t *testing.T) {
				w, alice, _, ids, counting := open(t, on)
				stolen := header(w, alice)
				w.Clock.Add(access.FreshFor)
				send := func(req localtest.Request) localtest.Answer {
					req.Header = stolen
					return w.Send(req)
				}
				send(localtest.Request{Method: "GET", Path: "/v1/session"}) // it was here, this minute
				for _, r := range routes(t, w) {
					if r.public || r.gate || r.forOperators() || r.method == http.MethodGet || slices.Contains(notFresh(), r.method+" "+r.path) {
						continue
					}
					counting.Reset()
					a := send(r.request(t, ids))
					if a.Status != http.StatusForbidden || a.Text("code") != "mfa_required" {
						t.Errorf("%s %s: %d %s", r.method, r.path, a.Status, a.Body)
					}
					if got := counting.Reset(); got.Applies+got.Adds > 0 {
						t.Errorf("%s %s wrote: %+v", r.method, r.path, got)
					}
				}
				for _, r := range routes(t, w) {
					if r.method == http.MethodGet && !r.public && !r.gate && !r.forOperators() {
						if a := send(r.request(t, ids)); a.Status != http.StatusOK {
							t.Errorf("GET %s: %d %s", r.path, a.Status, a.Body)
						}
					}
				}
				for _, path := range []string{"DELETE /v1/unlocks/" + ids["/v1/unlocks"], "POST /v1/phone-systems/" + ids["/v1/phone-systems"] + "/lock", "DELETE /v1/session"} {
					method, path, _ := strings.Cut(path, " ")
					if a := send(localtest.Request{Method: method, Path: path}); a.Status >= 300 {
						t.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
					}
				}
			})
		}
	})
}

// A record of an earlier answer is no way around fresh MFA: it makes nothing.
func TestAttack40ReplayMakesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w, alice, _, _, _ := open(t, on)
		create := func() localtest.Answer {
			return w.Send(localtest.Request{
				Method: "POST", Path: "/v1/phone-systems", Body: map[string]any{"name": "PBX", "host": "new.acme.example"},
				Header: http.Header{"Authorization": {"Bearer " + alice.Token}, "Idempotency-Key": {"one"}},
			})
		}
		first := create()
		w.Clock.Add(access.FreshFor + time.Second)
		again := create()
		if again.Text("gate_key") != "" || again.Text("id") != first.Text("id") {
			t.Errorf("the replay: %s", again.Body)
		}
		if n := len(alice.Must(http.StatusOK, "GET", "/v1/phone-systems", nil).Items()); n != 2 {
			t.Errorf("%d phone systems", n)
		}
	})
}
