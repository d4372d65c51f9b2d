package scenario_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/scenario"
)

// canned answers every request with the same.
type canned struct {
	status int
	kind   string
	body   string
	asked  *http.Request
}

func (c *canned) BaseURL() string { return "https://portal.example" }

func (c *canned) Do(r *http.Request) (*http.Response, error) {
	c.asked = r
	h := http.Header{"Content-Type": {c.kind}, "X-One": {"1"}, "X-Two": {"1", "2"}}
	return &http.Response{StatusCode: c.status, Header: h, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

func (c *canned) Now() time.Time                             { return time.Unix(0, 0) }
func (c *canned) Advance(time.Duration) error                { return nil }
func (c *canned) Tick() error                                { return nil }
func (c *canned) Mail(string) (string, error)                { return "no link here", nil }
func (c *canned) Operator(string) error                      { return nil }
func (c *canned) Partner(string, string) error               { return errors.New("full") }
func (c *canned) Invite(string, string, []string) error      { return nil }
func (c *canned) Role(string, string, json.RawMessage) error { return nil }

// A runner that lets everything pass would make every scenario worthless.
func TestLinesThatDoNotHoldAreTold(t *testing.T) {
	const asked = "get /v1/x\n"
	for _, c := range []struct{ script, want string }{
		{"# fine\n\nnonsense", `s:3: nonsense: scenario: there is no command "nonsense"`},
		{"get", "takes 1 to 2 arguments"},
		{"tick now", "takes 0 to 0 arguments"},
		{"get $unset", "$unset is not set"},
		{"get nowhere", "invalid URI"},
		{"as alice", "alice has not signed in"},
		{"clock +soon", "not a time to go on by"},
		{"clock -5m", "not a time to go on by"},
		{"with Name value", "with NAME: VALUE"},
		{"gate pbx", "there is no phone system pbx"},
		{"partner a b", "full"},
		{"mail x a@b.example", "carries no token"},
		{"code c alice", "alice.secret"},
		{"same a b", `"a" and "b" differ`},
		{"repeat a some x", "repeat NAME TIMES TEXT"},
		{asked + "status 404", "s:2: status 404: want 404; the answer was 200"},
		{asked + "problem 200 forbidden", "this is no problem"},
		{asked + "json a.b 2", "a.b is 1"},
		{asked + "json a.c 1", "there is no a.c"},
		{asked + "json list.2 x", "there is no list.2"},
		{asked + "no a", "there is a a"},
		{asked + "count list 3", "list has 2 items"},
		{asked + "count a 0", "a has 0 items"},
		{asked + "header X-One 2", `the header is ["1"]`},
		{asked + "header X-Two 1", `the header is ["1" "2"]`},
		{asked + "header-has X-One 2", `the header is ["1"]`},
		{asked + "no-header X-One", `the header is ["1"]`},
		{asked + "has gold", "this is not in it"},
		{asked + "lacks list", "this is in it"},
		{asked + "empty", "there is a body"},
		{asked + "set x nothing", "there is no nothing"},
		{asked + "decided open_window", "the header is []"},
		{"register pbx h", "want 201"},
		{"audited x 1", "items has 0 items"},
	} {
		w := &canned{status: 200, kind: "application/json", body: `{"a":{"b":1},"list":["x","y"]}`}
		if err := scenario.Run(w, "s", c.script); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.script, err, c.want)
		}
	}
}

func TestAProblemNeedsAllItsMembers(t *testing.T) {
	whole := `{"type":"a","title":"b","status":403,"detail":"c","instance":"d","code":"forbidden"}`
	for _, without := range []string{"", `"type":"a",`, `"title":"b",`, `"status":403,`, `"detail":"c",`, `"instance":"d",`} {
		w := &canned{status: 403, kind: "application/problem+json", body: strings.Replace(whole, without, "", 1)}
		if err := scenario.Run(w, "s", "get /\nproblem 403 forbidden"); (err == nil) != (without == "") {
			t.Errorf("without %q: %v", without, err)
		}
	}
}

func TestLinesThatHoldPass(t *testing.T) {
	w := &canned{status: 200, kind: "application/json", body: `{"a":{"b":1},"list":["x","y z"],"token":"pcs"}`}
	script := `
from 203.0.113.1
with X-Extra: one two
post /v1/x/${name} {"a": "b c"}
status 200
json a.b 1
json list ["x","y z"]
json list.1 y z
no list.2
count list 2
header X-One 1
header-has X-Two 2
set alice.token token
as alice
get /v1/$alice.token
`
	if err := scenario.Run(w, "s", "let name value\n"+script); err != nil {
		t.Fatal(err)
	}
	if got := w.asked.Header.Get("Authorization"); got != "Bearer pcs" || w.asked.URL.Path != "/v1/pcs" || w.asked.RemoteAddr != "203.0.113.1:40000" {
		t.Errorf("asked %s of %s as %q", w.asked.URL, w.asked.RemoteAddr, got)
	}
	if w.asked.Header.Get("X-Extra") != "" {
		t.Error("a header was sent twice")
	}
}
