package notice_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/notice"
)

func changes() map[string]notice.Change {
	return map[string]notice.Change{
		"authenticator added": notice.AuthenticatorAdded(), "authenticator replaced": notice.AuthenticatorReplaced(),
		"recovery codes renewed": notice.RecoveryCodesRenewed(), "recovery code used": notice.RecoveryCodeUsed(9), "recovery code used, few left": notice.RecoveryCodeUsed(2),
		"passkey added": notice.PasskeyAdded("my key"), "passkey removed": notice.PasskeyRemoved("my key"), "passkey copied": notice.PasskeyCopied("my key"),
		"factors reset": notice.FactorsReset(), "password changed": notice.PasswordChanged(), "password reset": notice.PasswordReset(),
	}
}

// mailed is the letter of a notice, as it arrives.
func mailed(t *testing.T, n notice.Notice) mail.Letter {
	t.Helper()
	w := localtest.New(t)
	n.To, n.At = "alice@acme.example", localtest.Start
	write, err := (&notice.Writer{Outbox: w.Outbox}).Post(t.Context(), n)
	if err == nil {
		err = w.Table.Apply(t.Context(), write)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Tick()
	letters := w.Mail.To(n.To)
	if len(letters) != 1 {
		t.Fatalf("%d letters", len(letters))
	}
	return letters[0]
}

func TestNoticeSaysWhatWhenWhereWhoAndWhatToDo(t *testing.T) {
	subjects := map[string]string{}
	for name, change := range changes() {
		got := mailed(t, notice.Notice{Change: change, Client: netip.MustParseAddr("2001:db8::9")})
		for _, part := range []string{got.Text, got.HTML} {
			for _, says := range []string{"Account: alice@acme.example", "When: 2027-03-01 09:00:00 UTC", "From: 2001:db8::/64", "By: somebody acting as you", localtest.BaseURL + "/", "change your password", "administrator of your organisation"} {
				if !strings.Contains(part, says) {
					t.Errorf("%s does not say %q: %s", name, says, part)
				}
			}
		}
		if other, ok := subjects[got.Subject]; ok || got.Subject == "" {
			t.Errorf("%s and %s have the subject %q", name, other, got.Subject)
		}
		subjects[got.Subject] = name
		for line := range strings.Lines(got.Text) {
			if len(line) > 100 {
				t.Errorf("%s: a line of %d characters: %s", name, len(line), line)
			}
		}
	}
}

func TestNoticeOfWhatSomebodyElseDid(t *testing.T) {
	got := mailed(t, notice.Notice{Change: notice.FactorsReset(), By: "bob@acme.example"})
	if !strings.Contains(got.Text, "By: bob@acme.example") || !strings.Contains(got.Text, "If you expected this") || !strings.Contains(got.Text, "From: unknown") {
		t.Error(got.Text)
	}
}

func TestNoticeSaysWhatToDoInAnyCase(t *testing.T) {
	got := mailed(t, notice.Notice{Change: notice.PasskeyCopied("my key"), Then: "Remove it all the same."})
	if !strings.Contains(got.Text, "Remove it all the same.") || strings.Contains(got.Text, "nothing to do") {
		t.Error(got.Text)
	}
}

func TestFewRecoveryCodesAreTold(t *testing.T) {
	for left := range 11 {
		got := mailed(t, notice.Notice{Change: notice.RecoveryCodeUsed(left)})
		asks := strings.Contains(got.Text, "Make new ones now") && strings.Contains(got.Subject, "make new ones")
		if asks != (left < 3) || notice.FewLeft(left) != asks {
			t.Errorf("%d left: %s\n%s", left, got.Subject, got.Text)
		}
		says := fmt.Sprintf("%d are left", left)
		switch left {
		case 0:
			says = "None is left"
		case 1:
			says = "One is left"
		}
		if !strings.Contains(got.Text, says) {
			t.Errorf("%d left: %s", left, got.Text)
		}
	}
}

// The name of a passkey is its owner's, or a thief's, to choose.
func TestAttack39NamesInNoticesAreInert(t *testing.T) {
	got := mailed(t, notice.Notice{Change: notice.PasskeyAdded("x\n\nHello,\n\n  From: https://portal.example/ <b>\u2028y"), By: "a\n\nb"})
	if !strings.Contains(got.Text, "under the name \"x Hello, From: https://portal.example/ <b> y\".") || strings.Contains(got.HTML, "<b>") || !strings.Contains(got.Text, "By: a b\n") {
		t.Errorf("%s\n%s", got.Text, got.HTML)
	}
	if strings.Contains(got.Subject, "x") && strings.Contains(got.Subject, "Hello") {
		t.Errorf("the name is in the subject: %s", got.Subject)
	}
}
