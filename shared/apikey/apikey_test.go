package apikey_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/apikey"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// onBoth runs a test on both stores.
func onBoth(t *testing.T, test func(t *testing.T, s scene)) {
	t.Helper()
	for name, store := range map[string]func(t *testing.T, clock *localtest.Clock) table.Table{
		"bolt":   func(t *testing.T, clock *localtest.Clock) table.Table { return localtest.Bolt(t, clock) },
		"dynamo": func(t *testing.T, clock *localtest.Clock) table.Table { return dynamotest.New(t, nil, clock.Now) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := localtest.NewClock()
			w := localtest.On(t, store(t, clock), clock)
			test(t, scene{w, w.Administrator("acme", "alice@acme.example")})
		})
	}
}

type scene struct {
	*localtest.World
	alice *localtest.Person
}

func (s scene) create(caller access.Caller, once idempotency.Key, permissions ...access.Permission) (apikey.Created, error) {
	return s.Keys.Create(context.Background(), caller, once, apikey.Key{Name: "program", Permissions: permissions})
}

func (s scene) must(permissions ...access.Permission) apikey.Created {
	s.T.Helper()
	made, err := s.create(s.alice.Caller(), idempotency.Key{}, permissions...)
	if err != nil {
		s.T.Fatal(err)
	}
	return made
}

func (s scene) authenticate(secret string) (access.Caller, error) {
	return s.Keys.Authenticate(context.Background(), secret, netip.MustParseAddr("::ffff:203.0.113.9"), true)
}

func TestAKeyIsAProgram(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		made := s.must(access.ViewAudit)
		caller, err := s.authenticate(made.Secret)
		if err != nil || caller.Program != "program" || caller.UserID != made.Key.ID || caller.PartnerID != s.alice.PartnerID || caller.Client.String() != "203.0.113.9" {
			t.Fatalf("%+v, %v", caller, err)
		}
		if got := caller.Granted(); !slices.Equal(got, []access.Permission{access.ViewAudit}) {
			t.Errorf("granted: %v", got)
		}
		if _, err := s.Keys.Authenticate(context.Background(), made.Secret, netip.Addr{}, false); !errors.Is(err, access.ErrProgram) {
			t.Errorf("where no program may ask: %v", err)
		}
	})
}

func TestTheKeyStandsInTheTableAsAHash(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		made := s.must(access.ViewAudit)
		item, err := s.Table.Get(context.Background(), table.Key{Partition: "apikeys#" + s.alice.PartnerID, Sort: made.Key.ID})
		random := made.Secret[strings.LastIndex(made.Secret, "_")+1:]
		if err != nil || len(random) < 23 || strings.Contains(string(item.Body), random) || !strings.Contains(string(item.Body), string(made.Key.Hash)) {
			t.Errorf("%s, %v", item.Body, err)
		}
		s.Tick()
		letters := slices.DeleteFunc(s.Mail.To("alice@acme.example"), func(l mail.Letter) bool { return l.Subject != "An API key was made: program" })
		if len(letters) != 1 || strings.Contains(letters[0].Text, random) || strings.Contains(s.Log.String(), random) {
			t.Errorf("%+v", letters)
		}
	})
}

// What ends a key is felt at the very next request.
func TestAttack22KeysThatSurvive(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		ctx := context.Background()
		removed, stays := s.must(), s.must()
		ends, err := s.Keys.Create(ctx, s.alice.Caller(), idempotency.Key{}, apikey.Key{Name: "ends", ExpiresAt: s.Clock.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range []apikey.Created{removed, stays, ends} {
			if _, err := s.authenticate(made.Secret); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Keys.Delete(ctx, s.alice.Caller(), removed.Key.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.authenticate(removed.Secret); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("removed: %v", err)
		}
		s.Clock.Add(time.Minute - time.Second)
		if _, err := s.authenticate(ends.Secret); err != nil {
			t.Errorf("a second before its end: %v", err)
		}
		s.Clock.Add(time.Second)
		if _, err := s.authenticate(ends.Secret); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("at its end: %v", err)
		}
		if _, err := s.authenticate(stays.Secret); err != nil {
			t.Errorf("another: %v", err)
		}
	})
}

