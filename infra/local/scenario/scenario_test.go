package scenario_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/infra/local/scenario"
	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/lambdahttp/lambdahttptest"
	"portcullis.example/shared/table/bolt"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// onMux is a world on the handlers themselves.
type onMux struct {
	*localtest.World
	partners map[string]string // ids by name
	admins   map[string]string // their first administrators'
	// expire has the store remove what has expired.
	expire func(context.Context) error
	serves http.Handler
}

func onBolt(t *testing.T) onMux {
	w := localtest.New(t)
	return onMux{w, map[string]string{}, map[string]string{}, func(ctx context.Context) error {
		_, err := w.Table.(*bolt.Store).Reap(ctx, 500, w.Courier.Removed)
		return err
	}, w.API}
}

// onAWS is DynamoDB, and each request is an event.
func onAWS(t *testing.T) onMux {
	clock := localtest.NewClock()
	store := dynamotest.New(t, nil, clock.Now)
	w := localtest.On(t, store, clock)
	return onMux{w, map[string]string{}, map[string]string{}, func(ctx context.Context) error {
		return dynamotest.Expire(ctx, store, clock.Now(), w.Courier.Removed)
	}, lambdahttptest.Through(w.API)}
}

func (w onMux) BaseURL() string { return localtest.BaseURL }

func (w onMux) Do(r *http.Request) (*http.Response, error) {
	r.RequestURI = r.URL.RequestURI()
	recorder := httptest.NewRecorder()
	w.serves.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

func (w onMux) Now() time.Time { return w.Clock.Now() }

func (w onMux) Advance(d time.Duration) error { w.Clock.Add(d); return nil }

func (w onMux) Tick() error {
	ctx := context.Background()
	_, told := w.Auditor.Run(ctx)
	_, delivered := w.Courier.Deliver(ctx)
	return errors.Join(told, delivered, w.expire(ctx), w.Keeper.Flush(ctx))
}

func (w onMux) Mail(to string) (string, error) {
	letters := w.World.Mail.To(to)
	if len(letters) == 0 {
		return "", fmt.Errorf("no letter to %s", to)
	}
	return letters[len(letters)-1].Text, nil
}

func (w onMux) caller(user, partner string) access.Caller {
	return access.Caller{UserID: user, PartnerID: partner, Administrator: true, MFAAt: w.Clock.Now()}
}

func (w onMux) Operator(email string) error {
	_, _, err := w.Directory.InviteOperator(context.Background(), idempotency.Once("operator"), email)
	return err
}

func (w onMux) Partner(name, administrator string) error {
	made, invited, err := w.Directory.CreatePartner(context.Background(), w.caller("SCENARIO", access.Operators), idempotency.Key{},
		account.Partner{Name: name, SupportContact: "help@" + name + ".example"}, administrator)
	w.partners[name], w.admins[name] = made.ID, invited.User.ID
	return err
}

func (w onMux) Invite(partner, email string, roles []string) error {
	_, err := w.Directory.Invite(context.Background(), w.caller(w.admins[partner], w.partners[partner]), account.Person{Email: email, Roles: roles})
	return err
}

func (w onMux) Role(partner, id string, text json.RawMessage) error {
	role := access.Role{ID: id, Name: id}
	if err := json.Unmarshal(text, &role); err != nil {
		return err
	}
	w.World.Role(w.partners[partner], role)
	return nil
}

// The contract, as scripts: each file of testdata/scenarios on a world of its
// own.
func TestScenarios(t *testing.T) {
	for name, world := range map[string]func(*testing.T) onMux{"bolt": onBolt, "AWS": onAWS} {
		t.Run(name, func(t *testing.T) { playAll(t, world) })
	}
}

func playAll(t *testing.T, world func(*testing.T) onMux) {
	files, err := filepath.Glob("../testdata/scenarios/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range play(t, world, file, txtar.Parse(text)) {
				t.Error(err)
			}
		})
	}
}

// play runs an archive: its comment is one script, or each of its files is one,
// on a world of its own.
func play(t *testing.T, world func(*testing.T) onMux, file string, a *txtar.Archive) (failed []error) {
	scripts := append([]txtar.File{{Name: filepath.Base(file), Data: a.Comment}}, a.Files...)
	for _, script := range scripts {
		name := filepath.Base(file)
		if script.Name != name {
			name += "/" + script.Name
		}
		if err := scenario.Run(world(t), name, string(script.Data)); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}
