package phonesystems_test

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table/tabletest"
)

// Whoever may change a phone system but not unlock it could send the
// administrator's next ticket to a host of their own, spend it, and change the
// host back: so another host ends every window, pass and ticket, and is told.
func TestAttack32AnotherHostEndsWindowsPassesAndTickets(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	unlock := alice.Unlock(gate, 600)
	cookie := gate.Pass(unlock)
	spare := alice.Must(http.StatusOK, "POST", "/v1/unlocks/"+unlock.Text("id")+"/pass", nil)
	path := "/v1/phone-systems/" + gate.ID
	for _, host := range []string{"evil.example", gate.Host} {
		alice.Must(http.StatusOK, "PATCH", path, map[string]any{"host": host})
	}
	if got := gate.Reason(cookie); got != "expired" {
		t.Errorf("the pass of the old host: %q", got)
	}
	if a := gate.Post(spare.Text("pass.ticket"), localtest.BaseURL, ""); a.Status != http.StatusForbidden {
		t.Errorf("a ticket of the old host: %d", a.Status)
	}
	if a := alice.Must(http.StatusOK, "GET", "/v1/unlocks/"+unlock.Text("id"), nil); a.Text("end") != "revoked" {
		t.Errorf("the window ended as %q", a.Text("end"))
	}
	w.Tick()
	told := 0
	for _, letter := range w.Mail.To(alice.Email) {
		if strings.Contains(letter.Subject, "The host of") {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d letters tell of another host, want 2", told)
	}
}

// A key rotation whose answer was lost is repeated: the gate still has the first
// key, and extension users must not feel it.
func TestRepeatedRotationKeepsTheInstalledKey(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	for range 3 {
		alice.Must(http.StatusOK, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", nil)
	}
	if a := gate.Decide("GET", "/webclient/", ""); a.Status != http.StatusNoContent {
		t.Errorf("the installed key: %d", a.Status)
	}
	alice.Must(http.StatusOK, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", map[string]any{"revoke_previous": true})
	if a := gate.Decide("GET", "/webclient/", ""); a.Status != http.StatusUnauthorized {
		t.Errorf("a revoked key: %d", a.Status)
	}
}

// The epoch, not what follows it, closes the windows: with the store failing
// right after the change, the pass is worth nothing all the same.
func TestAttack32AnotherHostEndsWindowsThoughTheRestFails(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	w := localtest.On(t, faulty, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	cookie := gate.Pass(alice.Unlock(gate, 600))
	applied := 0
	faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op != tabletest.OpApply {
			return tabletest.None
		}
		if applied++; applied > 1 {
			return tabletest.Fail
		}
		return tabletest.None
	})
	alice.Must(http.StatusOK, "PATCH", "/v1/phone-systems/"+gate.ID, map[string]any{"host": "evil.example"})
	faulty.SetPlan(nil)
	gate.Host = "evil.example"
	if got := gate.Reason(cookie); got != "revoked" {
		t.Errorf("the pass of the old host: %q", got)
	}
	w.Tick()
	if got := gate.Reason(cookie); got != "expired" {
		t.Errorf("after the auditor: %q", got)
	}
}
