package phonesystems_test

import (
	"net/http"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// once sends a create with an Idempotency-Key.
func once(w *localtest.World, p *localtest.Person, key string, body any) localtest.Answer {
	return w.Send(localtest.Request{Method: "POST", Path: path, Body: body, Header: http.Header{"Authorization": {"Bearer " + p.Token}, "Idempotency-Key": {key}}})
}

func TestCreateOnce(t *testing.T) {
	w, alice := world(t)
	first := once(w, alice, "k1", body("pbx.acme.example"))
	if first.Status != 201 || first.Text("gate_key") == "" {
		t.Fatalf("%d %s", first.Status, first.Body)
	}
	again := once(w, alice, "k1", body("pbx.acme.example"))
	if _, shown := again.JSON["gate_key"]; again.Status != 201 || again.Text("id") != first.Text("id") || shown {
		t.Errorf("again: %d %s", again.Status, again.Body)
	}
	other := once(w, alice, "k1", body("pbx.acme.example", "customer", "Bakery"))
	if other.Status != 422 || len(locations(other)) != 1 || locations(other)[0] != "header.Idempotency-Key" {
		t.Errorf("another body: %d %s", other.Status, other.Body)
	}
	// Refused answers are not kept: what was missing may be there next time.
	if a := once(w, alice, "k2", body("pbx.acme.example")); a.Status != 409 {
		t.Errorf("a host that is taken: %d", a.Status)
	}
	alice.Must(204, "DELETE", path+"/"+first.Text("id"), nil)
	if a := once(w, alice, "k2", body("pbx.acme.example")); a.Status != 201 || a.Text("gate_key") == "" {
		t.Errorf("free again: %d %s", a.Status, a.Body)
	}
	// Another user's key is another key.
	mallory := w.Administrator("evil", "mallory@evil.example")
	if a := once(w, mallory, "k1", body("pbx.acme.example")); a.Status != 201 || a.Text("id") == first.Text("id") {
		t.Errorf("another user: %d %s", a.Status, a.Body)
	}
	w.Clock.Add(24 * time.Hour)
	alice.SignIn()
	if a := once(w, alice, "k1", body("two.acme.example")); a.Status != 201 {
		t.Errorf("after a day: %d %s", a.Status, a.Body)
	}
}

func TestCreateOnceInParallel(t *testing.T) {
	w, alice := world(t)
	ids, keys := map[string]bool{}, 0
	for _, a := range parallel(20, func(int) localtest.Answer { return once(w, alice, "k", body("pbx.acme.example")) }) {
		if a.Status != 201 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
		ids[a.Text("id")] = true
		if a.Text("gate_key") != "" {
			keys++
		}
	}
	if made := alice.Must(200, "GET", "/v1/audit?action=phone_system.created", nil).Items(); len(ids) != 1 || keys != 1 || len(made) != 1 {
		t.Errorf("%d ids, %d keys shown, %d entries", len(ids), keys, len(made))
	}
}

// What fresh MFA or a permission is missing for is left undone, in every verb.
func TestChangesNeedFreshMFAAndPermission(t *testing.T) {
	w, alice := world(t)
	g := alice.PhoneSystem("pbx.acme.example", nil)
	seer := access.Role{ID: "RSEE", Permissions: []access.Permission{access.Unlock, access.CloseUnlocks, access.ViewAudit}, PhoneSystems: []string{g.ID}, MaxUnlockSeconds: 600}
	w.Role(alice.PartnerID, seer)
	blind := seer
	blind.ID, blind.Permissions, blind.PhoneSystems = "RBLI", access.Permissions(), []string{"01JNQXXXXXXXXXXXXXXXXXXXXX"}
	w.Role(alice.PartnerID, blind)
	sees, elsewhere := w.User(alice, "see@acme.example", seer.ID), w.User(alice, "blind@acme.example", blind.ID)
	calls := []struct {
		method, path string
		body         any
	}{
		{"POST", path, body("new.acme.example")}, {"PATCH", path + "/" + g.ID, map[string]any{"name": "x"}},
		{"POST", path + "/" + g.ID + "/gate-key", nil}, {"DELETE", path + "/" + g.ID, nil},
	}
	for _, c := range calls {
		for who, p := range map[string]*localtest.Person{"who only sees it": sees, "who holds others": elsewhere} {
			if a := p.Do(c.method, c.path, c.body); a.Status != 403 || a.Text("code") != "forbidden" {
				t.Errorf("%s %s by one %s: %d %s", c.method, c.path, who, a.Status, a.Body)
			}
		}
	}
	sees.Must(200, "GET", path+"/"+g.ID, nil)
	elsewhere.Must(403, "GET", path+"/"+g.ID, nil)
	if n := len(elsewhere.Must(200, "GET", path, nil).Items()); n != 0 {
		t.Errorf("%d listed", n)
	}
	w.Clock.Add(access.FreshFor)
	for _, c := range calls {
		if a := alice.Do(c.method, c.path, c.body); a.Status != 403 || a.Text("code") != "mfa_required" {
			t.Errorf("%s %s without fresh MFA: %d %s", c.method, c.path, a.Status, a.Body)
		}
	}
	if a := alice.Must(200, "GET", path+"/"+g.ID, nil); a.Text("name") == "x" || a.Text("host") != g.Host {
		t.Errorf("%s", a.Body)
	}
}

// Lists show what the filters admit, in pages, oldest first.
func TestListFiltersAndPages(t *testing.T) {
	_, alice := world(t)
	for _, p := range [][3]string{{"Bakery", "one.acme.example", "North"}, {"Butcher", "two.acme.example", "South"}, {"Baker's", "three.acme.example", "north"}} {
		alice.Must(201, "POST", path, map[string]any{"customer": p[0], "host": p[1], "name": p[2]})
	}
	for query, want := range map[string]int{
		"": 3, "?customer=bakery": 1, "?customer=baker": 0, "?q=NORTH": 2, "?q=butch": 1, "?q=two.": 1, "?q=acme&customer=Butcher": 1, "?q=nothing": 0,
	} {
		if n := len(alice.Must(200, "GET", path+query, nil).Items()); n != want {
			t.Errorf("%q: %d, want %d", query, n, want)
		}
	}
	first := alice.Must(200, "GET", path+"?limit=2", nil)
	rest := alice.Must(200, "GET", path+"?limit=2&cursor="+first.Text("next"), nil)
	if len(first.Items()) != 2 || len(rest.Items()) != 1 || rest.Text("next") != "" || first.Items()[0].Text("host") != "one.acme.example" {
		t.Errorf("%s %s", first.Body, rest.Body)
	}
	alice.Must(422, "GET", path+"?q=x&limit=2&cursor="+first.Text("next"), nil)
}
