package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"portcullis.example/infra/local/demo"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
)

// Link is an invitation made by this start.
type Link struct{ Email, URL string }

// machine is who acts for whoever started the server, in a partner. It can't
// open a window: nobody is signed in.
func (s *System) machine(partner string) access.Caller {
	return access.Caller{UserID: audit.System, PartnerID: partner, Administrator: true, MFAAt: s.Journal.Second()}
}

// InviteOperator invites the first operator, once in the installation's life.
func (s *System) InviteOperator(ctx context.Context, email string) ([]Link, error) {
	invited, first, err := s.Directory.InviteOperator(ctx, idempotency.Once("operator"), email)
	if err != nil || !first {
		return nil, err
	}
	return []Link{{invited.User.Email, invited.Link}}, nil
}

// Demonstration is what the stand-in phone system and its gate need, kept in
// the data folder.
type Demonstration struct {
	PhoneSystemID string           `json:"phone_system_id"`
	GateKey       string           `json:"gate_key"`
	Administrator demo.Credentials `json:"administrator"`
	Extension     demo.Credentials `json:"extension"`
}

// PrepareDemo makes the partner Demo, its administrator's invitation and Demo
// PBX, once in the installation's life; what was made before is read back. The
// gate key stands in a file, as at any gate; one that was lost or does not work
// any more is replaced, and the host follows the address.
func (s *System) PrepareDemo(ctx context.Context, file, host string) (Demonstration, []Link, error) {
	partner, invited, err := s.Directory.CreatePartner(ctx, s.machine(access.Operators), idempotency.Once("demo"),
		account.Partner{Name: "Demo", SupportContact: "Demo Support, support@demo.example"}, "admin@demo.example")
	if err != nil {
		return Demonstration{}, nil, err
	}
	var links []Link
	if invited.Link != "" {
		links = []Link{{invited.User.Email, invited.Link}}
	}
	caller := s.machine(partner.ID)
	created, err := s.Registry.Create(ctx, caller, idempotency.Once("demo pbx"), phonesystem.PhoneSystem{
		Name: "Demo PBX", Host: host, Customer: "Demo", Profile: "3cx-v20", Policy: phonesystem.DefaultPolicy(),
	})
	if err != nil {
		return Demonstration{}, nil, err
	}
	d, err := readDemo(file)
	if err != nil {
		return Demonstration{}, nil, err
	}
	if d, err = s.demoNow(ctx, caller, created, d, host); err != nil {
		return Demonstration{}, nil, err
	}
	return d, links, writeDemo(file, d)
}

func readDemo(file string) (d Demonstration, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s can't be read (%w); remove it, and the next start makes it anew", file, err)
	}
	return d, nil
}

// demoNow brings what the file said up to date with the phone system.
func (s *System) demoNow(ctx context.Context, caller access.Caller, created phonesystem.Created, d Demonstration, host string) (Demonstration, error) {
	id := created.PhoneSystem.ID
	system, _, err := s.Registry.Get(ctx, caller, id)
	if errors.Is(err, phonesystem.ErrNotFound) {
		return d, errors.New("the phone system Demo PBX was deleted; start without a demonstration, with an empty -demo-addr (PORTCULLIS_DEMO_ADDR)")
	}
	if err == nil && system.Host != host {
		_, err = s.Registry.Update(ctx, caller, id, phonesystem.Change{Host: &host}, s.closing(caller))
	}
	if err != nil {
		return d, err
	}
	if d.Administrator.Password == "" || d.Extension.Password == "" {
		d.Administrator = demo.Credentials{Name: "admin", Password: rand.Text()[:12]}
		d.Extension = demo.Credentials{Name: "100", Password: rand.Text()[:12]}
	}
	d.PhoneSystemID = id
	if created.GateKey != "" {
		d.GateKey = created.GateKey
	}
	if system.Authenticates(token.HashOf(d.GateKey), s.Journal.Second()) {
		return d, nil
	}
	rotated, err := s.Registry.RotateKey(ctx, caller, id, true)
	d.GateKey = rotated.GateKey
	return d, err
}

// closing ends the windows on a phone system that moves; the auditor tells of it.
func (s *System) closing(caller access.Caller) phonesystem.Closing {
	return func(p phonesystem.PhoneSystem, cause audit.Action) ([]table.Write, error) {
		task, err := s.Auditor.Book.Closing(caller, p, cause)
		return []table.Write{table.Put(task, table.Absent())}, err
	}
}

// writeDemo replaces the file whole, readable by its owner alone.
func writeDemo(file string, d Demonstration) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return publish(file, bytes.NewBuffer(append(text, '\n')))
}
