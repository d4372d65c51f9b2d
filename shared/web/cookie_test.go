package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
)

// cookieLogin signs a person in as a page does, with headers of that page.
func cookieLogin(w *localtest.World, p *localtest.Person, page http.Header) (password, factor localtest.Answer) {
	w.T.Helper()
	own := http.Header{"Origin": {localtest.BaseURL}}
	code := p.NextCode()
	password = w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Header: page, Body: map[string]any{"email": p.Email, "password": localtest.Password, "delivery": "cookie"}})
	token := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Header: own, Body: map[string]any{"email": p.Email, "password": localtest.Password, "delivery": "cookie"}}).Text("login_token")
	factor = w.Send(localtest.Request{Method: "POST", Path: "/v1/login/mfa", Header: page, Body: map[string]any{"login_token": token, "method": "totp", "code": code}})
	return password, factor
}

// cookieOf signs a person in as a page of ours and answers the cookie.
func cookieOf(w *localtest.World, p *localtest.Person) string {
	w.T.Helper()
	_, a := cookieLogin(w, p, http.Header{"Origin": {localtest.BaseURL}})
	if a.Status != http.StatusOK || a.Text("token") != "" {
		w.T.Fatalf("a page of ours can't sign in: %d %s", a.Status, a.Body)
	}
	for _, set := range a.Header.Values("Set-Cookie") {
		if strings.HasPrefix(set, "__Host-portcullis=") {
			cookie, _, _ := strings.Cut(set, ";")
			return cookie
		}
	}
	w.T.Fatalf("no cookie: %v", a.Header)
	return ""
}

// pages are requests as pages of other origins can have a browser send them.
func pages() map[string]http.Header {
	return map[string]http.Header{
		"another origin":            {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"cross-site"}},
		"another origin alone":      {"Origin": {"https://evil.example"}},
		"our name, another scheme":  {"Origin": {"http://portal.example"}},
		"our name, another port":    {"Origin": {"https://portal.example:8443"}},
		"our name with more":        {"Origin": {"https://portal.example.evil.example"}},
		"a null origin":             {"Origin": {"null"}},
		"an empty origin":           {"Origin": {""}},
		"neither header":            {},
		"the same site":             {"Sec-Fetch-Site": {"same-site"}},
		"typed by the user":         {"Sec-Fetch-Site": {"none"}},
		"another site":              {"Sec-Fetch-Site": {"cross-site"}},
		"contradiction":             {"Origin": {localtest.BaseURL}, "Sec-Fetch-Site": {"cross-site"}},
		"the other contradiction":   {"Origin": {"https://evil.example"}, "Sec-Fetch-Site": {"same-origin"}},
		"two origins":               {"Origin": {localtest.BaseURL, "https://evil.example"}},
		"two sites":                 {"Sec-Fetch-Site": {"same-origin", "cross-site"}},
		"a referrer instead":        {"Referer": {localtest.BaseURL + "/"}},
		"a host header that agrees": {"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"evil.example"}},
	}
}

func TestAttack23CrossSiteRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w, alice, _, ids, _ := open(t, on)
		cookie := cookieOf(w, alice)
		with := func(page http.Header) http.Header {
			h := page.Clone()
			h.Set("Cookie", cookie)
			return h
		}
		for name, page := range pages() {
			for _, r := range routes(t, w) {
				if r.public || r.gate || r.method == http.MethodGet {
					continue
				}
				req := r.request(t, ids)
				req.Header = with(page)
				if a := w.Send(req); a.Status != http.StatusForbidden || a.Text("code") != "forbidden" {
					t.Errorf("%s: %s %s: %d %s", name, r.method, r.path, a.Status, a.Body)
				}
			}
		}
		for name, page := range map[string]http.Header{
			"origin": {"Origin": {localtest.BaseURL}}, "site": {"Sec-Fetch-Site": {"same-origin"}},
			"both": {"Origin": {localtest.BaseURL}, "Sec-Fetch-Site": {"same-origin"}},
		} {
			w.Must(http.StatusCreated, localtest.Request{Method: "POST", Path: "/v1/phone-systems", Header: with(page), Body: map[string]any{"name": "PBX", "host": name + ".acme.example"}})
		}
		w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/v1/session", Header: with(http.Header{"Sec-Fetch-Site": {"cross-site"}})})
	})
}

// What a form can send is refused whoever sends it, with and without a session.
func TestAttack23Forms(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w, alice, gate, _, _ := open(t, on)
		cookie := cookieOf(w, alice)
		for name, kind := range map[string][]string{
			"a form": {"application/x-www-form-urlencoded"}, "a form with files": {"multipart/form-data; boundary=x"}, "plain text": {"text/plain"},
			"no type": nil, "an empty type": {""}, "JSON as text": {"text/plain; application/json"}, "nearly": {"application/jsonp"}, "JSON by suffix": {"application/problem+json"},
		} {
			for path, body := range map[string]string{
				"/v1/phone-systems":                         `{"name":"PBX","host":"new.acme.example"}`,
				"/v1/phone-systems/" + gate.ID + "/unlocks": `{"reason":"test"}`,
				"/v1/login": `{"email":"alice@acme.example","password":"x"}`,
			} {
				h := http.Header{"Cookie": {cookie}, "Origin": {localtest.BaseURL}, "Content-Type": kind}
				if a := w.Send(localtest.Request{Method: "POST", Path: path, Body: body, Header: h}); a.Status != http.StatusUnsupportedMediaType {
					t.Errorf("%s to %s: %d %s", name, path, a.Status, a.Body)
				}
			}
		}
	})
}

