package demo

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var (
	admin     = Credentials{"admin", "right horse"}
	extension = Credentials{"100", "battery staple"}
)

// stand is a phone system with a clock to turn.
type stand struct {
	*PhoneSystem
	now time.Time
}

func newStand(t *testing.T, random io.Reader) *stand {
	t.Helper()
	s := &stand{now: noon}
	phones, err := NewPhoneSystem(PhoneSystemOptions{
		Administrator: admin, Extension: extension, Random: random, Now: func() time.Time { return s.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.PhoneSystem = phones
	return s
}

func chance() io.Reader { return rand.NewChaCha8([32]byte{1}) }

func (s *stand) do(method, target, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

func (s *stand) form(target string, c Credentials, header ...string) *httptest.ResponseRecorder {
	values := url.Values{"username": {c.Name}, "password": {c.Password}}
	return s.do("POST", target, values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
}

func cookie(t *testing.T, w *httptest.ResponseRecorder, name string) string {
	t.Helper()
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			if !c.HttpOnly {
				t.Errorf("%s is open to scripts", name)
			}
			return name + "=" + c.Value
		}
	}
	t.Fatalf("no %s in %v", name, w.Header())
	return ""
}

// signedIn logs in as the vendor documents it.
func (s *stand) signedIn(t *testing.T, c Credentials) (access, refresh string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"Username": c.Name, "Password": c.Password, "SecurityCode": "", "ReCaptchaResponse": ""})
	if err != nil {
		t.Fatal(err)
	}
	w := s.do("POST", "/webclient/api/Login/GetAccessToken", string(body))
	var got struct {
		Status string
		Token  struct {
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"`
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		}
		TwoFactorAuth json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if got.Status != "AuthSuccess" || got.Token.Expires != 60 || got.Token.Type != "Bearer" || string(got.TwoFactorAuth) != "null" {
		t.Errorf("%+v", got)
	}
	if held := cookie(t, w, refreshCookie); held != refreshCookie+"="+got.Token.Refresh {
		t.Errorf("cookie %q", held)
	}
	return got.Token.Access, got.Token.Refresh
}

func TestLogInOfTheVendor(t *testing.T) {
	s := newStand(t, chance())
	for name, body := range map[string]string{
		"wrong password":    `{"Username":"admin","Password":"wrong"}`,
		"another's":         `{"Username":"admin","Password":"battery staple"}`,
		"unknown user":      `{"Username":"nobody","Password":"right horse"}`,
		"no password":       `{"Username":"admin"}`,
		"nothing":           `{}`,
		"name's other case": `{"Username":"Admin","Password":"right horse"}`,
	} {
		if w := s.do("POST", "/webclient/api/Login/GetAccessToken", body); w.Code != http.StatusUnauthorized || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if w := s.do("POST", "/webclient/api/Login/GetAccessToken", "no JSON"); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
	}
	s.signedIn(t, extension)
}

func TestAccessTokensEndAndRefreshOnce(t *testing.T) {
	s := newStand(t, chance())
	access, refresh := s.signedIn(t, admin)
	status := func(token string) int {
		return s.do("GET", "/xapi/v1/SystemStatus", "", "Authorization", "Bearer "+token).Code
	}
	renew := func(form string, header ...string) *httptest.ResponseRecorder {
		return s.do("POST", "/connect/token", form, append(header, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	const grant = "client_id=Webclient&grant_type=refresh_token"
	s.now = noon.Add(59 * time.Second)
	if got := status(access); got != http.StatusOK {
		t.Errorf("within its minute: %d", got)
	}
	s.now = noon.Add(60 * time.Second)
	if got := status(access); got != http.StatusUnauthorized {
		t.Errorf("after its minute: %d", got)
	}
	if got := status(refresh); got != http.StatusUnauthorized {
		t.Errorf("a refresh token as access token: %d", got)
	}
	for name, form := range map[string]string{
		"no token": grant, "wrong token": grant + "&refresh_token=x", "access token": grant + "&refresh_token=" + access,
		"another grant": "client_id=Webclient&grant_type=client_credentials&refresh_token=" + refresh,
	} {
		if w := renew(form); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	w := renew(grant, "Cookie", refreshCookie+"="+refresh)
	var got tokens
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || status(got.Access) != http.StatusOK {
		t.Errorf("refresh: %d %s %v", w.Code, w.Body, err)
	}
	if w := renew(grant, "Cookie", refreshCookie+"="+refresh); w.Code != http.StatusBadRequest {
		t.Errorf("refresh again: %d", w.Code)
	}
}

func TestAdminAPIKnowsItsUsers(t *testing.T) {
	s := newStand(t, chance())
	asAdmin, _ := s.signedIn(t, admin)
	asExtension, _ := s.signedIn(t, extension)
	basic := func(c Credentials) string {
		req := httptest.NewRequest("GET", "/", nil)
		req.SetBasicAuth(c.Name, c.Password)
		return req.Header.Get("Authorization")
	}
	callers := []struct {
		name, authorization    string
		lists, mine, elsewhere int
	}{
		{"administrator", "Bearer " + asAdmin, 200, 200, 404},
		{"administrator by password", basic(admin), 200, 200, 404},
		{"extension", "Bearer " + asExtension, 403, 200, 403},
		{"extension by password", basic(extension), 403, 200, 403},
		{"wrong password", basic(Credentials{"admin", "x"}), 401, 401, 401},
		{"wrong token", "Bearer x", 401, 401, 401},
		{"nobody", "", 401, 401, 401},
	}
	for _, c := range callers {
		for path, want := range map[string]int{
			"/xapi/v1/Users": c.lists, "/xapi/v1/SystemStatus": c.lists, "/xapi/v1/MyUser": c.mine, "/xapi/v1/Trunks": c.elsewhere,
		} {
			w := s.do("GET", path, "", "Authorization", c.authorization)
			if w.Code != want {
				t.Errorf("%s %s: %d, want %d", c.name, path, w.Code, want)
			}
			var failed struct {
				Error *struct {
					Code, Message *string
					Details       []any
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &failed); err != nil {
				t.Errorf("%s %s: %v", c.name, path, err)
			}
			if form := failed.Error != nil && failed.Error.Code != nil && failed.Error.Message != nil && failed.Error.Details != nil; form != (want >= 400) {
				t.Errorf("%s %s: %s", c.name, path, w.Body)
			}
		}
	}
}

func TestConsoleTakesItsPassword(t *testing.T) {
	s := newStand(t, chance())
	if w := s.do("GET", ConsolePath, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `action="`+ConsolePath+`"`) || strings.Contains(w.Body.String(), "system_owners") {
		t.Errorf("log-in: %d %s", w.Code, w.Body)
	}
	for _, c := range []struct {
		with Credentials
		want int
	}{{Credentials{"admin", "wrong"}, 401}, {extension, 403}, {Credentials{}, 401}} {
		w := s.form(ConsolePath, c.with)
		if w.Code != c.want || w.Header().Get("Set-Cookie") != "" || strings.Contains(w.Body.String(), "system_owners") {
			t.Errorf("%s: %d %s", c.with.Name, w.Code, w.Body)
		}
	}
	w := s.form(ConsolePath, admin)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "system_owners") || !strings.Contains(w.Body.String(), "stand-in") {
		t.Errorf("console: %d %s", w.Code, w.Body)
	}
	held := cookie(t, w, pageCookie)
	shown := func() bool {
		return strings.Contains(s.do("GET", ConsolePath, "", "Cookie", held).Body.String(), "system_owners")
	}
	if !shown() {
		t.Error("the session does not hold")
	}
	s.now = noon.Add(browserLife)
	if shown() {
		t.Error("the session does not end")
	}
}

func TestExtensionUsersPage(t *testing.T) {
	s := newStand(t, chance())
	for _, path := range []string{"/", "/webclient/", "/webclient/style.css"} {
		if w := s.do("GET", path, ""); w.Code != 200 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := s.form("/webclient/sign-in", Credentials{"100", "x"}); w.Code != 401 || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d", w.Code)
	}
	held := cookie(t, s.form("/webclient/sign-in", extension), pageCookie)
	if w := s.do("GET", "/webclient/", "", "Cookie", held); !strings.Contains(w.Body.String(), "Recent calls") {
		t.Errorf("%s", w.Body)
	}
	if w := s.do("GET", ConsolePath, "", "Cookie", held); w.Code != 403 {
		t.Errorf("an extension user's console: %d", w.Code)
	}
	s.do("POST", "/webclient/sign-out", "", "Cookie", held)
	if w := s.do("GET", "/webclient/", "", "Cookie", held); strings.Contains(w.Body.String(), "Recent calls") {
		t.Error("signed out, and still in")
	}
	if w := s.form("/webclient/sign-in", extension, "Origin", "http://evil.example"); w.Code != 403 {
		t.Errorf("from another site: %d", w.Code)
	}
}

func TestPagesAreInertAndHarmless(t *testing.T) {
	s := newStand(t, chance())
	w := s.do("GET", "/", "", "Remote-Email", `<script>alert(1)</script>`, "X-Forwarded-For", "<b>")
	if strings.Contains(w.Body.String(), "<script>") || strings.Contains(w.Body.String(), "<b>") {
		t.Error("HTML from a header")
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
}

func TestTokensAreBoundedAndNeedChance(t *testing.T) {
	s := newStand(t, chance())
	for range maxGrants / 2 {
		s.signedIn(t, admin)
	}
	if w := s.form(ConsolePath, admin); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", w.Code)
	}
	s.now = noon.Add(accessLife)
	if w := s.form(ConsolePath, admin); w.Code != http.StatusOK {
		t.Errorf("after the first ended: %d", w.Code)
	}
	broken := newStand(t, iotest.ErrReader(errors.New("no chance")))
	if w := broken.form(ConsolePath, admin); w.Code != http.StatusServiceUnavailable || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("without chance: %d", w.Code)
	}
}

func TestSeenIsBoundedAndHoldsNoSecret(t *testing.T) {
	s := newStand(t, chance())
	s.do("GET", "/x%2Fy?secret", "", "Authorization", "Bearer secret", "Cookie", "b=secret; a=secret", "Remote-User", "u1", "X-Forwarded-For", "192.0.2.1")
	got := s.Seen()[0]
	if got.Path != "/x%2Fy" || !got.Authorization || strings.Join(got.Cookies, " ") != "a b" || got.RemoteUser != "u1" || got.ClientAddr != "192.0.2.1" {
		t.Errorf("%+v", got)
	}
	whole, err := json.Marshal(got)
	if err != nil || strings.Contains(string(whole), "secret") {
		t.Errorf("%s %v", whole, err)
	}
	for range maxSeen {
		s.do("HEAD", "/", "")
	}
	if list := s.Seen(); len(list) != maxSeen || list[0].Method != "HEAD" || s.Count() != maxSeen+1 {
		t.Errorf("%d of %d, first %+v", len(list), s.Count(), list[0])
	}
}

func TestNewPhoneSystemNeedsEverything(t *testing.T) {
	whole := PhoneSystemOptions{Administrator: admin, Extension: extension, Now: time.Now, Random: chance()}
	for name, spoil := range map[string]func(*PhoneSystemOptions){
		"name":      func(o *PhoneSystemOptions) { o.Administrator.Name = "" },
		"password":  func(o *PhoneSystemOptions) { o.Administrator.Password = "" },
		"extension": func(o *PhoneSystemOptions) { o.Extension.Password = "" },
		"two users": func(o *PhoneSystemOptions) { o.Extension.Name = o.Administrator.Name },
		"clock":     func(o *PhoneSystemOptions) { o.Now = nil },
		"chance":    func(o *PhoneSystemOptions) { o.Random = nil },
	} {
		options := whole
		spoil(&options)
		if _, err := NewPhoneSystem(options); !errors.Is(err, ErrOptions) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
