package web_test

import (
	"net/http"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// forPrograms are the routes that a program with an API key may ask, by API.md:
// it reads, and registers or edits phone systems. Each with what a program is
// answered that holds all that programs may, and one that holds nothing. Written
// by hand: a new route is for persons until somebody writes it down here.
func forPrograms() map[string][2]int {
	return map[string][2]int{
		"GET /v1/phone-systems":        {200, 200},
		"POST /v1/phone-systems":       {201, 403},
		"GET /v1/phone-systems/{id}":   {200, 200},
		"PATCH /v1/phone-systems/{id}": {200, 403},
		"GET /v1/unlocks":              {200, 200},
		// A key that reads a phone system reads how its gate is installed, too: there
		// is no secret in it.
		"GET /v1/phone-systems/{id}/gate-config": {200, 200},
		"GET /v1/unlocks/{id}":                   {200, 403},
		"GET /v1/audit":                          {200, 403},
		"GET /v1/audit/export":                   {200, 403},
		"GET /v1/reports/mfa":                    {200, 403},
	}
}

// bodiesOfPrograms are what differs from bodies.
func bodiesOfPrograms() map[string]any {
	return map[string]any{"PATCH /v1/phone-systems/{id}": map[string]any{"name": "Other"}}
}

func TestProgramsMayWhatIsWrittenDown(t *testing.T) {
	w, alice, _, ids, counting := open(t, bolt)
	for i, permissions := range [][]access.Permission{access.ProgramPermissions(), {}} {
		made := alice.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "program", "permissions": permissions})
		left := forPrograms()
		for _, r := range routes(t, w) {
			if r.public || r.gate {
				continue
			}
			name := r.method + " " + r.path
			want, listed := left[name]
			delete(left, name)
			if !listed {
				want = [2]int{http.StatusForbidden, http.StatusForbidden}
			}
			req := r.request(t, ids)
			if body, other := bodiesOfPrograms()[name]; other {
				req.Body = body
			}
			req.Header.Set("Authorization", "Bearer "+made.Text("api_key"))
			counting.Reset()
			a := w.Send(req)
			if a.Status != want[i] || a.Status == http.StatusForbidden && a.Text("code") != "forbidden" {
				t.Errorf("%s with %v: %d %s", name, permissions, a.Status, a.Body)
			}
			if got := counting.Reset(); !listed && (got.RoundTrips > 1 || got.Applies+got.Adds > 0) {
				t.Errorf("%s: refusing a program costs %+v", name, got)
			}
		}
		for name := range left {
			t.Errorf("%s is no route", name)
		}
	}
	if got := alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+ids["/v1/unlocks"], nil); got.Text("state") != "open" {
		t.Errorf("something got through: %s", got.Body)
	}
}

// An API key is taken as a bearer token alone, whole, and while it lives.
func TestAttack21AlteredAPIKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w, alice, _, _, _ := open(t, on)
		made := alice.Must(http.StatusCreated, "POST", "/v1/api-keys", map[string]any{"name": "program", "permissions": access.ProgramPermissions()})
		key := made.Text("api_key")
		last := "a"
		if key[len(key)-1] == 'a' {
			last = "b"
		}
		for what, header := range map[string]http.Header{
			"shortened":                 {"Authorization": {"Bearer " + key[:len(key)-1]}},
			"lengthened":                {"Authorization": {"Bearer " + key + "a"}},
			"altered":                   {"Authorization": {"Bearer " + key[:len(key)-1] + last}},
			"another's id":              {"Authorization": {"Bearer pck_" + alice.PartnerID + "." + alice.ID + key[len(key)-53:]}},
			"another kind":              {"Authorization": {"Bearer pcs" + key[3:]}},
			"its id":                    {"Authorization": {"Bearer " + made.Text("id")}},
			"twice":                     {"Authorization": {"Bearer " + key, "Bearer " + key}},
			"by cookie":                 {"Cookie": {"__Host-portcullis=" + key}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {localtest.BaseURL}},
			"a session as a key":        {"Authorization": {"Bearer pck" + alice.Token[3:]}},
			"in another scheme":         {"Authorization": {"Basic " + key}},
			"with a session of another": {"Authorization": {"Bearer " + key + " " + alice.Token}},
		} {
			a := w.Send(localtest.Request{Method: "GET", Path: "/v1/phone-systems", Header: header})
			if a.Status != http.StatusUnauthorized || a.Text("code") != "bad_attempt" {
				t.Errorf("%s: %d %s", what, a.Status, a.Body)
			}
		}
	})
}
