package session_test

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// NIST SP 800-63B-4 section 4.6: what tells somebody of a change to how they sign in
// says whom they can reach.
func TestNoticesNameWhomToAsk(t *testing.T) {
	s := newScene(t)
	bob := s.User(s.alice, "bob@acme.example")
	s.Must(http.StatusOK, stepUpRequest(s.alice, "recovery_code", s.alice.RecoveryCodes[0]))
	s.renewed(s.alice)
	s.alice.Passkey("my key")
	s.Must(http.StatusNoContent, changePasswordRequest(s.alice, localtest.Password, otherPassword))
	s.alice.Must(http.StatusOK, "POST", "/v1/users/"+bob.ID+"/mfa-reset", nil)
	s.suspend()
	s.Must(http.StatusNoContent, resetRequest(s.resetToken(s.alice), "nine brave geese juggle"))
	s.Tick()
	told := map[string]bool{}
	for _, letter := range append(s.Mail.To(s.alice.Email), s.Mail.To(bob.Email)...) {
		names := strings.Contains(letter.Text, "help@acme.example") && strings.Contains(letter.HTML, "help@acme.example")
		if told[letter.Subject] = names; !names && !strings.Contains(letter.Text, "#accept?") && !strings.Contains(letter.Text, "#reset?") {
			t.Errorf("%q names nobody: %s", letter.Subject, letter.Text)
		}
	}
	if len(told) < 10 {
		t.Errorf("only these letters came: %v", told)
	}
}
