package recovery_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
)

// After the day, and not before: the factor is void, sessions and windows are over,
// and the mailed code enrols once, beside the password.
func TestRecovery(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		gate := s.alice.PhoneSystem("pbx.acme.example", nil)
		s.begun()
		s.Clock.Add(recovery.Wait - time.Minute)
		s.Tick()
		s.keepsFactor() // half a minute
		pass := gate.Pass(s.alice.Unlock(gate, 3600))
		if got := gate.Reason(pass); got != "open_window" || len(s.codes(s.alice.Email)) != 0 {
			t.Fatalf("before the end: %s, codes %v", got, s.codes(s.alice.Email))
		}
		s.Clock.Add(30 * time.Second)
		s.Tick()
		s.alice.Must(http.StatusUnauthorized, "GET", "/v1/session", nil)
		if got := gate.Reason(pass); got != "expired" {
			t.Errorf("the window, whose end is told: %s", got)
		}
		codes := s.codes(s.alice.Email)
		if len(codes) != 1 || len(s.codes(s.bob.Email))+len(s.codes("operator@example.com")) != 0 {
			t.Fatalf("codes %v", codes)
		}
		for _, letter := range s.Mail.To(s.alice.Email)[1:] { // after the invitation
			if !strings.Contains(letter.Text, "help@acme.example") {
				t.Errorf("%q names nobody to ask", letter.Subject)
			}
		}
		s.enroll(http.StatusUnprocessableEntity, "")
		s.enroll(http.StatusUnauthorized, s.alice.RecoveryCodes[0])
		s.Clock.Add(mfa.MailedCodeKept - time.Second)
		login := s.alice.Login()
		s.alice.Secret = s.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login/enroll", Body: map[string]any{"login_token": login, "enrollment_code": codes[0]}}).Text("secret")
		s.alice.Token = s.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login/enroll/confirm", Body: map[string]any{"login_token": login, "code": s.alice.Code()}}).Text("token")
		for action, want := range map[string]string{"mfa.reset": s.operator.ID, "unlock.revoked": s.operator.ID, "recovery.ended": s.operator.ID} {
			if entries := s.audited(s.alice, action); len(entries) != 1 || entries[0].Text("actor") != want {
				t.Errorf("%s: %v", action, entries)
			}
		}
		s.alice.SignIn()
	})
}

// times are what differs between one recovery and the next.
var times = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[^"]*"`)

// A code that was mailed works for its day.
func TestMailedCodeEndsWithItsDay(t *testing.T) {
	s := newScene(t)
	s.begun()
	s.over()
	s.Clock.Add(mfa.MailedCodeKept)
	s.enroll(http.StatusUnauthorized, s.codes(s.alice.Email)[0])
}

// ATTACKS.md 41: who reads alice's mail has a password from there, or the code from
// there, never both: the recovery was begun for who knows the password.
func TestAttack41RecoveryAndResetMailsNeverMeet(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		s.begun()
		s.Clock.Add(time.Hour)
		s.resetPassword()
		s.over()
		if codes := s.codes(s.alice.Email); len(codes) != 0 || s.subjects(s.alice.Email, "The recovery of your organisation's access has ended") != 1 {
			t.Errorf("a password by mail during the recovery: codes %v", codes)
		}
		s.keepsFactor()
		if entries := s.audited(s.alice, "recovery.ended"); len(entries) != 1 || entries[0].Text("details.reason") != "password_mailed" || entries[0].Text("outcome") != "failure" {
			t.Errorf("the entries: %v", entries)
		}

		// Another one, begun later, counts the password as known.
		s.begun()
		s.over()
		codes := s.codes(s.alice.Email)
		if len(codes) != 1 {
			t.Fatalf("codes %v", codes)
		}
		s.resetPassword()
		for _, code := range []string{"", codes[0]} {
			if a := s.enroll(http.StatusConflict, code); !strings.Contains(a.Text("detail"), "two mails together let nobody in") {
				t.Errorf("it says %s", a.Body)
			}
		}
	})
}

// An invitation's mail that makes an administrator during a recovery begins no account
// that it could be for.
func TestAttack41RecoveryOfWhoJoinedSince(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		invited, err := s.Directory.Invite(t.Context(), s.alice.Caller(), account.Person{Email: "carol@acme.example", Administrator: true})
		if err != nil {
			t.Fatal(err)
		}
		s.begin(http.StatusCreated, "carol@acme.example")
		s.Tick()
		carol := s.Join(invited)
		s.over()
		if codes := s.codes(carol.Email); len(codes) != 0 {
			t.Errorf("codes %v", codes)
		}
		carol.SignIn()
	})
}

// Whatever address an operator names, the answers and the operators' log are the
// same, and nobody but an administrator of that partner loses a factor.
func TestAttack16RecoveryTellsOperatorsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *scene) {
		eve := s.Administrator("other", "eve@other.example")
		seen := map[string]bool{}
		emails := []string{s.alice.Email, s.bob.Email, eve.Email, s.operator.Email, "nobody@acme.example"}
		for _, email := range emails {
			text := s.begin(http.StatusCreated, email).Body + s.operator.Must(http.StatusOK, "GET", s.path(), nil).Body
			s.Tick()
			s.over()
			s.operator.SignIn()
			s.operator.Must(http.StatusNotFound, "GET", s.path(), nil)
			for _, action := range []string{"recovery.started", "recovery.ended", "mfa.reset"} {
				for _, entry := range s.audited(s.operator, action)[:min(1, len(s.audited(s.operator, action)))] {
					text += fmt.Sprint(entry.Text("action"), entry.Text("actor"), entry.Text("subject"), entry.Text("outcome"), len(entry.JSON["details"].(map[string]any)))
				}
			}
			seen[strings.ReplaceAll(times.ReplaceAllString(text, "T"), `"administrator_email":"`+email, "E")] = true
		}
		if len(seen) != 1 {
			t.Errorf("operators see %d different things: %v", len(seen), seen)
		}
		for _, p := range []*localtest.Person{s.bob, eve, s.operator} {
			p.SignIn()
			if n := len(s.codes(p.Email)); n != 0 {
				t.Errorf("%s was mailed %d codes", p.Email, n)
			}
		}
		if n := len(s.codes(s.alice.Email)); n != 1 {
			t.Errorf("alice was mailed %d codes", n)
		}
	})
}

