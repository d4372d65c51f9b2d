package browser

import (
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
