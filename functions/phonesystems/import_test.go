package phonesystems_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/bulk"
	"portcullis.example/shared/table/tabletest"
)

// fleet is a file of n phone systems.
func fleet(n int) localtest.Text {
	var file strings.Builder
	file.WriteString("name,host\n")
	for i := range n {
		fmt.Fprintf(&file, "PBX %d,pbx%03d.acme.example\n", i, i)
	}
	return localtest.CSV(file.String())
}

// registered demands that n phone systems are there, each with one entry.
func registered(t *testing.T, alice *localtest.Person, n int) {
	t.Helper()
	hosts, entries := map[string]int{}, map[string]int{}
	for _, p := range alice.Must(http.StatusOK, "GET", path+"?limit=200", nil).Items() {
		hosts[p.Text("host")]++
	}
	for _, e := range alice.Must(http.StatusOK, "GET", "/v1/audit?limit=200&action=phone_system.created", nil).Items() {
		entries[e.Text("details.host")]++
	}
	for i := range n {
		if host := fmt.Sprintf("pbx%03d.acme.example", i); hosts[host] != 1 || entries[host] != 1 {
			t.Errorf("%s: there %d times, with %d entries", host, hosts[host], entries[host])
		}
	}
	if len(hosts) != n || len(entries) != n {
		t.Errorf("%d phone systems and %d entries, want %d", len(hosts), len(entries), n)
	}
}

// An import that is cut off at any point, or whose answer is lost, is repeated as
// it is: every phone system is there, once.
func TestImportOfPhoneSystemsCutOff(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for at := 0; ; at++ {
			clock := localtest.NewClock()
			faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
			w := localtest.On(t, faulty, clock)
			alice := w.Administrator("acme", "alice@acme.example")
			begins := faulty.Calls()
			faulty.SetPlan(tabletest.At(begins+at, fault))
			send := func() localtest.Answer {
				return w.Send(localtest.Request{Method: "POST", Path: path + "/import", Body: fleet(28), Header: http.Header{"Authorization": {"Bearer " + alice.Token}, "Idempotency-Key": {"k"}}})
			}
			first := send()
			calls := faulty.Calls() - begins
			faulty.SetPlan(nil)
			second := send()
			if second.Status != http.StatusOK || second.JSON["complete"] != true || second.Number("counts.error") != 0 {
				t.Fatalf("call %d: first %d, then %d %s", at, first.Status, second.Status, second.Body)
			}
			if first.JSON["complete"] == true && first.Body != second.Body {
				t.Errorf("call %d: %s, then %s", at, first.Body, second.Body)
			}
			registered(t, alice, 28)
			if at >= calls {
				break
			}
		}
	}
}

// Of files sent at once, each phone system is registered by one.
func TestImportsOfPhoneSystemsInParallel(t *testing.T) {
	_, alice := world(t)
	all := 0.0
	for _, a := range parallel(4, func(int) localtest.Answer { return alice.Do("POST", path+"/import", fleet(26)) }) {
		if all += a.Number("counts.created"); a.Status != http.StatusOK || a.Number("counts.error") != 0 {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	if all != 26 {
		t.Errorf("said to be created: %v", all)
	}
	registered(t, alice, 26)
}

// What an import makes lets no gate in until its first key is made, and takes
// the permission on every phone system.
func TestImportMakesNoGateKey(t *testing.T) {
	w, alice := world(t)
	g := alice.PhoneSystem("old.acme.example", nil)
	w.Role(alice.PartnerID, access.Role{ID: "RONE", Permissions: access.Permissions(), PhoneSystems: []string{g.ID}, MaxUnlockSeconds: 600})
	one := w.User(alice, "one@acme.example", "RONE")
	for _, query := range []string{"", "?dry_run=true"} {
		if a := one.Do("POST", path+"/import"+query, fleet(1)); a.Status != http.StatusForbidden || a.Text("code") != "forbidden" {
			t.Errorf("with one phone system: %d %s", a.Status, a.Body)
		}
	}
	a := alice.Must(http.StatusOK, "POST", path+"/import", fleet(1))
	if strings.Contains(a.Body, "pcg_") || strings.Contains(a.Body, "gate_key") {
		t.Errorf("it shows a key: %s", a.Body)
	}
	id := a.Items()[0].Text("phone_system_id")
	made := alice.Must(http.StatusOK, "POST", path+"/"+id+"/gate-key", nil)
	next := alice.Must(http.StatusOK, "POST", path+"/"+id+"/gate-key", nil)
	if made.JSON["previous_valid_until"] != nil || next.JSON["previous_valid_until"] == nil {
		t.Errorf("%s, then %s", made.Body, next.Body)
	}
}

// A list of the largest size, and one line more.
func TestImportOfPhoneSystemsSizes(t *testing.T) {
	alice := localtest.New(t).Administrator("acme", "alice@acme.example")
	if a := alice.Must(http.StatusUnprocessableEntity, "POST", path+"/import?dry_run=true", fleet(bulk.MostLines+1)); !strings.Contains(a.Text("detail"), "more than 500 lines") {
		t.Errorf("%s", a.Body)
	}
	if a := alice.Must(http.StatusOK, "POST", path+"/import?dry_run=true", fleet(bulk.MostLines)); a.Number("counts.created") != bulk.MostLines {
		t.Errorf("%.300s", a.Body)
	}
}
