package reports_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// report is what the tests look at of an answer.
type report struct {
	localtest.Answer `json:"-"`
	MFA              struct {
		Privileged, Percent int
		WhyNot              string `json:"why_not"`
	}
	People []struct {
		Email        string
		PhoneSystems []string `json:"phone_systems"`
	}
	PhoneSystems []struct {
		ID      string
		Unlocks int
	} `json:"phone_systems"`
	Next string
}

func evidenceOf(t *testing.T, who *localtest.Person, query string) (r report) {
	t.Helper()
	a := who.Must(200, "GET", "/v1/reports/mfa?"+query, nil)
	if a.Header.Get("Content-Type") == "application/json" {
		if err := json.Unmarshal([]byte(a.Body), &r); err != nil {
			t.Fatal(err)
		}
	}
	r.Answer = a
	return r
}

// emails are the people of a report, in its order.
func (r report) emails() (list []string) {
	for _, p := range r.People {
		list = append(list, p.Email)
	}
	return list
}

// The pages of people make the whole list, whatever their size; everything else
// stands on each.
func TestEvidenceInPages(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "m@acme.example")
	want := []string{"m@acme.example"}
	for _, name := range []string{"b", "z", "n", "a"} {
		w.User(alice, name+"@acme.example", access.Technician)
		want = append(want, name+"@acme.example")
	}
	w.Invite(alice, "c@acme.example", access.Technician) // has not joined
	slices.Sort(want)
	for _, limit := range []int{1, 2, 5, 200} {
		query, got := fmt.Sprintf("limit=%d", limit), []string(nil)
		for cursor := ""; ; {
			a := evidenceOf(t, alice, query+"&cursor="+cursor)
			if a.MFA.Privileged != 5 || a.MFA.Percent != 100 {
				t.Fatalf("the share on a page: %s", a.Body)
			}
			got = append(got, a.emails()...)
			if cursor = a.Next; cursor == "" {
				break
			}
			if link := a.Header.Get("Link"); !strings.Contains(link, cursor) || !strings.HasSuffix(link, `>; rel="next"`) {
				t.Errorf("the link to the next page: %q", link)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// Who may do nothing, or only look, counts not among the privileged; who has no
// second factor is told, whether it was reset or never enrolled.
func TestEvidenceSaysWhyNotAll(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	bob := w.User(alice, "bob@acme.example", access.Technician)
	w.User(alice, "carol@acme.example", access.Auditor)
	w.User(alice, "dora@acme.example")
	gone := w.User(alice, "erik@acme.example", access.Technician)
	alice.Must(200, "PATCH", "/v1/users/"+gone.ID, map[string]any{"active": false})
	alice.Must(200, "POST", "/v1/users/"+bob.ID+"/mfa-reset", nil)
	_, token, _ := strings.Cut(w.Invite(alice, "fritz@acme.example", access.Technician).Link, "token=")
	w.Must(200, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": token, "password": localtest.Password}})
	a := evidenceOf(t, alice, "")
	if got := a.emails(); !slices.Equal(got, []string{"alice@acme.example", "bob@acme.example", "carol@acme.example", "fritz@acme.example"}) {
		t.Errorf("people: %v", got)
	}
	if a.MFA.Privileged != 3 || a.MFA.Percent != 33 || !strings.Contains(a.MFA.WhyNot, "2 without a second factor, which was reset or has never been enrolled") {
		t.Errorf("the share: %s", a.Body)
	}
}

// A role reaches the phone systems it names, and a customer's report has only
// whom it concerns.
func TestEvidenceOfACustomer(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	one := alice.PhoneSystem("one.acme.example", nil)
	two := alice.PhoneSystem("two.acme.example", nil)
	alice.Must(200, "PATCH", "/v1/phone-systems/"+two.ID, map[string]any{"customer": "Bolt Ltd"})
	role := alice.Must(201, "POST", "/v1/roles", map[string]any{"name": "One", "permissions": []string{"unlock"}, "phone_systems": []string{one.ID}, "max_unlock_seconds": 600}).Text("id")
	bob := w.User(alice, "bob@acme.example", role)
	bob.Unlock(one, 600)
	if a := evidenceOf(t, alice, ""); !slices.Equal(a.People[1].PhoneSystems, []string{"PBX one.acme.example"}) || a.PhoneSystems[0].Unlocks != 1 {
		t.Errorf("of all: %s", a.Body)
	}
	if a := evidenceOf(t, alice, "customer=Bolt+Ltd"); len(a.emails()) != 1 || len(a.PhoneSystems) != 1 || a.PhoneSystems[0].ID != two.ID {
		t.Errorf("of one customer: %s", a.Body)
	}
	other := w.Administrator("other", "eve@other.example")
	if a := evidenceOf(t, other, ""); strings.Contains(a.Body, "acme") {
		t.Errorf("another partner sees %s", a.Body)
	}
	bob.Must(403, "GET", "/v1/reports/mfa", nil)
	alice.Must(200, "PATCH", "/v1/roles/"+role, map[string]any{"permissions": []string{"unlock", "view_audit"}})
	bob.Must(403, "GET", "/v1/reports/mfa", nil) // the audit of one phone system is not everybody's access
}

// A spreadsheet that parts cells at semicolons, as a German Excel does, finds a
// cell's beginning within texts that hold one, and East Asian ones read full-width
// signs: neither finds a formula there.
func TestAttack39NoFormulasWhereSemicolonsPartCells(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	for i, text := range []string{"a;=1+1", "a; +1", `a;"@SUM(A1)"`, "a;;-1", ";=1", "＝1+1", "a;＠SUM(A1)", ` "=1`} {
		alice.Must(201, "POST", "/v1/phone-systems", map[string]any{"name": "x" + text, "host": fmt.Sprintf("h%d.acme.example", i), "customer": text, "policy": map[string]any{"binding": "ip"}})
	}
	for _, file := range []string{alice.Must(200, "GET", "/v1/audit/export", nil).Body, evidenceOf(t, alice, "format=csv").Body} {
		if !strings.Contains(file, ";'=1+1") {
			t.Errorf("nothing was kept apart: %s", file)
		}
		for _, cell := range strings.FieldsFunc(file, func(r rune) bool { return r == ';' || r == '\r' || r == '\n' }) {
			if sign := strings.TrimLeft(cell, ` "`); strings.HasPrefix(sign, "=") || strings.ContainsAny(sign[:min(1, len(sign))], "+-@") {
				t.Errorf("a cell begins a formula: %q", cell)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range slices.Concat(rows...) {
			if strings.HasPrefix(cell, "＝") || strings.HasPrefix(cell, "＠") {
				t.Errorf("a cell begins a formula: %q", cell)
			}
		}
	}
}

// What people send is no formula in a spreadsheet, and no markup in a page.
func TestAttack39EvidenceIsInert(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("=cmd()", "alice@acme.example")
	for i, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", `<script>alert(1)</script>`, `","x`} {
		alice.Must(201, "POST", "/v1/phone-systems", map[string]any{"name": text, "host": fmt.Sprintf("h%d.acme.example", i), "customer": text, "policy": map[string]any{"binding": "ip"}})
		alice.Must(201, "POST", "/v1/api-keys", map[string]any{"name": text, "permissions": []string{}})
	}
	rows, err := csv.NewReader(strings.NewReader(evidenceOf(t, alice, "format=csv").Body)).ReadAll()
	if err != nil || len(rows) != 1+1+6+6+6+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	page := evidenceOf(t, alice, "format=html")
	if strings.Contains(page.Body, "<script") || !strings.Contains(page.Body, "&lt;script&gt;") {
		t.Error("a text became markup")
	}
	if p := page.Header.Values("Content-Security-Policy"); len(p) != 1 || !strings.HasPrefix(p[0], "default-src 'none'; style-src 'sha256-") {
		t.Errorf("the page's policy: %q", p)
	}
}