func TestAttack46KeysFromBeforeARestore(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		before := s.must()
		s.Clock.Add(time.Hour)
		s.Restore()
		if _, err := s.authenticate(before.Secret); !errors.Is(err, apikey.ErrUnknown) {
			t.Errorf("from before: %v", err)
		}
		s.Clock.Add(2 * time.Minute)
		s.alice.SignIn()
		if _, err := s.authenticate(s.must().Secret); err != nil {
			t.Errorf("from after: %v", err)
		}
	})
}

// A use is written at most once in five minutes, however many ask.
func TestLastUse(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		made := s.must()
		last := func() time.Time {
			t.Helper()
			page, _, err := s.Keys.List(context.Background(), s.alice.Caller(), "", 10)
			if err != nil || len(page) != 1 {
				t.Fatal(page, err)
			}
			return page[0].LastUsedAt
		}
		if !last().IsZero() {
			t.Error("used before it was")
		}
		localtest.Parallel(10, func(int) { _, _ = s.authenticate(made.Secret) })
		first := s.Clock.Now()
		if !last().Equal(first) {
			t.Errorf("after the first uses: %v", last())
		}
		for _, step := range []struct {
			after time.Duration
			want  time.Time
		}{{5*time.Minute - time.Second, first}, {time.Second, first.Add(5 * time.Minute)}} {
			s.Clock.Add(step.after)
			if _, err := s.authenticate(made.Secret); err != nil {
				t.Fatal(err)
			}
			if !last().Equal(step.want) {
				t.Errorf("after %v: %v", step.after, last())
			}
		}
	})
}

// Nobody makes a key but an administrator, and none grants what no program may.
func TestAttack32KeysGrantNoMore(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		all := access.Role{ID: "ALL", Permissions: access.Permissions(), PhoneSystems: []string{"*"}, MaxUnlockSeconds: 600}
		fresh := s.alice.Caller()
		stale := fresh
		stale.MFAAt = fresh.MFAAt.Add(-access.FreshFor)
		limited := access.Caller{UserID: fresh.UserID, PartnerID: fresh.PartnerID, Roles: []access.Role{all}, MFAAt: fresh.MFAAt}
		program, err := s.authenticate(s.must(access.ProgramPermissions()...).Secret)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			caller access.Caller
			want   error
		}{
			"a user with every permission": {limited, access.ErrForbidden},
			"a program":                    {program, access.ErrForbidden},
			"nobody":                       {access.Caller{}, access.ErrForbidden},
			"an operator":                  {access.Caller{UserID: "o", PartnerID: access.Operators, Administrator: true, MFAAt: fresh.MFAAt}, access.ErrForbidden},
			"attack 40: a stolen session":  {stale, access.ErrNotFresh},
		} {
			if _, err := s.create(c.caller, idempotency.Key{}); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, p := range access.Permissions() {
			_, err := s.create(fresh, idempotency.Key{}, p)
			if may := slices.Contains(access.ProgramPermissions(), p); may != (err == nil) {
				t.Errorf("%s: %v", p, err)
			}
		}
	})
}

// Whatever a key's item says, a program opens and closes nothing.
func TestAProgramNeverHoldsMore(t *testing.T) {
	program := access.ByProgram("p", "k", "program", access.Permissions(), netip.Addr{})
	if got := program.Granted(); !slices.Equal(got, access.ProgramPermissions()) {
		t.Errorf("granted: %v", got)
	}
}

func TestAttack38KeysInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, s scene) {
		header := http.Header{"Authorization": {"Bearer " + s.alice.Token}, "Idempotency-Key": {"k"}}
		answers := make([]localtest.Answer, 8)
		localtest.Parallel(len(answers), func(i int) {
			answers[i] = s.Send(localtest.Request{Method: "POST", Path: "/v1/api-keys", Body: map[string]any{"name": "x", "permissions": []string{}}, Header: header})
		})
		shown := 0
		for _, a := range answers {
			if a.Status != http.StatusCreated || a.Text("id") != answers[0].Text("id") {
				t.Errorf("%d %s", a.Status, a.Body)
			}
			if a.Text("api_key") != "" {
				shown++
			}
		}
		if n := len(s.alice.Must(http.StatusOK, "GET", "/v1/api-keys", nil).Items()); n != 1 || shown != 1 {
			t.Errorf("%d keys, shown %d times", n, shown)
		}
	})
}
