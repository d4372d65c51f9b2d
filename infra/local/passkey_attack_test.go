package local_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/authenticator"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mail"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

// holder is somebody with a passkey, and somebody else with another. Neither
// counts, so that no counter stands in for what a challenge must do.
type holder struct {
	*localtest.World
	alice, bob *localtest.Person
	key, other *authenticator.Key
}

func newHolder(w *localtest.World) *holder {
	h := &holder{World: w}
	h.alice = h.Administrator("acme", "alice@acme.example")
	h.bob = h.User(h.alice, "bob@acme.example")
	h.key, h.other = h.alice.Passkey("Laptop"), h.bob.Passkey("Phone")
	return h
}

// onBoth runs a test on both stores.
func onBoth(t *testing.T, do func(t *testing.T, h *holder)) {
	t.Run("bolt", func(t *testing.T) { do(t, newHolder(localtest.New(t))) })
	t.Run("DynamoDB", func(t *testing.T) {
		clock := localtest.NewClock()
		do(t, newHolder(localtest.On(t, dynamotest.New(t, nil, clock.Now), clock)))
	})
}

// signed is the last step of a sign-in with what a key signs for options, from a
// page of an origin.
func (h *holder) signed(login string, key *authenticator.Key, origin string, options []byte) localtest.Request {
	h.T.Helper()
	assertion, err := key.Sign(origin, options)
	if err != nil {
		h.T.Fatal(err)
	}
	return h.WithPasskey(login, map[string]any{"method": "passkey", "assertion": assertion})
}

// signIn signs alice in with her passkey, as she does, and answers the request.
func (h *holder) signIn() localtest.Request {
	h.T.Helper()
	login := h.alice.Login()
	req := h.signed(login, h.key, localtest.BaseURL, h.PasskeyOptions(login))
	h.alice.Token = h.Must(http.StatusOK, req).Text("token")
	return req
}

// stepUp shows what a key signs for the step-up of alice's session.
func (h *holder) stepUp(assertion any) localtest.Request {
	return localtest.Request{
		Method: "POST", Path: "/v1/session/step-up", Body: map[string]any{"method": "passkey", "assertion": assertion},
		Header: http.Header{"Authorization": {"Bearer " + h.alice.Token}},
	}
}

func (h *holder) stepUpOptions() []byte {
	h.T.Helper()
	return []byte(h.alice.Must(http.StatusOK, "POST", "/v1/session/step-up/options", nil).Body)
}

// audited counts the entries of an action.
func (h *holder) audited(action string) int {
	h.T.Helper()
	return len(h.alice.Must(http.StatusOK, "GET", "/v1/audit?limit=200&action="+action, nil).Items())
}

// liar is the key that says of itself what lie makes it.
func (h *holder) liar(lie func(*authenticator.Key)) *authenticator.Key {
	liar := *h.key
	lie(&liar)
	return &liar
}

// forgeries are sign-ins with a passkey that must not succeed, given a login
// token and options for it.
func (h *holder) forgeries() map[string]func(login string, options []byte) localtest.Request {
	page := func(origin string) func(string, []byte) localtest.Request {
		return func(login string, options []byte) localtest.Request { return h.signed(login, h.key, origin, options) }
	}
	lying := func(lie func(*authenticator.Key)) func(string, []byte) localtest.Request {
		return func(login string, options []byte) localtest.Request {
			return h.signed(login, h.liar(lie), localtest.BaseURL, options)
		}
	}
	return map[string]func(string, []byte) localtest.Request{
		"a page of another host":    page("https://evil.example"),
		"a page of a host below":    page("https://login.portal.example"),
		"a page over plain http":    page("http://portal.example"),
		"a page on another port":    page("https://portal.example:8443"),
		"a page without an origin":  page("null"),
		"another relying party":     lying(func(k *authenticator.Key) { k.RPID = "evil.example" }),
		"another user handle":       lying(func(k *authenticator.Key) { k.User = h.other.User }),
		"no user verification":      lying(func(k *authenticator.Key) { k.Unverified = true }),
		"nobody there":              lying(func(k *authenticator.Key) { k.Absent = true }),
		"a key that became another": lying(func(k *authenticator.Key) { k.Synced = true }),
		"a counter that stays":      lying(func(k *authenticator.Key) { k.Count-- }),
		"a counter that goes back":  lying(func(k *authenticator.Key) { k.Count = 1 }),
		"a counter that is gone":    lying(func(k *authenticator.Key) { k.Count = 0 }),
		"somebody else's passkey": func(login string, options []byte) localtest.Request {
			return h.signed(login, h.other, localtest.BaseURL, options)
		},
		"somebody else's, by this one's name": func(login string, options []byte) localtest.Request {
			liar := *h.other
			liar.Credential, liar.User = h.key.Credential, h.key.User
			return h.signed(login, &liar, localtest.BaseURL, options)
		},
		"an enrolment's signature": func(login string, options []byte) localtest.Request {
			return h.typed(login, "webauthn.create", options)
		},
		"an assertion that was altered": func(login string, options []byte) localtest.Request {
			req := h.signed(login, h.key, localtest.BaseURL, options)
			raw := req.Body.(map[string]any)["assertion"].(json.RawMessage)
			req.Body.(map[string]any)["assertion"] = json.RawMessage(bytes.Replace(raw, []byte(`"signature":"ME`), []byte(`"signature":"MF`), 1))
			return req
		},
		"nothing": func(login string, _ []byte) localtest.Request {
			return h.WithPasskey(login, map[string]any{"method": "passkey"})
		},
	}
}

