//go:build rehearsal

package rehearsal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/secrets/kms"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

const (
	portal = "https://portal.example"
	// clockFile names the functions' clock: see clock.overlay.
	clockFile = "PORTCULLIS_REHEARSAL_CLOCK"
	// gateWithin names how long the gate's answers may take.
	gateWithin = "PORTCULLIS_REHEARSAL_WITHIN"
	// patience is how many times as long as on AWS a function may take: the machine
	// may be busy.
	patience = 12
)

// world is a whole deployed Portcullis, on a table of its own.
type world struct {
	t         testing.TB
	cloud     *cloud
	template  *transformed
	functions map[string]*function
	gateway   *gateway
	stream    *stream
	ground    *ground.Ground // for what has no call yet
	partners  map[string]string
	admins    map[string]string // the partners' first administrators

	mu    sync.Mutex
	shown time.Time // what the clock shows
	file  string
}

func newWorld(t testing.TB, c *cloud, binaries string, extra map[string]string) *world {
	t.Helper()
	w := &world{t: t, cloud: c, functions: map[string]*function{}, partners: map[string]string{}, admins: map[string]string{}, file: filepath.Join(t.TempDir(), "clock")}
	w.must(w.begin(time.Now()))
	table, known := extra["Table"]
	if !known {
		table = "portcullis-" + rand.Text()
		w.make(table)
	}
	w.ground = w.stands(table)
	parameters := map[string]string{
		"Table": table, "DomainName": "portal.example", "OperatorEmail": "operator@example.com", "MailFrom": "portcullis@example.com", "Stage": "prod",
	}
	for name, value := range extra {
		parameters[name] = value
	}
	template, err := readTransformed(filepath.Join("..", "..", ".aws-sam", "transformed.json"), parameters)
	w.must(err)
	w.template = template
	for name, logical := range template.functions() {
		seconds, err := strconv.Atoi(fmt.Sprint(get(template.properties(logical), "Timeout")))
		w.must(err)
		env := append(template.environment(logical), "AWS_ACCESS_KEY_ID="+name, "AWS_SECRET_ACCESS_KEY=secret", "AWS_SESSION_TOKEN=token",
			"AWS_ENDPOINT_URL_DYNAMODB="+c.URL, "AWS_ENDPOINT_URL_KMS="+c.URL, "AWS_ENDPOINT_URL_SESV2="+c.URL, clockFile+"="+w.file, gateWithin+"=1m")
		w.functions[name] = &function{name: name, binary: filepath.Join(binaries, name, "bootstrap"), env: env, timeout: patience * time.Duration(seconds) * time.Second, begin: w.goOn}
	}
	routes := map[string]*function{}
	for key, name := range template.routes() {
		routes[key] = w.functions[name]
	}
	w.gateway = newGateway(routes)
	w.stream, err = newStream(table)
	w.must(err)
	t.Cleanup(func() {
		for _, f := range w.functions {
			if err := f.stop(); err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// make makes the table that the template describes, with its stream.
func (w *world) make(name string) {
	schema := dynamotest.Schema(name)
	schema.StreamSpecification = streamed()
	_, err := dynamotest.Client().CreateTable(context.Background(), schema)
	w.must(err)
}

// stands is the ground for what has no call yet.
func (w *world) stands(name string) *ground.Ground {
	config := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "rehearsal", SecretAccessKey: "x"}, nil
	})
	client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: &w.cloud.URL, Credentials: config})
	return ground.New(ground.Options{
		Table:  dynamo.New(dynamo.Options{Client: client, Table: name, Now: w.Now, Random: rand.Reader, Wait: dynamo.Wait}),
		Sealer: kms.Sealer{KeyID: keyARN, Client: awskms.New(awskms.Options{Region: region, BaseEndpoint: &w.cloud.URL, Credentials: config})},
		Now:    w.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), BaseURL: portal,
	})
}

