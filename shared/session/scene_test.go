package session_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// scene is a world whose work is watched, with one administrator in it.
type scene struct {
	*localtest.World
	path   string // of the store, on one machine
	calls  *tabletest.Counting
	meet   *tabletest.Meeting
	faults *tabletest.Faulty
	opened atomic.Int64 // sealed secrets: TOTP codes judged
	alice  *localtest.Person
}

// watched counts what is opened.
type watched struct {
	secrets.Sealer
	opened *atomic.Int64
}

func (w watched) Open(ctx context.Context, sealed []byte, bound string) ([]byte, error) {
	w.opened.Add(1)
	return w.Sealer.Open(ctx, sealed, bound)
}

// stages are the stores that a scene may stand on. What an attack's outcome
// rests on is the store's, so these are played on both.
func stages() map[string]func(*testing.T) *scene {
	return map[string]func(*testing.T) *scene{"bolt": newScene, "DynamoDB": newSceneOnDynamoDB}
}

// onBoth plays on both stores, beside the other tests that do: while one waits for
// DynamoDB another goes on.
func onBoth(t *testing.T, play func(t *testing.T, newScene func(*testing.T) *scene)) {
	t.Parallel()
	for name, newScene := range stages() {
		t.Run(name, func(t *testing.T) { play(t, newScene) })
	}
}

func newScene(t *testing.T) *scene {
	t.Helper()
	clock := localtest.NewClock()
	path := filepath.Join(t.TempDir(), "portcullis.db")
	store, err := bolt.Open(path, bolt.Options{Now: clock.Now, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := sceneOn(t, store, clock)
	s.path = path
	return s
}

func newSceneOnDynamoDB(t *testing.T) *scene {
	t.Helper()
	clock := localtest.NewClock()
	return sceneOn(t, dynamotest.New(t, nil, clock.Now), clock)
}

func sceneOn(t *testing.T, store table.Table, clock *localtest.Clock) *scene {
	t.Helper()
	s := &scene{}
	s.calls = tabletest.NewCounting(store)
	s.meet = tabletest.NewMeeting(s.calls)
	s.faults = tabletest.NewFaulty(s.meet, nil)
	s.World = localtest.On(t, s.faults, clock, func(o *ground.Options) { o.Sealer = watched{o.Sealer, &s.opened} })
	s.alice = s.Administrator("acme", "alice@acme.example")
	return s
}

// change writes a user's record as an administrator's call will.
func (s *scene) change(p *localtest.Person, change func(*account.User)) {
	s.T.Helper()
	user, rev, err := s.Directory.User(context.Background(), p.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	change(&user)
	write, err := user.Write(table.Is(rev))
	if err == nil {
		err = s.Table.Apply(context.Background(), write)
	}
	if err != nil {
		s.T.Fatal(err)
	}
}

// sessions counts the user's living sessions in the store.
func (s *scene) sessions(p *localtest.Person) int {
	s.T.Helper()
	n := 0
	for _, err := range s.Table.List(context.Background(), table.Range{Partition: account.UserKey(p.ID).Partition, Prefix: "session#"}) {
		if err != nil {
			s.T.Fatal(err)
		}
		n++
	}
	return n
}

// factors reads a user's factors and checks that they stand for good.
func (s *scene) factors(p *localtest.Person) mfa.Factors {
	s.T.Helper()
	item, err := s.Table.Get(context.Background(), mfa.Key(p.ID))
	if err != nil {
		s.T.Fatal(err)
	}
	if !item.Expires.IsZero() {
		s.T.Errorf("the factors expire at %v", item.Expires)
	}
	factors, err := mfa.Read(item)
	if err != nil {
		s.T.Fatal(err)
	}
	return factors
}

// codeAt is the person's code for another time.
func (s *scene) codeAt(p *localtest.Person, at time.Time) string {
	s.T.Helper()
	secret, err := totp.ParseSecret(p.Secret)
	if err != nil {
		s.T.Fatal(err)
	}
	code, err := totp.Code(secret, at)
	if err != nil {
		s.T.Fatal(err)
	}
	return code
}

// wrongCode is six digits that none of the codes around now is.
func (s *scene) wrongCode(p *localtest.Person) string {
	s.T.Helper()
	near := map[string]bool{}
	for step := -2; step <= 2; step++ {
		near[s.codeAt(p, s.Clock.Now().Add(time.Duration(step)*totp.Period))] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555"} {
		if !near[code] {
			return code
		}
	}
	s.T.Fatal("every code is right")
	return ""
}

func loginRequest(email, password string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": email, "password": password}}
}

func mfaRequest(token, method, code string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": token, "method": method, "code": code}}
}

func stepUpRequest(p *localtest.Person, method, code string) localtest.Request {
	return bearer(p.Token, localtest.Request{Method: "POST", Path: "/v1/session/step-up", Body: map[string]any{"method": method, "code": code}})
}

func enrollRequest(token string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/enroll", Body: map[string]any{"login_token": token}}
}

func confirmRequest(token, code string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/enroll/confirm", Body: map[string]any{"login_token": token, "code": code}}
}

func bearer(token string, req localtest.Request) localtest.Request {
	req.Header = http.Header{"Authorization": {"Bearer " + token}}
	return req
}

// fromDevice has a request name the browser it comes from.
func fromDevice(device string, req localtest.Request) localtest.Request {
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("Portcullis-Device", device)
	return req
}

// invited makes somebody who has accepted an invitation and not enrolled, and
// answers the login token.
func (s *scene) invited(email string) (*localtest.Person, string) {
	s.T.Helper()
	invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: email})
	if err != nil {
		s.T.Fatal(err)
	}
	accepted := s.Must(http.StatusOK, acceptRequest(tokenOf(invited.Link)))
	return &localtest.Person{Email: email, ID: invited.User.ID, PartnerID: invited.User.PartnerID}, accepted.Text("login_token")
}

func acceptRequest(token string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": token, "password": localtest.Password, "name": "Person"}}
}
