package phonesystem_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// A program with every permission that programs may have, and with those that
// they may not, should its item ever say so.
func programs(partner string) map[string]access.Caller {
	return map[string]access.Caller{
		"a program":                      access.ByProgram(partner, "K", "program", access.ProgramPermissions(), netip.Addr{}),
		"a program with every privilege": access.ByProgram(partner, "K", "program", access.Permissions(), netip.Addr{}),
	}
}

// What a stolen key can't do, asked of the domain itself: no route is relied on.
func TestAttack40ProgramsChangeNothingOfTheLock(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	opened := alice.Unlock(gate, 600).Text("id")
	ctx := context.Background()
	never := func(phonesystem.PhoneSystem, audit.Action) ([]table.Write, error) {
		return nil, errors.New("windows were to be closed")
	}
	for name, program := range programs(alice.PartnerID) {
		update := func(c phonesystem.Change) error {
			_, err := w.Registry.Update(ctx, program, gate.ID, c, never)
			return err
		}
		text := func(s string) *string { return &s }
		_, create := w.Registry.Create(ctx, program, idempotency.Key{}, phonesystem.PhoneSystem{Name: "x", Host: "x.acme.example", Profile: "custom", Policy: wide(phonesystem.DefaultPolicy())})
		_, rotate := w.Registry.RotateKey(ctx, program, gate.ID, true)
		_, open := w.Book.Open(ctx, program, idempotency.Key{}, unlock.Request{PhoneSystemID: gate.ID, Reason: "x"})
		_, extend := w.Book.Extend(ctx, program, opened, 60)
		_, pass := w.Book.NewPass(ctx, program, opened)
		_, closed := w.Book.Close(ctx, program, opened)
		_, lock := w.Book.Lock(ctx, program, gate.ID)
		for what, err := range map[string]error{
			"a host": update(phonesystem.Change{Host: text("evil.example")}), "a profile": update(phonesystem.Change{Profile: text("custom")}),
			"a policy": update(phonesystem.Change{Policy: wide}), "a policy from the start": create, "removing": w.Registry.Delete(ctx, program, gate.ID, never),
			"a gate key": rotate, "opening": open, "extending": extend, "a pass": pass, "closing": closed, "locking": lock,
		} {
			if !errors.Is(err, access.ErrProgram) && !errors.Is(err, access.ErrForbidden) && !errors.Is(err, phonesystem.ErrProgramEdit) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		if err := update(phonesystem.Change{Customer: text("Bolt Ltd")}); err != nil {
			t.Errorf("%s: editing: %v", name, err)
		}
	}
	if pass := gate.Pass(alice.Must(200, "POST", "/v1/unlocks/"+opened+"/pass", nil)); gate.Reason(pass) != "open_window" {
		t.Error("the window is not open any more")
	}
}

func wide(p phonesystem.Policy) phonesystem.Policy {
	p.MaxSeconds = phonesystem.LongestWindow
	return p
}