// typed signs for another ceremony.
func (h *holder) typed(login, kind string, options []byte) localtest.Request {
	h.T.Helper()
	var o struct{ Challenge string }
	if err := json.Unmarshal(options, &o); err != nil {
		h.T.Fatal(err)
	}
	assertion, err := h.key.SignAs(kind, o.Challenge, localtest.BaseURL)
	if err != nil {
		h.T.Fatal(err)
	}
	return h.WithPasskey(login, map[string]any{"method": "passkey", "assertion": assertion})
}

// Each is refused and told in the audit, as sign-in and as step-up; the right one
// passes in between, so that it is no other thing that fails.
func TestAttack15ForgedAssertions(t *testing.T) {
	onBoth(t, refusesForgeries)
}

func refusesForgeries(t *testing.T, h *holder) {
	h.key.Count = 10
	h.signIn()
	for name, forge := range h.forgeries() {
		failed, stepped := h.audited("login.failed"), h.audited("step_up.failed")
		login := h.alice.Login()
		if a := h.Send(forge(login, h.PasskeyOptions(login))); a.Status != http.StatusUnauthorized || a.Text("code") != "bad_attempt" || a.Text("token") != "" {
			t.Errorf("%s signs in: %d %s", name, a.Status, a.Body)
		}
		h.signIn()
		body := forge("", h.stepUpOptions()).Body.(map[string]any)
		if a := h.Send(h.stepUp(body["assertion"])); a.Status != http.StatusUnauthorized {
			t.Errorf("%s steps up: %d %s", name, a.Status, a.Body)
		}
		h.signIn()
		if h.audited("login.failed") != failed+1 || h.audited("step_up.failed") != stepped+1 {
			t.Errorf("%s is not audited", name)
		}
	}
}