// No other page signs anybody in to an account that is not theirs. Without either
// header a request is no page's, unless it comes with the cookie.
func TestAttack23SigningInFromElsewhere(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w := world(t, on)
		alice := w.Administrator("acme", "alice@acme.example")
		for name, page := range pages() {
			w.Clock.Add(time.Minute)
			password, factor := cookieLogin(w, alice, page)
			if len(page["Origin"])+len(page["Sec-Fetch-Site"]) == 0 {
				if password.Status != http.StatusOK || factor.Status != http.StatusOK || len(factor.Header.Values("Set-Cookie")) == 0 {
					t.Errorf("%s: %d, %d %s", name, password.Status, factor.Status, factor.Body)
				}
				continue
			}
			for step, a := range map[string]localtest.Answer{"password": password, "second factor": factor} {
				if a.Status != http.StatusForbidden || len(a.Header.Values("Set-Cookie")) > 0 {
					t.Errorf("%s, %s: %d %s", name, step, a.Status, a.Body)
				}
			}
		}
		w.Clock.Add(time.Minute)
		held := http.Header{"Cookie": {cookieOf(w, alice)}}
		w.Clock.Add(time.Minute)
		if password, factor := cookieLogin(w, alice, held); password.Status != http.StatusForbidden || factor.Status != http.StatusForbidden {
			t.Errorf("with a cookie and neither header: %d, %d", password.Status, factor.Status)
		}
		w.Must(http.StatusForbidden, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Header: http.Header{"Origin": {"https://evil.example"}},
			Body: map[string]any{"token": "x", "password": localtest.Password, "delivery": "cookie"}})
	})
}

// The cookies are out of reach of scripts, other hosts and plain http.
func TestCookies(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	_, a := cookieLogin(w, alice, http.Header{"Origin": {localtest.BaseURL}})
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 2 {
		t.Fatalf("%d cookies: %v", len(cookies), a.Header)
	}
	for i, want := range []struct {
		name string
		age  int
	}{{"__Host-portcullis", 12 * 3600}, {"__Host-portcullis-device", 400 * 24 * 3600}} {
		c := cookies[i]
		if c.Name != want.name || c.MaxAge != want.age || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %+v", c)
		}
	}
	if a.Header.Get("Portcullis-Device") != "" || strings.Contains(a.Body, cookies[0].Value) || strings.Contains(a.Body, cookies[1].Value) {
		t.Error("a script could read the tokens")
	}
	own := http.Header{"Cookie": {cookies[0].Name + "=" + cookies[0].Value}, "Origin": {localtest.BaseURL}}
	w.Clock.Add(6 * time.Minute)
	stepped := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/session/step-up", Header: own, Body: map[string]any{"method": "totp", "code": alice.Code()}})
	renewed := (&http.Response{Header: stepped.Header}).Cookies()
	if len(renewed) != 1 || renewed[0].Value == cookies[0].Value || renewed[0].MaxAge != 12*3600-6*60 || stepped.Text("token") != "" {
		t.Errorf("stepping up: %v %s", stepped.Header, stepped.Body)
	}
	w.Must(http.StatusUnauthorized, localtest.Request{Method: "GET", Path: "/v1/session", Header: own})
	own.Set("Cookie", renewed[0].Name+"="+renewed[0].Value)
	// Sent twice, a cookie tells nothing.
	twice := http.Header{"Cookie": {own.Get("Cookie") + "; " + own.Get("Cookie")}}
	w.Must(http.StatusUnauthorized, localtest.Request{Method: "GET", Path: "/v1/session", Header: twice})
	// Nor does the cookie's token as a bearer.
	w.Must(http.StatusUnauthorized, localtest.Request{Method: "GET", Path: "/v1/session", Header: http.Header{"Authorization": {"Bearer " + renewed[0].Value}}})
	ended := w.Must(http.StatusNoContent, localtest.Request{Method: "DELETE", Path: "/v1/session", Header: own})
	if gone := (&http.Response{Header: ended.Header}).Cookies(); len(gone) != 1 || gone[0].Value != "" || gone[0].MaxAge >= 0 {
		t.Errorf("signing out: %v", ended.Header)
	}
	w.Must(http.StatusUnauthorized, localtest.Request{Method: "GET", Path: "/v1/session", Header: own})
}

