package unlock_test

import (
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/table"
)

// void ends everything of the technician's as a change to people does, up to
// what comes after the transaction.
func (s scene) void() (told func()) {
	s.T.Helper()
	ctx := s.T.Context()
	user, rev, err := s.Directory.User(ctx, s.tech.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	task, err := s.Directory.EndAll(&user, s.admin.ID, "user.tried")
	if err != nil {
		s.T.Fatal(err)
	}
	write, err := user.Write(table.Is(rev))
	if err == nil {
		entry := audit.By(s.admin.Caller(), "user.tried", user.ID)
		err = s.Journal.Commit(ctx, []table.Write{write, task}, entry)
	}
	if err != nil {
		s.T.Fatal(err)
	}
	return func() { s.Directory.EndsTold(ctx, task) }
}

func (s scene) wantCause(id string) {
	s.T.Helper()
	s.wantEnd(id, "unlock.revoked")
	for _, e := range s.audited("unlock.revoked") {
		if e.Text("subject") == id && (e.Text("details.cause") != "user.tried" || e.Text("actor") != s.admin.ID) {
			s.T.Errorf("the end's entry: %v", e.JSON)
		}
	}
}

// What ends everything of a user's shuts every window of theirs with the next
// decision, and each end is told once with its cause: right away, or by the
// auditor, also long after the window would have been over. Nobody else's window
// is touched, nor one opened afterwards.
func TestAttack22EpochOfAUserEndsTheirWindows(t *testing.T) {
	for name, tell := range map[string]func(scene, func()){
		"right away":           func(_ scene, told func()) { told() },
		"by the auditor":       func(s scene, _ func()) { s.sweep() },
		"by the auditor, late": func(s scene, _ func()) { s.Clock.Add(time.Hour); s.sweep() },
		"by both at once":      func(s scene, told func()) { atOnce(append(times(3, s.sweep), told, told)...) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, nil)
			other := s.admin.PhoneSystem("two.acme.example", nil)
			opened := []localtest.Answer{s.tech.Unlock(s.gate, 300), s.tech.Unlock(other, 300)}
			cookies := []string{s.gate.Pass(opened[0]), other.Pass(opened[1])}
			kept := s.admin.Unlock(s.gate, 7200)
			keptCookie := s.gate.Pass(kept)
			s.Clock.Add(10 * time.Second)
			at := s.Clock.Now().Format(time.RFC3339)
			told := s.void()
			s.wantReason(cookies[0], "revoked", "with the next decision")
			if got := other.Reason(cookies[1]); got != "revoked" {
				t.Errorf("the other gate says %q", got)
			}
			s.tech.Must(401, "GET", "/v1/session", nil)
			tell(s, told)
			s.wantReason(keptCookie, "open_window", "another user's")
			for _, u := range opened {
				s.wantCause(u.Text("id"))
				a := s.admin.Must(200, "GET", unlockPath(u), nil)
				if a.Text("state") != "ended" || a.Text("end") != "revoked" || a.Text("ended_at") != at || a.Text("ended_by") != s.admin.ID {
					t.Errorf("ended: %s, want at %s", a.Body, at)
				}
			}
		})
	}
}

// A task that is settled late leaves alone what was opened after it.
func TestAttack22WindowOpenedAfterTheEpochLives(t *testing.T) {
	s := newScene(t, nil)
	s.tech.Unlock(s.gate, 300)
	s.void()
	s.tech.SignIn()
	next := s.tech.Unlock(s.gate, 60)
	cookie := s.gate.Pass(next)
	s.sweep()
	s.wantReason(cookie, "open_window", "after the task was settled")
	if ends := s.ends(next.Text("id")); len(ends) != 0 {
		t.Errorf("ended: %v", ends)
	}
}

// The task of a user of one partner touches nobody's of another, whatever their
// ids.
func TestAttack22EpochStaysWithinThePartner(t *testing.T) {
	s := newScene(t, nil)
	task, err := s.Auditor.Book.ClosingUser(account.User{ID: s.tech.ID, PartnerID: "ANOTHER", Epoch: 9}, "x", "user.tried")
	if err == nil {
		err = s.Table.Apply(t.Context(), table.Put(task, table.Absent()))
	}
	if err != nil {
		t.Fatal(err)
	}
	u := s.tech.Unlock(s.gate, 60)
	s.sweep()
	if ends := s.ends(u.Text("id")); len(ends) != 0 {
		t.Errorf("ended: %v", ends)
	}
}
