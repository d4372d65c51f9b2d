package installer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portcullis.example/functions/installer"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/stack"
	"portcullis.example/shared/table/tabletest"
)

const operator = "operator@example.com"

func TestInviteSaysWhatBecameOfIt(t *testing.T) {
	w := localtest.New(t)
	f := installer.New(w.Ground)
	sandbox := fmt.Errorf("%w: request production access", mail.ErrNotReady)
	for _, step := range []struct {
		ready error
		want  string
	}{
		{sandbox, "not invited yet: mail is not ready: request production access"}, {nil, operator + " was invited"},
		{nil, operator + " was invited before; the invitation waits"},
	} {
		f.MailReady = func(context.Context) error { return step.ready }
		if got, err := f.Invite(t.Context(), operator); err != nil || got != step.want {
			t.Errorf("%q, %v, want %q", got, err, step.want)
		}
	}
	f.MailReady = func(context.Context) error { return errors.New("throttled") }
	if _, err := f.Invite(t.Context(), operator); err == nil {
		t.Error("a mail service that does not answer is no outcome")
	}
	w.Tick()
	if n := len(w.Mail.To(operator)); n != 1 {
		t.Errorf("%d letters", n)
	}
}

func token(link string) string {
	_, token, _ := strings.Cut(link, "token=")
	return token
}

// An operator who lost everything begins anew, by what was handed over alone:
// nothing of what they had goes on, and the mail has no link.
func TestRecover(t *testing.T) {
	w := localtest.New(t)
	p := w.Operator()
	pending := p.Login()
	f := installer.New(w.Ground)
	link, err := f.Recover(t.Context(), " Operator@Example.com ")
	if err != nil {
		t.Fatal(err)
	}
	dead := map[string]int{
		"session":  p.Do("GET", "/v1/session", nil).Status,
		"password": w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": operator, "password": localtest.Password}}).Status,
		"pending":  w.Send(localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": pending, "method": "totp", "code": p.NextCode()}}).Status,
	}
	for what, status := range dead {
		if status != http.StatusUnauthorized {
			t.Errorf("the %s lives on: %d", what, status)
		}
	}
	w.Tick()
	letters := w.Mail.To(operator)
	last := letters[len(letters)-1]
	if strings.Contains(last.Text, "token") || strings.Contains(last.Text, "http") || !strings.Contains(last.Subject, "recovered") {
		t.Errorf("the mail: %+v", last)
	}
	again := w.Join(account.Invited{User: account.User{ID: p.ID, Email: operator}, Link: link})
	if again.ID != p.ID || again.Secret == p.Secret {
		t.Errorf("joined as %s", again.ID)
	}
	if a := again.Must(http.StatusOK, "GET", "/v1/session", nil); a.Text("user.id") != p.ID {
		t.Errorf("%s", a.Body)
	}
	log := again.Must(http.StatusOK, "GET", "/v1/audit?action=operator.recovered", nil).Items()
	if len(log) != 1 || log[0].Text("actor") != "system" || log[0].Text("subject") != p.ID {
		t.Errorf("the audit: %v", log)
	}
	w.Must(http.StatusGone, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": token(link), "password": localtest.Password}})
}

// The mailbox may be lost too: another address is a new operator. One of a
// partner's is nobody's to take.
func TestRecoverAtAnotherAddress(t *testing.T) {
	w := localtest.New(t)
	first := w.Operator()
	w.Administrator("acme", "alice@acme.example")
	f := installer.New(w.Ground)
	link, err := f.Recover(t.Context(), "second@example.com")
	if err != nil {
		t.Fatal(err)
	}
	second := w.Join(account.Invited{User: account.User{Email: "second@example.com", PartnerID: first.PartnerID}, Link: link})
	second.Must(http.StatusOK, "GET", "/v1/session", nil)
	first.Must(http.StatusOK, "GET", "/v1/session", nil)
	if _, err := f.Recover(t.Context(), "alice@acme.example"); !errors.Is(err, account.ErrEmailTaken) {
		t.Errorf("a partner's administrator: %v", err)
	}
	if _, err := f.Recover(t.Context(), "nobody"); !errors.Is(err, account.ErrEmail) {
		t.Errorf("no address: %v", err)
	}
}

// Two at once, or one that was lost on its way: the newest link works, and
// there is one account.
func TestRecoverTwice(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), nil)
	w := localtest.On(t, faulty, clock)
	p := w.Operator()
	f := installer.New(w.Ground)
	faulty.SetPlan(func(_ int, op tabletest.Op) tabletest.Fault {
		if op.Writes() {
			return tabletest.FailApplied
		}
		return tabletest.None
	})
	if _, err := f.Recover(t.Context(), operator); err == nil {
		t.Error("a lost answer is success")
	}
	faulty.SetPlan(nil)
	w.Clock.Add(time.Minute) // the step of the last code stays spent
	link, err := f.Recover(t.Context(), operator)
	if err != nil {
		t.Fatal(err)
	}
	again := w.Join(account.Invited{User: account.User{ID: p.ID, Email: operator, PartnerID: p.PartnerID}, Link: link})
	if a := again.Must(http.StatusOK, "GET", "/v1/session", nil); a.Text("user.id") != p.ID {
		t.Errorf("another account: %s", a.Body)
	}
}