// elsewhere are challenges that alice's passkey has signed for something else.
func (h *holder) elsewhere() map[string]func(login string) localtest.Request {
	h.T.Helper()
	sign := func(login string, options []byte) localtest.Request {
		return h.signed(login, h.key, localtest.BaseURL, options)
	}
	return map[string]func(login string) localtest.Request{
		"a sign-in that is over": func(login string) localtest.Request {
			req := h.signIn()
			req.Body.(map[string]any)["login_token"] = login
			return req
		},
		"options that were replaced": func(login string) localtest.Request {
			req := sign(login, h.PasskeyOptions(login))
			h.PasskeyOptions(login)
			return req
		},
		"options that a wrong answer has spent": func(login string) localtest.Request {
			req := sign(login, h.PasskeyOptions(login))
			h.Must(http.StatusUnauthorized, h.WithPasskey(login, map[string]any{"method": "passkey"}))
			return req
		},
		"another sign-in of hers": func(login string) localtest.Request {
			return sign(login, h.PasskeyOptions(h.alice.Login()))
		},
		"a sign-in of somebody else": func(login string) localtest.Request {
			return sign(login, h.PasskeyOptions(h.bob.Login()))
		},
		"a step-up": func(login string) localtest.Request { return sign(login, h.stepUpOptions()) },
		"an enrolment": func(login string) localtest.Request {
			return sign(login, []byte(h.alice.Must(http.StatusOK, "POST", "/v1/mfa/passkeys/options", nil).Body))
		},
		"a challenge of one's own": func(login string) localtest.Request {
			return sign(login, []byte(`{"challenge":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
		},
		"an empty challenge": func(login string) localtest.Request { return sign(login, []byte(`{"challenge":""}`)) },
	}
}

// A challenge is answered in the flow that it was issued for, once.
func TestAttack15ChallengesOfOtherFlows(t *testing.T) {
	onBoth(t, func(t *testing.T, h *holder) {
		h.signIn()
		for name, answer := range h.elsewhere() {
			login := h.alice.Login()
			if a := h.Send(answer(login)); a.Status != http.StatusUnauthorized {
				t.Errorf("the answer to %s signs in: %d %s", name, a.Status, a.Body)
			}
			h.signIn()
		}
	})
}

// As step-up: of sign-ins, of other sessions, late, and once it has been used.
func TestAttack15ChallengesOfStepUps(t *testing.T) {
	onBoth(t, func(t *testing.T, h *holder) {
		h.signIn()
		first := *h.alice
		h.signIn()
		assertion := func(options []byte) any {
			return h.signed("", h.key, localtest.BaseURL, options).Body.(map[string]any)["assertion"]
		}
		other := assertion([]byte(first.Must(http.StatusOK, "POST", "/v1/session/step-up/options", nil).Body))
		h.Must(http.StatusUnauthorized, h.stepUp(other))
		h.Must(http.StatusUnauthorized, h.stepUp(assertion(h.PasskeyOptions(h.alice.Login()))))
		used := assertion(h.stepUpOptions())
		h.Must(http.StatusOK, h.stepUp(used))
		h.Must(http.StatusUnauthorized, h.stepUp(used))
		spent := assertion(h.stepUpOptions())
		h.Must(http.StatusUnauthorized, h.stepUp(map[string]any{"id": "x"})) // spends them
		h.Must(http.StatusUnauthorized, h.stepUp(spent))
		late := assertion(h.stepUpOptions())
		h.Clock.Add(5 * time.Minute)
		h.Must(http.StatusUnauthorized, h.stepUp(late))
		a := h.Must(http.StatusOK, h.stepUp(assertion(h.stepUpOptions())))
		if h.alice.Token = a.Text("token"); h.alice.Token == "" {
			t.Errorf("no new token: %s", a.Body)
		}
		h.Must(http.StatusUnauthorized, h.stepUp(used))
	})
}

// One assertion shown many times at once passes once.
func TestAttack15AssertionInParallel(t *testing.T) {
	onBoth(t, func(t *testing.T, h *holder) {
		for range 2 {
			login := h.alice.Login()
			req := h.signed(login, h.key, localtest.BaseURL, h.PasskeyOptions(login))
			if got := h.Together(20, func(int) localtest.Request { return req }); got[http.StatusOK] != 1 || got[http.StatusInternalServerError] > 0 {
				t.Errorf("signing in: %v", got)
			}
			h.Clock.Add(attempt.Window)
			h.signIn()
			up := h.stepUp(h.signed("", h.key, localtest.BaseURL, h.stepUpOptions()).Body.(map[string]any)["assertion"])
			if got := h.Together(20, func(int) localtest.Request { return up }); got[http.StatusOK] != 1 || got[http.StatusInternalServerError] > 0 {
				t.Errorf("stepping up: %v", got)
			}
			h.Clock.Add(attempt.Window)
			h.signIn()
		}
	})
}

// Whoever holds a copy is told of, to the auditors and to the person.
func TestAttack15CounterThatGoesBackIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *holder) {
		h.key.Count = 10
		copied := *h.key
		h.signIn()
		h.signIn()
		login := h.alice.Login()
		h.Must(http.StatusUnauthorized, h.signed(login, &copied, localtest.BaseURL, h.PasskeyOptions(login)))
		entries := h.alice.Must(http.StatusOK, "GET", "/v1/audit?action=mfa.counter_went_back", nil).Items()
		if len(entries) != 1 || entries[0].Text("outcome") != "failure" || entries[0].Text("details.name") != "Laptop" || entries[0].Text("details.last") != "11" || entries[0].Text("details.shown") != "10" {
			t.Errorf("audited: %+v", entries)
		}
		h.Tick()
		if !slices.ContainsFunc(h.Mail.To(h.alice.Email), func(l mail.Letter) bool {
			return strings.Contains(l.Text, `"Laptop" was refused`) && strings.Contains(l.Text, "Even if this was you, remove that passkey")
		}) {
			t.Errorf("she is not told: %+v", h.Mail.To(h.alice.Email))
		}
		h.signIn()
	})
}

// The relying party is the configured host, whatever the request says.
func TestAttack15RelyingPartyIsConfigured(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	for _, host := range []string{"evil.example", "localhost", "portal.example.evil.example", ""} {
		r := httptest.NewRequest(http.MethodPost, "/v1/mfa/passkeys/options", nil)
		r.Host, r.RemoteAddr = host, "192.0.2.1:40000"
		for name, value := range map[string]string{"Authorization": "Bearer " + alice.Token, "Origin": "https://" + host, "X-Forwarded-Host": host, "Forwarded": "host=" + host} {
			r.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		w.API.ServeHTTP(recorder, r)
		if body := recorder.Body.String(); recorder.Code != http.StatusOK || !strings.Contains(body, `"rp":{"id":"portal.example"`) {
			t.Errorf("%q: %d %s", host, recorder.Code, body)
		}
	}
}
