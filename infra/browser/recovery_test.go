package browser

import (
	"strings"
	"testing"
)

// An operator begins a partner's recovery; its administrators are warned, and
// cancel it in the portal or with the link of the mail.
func TestARecoveryIsBegunAndCancelled(t *testing.T) {
	s := newStage(t)
	alice := s.Administrator("acme", "alice@acme.example")
	op := s.tab()
	op.signInAs(s.Operator(), "Partners")
	begin := func() {
		op.press("Recover access acme")
		op.see("any administrator can cancel it")
		op.shot("recovery")
		op.enter("E-mail of the administrator", "alice@acme.example")
		op.press("Begin the recovery")
		op.see("Everybody there is being told by mail.")
	}
	begin()
	link := s.secretOf(alice.Email)
	if !strings.HasPrefix(link, "/#cancel-recovery") {
		t.Fatalf("the mail links to %s", link)
	}
	op.press("Recover access acme")
	op.see("A recovery of acme is under way")
	op.press("Cancel") // the dialog, not the recovery
	p := s.tab()
	p.signIn(alice)
	p.see("If nobody of yours asked for it, cancel it now.")
	p.shot("home-recovery")
	p.open(link)
	p.see("Somebody told the operators")
	p.shot("cancel-recovery")
	p.press("Cancel the recovery")
	p.see("Nothing was changed for anybody.")
	begin()
	s.Tick()
	p.open("/")
	p.press("Cancel the recovery")
	p.see("Nothing changes then for anybody.")
	p.press("Cancel the recovery")
	p.see("The recovery is cancelled.")
	op.quiet()
	p.quiet()
}