// Every user is told once, in as many transactions as it takes, whichever of them
// fails and however; the day begins when the last one is.
func TestEverybodyIsToldOnce(t *testing.T) {
	const users = 30 // three pages
	s := newScene(t)
	for i := range users {
		s.User(s.alice, fmt.Sprintf("u%02d@acme.example", i))
	}
	s.Invite(s.alice, "invited@acme.example")
	s.Tick()
	const subject = "Your organisation's access to Portcullis is being recovered"
	round, late := 0, 0
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for call := range 10 {
			round++
			s.begin(http.StatusCreated, s.alice.Email)
			begun := s.Clock.Now()
			s.faults.SetPlan(tabletest.At(call, fault))
			failed := s.Recovery.Notify(t.Context())
			s.faults.SetPlan(nil)
			if failed != nil && !errors.Is(failed, table.ErrUnavailable) {
				t.Fatal(failed)
			}
			item, err := s.stored()
			if err != nil {
				t.Fatal(err)
			}
			s.Clock.Add(time.Hour)
			s.Tick()
			for i := range users {
				if n := s.subjects(fmt.Sprintf("u%02d@acme.example", i), subject); n != round {
					t.Fatalf("fault %v at call %d: user %d has %d letters, want %d", fault, call, i, n, round)
				}
			}
			if n := s.subjects("invited@acme.example", subject); n != 0 || s.subjects(s.alice.Email, subject) != round || len(s.links(s.bob.Email)) != 0 {
				t.Fatalf("%d letters to somebody invited, %d to alice", n, s.subjects(s.alice.Email, subject))
			}
			s.operator.SignIn()
			ends := s.operator.Must(http.StatusOK, "GET", s.path(), nil).Text("ends_at")
			want := begun.Add(recovery.Wait)
			if item.Kind == recovery.NoticeKind { // somebody was still to be told
				late++
				want = want.Add(time.Hour)
			}
			if ends != want.Format(time.RFC3339) {
				t.Errorf("fault %v at call %d: it ends at %s, want %s", fault, call, ends, want)
			}
			s.operator.Must(http.StatusNoContent, "DELETE", s.path(), nil)
		}
	}
	if late == 0 || late == round {
		t.Errorf("of %d, the last letter was late in %d", round, late)
	}
}

// Whichever call of its end fails, and however, there is one code, and it works.
func TestOneCodeWhateverCrashes(t *testing.T) {
	for _, fault := range []tabletest.Fault{tabletest.Fail, tabletest.FailApplied} {
		for call := range 6 {
			s := newScene(t)
			s.begun()
			s.Clock.Add(recovery.Wait)
			s.faults.SetPlan(tabletest.At(call, fault))
			// The injected errors are what the test is about.
			_, _ = s.Auditor.Run(t.Context())
			s.faults.SetPlan(nil)
			s.Clock.Add(time.Minute)
			s.Tick()
			codes := s.codes(s.alice.Email)
			if len(codes) != 1 {
				t.Fatalf("fault %v at call %d: codes %v", fault, call, codes)
			}
			s.enroll(http.StatusOK, codes[0])
		}
	}
}

// A partner from before the first administrator's address was kept needs one named.
func TestAnOlderPartnerNeedsTheAddress(t *testing.T) {
	s := newScene(t)
	key := account.PartnerKey(s.alice.PartnerID)
	item, err := s.Table.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := table.Decode[account.Partner](item)
	if err != nil || p.Administrator != s.alice.Email {
		t.Fatalf("%v: %q is kept", err, p.Administrator)
	}
	p.Administrator = ""
	older, err := table.Encode(key, item.Kind, p)
	if err == nil {
		err = s.Table.Apply(t.Context(), table.Put(older, table.Always()))
	}
	if err != nil {
		t.Fatal(err)
	}
	s.begin(http.StatusUnprocessableEntity, "")
	s.begin(http.StatusCreated, s.alice.Email)
}
