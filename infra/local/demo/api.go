package demo

import (
	"encoding/json"
	"net/http"
	"strings"
)

// refreshCookie is what the vendor calls it (PROFILES.md).
const refreshCookie = "RefreshTokenCookie"

// tokens is the vendor's form of a successful log-in.
type tokens struct {
	Type    string `json:"token_type"`
	Expires int    `json:"expires_in"`
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// logIn is POST /webclient/api/Login/GetAccessToken.
func (p *PhoneSystem) logIn(w http.ResponseWriter, r *http.Request) {
	var body struct{ Username, Password, SecurityCode, ReCaptchaResponse string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		p.fail(w, http.StatusBadRequest, "The request is no log-in")
		return
	}
	u, ok := p.check(Credentials{body.Username, body.Password})
	if !ok {
		p.fail(w, http.StatusUnauthorized, "Wrong user name or password")
		return
	}
	issued, ok := p.issueTokens(w, u.name)
	if !ok {
		return
	}
	p.encode(w, http.StatusOK, struct {
		Status        string
		Token         tokens
		TwoFactorAuth any
	}{"AuthSuccess", issued, nil})
}

// refresh is POST /connect/token. A refresh token works once.
func (p *PhoneSystem) refresh(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("grant_type") != "refresh_token" || r.PostFormValue("client_id") != "Webclient" {
		p.encode(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	token := r.PostFormValue("refresh_token")
	if cookie, err := r.Cookie(refreshCookie); err == nil {
		token = cookie.Value
	}
	name, ok := p.grants.spend(token, forRefresh)
	if !ok {
		p.encode(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	if issued, ok := p.issueTokens(w, name); ok {
		p.encode(w, http.StatusOK, issued)
	}
}

// issueTokens makes a pair and sets the cookie, or has answered 503.
func (p *PhoneSystem) issueTokens(w http.ResponseWriter, name string) (tokens, bool) {
	access, err := p.grants.issue(name, forAccess, accessLife)
	if err != nil {
		p.unavailable(w, err)
		return tokens{}, false
	}
	refresh, err := p.grants.issue(name, forRefresh, refreshLife)
	if err != nil {
		p.unavailable(w, err)
		return tokens{}, false
	}
	http.SetCookie(w, &http.Cookie{
		Name: refreshCookie, Value: refresh, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode, MaxAge: int(refreshLife.Seconds()),
	})
	return tokens{"Bearer", int(accessLife.Seconds()), access, refresh}, true
}

// who is asking: by bearer token, by name and password (so that one line of
// curl will do), or by the cookie of the pages.
func (p *PhoneSystem) who(r *http.Request) (user, bool) {
	if name, password, ok := r.BasicAuth(); ok {
		return p.check(Credentials{name, password})
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return p.granted(token, forAccess)
	}
	cookie, err := r.Cookie(pageCookie)
	if err != nil {
		return user{}, false
	}
	return p.granted(cookie.Value, forPages)
}

func (p *PhoneSystem) granted(token string, u use) (user, bool) {
	name, ok := p.grants.holder(token, u)
	if !ok {
		return user{}, false
	}
	return p.byName(name)
}

// administrator lets only an administrator past; otherwise it has answered.
func (p *PhoneSystem) administrator(w http.ResponseWriter, r *http.Request) bool {
	u, ok := p.who(r)
	switch {
	case !ok:
		p.fail(w, http.StatusUnauthorized, "Not signed in")
	case !u.administrator:
		p.fail(w, http.StatusForbidden, "The user has no right to this")
	default:
		return true
	}
	return false
}

func (p *PhoneSystem) myUser(w http.ResponseWriter, r *http.Request) {
	u, ok := p.who(r)
	if !ok {
		p.fail(w, http.StatusUnauthorized, "Not signed in")
		return
	}
	p.encode(w, http.StatusOK, u.entity())
}

func (p *PhoneSystem) listUsers(w http.ResponseWriter, r *http.Request) {
	if !p.administrator(w, r) {
		return
	}
	list := make([]map[string]any, 0, len(p.users))
	for _, u := range p.users {
		list = append(list, u.entity())
	}
	p.encode(w, http.StatusOK, map[string]any{"@odata.context": "$metadata#Users", "value": list})
}

func (u user) entity() map[string]any {
	group := map[string]any{"GroupId": 1, "Rights": map[string]string{"RoleName": u.role}}
	return map[string]any{
		"Id": u.id, "Number": u.name, "FirstName": u.first, "LastName": u.last,
		"Enable2FA": false, "Require2FA": false, "Groups": []any{group},
	}
}

func (p *PhoneSystem) systemStatus(w http.ResponseWriter, r *http.Request) {
	if !p.administrator(w, r) {
		return
	}
	p.encode(w, http.StatusOK, map[string]any{
		"@odata.context": "$metadata#SystemStatus", "FQDN": r.Host, "Version": "20.0 (stand-in)",
		"Activated": true, "ExtensionsRegistered": 1, "ExtensionsTotal": len(p.users), "CallsActive": 0,
	})
}

func (p *PhoneSystem) unknownAPI(w http.ResponseWriter, r *http.Request) {
	if p.administrator(w, r) {
		p.fail(w, http.StatusNotFound, "The stand-in knows no such resource")
	}
}

func (p *PhoneSystem) unavailable(w http.ResponseWriter, err error) {
	p.log.Error("stand-in", "error", err)
	p.fail(w, http.StatusServiceUnavailable, "Try again later")
}

// fail answers in the vendor's form of an error.
func (p *PhoneSystem) fail(w http.ResponseWriter, status int, message string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	p.encode(w, status, map[string]any{"error": map[string]any{
		"code": "", "message": message, "details": []any{},
	}})
}

func (p *PhoneSystem) encode(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		p.log.Error("stand-in answer", "error", err)
	}
}