// set sets the functions' clock, whole at any instant.
func (w *world) set(shown time.Time) error {
	draft := w.file + ".draft"
	w.shown = shown
	if err := os.WriteFile(draft, fmt.Append(nil, shown.UnixNano()), 0o600); err != nil {
		return err
	}
	return os.Rename(draft, w.file)
}

// asDeployed gives the gate no more time than on AWS.
func (w *world) asDeployed() {
	gate := w.functions["gate"]
	gate.timeout /= patience
	gate.env = append(gate.env, gateWithin+"=0s")
}

// begin sets it to the beginning of a second.
func (w *world) begin(shown time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set(shown.Truncate(time.Second))
}

// goOn is done before whatever happens in the world: it is a millisecond later
// than what happened before. So a scenario's steps are in the same second, however
// long this machine takes for them, and yet one after the other.
func (w *world) goOn() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set(w.shown.Add(time.Millisecond))
}

// BaseURL is the control portal's.
func (w *world) BaseURL() string { return portal }

// Do has API Gateway answer, and waits for what the gate does after its answers:
// what the next step finds is not to depend on how fast this machine is.
func (w *world) Do(r *http.Request) (*http.Response, error) {
	r.RequestURI, r.Host = r.URL.RequestURI(), r.URL.Host
	recorder := httptest.NewRecorder()
	w.gateway.ServeHTTP(recorder, r)
	w.functions["gate"].settle()
	return recorder.Result(), nil
}

// Now is the functions' time.
func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}

// Advance moves it on, to the beginning of a second.
func (w *world) Advance(d time.Duration) error { return w.begin(w.Now().Add(d)) }

// Tick does what is scheduled: time-to-live, the stream, the schedules.
func (w *world) Tick() error {
	ctx := context.Background()
	w.functions["gate"].settle()
	err := w.stream.expire(ctx, w.Now())
	err = errors.Join(err, w.stream.hand(ctx, w.functions["courier"]))
	for _, scheduled := range []string{"auditor", "courier"} {
		_, failed := w.functions[scheduled].invoke(ctx, []byte(`{}`))
		err = errors.Join(err, failed)
	}
	return err
}

// Mail is the newest to an address.
func (w *world) Mail(to string) (string, error) {
	found, ok := w.cloud.mailTo(to)
	if !ok {
		return "", fmt.Errorf("no letter to %s", to)
	}
	return found.text, nil
}

func (w *world) caller(user, partner string) access.Caller {
	return access.Caller{UserID: user, PartnerID: partner, Administrator: true, MFAAt: w.Now().Truncate(time.Second)}
}

// Operator has the installer invite.
func (w *world) Operator(email string) error {
	ask, err := json.Marshal(map[string]string{"action": "invite", "email": email})
	if err == nil {
		_, err = w.functions["installer"].invoke(context.Background(), ask)
	}
	return err
}

// Partner makes a partner.
func (w *world) Partner(name, administrator string) error {
	if err := w.goOn(); err != nil {
		return err
	}
	made, invited, err := w.ground.Directory.CreatePartner(context.Background(), w.caller("SCENARIO", access.Operators), idempotency.Key{},
		account.Partner{Name: name, SupportContact: "help@" + name + ".example"}, administrator)
	w.partners[name], w.admins[name] = made.ID, invited.User.ID
	return err
}

// Invite invites a user.
func (w *world) Invite(partner, email string, roles []string) error {
	if err := w.goOn(); err != nil {
		return err
	}
	_, err := w.ground.Directory.Invite(context.Background(), w.caller(w.admins[partner], w.partners[partner]), account.Person{Email: email, Roles: roles})
	return err
}

// Role writes a role.
func (w *world) Role(partner, id string, text json.RawMessage) error {
	role := access.Role{ID: id, Name: id}
	if err := json.Unmarshal(text, &role); err != nil {
		return err
	}
	item, err := table.Encode(account.RoleKey(w.partners[partner], id), "role", role)
	if err != nil {
		return err
	}
	return w.ground.Table.Apply(context.Background(), table.Put(item, table.Always()))
}