// CloudFormation is told what became of it, at its own URL and nowhere else.
func TestCustomResource(t *testing.T) {
	w := localtest.New(t)
	var told []map[string]any
	cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var one map[string]any
		if err = errors.Join(err, json.Unmarshal(body, &one)); err != nil {
			t.Error(err)
		}
		told = append(told, one)
	}))
	defer cloudformation.Close()
	handle := stack.Install(installer.New(w.Ground))
	event := func(kind string, properties map[string]any) map[string]any {
		raw, err := json.Marshal(map[string]any{
			"RequestType": kind, "RequestId": "R", "ResponseURL": cloudformation.URL, "LogicalResourceId": "FirstOperator", "StackId": "S",
			"ResourceType": "Custom::FirstOperator", "PhysicalResourceId": "first-operator", "ResourceProperties": properties,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := handle(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
		return told[len(told)-1]
	}
	properties := map[string]any{"OperatorEmail": operator}
	for _, kind := range []string{"Create", "Update", "Delete"} {
		one := event(kind, properties)
		if one["Status"] != "SUCCESS" || one["PhysicalResourceId"] != "first-operator" {
			t.Errorf("%s: %v", kind, one)
		}
		if data, _ := one["Data"].(map[string]any); kind == "Create" && data["Outcome"] != operator+" was invited" {
			t.Errorf("%s: %v", kind, data)
		}
	}
	if one := event("Create", nil); one["Status"] != "FAILED" || !strings.Contains(one["Reason"].(string), "OperatorEmail") {
		t.Errorf("%v", one)
	}
}

func TestAskByHand(t *testing.T) {
	w := localtest.New(t)
	handle := stack.Install(installer.New(w.Ground))
	ask := func(text string) (stack.Told, error) {
		told, err := handle(t.Context(), json.RawMessage(text))
		answer, _ := told.(stack.Told)
		return answer, err
	}
	if told, err := ask(`{"action":"invite","email":"operator@example.com"}`); err != nil || told.Outcome != operator+" was invited" {
		t.Errorf("%+v %v", told, err)
	}
	if told, err := ask(`{"action":"recover","email":"other@example.com"}`); err != nil || !strings.HasPrefix(told.Link, localtest.BaseURL+"/#accept?token=") {
		t.Errorf("%+v %v", told, err)
	}
	for _, text := range []string{`{}`, `{"action":"delete"}`, `[]`, `x`, `""`} {
		if _, err := ask(text); !errors.Is(err, stack.ErrAsk) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
