package browser

import (
	"strings"
	"testing"

	"portcullis.example/shared/access"
)

// An administrator invites somebody, though the second factor has aged meanwhile,
// and sends the invitation again.
func TestUsersAreInvited(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("Users")
	p.see("You are alone here")
	p.shot("users-alone")
	p.press("Invite somebody")
	p.enter("E-mail", alice.Email)
	p.press("Invite")
	p.see("There is a user with this address already")
	p.enter("E-mail", "carol@acme.example")
	p.enter("Name", "Carol Nguyen")
	p.see("Without a role they may sign in, and nothing more.")
	p.tick("Administrator")
	p.see("All administrators are told by mail")
	p.tick("Administrator")
	p.tick("Auditor")
	p.shot("users-invite")
	s.Clock.Add(access.FreshFor)
	p.press("Invite")
	p.see("Confirm that it is you")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Confirm")
	p.see("An invitation is on its way to carol@acme.example")
	first := s.secretOf("carol@acme.example")
	p.press("Carol Nguyen")
	p.press("Send the invitation again")
	p.see("The earlier one is void")
	p.press("Send the invitation again")
	p.see("A new invitation is on its way.")
	if s.secretOf("carol@acme.example") == first {
		t.Error("the invitation is the earlier one")
	}
	p.press("Audit")
	p.press("carol@acme.example") // whom it was about
	p.see("What they may do")
	p.quiet()
}

// What somebody may do is changed, their factor reset, their access ended: what
// each does is said before, and done.
func TestUsersAreChanged(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem(pbxHost, nil)
	bob := s.User(alice, "bob@acme.example", access.Technician)
	s.User(alice, "dora@acme.example", access.Auditor)
	bob.Unlock(gate, 3600)
	p := s.tab()
	p.signIn(alice)
	p.press("Users")
	p.see("dora@acme.example")
	p.shot("users")
	p.enter("Search e-mail or name", "bob")
	p.until(`!document.body.innerText.includes("dora@")`)
	p.press("Person")
	p.see("What they may do")
	p.shot("user")
	p.press("Change")
	p.tick("Technician")
	p.see("Open windows that rest on it are closed at once. Open now: PBX " + pbxHost)
	p.tick("Auditor")
	p.shot("user-edit")
	p.press("Save")
	p.see("Saved.")
	p.until(`!document.body.innerText.includes("Open now")`)
	p.press("Reset the second factor")
	p.see("They are signed out everywhere, at once.")
	p.shot("user-reset")
	p.press("Reset the second factor")
	p.see("The code to hand over")
	p.shot("user-code")
	code := evaluate[string](p, "document.querySelector('code.secret').textContent")
	for _, letter := range s.Mail.To(bob.Email) {
		if strings.Contains(letter.Text, code) {
			t.Error("the code is in a mail")
		}
	}
	p.press("I have it")
	p.see("No second factor yet")
	p.press("Deactivate")
	p.see("They can’t sign in until you activate them again.")
	p.press("Deactivate")
	p.see("is deactivated.")
	p.press("Activate")
	p.press("Activate")
	p.see("is active again.")
	p.press("Remove")
	p.see("This can’t be undone")
	p.press("Remove")
	p.see("is removed.")
	p.until(`!document.body.innerText.includes("bob@")`)
	p.press("Person") // oneself, the last administrator
	p.see("Your account")
	p.quiet()
}
