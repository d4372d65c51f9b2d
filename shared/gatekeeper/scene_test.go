package gatekeeper_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

const (
	host       = "pbx.acme.example"
	restricted = "/xapi/v1/Users"
	free       = "/webclient/"
)

// scene is a partner with an administrator, alice, and one phone system.
type scene struct {
	*localtest.World
	alice *localtest.Person
	gate  *localtest.Gate
}

// newScene is a scene over an embedded store; policy as localtest has it.
func newScene(t testing.TB, policy map[string]any) *scene {
	t.Helper()
	return sceneIn(localtest.New(t), policy)
}

// sceneOver is a scene whose table is wrapped.
func sceneOver(t testing.TB, policy map[string]any, wrap func(table.Table) table.Table) *scene {
	t.Helper()
	return sceneWithin(t, localtest.Patience, policy, wrap)
}

// sceneWithin is one in which a gate's answer may take so long; zero: as deployed.
func sceneWithin(t testing.TB, within time.Duration, policy map[string]any, wrap func(table.Table) table.Table) *scene {
	t.Helper()
	clock := localtest.NewClock()
	w := localtest.On(t, wrap(localtest.Bolt(t, clock)), clock, func(o *ground.Options) { o.GateWithin = within })
	return sceneIn(w, policy)
}

func sceneIn(w *localtest.World, policy map[string]any) *scene {
	alice := w.Administrator("acme", "alice@acme.example")
	return &scene{World: w, alice: alice, gate: alice.PhoneSystem(host, policy)}
}

// technician is somebody with a role that unlocks every phone system.
func (s *scene) technician(email string) (*localtest.Person, access.Role) {
	s.T.Helper()
	role := access.Role{
		ID: "R" + strings.ToUpper(email[:3]), Name: "technicians", Permissions: []access.Permission{access.Unlock, access.ManagePhoneSystems},
		PhoneSystems: []string{access.EveryPhoneSystem}, MaxUnlockSeconds: 3600,
	}
	s.Role(s.alice.PartnerID, role)
	return s.World.User(s.alice, email, role.ID), role
}

// pass opens a window of an hour and answers the cookie.
func (s *scene) pass(p *localtest.Person, g *localtest.Gate) string {
	s.T.Helper()
	return g.Pass(p.Unlock(g, 3600))
}

// edit changes what stands at a key, as a call of another issue would.
func edit[T any](s *scene, key table.Key, change func(*T)) {
	s.T.Helper()
	ctx := context.Background()
	item, err := s.Table.Get(ctx, key)
	if err != nil {
		s.T.Fatal(err)
	}
	value, err := table.Decode[T](item)
	if err != nil {
		s.T.Fatal(err)
	}
	change(&value)
	next, err := table.Encode(key, item.Kind, value)
	if err != nil {
		s.T.Fatal(err)
	}
	next.Expires, next.Due = item.Expires, item.Due
	if err := s.Table.Apply(ctx, table.Put(next, table.Is(item.Rev))); err != nil {
		s.T.Fatal(err)
	}
}

func (s *scene) editUser(p *localtest.Person, change func(*account.User)) {
	s.T.Helper()
	edit(s, account.UserKey(p.ID), change)
}

func (s *scene) editSystem(change func(*phonesystem.PhoneSystem)) {
	s.T.Helper()
	edit(s, phonesystem.Key(s.gate.ID), change)
}

func (s *scene) editLease(p *localtest.Person, change func(*unlock.Lease)) {
	s.T.Helper()
	edit(s, unlock.LeaseKey(s.alice.PartnerID, s.gate.ID, p.ID), change)
}

func (s *scene) remove(key table.Key) {
	s.T.Helper()
	if err := s.Table.Apply(context.Background(), table.Delete(key, table.Present())); err != nil {
		s.T.Fatal(err)
	}
}

// ask puts a question with any headers, each under its name as given.
func (s *scene) ask(h http.Header) localtest.Answer {
	s.T.Helper()
	r := httptest.NewRequest(http.MethodGet, localtest.BaseURL+"/v1/gate/decision", nil)
	r.Header = h
	return s.serve(r)
}

func (s *scene) serve(r *http.Request) localtest.Answer {
	recorder := httptest.NewRecorder()
	s.API.ServeHTTP(recorder, r)
	return localtest.Answer{Status: recorder.Code, Header: recorder.Header(), Body: recorder.Body.String()}
}

// reads holds a decision to its reason.
func reads(t *testing.T, a localtest.Answer, want string) {
	t.Helper()
	status, decision := http.StatusForbidden, "deny"
	if want == "unrestricted" || want == "open_window" {
		status, decision = http.StatusNoContent, "allow"
	}
	if got := a.Header.Get("Portcullis-Reason"); got != want || a.Status != status || a.Header.Get("Portcullis-Decision") != decision {
		t.Errorf("%d %s %q, want %d %s %q", a.Status, a.Header.Get("Portcullis-Decision"), got, status, decision, want)
	}
}
