package account_test

import (
	"context"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
)

// An installation is never left without an operator because a mail was missed or
// went to the address that nobody changed.
func TestOperatorIsInvitedUntilOneJoins(t *testing.T) {
	w := localtest.New(t)
	invite := func(email string) (account.Invited, bool) {
		t.Helper()
		invited, first, err := w.Directory.InviteOperator(context.Background(), idempotency.Once("operator"), email)
		if err != nil {
			t.Fatal(err)
		}
		return invited, first
	}
	if _, told := invite("operator@example.com"); !told {
		t.Fatal("the first start invites nobody")
	}
	if _, told := invite("operator@example.com"); told {
		t.Error("invited again while the invitation works")
	}
	w.Clock.Add(account.InvitationKept)
	if _, told := invite("operator@example.com"); !told {
		t.Error("not invited again after the invitation ended")
	}
	moved, told := invite("ops@example.com")
	if !told {
		t.Fatal("not invited at the other address")
	}
	w.Join(moved)
	w.Clock.Add(account.InvitationKept)
	if _, told := invite("intruder@example.com"); told {
		t.Error("invited again though an operator has joined")
	}
}

// Mail for all administrators goes to addresses that somebody has confirmed.
func TestMailForAdministratorsWaitsForTheirJoining(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	caller := access.Caller{UserID: alice.ID, PartnerID: alice.PartnerID, Administrator: true, MFAAt: w.Clock.Now()}
	invited, err := w.Directory.Invite(context.Background(), caller, account.Person{Email: "typo@other.example", Administrator: true})
	if err != nil {
		t.Fatal(err)
	}
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	letters := func() int {
		alice.Must(200, "POST", "/v1/phone-systems/"+gate.ID+"/gate-key", nil)
		w.Tick()
		return len(w.Mail.To("typo@other.example"))
	}
	if n := letters(); n != 1 {
		t.Errorf("%d letters to an address that nobody confirmed, want its invitation alone", n)
	}
	w.Join(invited)
	w.Clock.Add(time.Second)
	if n := letters(); n != 3 { // the invitation, the notice of the factor, the gate key
		t.Errorf("%d letters to one who has joined, want 3", n)
	}
}
