package browser

import (
	"testing"

	"portcullis.example/infra/local/localtest"
)

// signIn signs a person in, in a tab.
func (p *page) signIn(who *localtest.Person) { p.t.Helper(); p.signInAs(who, "Phone systems") }

// signInAs signs in somebody whose first page has a title.
func (p *page) signInAs(who *localtest.Person, title string) {
	p.t.Helper()
	p.open("/")
	p.enter("E-mail", who.Email)
	p.enter("Password", localtest.Password)
	p.press("Sign in")
	p.enter("Code from your authenticator", who.NextCode())
	p.press("Sign in")
	p.see(title)
}

// A phone system is registered, its gate installed in three steps, its policy
// changed, and all of it stands in the audit.
func TestAPhoneSystemIsAddedAndChanged(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.see("No phone systems yet")
	p.shot("home-none")
	p.press("Add a phone system")
	p.see("It is locked from the moment you add it")
	p.enter("Name", "Bakery Miller")
	p.enter("Host name of its console", pbxHost)
	p.enter("Customer", "Miller")
	p.press("Policy: how it may be unlocked")
	p.shot("system-new")
	p.press("Add, and lock")
	p.see("is added, and locked")
	p.shot("system-guide")
	s.guard(evaluate[string](p, "document.querySelector('code.secret').textContent"))
	p.press("Done: show the phone system")
	p.see("No gate seen yet")
	p.shot("system")
	p.press("Is this address locked?")
	p.enter("Addresses or paths", "https://"+pbxHost+"/xapi/v1/Users")
	p.press("Find out")
	p.see("is the console’s")
	p.shot("system-probe")
	p.press("Change")
	p.see("Change Bakery Miller")
	p.shot("system-edit")
	p.enter("Extensions of a window", "1")
	p.press("Save")
	p.see("Saved.")
	p.press("Replace the gate key")
	p.press("Replace the gate key")
	p.see("The old key works until")
	p.shot("gate-key")
	p.travel(-1) // it is shown once
	p.stands("Bakery Miller", "1")
	p.press("I have kept it")
	p.press("Audit")
	p.until(`document.querySelector("tbody").innerText.includes("Gate key replaced")`)
	p.shot("audit")
	p.press("alice@acme.example")
	p.see("Only what alice@acme.example did.")
	p.enter("What", "Phone system added")
	p.until(`!document.querySelector("tbody").innerText.includes("Gate key replaced")`)
	p.see("Only what alice@acme.example did.")
	p.press("Show everybody")
	p.until(`!location.hash.includes("actor")`)
	p.quiet()
}

// An operator adds a partner, whose administrator is invited by mail.
func TestAnOperatorAddsAPartner(t *testing.T) {
	s := newStage(t)
	p := s.tab()
	p.signInAs(s.Operator(), "Partners")
	p.see("No partners yet")
	p.press("Add a partner")
	p.enter("Name of the organisation", "Acme Telephony")
	p.enter("E-mail of its first administrator", "not an address")
	p.press("Add, and invite")
	p.see("no e-mail address")
	p.enter("E-mail of its first administrator", "alice@acme.example")
	p.enter("Whom to ask for help", "+49 30 1234567")
	p.press("Add, and invite")
	p.see("An invitation is on its way to alice@acme.example")
	p.shot("partners")
	p.press("Change Acme Telephony")
	p.enter("Name of the organisation", "Acme Telecom")
	p.press("Save")
	p.see("Acme Telecom")
	p.open(s.secretOf("alice@acme.example"))
	p.see("Welcome to Portcullis")
	p.quiet()
}
