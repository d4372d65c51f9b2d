package browser

import (
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

const newPassword = "seven lamps hum a waltz"

// Whoever forgot the password gets a link by mail, chooses a new one, and signs
// in with it and the second factor.
func TestAForgottenPassword(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.open("/")
	p.enter("E-mail", alice.Email)
	p.press("Forgot your password?")
	p.see("A link comes by mail")
	p.shot("forgot")
	p.press("Send the link") // the address came along
	p.see("Look into your mail")
	p.shot("forgot-sent")
	link := s.secretOf(alice.Email)
	p.open(link)
	p.see("This ends all your sessions")
	if shown := evaluate[string](p, "location.href"); shown != localtest.BaseURL+"/#reset" {
		t.Errorf("the address shows %s", shown)
	}
	p.shot("reset")
	p.enter("New password", "portcullis1234")
	p.press("Set this password")
	p.see("too close to your name")
	p.enter("New password", newPassword)
	p.press("Set this password")
	p.see("Your new password is set")
	p.press("Go to sign-in")
	p.enter("E-mail", alice.Email)
	p.enter("Password", newPassword)
	p.press("Sign in")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Sign in")
	p.see("Phone systems")
	p.open("/help")
	p.open(link)
	p.enter("New password", "eight lamps hum a waltz")
	p.press("Set this password")
	p.see("This link does not work any more")
	p.press("Ask for a new link")
	p.see("A link comes by mail")
	p.quiet()
}

// The password and the authenticator are changed in the account, with the second
// factor asked for in between and nothing typed lost.
func TestPasswordAndAuthenticatorAreReplaced(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	p := s.tab()
	p.signIn(alice)
	p.press("Person")
	p.press("Change the password")
	p.enter("Present password", "not the one I have")
	p.enter("New password", newPassword)
	p.shot("password")
	p.press("Change the password")
	p.see("This is not your present password")
	s.Clock.Add(access.FreshFor)
	p.enter("Present password", localtest.Password)
	p.press("Change the password")
	p.see("Confirm that it is you")
	p.enter("Code from your authenticator", alice.NextCode())
	p.press("Confirm")
	p.see("Your password is changed.")
	p.press("Replace the authenticator")
	p.press("Can’t scan it?")
	alice.Secret = evaluate[string](p, "document.querySelector('code.secret').textContent.replaceAll(' ', '')")
	p.shot("authenticator")
	p.enter("The code that the app shows now", "000000")
	p.press("Go on")
	p.see("This code was not accepted")
	p.enter("The code that the app shows now", alice.NextCode())
	p.press("Go on")
	p.see("The new authenticator counts from now on.")
	p.quiet()
}
