package users_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/bulk"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

const importPath = "/v1/users/import"

// crew is a file of n people.
func crew(n int) localtest.Text {
	var file strings.Builder
	file.WriteString("email,name,roles\n")
	for i := range n {
		fmt.Fprintf(&file, "person%03d@acme.example,Person %d,Technician\n", i, i)
	}
	return localtest.CSV(file.String())
}

// counts are an answer's, in the order of bulk's outcomes.
func counts(a localtest.Answer) string {
	var all []string
	for _, outcome := range []string{"created", "unchanged", "invited", "error", "pending"} {
		all = append(all, fmt.Sprint(a.Number("counts."+outcome)))
	}
	return strings.Join(all, " ")
}

func messages(a localtest.Answer) (all []string) {
	for _, item := range a.Items() {
		all = append(all, strings.TrimSpace(item.Text("outcome")+" "+item.Text("message")))
	}
	return all
}

// once demands that n people of a crew are there, each with one letter and one
// entry, and nobody else beside whoever was there.
func once(t *testing.T, w *localtest.World, alice *localtest.Person, n, others int) {
	t.Helper()
	w.Tick()
	users := alice.Must(http.StatusOK, "GET", "/v1/users?limit=200", nil).Items()
	if len(users) != n+others {
		t.Errorf("%d users, want %d and %d", len(users), n, others)
	}
	entries := map[string]int{}
	for _, e := range alice.Must(http.StatusOK, "GET", "/v1/audit?limit=200&action=user.invited", nil).Items() {
		entries[e.Text("details.email")]++
	}
	for i := range n {
		email := fmt.Sprintf("person%03d@acme.example", i)
		if letters := len(w.Mail.To(email)); letters != 1 || entries[email] != 1 {
			t.Errorf("%s: %d letters, %d entries", email, letters, entries[email])
		}
	}
}

// An import grants no more than its sender holds, line by line, in the preview as
// when it is applied.
func TestAttack32ImportGrantsNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		one, two := alice.PhoneSystem("one.acme.example", nil), alice.PhoneSystem("two.acme.example", nil)
		unlocks := role(alice, 600, []string{one.ID}, "unlock")
		wider := role(alice, 600, []string{one.ID, two.ID}, "unlock")
		longer := role(alice, 601, []string{one.ID}, "unlock")
		lea := w.User(alice, "lea@acme.example", role(alice, 0, []string{"*"}, "manage_users"), unlocks)
		file := localtest.CSV("email,administrator,roles\na@x.example,yes,\nb@x.example,,Technician\nc@x.example,," + wider +
			"\nd@x.example,," + longer + "\ne@x.example,," + unlocks + ";" + wider + "\nf@x.example,," + unlocks + "\n")
		beyond := "error " + access.ErrBeyond.Error()
		want := []string{beyond, beyond, beyond, beyond, beyond, "created"}
		for _, query := range []string{"?dry_run=true", ""} {
			if got := messages(lea.Must(http.StatusOK, "POST", importPath+query, file)); !slices.Equal(got, want) {
				t.Errorf("%s: %q", query, got)
			}
		}
		for _, u := range alice.Must(http.StatusOK, "GET", "/v1/users?q=", nil).Items() {
			if strings.HasSuffix(u.Text("email"), "@x.example") && (u.Text("email") != "f@x.example" || fmt.Sprint(u.JSON["roles"]) != "["+unlocks+"]" || u.JSON["administrator"] == true) {
				t.Errorf("invited: %v", u.JSON)
			}
		}
	})
}

// An address that signs in at another partner is answered like any other.
func TestAttack44ImportTellsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		mallory := w.Administrator("rival", "mallory@rival.example")
		for _, query := range []string{"?dry_run=true", "", "?dry_run=true", ""} {
			a := mallory.Must(http.StatusOK, "POST", importPath+query, localtest.CSV("email\nalice@acme.example\nelice@acme.example\n"))
			if got := messages(a); got[0] != got[1] || len(a.Items()[0].JSON) != len(a.Items()[1].JSON) {
				t.Errorf("%s: %s", query, a.Body)
			}
		}
		w.Tick()
		letters := w.Mail.To(alice.Email)
		if last := letters[len(letters)-1].Text; strings.Contains(last, "token=") || !strings.Contains(last, "another account") {
			t.Errorf("the owner is told: %s", last)
		}
	})
}

// slow is a table whose commits take time.
type slow struct {
	table.Table
	clock *localtest.Clock
	takes time.Duration
}

func (s *slow) Apply(ctx context.Context, writes ...table.Write) error {
	s.clock.Add(s.takes)
	return s.Table.Apply(ctx, writes...)
}

