package recovery_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/dynamo/dynamotest"
	"portcullis.example/shared/table/tabletest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// scene is a world on a table that fails by plan, with an operator, and a partner with
// an administrator and a user.
type scene struct {
	*localtest.World
	faults               *tabletest.Faulty
	meet                 *tabletest.Meeting
	operator, alice, bob *localtest.Person
}

// onBoth plays on both stores.
func onBoth(t *testing.T, play func(t *testing.T, s *scene)) {
	t.Run("bolt", func(t *testing.T) { play(t, newScene(t)) })
	t.Run("DynamoDB", func(t *testing.T) {
		clock := localtest.NewClock()
		play(t, sceneOn(t, dynamotest.New(t, nil, clock.Now), clock))
	})
}

func newScene(t *testing.T) *scene {
	t.Helper()
	clock := localtest.NewClock()
	return sceneOn(t, localtest.Bolt(t, clock), clock)
}

func sceneOn(t *testing.T, store table.Table, clock *localtest.Clock) *scene {
	t.Helper()
	s := &scene{meet: tabletest.NewMeeting(store)}
	s.faults = tabletest.NewFaulty(s.meet, nil)
	s.World = localtest.On(t, s.faults, clock)
	s.alice = s.Administrator("acme", "alice@acme.example")
	s.bob = s.User(s.alice, "bob@acme.example")
	s.operator = s.Operator()
	s.Clock.Add(time.Minute)
	return s
}

func (s *scene) path() string { return "/v1/partners/" + s.alice.PartnerID + "/recovery" }

func (s *scene) begin(status int, email string) localtest.Answer {
	s.T.Helper()
	s.operator.SignIn()
	return s.operator.Must(status, "POST", s.path(), map[string]any{"administrator_email": email})
}

// begun begins a recovery for alice, and has everybody told.
func (s *scene) begun() {
	s.T.Helper()
	s.begin(http.StatusCreated, s.alice.Email)
	s.Tick()
}

// over lets the time to cancel pass.
func (s *scene) over() {
	s.T.Helper()
	s.Clock.Add(recovery.Wait)
	s.Tick()
}

var code = regexp.MustCompile(`(?m)^ +((?:[a-z2-7]{4}-){6}[a-z2-7]{2})$`)

// codes are the enrolment codes that an address was mailed.
func (s *scene) codes(email string) (codes []string) {
	for _, letter := range s.Mail.To(email) {
		for _, match := range code.FindAllStringSubmatch(letter.Text, -1) {
			codes = append(codes, match[1])
		}
	}
	return codes
}

// links are the tokens of the links to cancel that an address was mailed.
func (s *scene) links(email string) (tokens []string) {
	for _, letter := range s.Mail.To(email) {
		if _, rest, found := strings.Cut(letter.Text, localtest.BaseURL+"/#cancel-recovery?token="); found {
			tokens = append(tokens, strings.Fields(rest)[0])
		}
	}
	return tokens
}

// subjects counts the letters to an address whose subject begins so.
func (s *scene) subjects(email, begins string) (n int) {
	for _, letter := range s.Mail.To(email) {
		if strings.HasPrefix(letter.Subject, begins) {
			n++
		}
	}
	return n
}

func (s *scene) audited(p *localtest.Person, action string) []localtest.Answer {
	s.T.Helper()
	return p.Must(http.StatusOK, "GET", "/v1/audit?action="+action, nil).Items()
}

func (s *scene) cancelByLink(status int, token string) {
	s.T.Helper()
	s.Must(status, localtest.Request{Method: "POST", Path: "/v1/recovery/cancel", Body: map[string]any{"token": token}})
}

func (s *scene) enroll(status int, code string) localtest.Answer {
	s.T.Helper()
	body := map[string]any{"login_token": s.alice.Login()}
	if code != "" {
		body["enrollment_code"] = code
	}
	return s.Must(status, localtest.Request{Method: "POST", Path: "/v1/login/enroll", Body: body})
}

// keepsFactor demands that alice still signs in with what she had.
func (s *scene) keepsFactor() {
	s.T.Helper()
	s.alice.SignIn()
}

// resetPassword chooses alice's password anew with what her mailbox has.
func (s *scene) resetPassword() {
	s.T.Helper()
	s.Tick()
	s.Must(http.StatusAccepted, localtest.Request{Method: "POST", Path: "/v1/password/forgot", Body: map[string]any{"email": s.alice.Email}})
	s.Tick()
	letters := s.Mail.To(s.alice.Email)
	_, token, _ := strings.Cut(letters[len(letters)-1].Text, "token=")
	s.Must(http.StatusNoContent, localtest.Request{Method: "POST", Path: "/v1/password/reset", Body: map[string]any{"token": strings.Fields(token)[0], "new_password": localtest.Password}})
}

// stored is the recovery as it stands, or table.ErrNotFound.
func (s *scene) stored() (table.Item, error) {
	return s.Table.Get(context.Background(), recovery.Key(s.alice.PartnerID))
}
