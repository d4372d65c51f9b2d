package localtest

import (
	"net/http"
	"net/url"
	"strings"
)

// Gate is a phone system as its gate knows it.
type Gate struct {
	w    *World
	ID   string
	Key  string
	Host string
	// Client is the address that the gate names; 198.51.100.7 unless changed.
	Client string
}

// PhoneSystem has a person register a phone system of profile 3cx-v20 with a
// policy, nil for the default.
func (p *Person) PhoneSystem(host string, policy map[string]any) *Gate {
	p.w.T.Helper()
	body := map[string]any{"name": "PBX " + host, "host": host}
	if policy != nil {
		body["policy"] = policy
	}
	a := p.Must(http.StatusCreated, "POST", "/v1/phone-systems", body)
	return &Gate{w: p.w, ID: a.Text("id"), Key: a.Text("gate_key"), Host: host, Client: "198.51.100.7"}
}

// Unlock has a person open a window of some seconds and answers it.
func (p *Person) Unlock(g *Gate, seconds int) Answer {
	p.w.T.Helper()
	return p.Must(http.StatusCreated, "POST", "/v1/phone-systems/"+g.ID+"/unlocks", map[string]any{"duration_seconds": seconds, "reason": "test"})
}

// Header is what the gate sends to ask about a request with cookies.
func (g *Gate) Header(method, path, cookie string) http.Header {
	h := http.Header{
		"Authorization":     {"Bearer " + g.Key},
		"Portcullis-Method": {method},
		"Portcullis-Url":    {"https://" + g.Host + path},
		"Portcullis-Client": {g.Client},
	}
	if cookie != "" {
		h.Set("Cookie", cookie)
	}
	return h
}

// Decide asks about a request with cookies.
func (g *Gate) Decide(method, path, cookie string) Answer {
	g.w.T.Helper()
	return g.w.Send(Request{Method: "GET", Path: "/v1/gate/decision", Header: g.Header(method, path, cookie)})
}

// Reason is why a restricted path is decided as it is.
func (g *Gate) Reason(cookie string) string {
	g.w.T.Helper()
	return g.Decide("GET", "/xapi/v1/Users", cookie).Header.Get("Portcullis-Reason")
}

// Post spends a ticket as a page of an origin would have the browser do.
func (g *Gate) Post(ticket, origin, cookie string) Answer {
	g.w.T.Helper()
	h := http.Header{
		"Authorization":     {"Bearer " + g.Key},
		"Portcullis-Client": {g.Client},
		"Content-Type":      {"application/x-www-form-urlencoded"},
	}
	if origin != "" {
		h.Set("Origin", origin)
	}
	if cookie != "" {
		h.Set("Cookie", cookie)
	}
	return g.w.Send(Request{Method: "POST", Path: "/v1/gate/pass", Body: url.Values{"ticket": {ticket}}.Encode(), Header: h})
}

// Pass spends the ticket of an opened window and answers the cookie.
func (g *Gate) Pass(unlock Answer) string {
	g.w.T.Helper()
	a := g.Post(unlock.Text("pass.ticket"), BaseURL, "")
	if a.Status != http.StatusSeeOther {
		g.w.T.Fatalf("the ticket is refused: %d %s", a.Status, a.Body)
	}
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return cookie
}
