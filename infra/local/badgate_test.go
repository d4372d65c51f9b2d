package local_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// gate is what a gate of an own phone system sends, and the ticket of a window
// that stays open all along.
func (s *spoiler) gate() (h http.Header, ticket string) {
	s.t.Helper()
	gate := s.admin.PhoneSystem("gated.acme.example", nil)
	ticket = s.admin.Unlock(gate, 600).Text("pass.ticket")
	s.table.left()
	return gate.Header("GET", "/xapi/v1/Users", ""), ticket
}

func changed(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	if h[name] = values; len(values) == 0 {
		delete(h, name)
	}
	return h
}

func TestBadGateKeys(t *testing.T) {
	s := newSpoiler(t)
	good, _ := s.gate()
	key := good.Get("Authorization")
	for _, op := range s.doc.operations() {
		if !strings.HasPrefix(op.path, "/v1/gate/") {
			continue
		}
		for _, values := range [][]string{{"Bearer"}, {"Bearer x"}, {key + "x"}, {key[:len(key)-1]}, {strings.ToUpper(key)}, {key, key}, {key + ", " + key}, {"Bearer " + s.admin.Token}, {"Bearer " + strings.Repeat("x", 10<<10)}} {
			h := changed(good, "Authorization", values...)
			h.Set("Origin", localtest.BaseURL)
			s.refused(fmt.Sprintf("the key %.20q", values), localtest.Request{Method: op.method, Path: op.path, Header: h}, nobody)
		}
	}
}

// A gate's question that can't be read is a denial, without a body.
func TestBadQuestions(t *testing.T) {
	s := newSpoiler(t)
	good, _ := s.gate()
	for name, bad := range map[string][][]string{
		"Portcullis-Method": {nil, {""}, {"GET", "GET"}},
		"Portcullis-Url":    {nil, {""}, {"/xapi"}, {"https://gated.acme.example/a", "https://gated.acme.example/a"}, {"https://gated.acme.example/a, https://gated.acme.example/b"}, {"https://u@gated.acme.example/"}, {"ftp://gated.acme.example/"}, {"https://gated.acme.example/\x00"}, {"https://gated.acme.example/webclient/#x"}, {"https://gated.acme.example/" + strings.Repeat("a", 20<<10)}},
		"Portcullis-Client": {nil, {""}, {"x"}, {"198.51.100.7, 198.51.100.8"}, {"198.51.100.7", "198.51.100.7"}, {"fe80::1%eth0"}, {"0.0.0.0"}, {"198.51.100.7:80"}},
		"Cookie":            {{"__Host-portcullis-pass=a; __Host-portcullis-pass=b"}, {strings.Repeat("x", 70<<10)}},
	} {
		for _, values := range bad {
			a := s.Send(localtest.Request{Method: "GET", Path: "/v1/gate/decision", Header: changed(good, name, values...)})
			if a.Status != http.StatusForbidden || a.Body != "" || a.Header.Get("Portcullis-Decision") != "deny" || a.Header.Get("Portcullis-Reason") != "ambiguous" {
				t.Errorf("%s %.60q: %d %v %s", name, values, a.Status, a.Header, a.Body)
			}
		}
	}
	if left := s.table.left(); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestBadTickets(t *testing.T) {
	s := newSpoiler(t)
	good, ticket := s.gate()
	good.Set("Content-Type", "application/x-www-form-urlencoded")
	good.Set("Origin", localtest.BaseURL)
	good.Set("Accept", "application/json")
	send := func(what, body string, h http.Header, problems ...string) {
		s.refused(what, localtest.Request{Method: "POST", Path: "/v1/gate/pass", Body: body, Header: h}, problems...)
	}
	const denied = "403 bad_attempt"
	for _, body := range []string{"", "ticket=", "ticket=x", "ticket=" + strings.Repeat("x", 10<<10), "ticket=%00", "ticket=" + strings.ToUpper(ticket), "ticket=" + ticket[:len(ticket)-1], "x=" + ticket} {
		send(fmt.Sprintf("%.20q", body), body, good, denied)
	}
	send("an unreadable form", "ticket=%zz", good, invalid)
	send("a large form", "ticket="+strings.Repeat("x", 70<<10), good, "413 invalid")
	for name, bad := range map[string][][]string{
		"Origin":            {nil, {"null"}, {"https://evil.example"}, {localtest.BaseURL + "/"}, {localtest.BaseURL + ".evil.example"}, {localtest.BaseURL, localtest.BaseURL}},
		"Portcullis-Client": {nil, {"x"}, {"198.51.100.7, 198.51.100.8"}},
	} {
		for _, values := range bad {
			send(fmt.Sprintf("%s %q", name, values), "ticket="+ticket, changed(good, name, values...), denied)
		}
	}
	if a := s.Send(localtest.Request{Method: "POST", Path: "/v1/gate/pass", Body: "ticket=" + ticket, Header: good}); a.Status != http.StatusSeeOther {
		t.Errorf("after all that the ticket is refused: %d %s", a.Status, a.Body)
	}
}