// A call ends in good time with the rest pending; sent again it goes on, and its
// Idempotency-Key stands for the whole answer alone.
func TestImportStopsInTime(t *testing.T) {
	clock := localtest.NewClock()
	store := &slow{Table: localtest.Bolt(t, clock), clock: clock}
	w := localtest.On(t, store, clock)
	alice := w.Administrator("acme", "alice@acme.example")
	send := func() localtest.Answer {
		began := clock.Now()
		a := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: importPath, Body: crew(60), Header: http.Header{"Authorization": {"Bearer " + alice.Token}, "Idempotency-Key": {"k"}}})
		if took := clock.Now().Sub(began); took > 29*time.Second {
			t.Errorf("it takes %s", took)
		}
		return a
	}
	store.takes = 2 * time.Second
	first := send()
	if first.JSON["complete"] != false || first.Number("counts.created") == 0 || first.Number("counts.pending") == 0 || first.Items()[59].Text("outcome") != "pending" {
		t.Errorf("the first: %s", counts(first))
	}
	var last localtest.Answer
	for range 10 {
		if last = send(); last.JSON["complete"] == true {
			break
		}
	}
	store.takes = 0
	if again := send(); again.Body != last.Body || last.JSON["complete"] != true {
		t.Errorf("the last: %s, repeated: %s", counts(last), counts(again))
	}
	once(t, w, alice, 60, 1)
}

// A call that is cut off at any point, or whose answer is lost, is repeated as it
// is: everybody is invited, once.
func TestImportCutOff(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for at := 0; ; at++ {
			clock := localtest.NewClock()
			faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
			w := localtest.On(t, faulty, clock)
			alice := w.Administrator("acme", "alice@acme.example")
			begins := faulty.Calls()
			faulty.SetPlan(tabletest.At(begins+at, fault))
			send := func() localtest.Answer {
				return w.Send(localtest.Request{Method: "POST", Path: importPath, Body: crew(14), Header: http.Header{"Authorization": {"Bearer " + alice.Token}, "Idempotency-Key": {"k"}}})
			}
			first := send()
			calls := faulty.Calls() - begins
			faulty.SetPlan(nil)
			second := send()
			if second.Status != http.StatusOK || second.JSON["complete"] != true || second.Number("counts.error") != 0 {
				t.Fatalf("call %d: first %d, then %d %s", at, first.Status, second.Status, second.Body)
			}
			if first.JSON["complete"] == true && first.Body != second.Body {
				t.Errorf("call %d: answered %s, then %s", at, counts(first), counts(second))
			}
			once(t, w, alice, 14, 1)
			if at >= calls {
				break
			}
		}
	}
}

// Of files sent at once, each person is invited by one.
func TestImportsInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		created := make([]float64, 4)
		localtest.Parallel(len(created), func(i int) {
			a := w.Send(bearer(alice.Token, "POST", importPath, crew(13)))
			created[i] = a.Number("counts.created")
			if a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable || a.Number("counts.error") != 0 {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		})
		alice.Must(http.StatusOK, "POST", importPath, crew(13))
		if all := created[0] + created[1] + created[2] + created[3]; all > 13 {
			t.Errorf("said to be created: %v", created)
		}
		once(t, w, alice, 13, 1)
	})
}

// A whole file of the largest size, and one line and one byte more.
func TestImportSizes(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	if a := alice.Must(http.StatusUnprocessableEntity, "POST", importPath, crew(bulk.MostLines+1)); !strings.Contains(a.Text("detail"), "more than 500 lines") {
		t.Errorf("%s", a.Body)
	}
	if a := alice.Must(http.StatusOK, "POST", importPath, crew(bulk.MostLines)); counts(a) != "500 0 0 0 0" {
		t.Errorf("%s", counts(a))
	}
	if a := alice.Must(http.StatusOK, "POST", importPath, crew(bulk.MostLines)); counts(a) != "0 0 500 0 0" {
		t.Errorf("again: %s", counts(a))
	}
	full := "email,name\nx@acme.example," + strings.Repeat("x", 1<<20-26)
	if a := alice.Must(http.StatusOK, "POST", importPath, localtest.CSV(full)); counts(a) != "0 0 0 1 0" || !strings.Contains(messages(a)[0], "name: must be 0 to 200") {
		t.Errorf("%.300s", a.Body)
	}
	alice.Must(http.StatusRequestEntityTooLarge, "POST", importPath, localtest.CSV(full+"x"))
}

// Roles go by name, whatever its case, or by id; a name that several have is
// none.
func TestImportNamesRoles(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	named := func(name string) string {
		return alice.Must(http.StatusCreated, "POST", "/v1/roles", map[string]any{"name": name, "permissions": []string{"view_audit"}, "phone_systems": []string{"*"}}).Text("id")
	}
	night, twin, technician := named("Nachtdienst  Süd"), named("Twin"), named("technician")
	named("TWIN")
	a := alice.Must(http.StatusOK, "POST", importPath, localtest.CSV("email;roles\na@x.example;nachtdienst SÜD\nb@x.example;\""+night+" ; "+twin+";;AUDITOR\"\nc@x.example;twin\n"+
		"d@x.example;Technician\ne@x.example;TECHNICIAN\nf@x.example;"+technician+"\ng@x.example;none\nh@x.example;"+strings.ToLower(night)+"\n"))
	var got []string
	for _, item := range a.Items() {
		text, _, _ := strings.Cut(item.Text("message"), ";")
		if id := item.Text("user_id"); id != "" {
			text = fmt.Sprint(alice.Must(http.StatusOK, "GET", "/v1/users/"+id, nil).JSON["roles"])
		}
		got = append(got, text)
	}
	several, unknown := "roles: names a role whose name several of yours have", "roles: names a role that you do not have"
	want := []string{"[" + night + "]", fmt.Sprint(slices.Sorted(slices.Values([]string{night, twin, "AUDITOR"}))), several, several, "[TECHNICIAN]", "[" + technician + "]", unknown, unknown}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
