package browser

import (
	"net/http"
	"strings"
	"testing"
)

// An operator begins a partner's recovery; its administrators are warned, and
// cancel it in the portal or with the link of the mail.
func TestARecoveryIsBegunAndCancelled(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	operator := s.Operator()
	p := s.tab()
	p.signInAs(operator, "Partners")
	p.press("Recover access acme")
	p.see("any administrator can cancel it")
	p.shot("recovery")
	p.enter("E-mail of the administrator", alice.Email)
	p.press("Begin the recovery")
	p.see("Everybody there is being told by mail.")
	link := s.secretOf(alice.Email)
	if !strings.HasPrefix(link, "/#cancel-recovery") {
		t.Fatalf("the mail links to %s", link)
	}
	p.press("Recover access acme")
	p.see("A recovery of acme is under way")
	p.press("Cancel") // the dialog, not the recovery
	p.press("Sign out")
	p.see("You are signed out.")
	p.open(link)
	p.see("Somebody told the operators")
	p.shot("cancel-recovery")
	p.press("Cancel the recovery")
	p.see("Nothing was changed for anybody.")
	operator.SignIn()
	operator.Must(http.StatusCreated, "POST", "/v1/partners/"+alice.PartnerID+"/recovery", map[string]any{"administrator_email": alice.Email})
	s.Tick()
	p.signIn(alice)
	p.see("If nobody of yours asked for it, cancel it now.")
	p.shot("home-recovery")
	p.press("Cancel the recovery")
	p.see("Nothing changes then for anybody.")
	p.press("Cancel the recovery")
	p.see("The recovery is cancelled.")
	p.quiet()
}
