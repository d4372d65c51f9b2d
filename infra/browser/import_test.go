package browser

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/shared/access"
)

// People come over from a file: each line is shown before anything is done.
func TestUsersAreBroughtOver(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("Users")
	p.press("Bring users over")
	p.choose("The file", "email;name;roles\nbob@acme.example;Bob;Technician\nnobody;;\nalice@acme.example;;\n")
	p.press("Show what it would do")
	p.see("What file.csv would do")
	p.shot("import-preview")
	p.size(360, false) // rows are blocks there, without the table's head
	if said := evaluate[string](p, `getComputedStyle(document.querySelector("td"), "::before").content`); !strings.Contains(said, "Line") {
		t.Errorf("a narrow table's first cell says that it is %s", said)
	}
	p.size(1280, false)
	if n := len(s.Mail.To("bob@acme.example")); n != 0 {
		t.Errorf("the preview sent %d letters", n)
	}
	s.Clock.Add(access.FreshFor)
	p.press("Invite one person")
	p.see("Confirm that it is you")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Confirm")
	p.see("The invitations are on their way")
	p.shot("import-done")
	s.secretOf("bob@acme.example")
	p.press("Show the list")
	p.see("bob@acme.example")
	p.quiet()
}

// What is wrong with a line is said in the reader's language.
func TestLinesAreRefusedInGerman(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.speak("de")
	p.open("/help")
	p.open("/#users/import")
	p.choose("Die Datei", "email;administrator;roles\nbob@acme.example;nein;Technician\nbob@acme.example;nein;\ncarol@acme.example;vielleicht;\ndora@acme.example;;Chefin\neve;;\n")
	p.press("Zeigen, was sie bewirkt")
	for _, said := range []string{"Zeile 2 hat dieselbe Adresse", "Muss ja oder nein sein", "Nennt eine Rolle, die Sie nicht haben", "Das ist keine E-Mail-Adresse."} {
		p.see(said)
	}
	p.open("/#phone-systems/import")
	p.see("Telefonanlagen übernehmen")
	p.choose("Die Datei", "name,host\n,no host\nBäckerei,pbx.example.com,3,4\n")
	p.press("Zeigen, was sie bewirkt")
	for _, said := range []string{"Muss 1 bis 200 Zeichen lang sein.", "Muss ein Host-Name sein", "Diese Zeile hat 4 Zellen und die erste 2"} {
		p.see(said)
	}
	p.quiet()
}

// Phone systems come over from a list, and an export of a phone system's own
// extensions tells who meets the lock.
func TestPhoneSystemsAreBroughtOver(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("Add a phone system")
	p.press("You have a list?")
	p.choose("The file", "name,host,customer\nBakery Miller,"+pbxHost+",Miller\nWrong,no host,\n")
	p.press("Show what it would do")
	p.see("What file.csv would do")
	p.shot("systems-import-preview")
	p.press("Add one phone system, and lock")
	p.see("make its gate key there")
	p.press("Show the list")
	p.press("Bakery Miller")
	p.press("Who is affected?")
	p.choose("The exported extensions", "Number,FirstName,LastName,EmailAddress,Role\n100,Alice,Archer,alice@acme.example,system_owners\n101,Bob,Builder,bob@acme.example,system_admins\n102,Carol,Clerk,carol@acme.example,users\n")
	evaluate[any](p, "document.querySelector('[data-hand]').closest('form').requestSubmit()") // another form there has the same button
	p.see("2 people meet the lock.")
	p.see("no user yet")
	p.shot("system-affected")
	p.quiet()
}

// What the API refuses as a whole, or in its own words for programs, is said to
// people in theirs, with what to do next, where they can do it.
func TestRefusalsAreSaidInWordsOfThePortal(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem(pbxHost, nil)
	alice.Must(http.StatusOK, "PATCH", "/v1/phone-systems/"+gate.ID, map[string]any{"restricted_paths": []string{"/reports/"}})
	p := s.tab()
	p.signIn(alice)
	p.speak("de")
	p.open("/help")
	p.open("/#users/import")
	p.choose("Die Datei", "name,roles\nBob,Technician\n")
	p.press("Zeigen, was sie bewirkt")
	p.see("Die erste Zeile muss die Spalte email nennen. Die Spalten sind ")
	if alert := evaluate[string](p, `document.querySelector(".alert").textContent`); strings.Contains(alert, "ody:") {
		t.Errorf("it says %q", alert)
	}
	p.open("/#phone-systems/" + gate.ID)
	p.press("Ändern")
	evaluate[any](p, `document.querySelector("dialog [name=restricted_paths]").value = ""`)
	p.press("Speichern")
	p.see("Schreiben Sie /reports/ wieder in die Liste.")
	p.enter("Weitere gesperrte Pfade", "/reports/")
	p.enter("Übliche Dauer", "8 Std.")
	p.press("Speichern")
	p.see("Darf nicht länger sein als „Höchstens“")
	p.enter("Übliche Dauer", "1 Std.")
	p.press("Speichern")
	p.see("Gespeichert.")
	p.open("/#users/" + gate.ID)
	p.see("Das gibt es nicht mehr. Gehen Sie zurück zur Liste")
	p.quiet()
}