// A device is known by its cookie as by its header.
func TestAttack44DeviceCookie(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w := world(t, on)
		alice := w.Administrator("acme", "alice@acme.example")
		for range 6 {
			w.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"email": alice.Email, "password": "not the password"}})
		}
		known := http.Header{"Cookie": {"__Host-portcullis-device=" + alice.Device}}
		right := map[string]any{"email": alice.Email, "password": localtest.Password}
		w.Must(http.StatusTooManyRequests, localtest.Request{Method: "POST", Path: "/v1/login", Body: right})
		w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Body: right, Header: known})
	})
}

// A token that is not exactly the one given out is nobody's.
func TestAttack21AlteredTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w := world(t, on)
		alice := w.Administrator("acme", "alice@acme.example")
		token := alice.Token
		body := token[strings.LastIndex(token, "_")+1:]
		other := strings.Map(func(r rune) rune { // each of its characters is one that stands in tokens
			if r == 'a' {
				return 'b'
			}
			return 'a'
		}, body)
		for _, altered := range []string{
			token[:len(token)-1], token + "a", token + " ", " " + token, token + "=", strings.ToUpper(token), strings.ToLower(token),
			strings.Replace(token, "pcs_", "pcl_", 1), strings.Replace(token, "pcs_", "PCS_", 1), strings.Replace(token, alice.ID, strings.ToLower(alice.ID), 1),
			token[:len(token)-1] + other[len(other)-1:], strings.Replace(token, "_"+body, "_"+other[:1]+body[1:], 1), strings.Replace(token, body, other, 1),
			strings.Replace(token, body, strings.ToUpper(body), 1), strings.Replace(token, alice.ID, alice.ID+".A", 1), token + "\x00", "",
			strings.Repeat("a", 10_000), strings.Replace(token, "_", "＿", 1),
		} {
			a := w.Send(localtest.Request{Method: "GET", Path: "/v1/session", Header: http.Header{"Authorization": {"Bearer " + altered}}})
			if a.Status != http.StatusUnauthorized || a.Text("code") != "bad_attempt" {
				t.Errorf("%q: %d %s", altered, a.Status, a.Body)
			}
		}
		alice.Must(http.StatusOK, "GET", "/v1/session", nil)
	})
}

// A browser that signs in anew gives its session up: the cookie is overwritten, and
// what nobody would see any more must not live on, whoever's it was.
func TestAttack20SigningInEndsTheSessionOfItsBrowser(t *testing.T) {
	onBoth(t, func(t *testing.T, on store) {
		w, alice, _, _, _ := open(t, on)
		bob := w.Administrator("globex", "bob@globex.example")
		sessionOf := func(cookie string) localtest.Answer {
			return w.Send(localtest.Request{Method: "GET", Path: "/v1/session", Header: http.Header{"Cookie": {cookie}}})
		}
		signIn := func(p *localtest.Person, cookie, delivery, code string) localtest.Answer {
			page := http.Header{"Origin": {localtest.BaseURL}, "Cookie": {cookie}}
			login := w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Header: page, Body: map[string]any{"email": p.Email, "password": localtest.Password, "delivery": delivery}}).Text("login_token")
			return w.Send(localtest.Request{Method: "POST", Path: "/v1/login/mfa", Header: page, Body: map[string]any{"login_token": login, "method": "totp", "code": code}})
		}
		for name, p := range map[string]*localtest.Person{"the same person": alice, "another person": bob} {
			elsewhere, cookie := cookieOf(w, alice), cookieOf(w, alice)
			ended := sessionOf(cookie).Text("session.id")
			for what, late := range map[string]localtest.Answer{
				"a wrong code":             signIn(p, cookie, "cookie", "wrong"),
				"a program's sign-in":      signIn(p, cookie, "bearer", p.NextCode()),
				"a cookie that came twice": signIn(p, cookie+"; "+cookie, "cookie", p.NextCode()),
			} {
				if sessionOf(cookie).Status != http.StatusOK {
					t.Fatalf("%s: %s ended the session: %d %s", name, what, late.Status, late.Body)
				}
			}
			if a := signIn(p, cookie, "cookie", p.NextCode()); a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", name, a.Status, a.Body)
			}
			if sessionOf(cookie).Status != http.StatusUnauthorized || sessionOf(elsewhere).Status != http.StatusOK {
				t.Fatalf("%s: the session lives on, or another one died", name)
			}
			log := alice.Must(http.StatusOK, "GET", "/v1/audit?action=session.ended", nil)
			if got := log.Items()[0].Text("subject") + log.Items()[0].Text("actor"); got != ended+alice.ID {
				t.Errorf("%s: the audit has %s", name, got)
			}
			// With the cookie of a session that is over there is nothing to end.
			if a := signIn(p, cookie, "cookie", p.NextCode()); a.Status != http.StatusOK {
				t.Errorf("%s, again: %d %s", name, a.Status, a.Body)
			}
			if again := alice.Must(http.StatusOK, "GET", "/v1/audit?action=session.ended", nil); again.Items()[0].Text("id") != log.Items()[0].Text("id") {
				t.Errorf("%s: what had ended ended again", name)
			}
		}
	})
}
