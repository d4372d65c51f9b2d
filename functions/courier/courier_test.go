package courier_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
)

// What all administrators must know reaches each administrator, and nobody else.
func TestLettersToAdministratorsReachEach(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	other := w.Administrator("other", "eve@other.example")
	w.Role(alice.PartnerID, access.Role{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ"})
	tech := w.User(alice, "bob@acme.example", "01JZZZZZZZZZZZZZZZZZZZZZZZ")
	second, err := table.Encode(table.Key{Partition: "administrators#" + alice.PartnerID, Sort: "01JZZZZZZZZZZZZZZZZZZZZZZY"}, "administrator", map[string]string{"email": "carol@acme.example"})
	if err == nil {
		err = w.Table.Apply(t.Context(), table.Put(second, table.Absent()))
	}
	if err != nil {
		t.Fatal(err)
	}
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	w.Tick()
	count := func(address string) (n int) {
		for _, letter := range w.Mail.To(address) {
			if strings.Contains(letter.Subject, "gate key") {
				n++
			}
		}
		return n
	}
	alice.Must(http.StatusOK, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", map[string]any{})
	w.Tick()
	w.Tick()
	for address, want := range map[string]int{alice.Email: 1, "carol@acme.example": 1, tech.Email: 0, other.Email: 0} {
		if n := count(address); n != want {
			t.Errorf("%s has the letter %d times, want %d", address, n, want)
		}
	}
}

// An expired item of another kind, or handed on twice, tells nothing (again).
func TestRemovedTwice(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	alice.Unlock(gate, 60)
	var leases []table.Item
	for item, err := range w.Table.List(t.Context(), table.Range{Partition: "leases#" + alice.PartnerID}) {
		if err != nil {
			t.Fatal(err)
		}
		leases = append(leases, item)
	}
	w.Clock.Add(time.Minute)
	leases = append(leases, leases[0], table.Item{Key: table.Key{Partition: "x", Sort: "x"}, Kind: "ticket", Body: []byte("{}")})
	for _, item := range leases {
		if err := w.Courier.Removed(t.Context(), item); err != nil {
			t.Error(err)
		}
	}
	if n := len(alice.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.expired", nil).Items()); len(leases) != 3 || n != 1 {
		t.Errorf("%d entries of %d removals", n, len(leases))
	}
}
