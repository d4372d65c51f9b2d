package windowtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/token"
	"portcullis.example/shared/unlock"
)

var start = time.Date(2027, time.March, 1, 9, 0, 0, 0, time.UTC)

const (
	portal  = "https://portal.example"
	address = "198.51.100.7"
)

// process is one running Portcullis: several may stand on one table.
type process struct {
	book    *unlock.Book
	keeper  *gatekeeper.Keeper
	journal *audit.Journal
}

func newProcess(t table.Table, now func() time.Time) *process {
	journal := &audit.Journal{Table: t, Now: now, IDs: token.NewIDs(now, rand.Reader)}
	return &process{
		journal: journal, book: &unlock.Book{Journal: journal, Random: rand.Reader},
		keeper: gatekeeper.New(gatekeeper.Options{Journal: journal, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), BaseURL: portal, Within: localtest.Patience}),
	}
}

// audits runs the auditor.
func (p *process) audits(ctx context.Context) error {
	settled := p.book.Settle(ctx)
	_, err := p.book.Sweep(ctx)
	return errors.Join(settled, err)
}

// stage is a partner of its own with phone systems and users, on a table.
type stage struct {
	table   table.Table
	now     func() time.Time
	partner string
	admin   access.Caller // no user of the stage
	users   []account.User
	role    access.Role // of all users but the first, who administers
	systems []system
}

type system struct {
	id, key, host string
}

func newStage(t testing.TB, tbl table.Table, now func() time.Time, users, systems int, policy phonesystem.Policy, longest int64) *stage {
	t.Helper()
	ids := token.NewIDs(now, rand.Reader)
	id := func() string {
		made, err := ids.New()
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	s := &stage{table: tbl, now: now, partner: id()}
	s.admin = access.Caller{UserID: id(), PartnerID: s.partner, Administrator: true}
	s.role = access.Role{ID: id(), Name: "technician", Permissions: []access.Permission{access.Unlock}, PhoneSystems: []string{"*"}, MaxUnlockSeconds: longest}
	s.must(t, s.writeRole())
	for i := range users {
		u := account.User{ID: id(), PartnerID: s.partner, Email: fmt.Sprintf("user%d@example.com", i), Active: true, Administrator: i == 0}
		if i > 0 {
			u.Roles = []string{s.role.ID}
		}
		s.users = append(s.users, u)
		s.must(t, s.writeUser(u))
	}
	registry := &phonesystem.Registry{Journal: newProcess(tbl, now).journal, Random: rand.Reader}
	for i := range systems {
		host := fmt.Sprintf("pbx%d.example.com", i)
		made, err := registry.Create(t.Context(), s.fresh(s.admin), idempotency.Key{}, phonesystem.PhoneSystem{Name: "PBX", Host: host, Profile: "3cx-v20", Policy: policy})
		s.must(t, err)
		s.systems = append(s.systems, system{id: made.PhoneSystem.ID, key: made.GateKey, host: host})
	}
	return s
}

func (s *stage) must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stage) writeRole() error {
	item, err := table.Encode(account.RoleKey(s.partner, s.role.ID), "role", s.role)
	if err != nil {
		return err
	}
	return s.table.Apply(context.Background(), table.Put(item, table.Always()))
}

func (s *stage) writeUser(u account.User) error {
	write, err := u.Write(table.Always())
	if err != nil {
		return err
	}
	return s.table.Apply(context.Background(), write)
}

func (s *stage) fresh(c access.Caller) access.Caller {
	c.MFAAt, c.Client = s.now().Truncate(time.Second), netip.MustParseAddr(address)
	return c
}

// caller is a user as a request of theirs finds them now.
func (s *stage) caller(user int) access.Caller {
	u := s.users[user]
	c := access.Caller{UserID: u.ID, Email: u.Email, PartnerID: s.partner, Administrator: u.Administrator, Epoch: u.Epoch}
	if !u.Administrator {
		c.Roles = []access.Role{s.role}
	}
	return s.fresh(c)
}

// admit spends a ticket and answers the cookie.
func (s *stage) admit(ctx context.Context, p *process, sys int, ticket string) (string, error) {
	admitted, err := p.keeper.Admit(ctx, gatekeeper.Visit{
		Authorization: []string{"Bearer " + s.systems[sys].key}, Client: []string{address}, Origin: []string{portal}, Ticket: ticket,
	})
	return admitted.Cookie + "=" + admitted.Pass, err
}

// decide asks about a restricted path.
func (s *stage) decide(ctx context.Context, p *process, sys int, cookie string) (gatekeeper.Decision, error) {
	return p.keeper.Decide(ctx, gatekeeper.Request{
		Authorization: []string{"Bearer " + s.systems[sys].key}, Method: []string{"GET"}, URL: []string{"https://" + s.systems[sys].host + "/xapi/v1/Users"},
		Client: []string{address}, Cookie: []string{cookie},
	})
}

// records lists every unlock of the partner, oldest first.
func (s *stage) records(ctx context.Context) (found []unlock.Unlock, err error) {
	for item, err := range s.table.List(ctx, table.Range{Partition: "unlocks#" + s.partner}) {
		if err != nil {
			return nil, err
		}
		u, err := table.Decode[unlock.Unlock](item)
		if err != nil {
			return nil, err
		}
		found = append(found, u)
	}
	return found, nil
}

// told is what the audit says of one unlock.
type told struct {
	opened, extended int
	ends             []audit.Action
	endedAt          string
}

func (s *stage) told(ctx context.Context) (map[string]*told, error) {
	found := map[string]*told{}
	for item, err := range s.table.List(ctx, table.Range{Partition: "audit#" + s.partner}) {
		if err != nil {
			return nil, err
		}
		e, err := table.Decode[audit.Entry](item)
		if err != nil {
			return nil, err
		}
		of := found[e.Subject]
		if of == nil {
			of = &told{}
			found[e.Subject] = of
		}
		switch e.Action {
		case audit.UnlockOpened:
			of.opened++
		case audit.UnlockExtended:
			of.extended++
		case audit.UnlockClosed, audit.UnlockRevoked, audit.UnlockExpired:
			of.ends, of.endedAt = append(of.ends, e.Action), e.Details["ended_at"]
		}
	}
	return found, nil
}

// settled compares records and audit after the auditor has run late enough:
// each window was opened once and ended once, as its record says.
func (s *stage) settled(ctx context.Context, extensions int64) error {
	records, err := s.records(ctx)
	if err != nil {
		return err
	}
	log, err := s.told(ctx)
	if err != nil {
		return err
	}
	for _, u := range records {
		of := log[u.ID]
		if of == nil || of.opened != 1 || len(of.ends) != 1 || of.ends[0] != audit.Action("unlock."+u.End) ||
			of.endedAt != u.EndedAt.Format(time.RFC3339) || int64(of.extended) != extensions-u.ExtensionsLeft {
			return fmt.Errorf("unlock %+v: the audit says %+v", u, of)
		}
		delete(log, u.ID)
	}
	for id, of := range log {
		if of.opened+of.extended+len(of.ends) > 0 {
			return fmt.Errorf("the audit tells %+v of %s, which has no record", of, id)
		}
	}
	return nil
}
