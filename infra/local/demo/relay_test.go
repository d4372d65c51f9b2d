package demo

import (
	"net/http"
	"strings"
	"testing"
)

func TestPassIsRelayed(t *testing.T) {
	r := newRig(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Add("Set-Cookie", "portcullis-pass=p; HttpOnly; SameSite=Lax; Path=/")
		h.Add("Set-Cookie", "other=1")
		h.Set("Location", base+"/")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Type", "text/html")
		h.Set("X-Inner", "1")
		w.WriteHeader(http.StatusSeeOther)
	}, ok)
	lines := append([]string{
		"POST /.portcullis/pass?a=%2F&b HTTP/1.1", "Host: " + host, "Cookie: portcullis-pass=old; Pbx=1", "Origin: http://portal.localhost:8080",
		"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate", "Content-Type: application/x-www-form-urlencoded", "Accept: text/html",
		"Accept-Language: de", "Authorization: Bearer mine", "Content-Length: 8", "Connection: close", "Referer: http://x/",
	}, forged()...)
	lines = append(lines, "", "ticket=t")
	res, _ := r.raw(t, lines...)
	asked, body := r.portcullis.last(t)
	if asked.Method != http.MethodPost || asked.RequestURI != "/v1/gate/pass?a=%2F&b" || body != "ticket=t" {
		t.Errorf("asked %s %s %q", asked.Method, asked.RequestURI, body)
	}
	once(t, asked.Header, map[string]string{
		"Authorization": "Bearer " + gotKey, "Portcullis-Method": "POST", "Portcullis-Client": "127.0.0.1",
		"Portcullis-Url": base + "/.portcullis/pass?a=%2F&b", "Cookie": "portcullis-pass=old; Pbx=1",
		"Origin": "http://portal.localhost:8080", "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate",
		"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html", "Accept-Language": "de",
	}, "User-Agent", "Content-Length")
	if res.StatusCode != http.StatusSeeOther {
		t.Errorf("status %d", res.StatusCode)
	}
	res.Header.Del("Date")
	res.Header.Del("Content-Length")
	if len(res.Header["Set-Cookie"]) != 2 {
		t.Errorf("cookies %q", res.Header["Set-Cookie"])
	}
	res.Header.Del("Set-Cookie")
	once(t, res.Header, map[string]string{
		"Location": base + "/", "Referrer-Policy": "no-referrer", "Content-Type": "text/html", "Cache-Control": "no-store",
	}, "Connection")
	if r.phones.count() != 0 {
		t.Error("the phone system saw it")
	}
}

func TestReservedPaths(t *testing.T) {
	cases := map[string]struct {
		method, target, body string
		asked                string // of Portcullis; "" for nothing
		want                 int
	}{
		"notice":             {"GET", "/.portcullis/notice?x=1", "", "/v1/gate/notice?x=1", 200},
		"pass page":          {"GET", "/.portcullis/pass?ticket=t", "", "/v1/gate/pass?ticket=t", 200},
		"post to the notice": {"POST", "/.portcullis/notice", "", "", 405},
		"another method":     {"PUT", "/.portcullis/pass", "", "", 405},
		"largest form":       {"POST", "/.portcullis/pass", strings.Repeat("x", maxForm), "/v1/gate/pass", 200},
		"too large a form":   {"POST", "/.portcullis/pass", strings.Repeat("x", maxForm+1), "", 413},
		"unknown":            {"GET", "/.portcullis/decision", "", "", 404},
		"the folder":         {"GET", "/.portcullis/", "", "", 404},
		"without the slash":  {"GET", "/.portcullis", "", "", 404},
		"below":              {"GET", "/.portcullis/pass/", "", "", 404},
		"climbing":           {"GET", "/.portcullis/pass/../../v1/users", "", "", 404},
		"other spelling":     {"GET", "/.Portcullis/pass", "", "", 404},
		"encoded":            {"GET", "/%2eportcullis/pass", "", "", 404},
		"encoded slash":      {"GET", "/.portcullis%2fpass", "", "", 404},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, ok, ok)
			res, _ := r.do(t, c.method, c.target, strings.NewReader(c.body))
			if res.StatusCode != c.want || r.phones.count() != 0 {
				t.Errorf("status %d, want %d", res.StatusCode, c.want)
			}
			asked := ""
			if r.portcullis.count() > 0 {
				got, _ := r.portcullis.last(t)
				asked = got.RequestURI
			}
			if asked != c.asked {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
		})
	}
}

func TestRelayPassesRefusalsOnAndHidesFailures(t *testing.T) {
	for status, want := range map[int]int{403: 403, 410: 410, 429: 429, 401: 503, 500: 503, 503: 503} {
		r := newRig(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }, ok)
		if res, _ := r.do(t, http.MethodGet, "/.portcullis/notice", nil); res.StatusCode != want {
			t.Errorf("%d became %d, want %d", status, res.StatusCode, want)
		}
	}
}

func TestTicketsAreNotLogged(t *testing.T) {
	r := newRig(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ok)
	r.do(t, http.MethodPost, "/.portcullis/pass?ticket=secret1", strings.NewReader("ticket=secret2"), "Cookie", "portcullis-pass=secret3")
	r.do(t, http.MethodGet, "/xapi/?token=secret4", nil, "Authorization", "Bearer secret5")
	got := r.logs.String()
	if !strings.Contains(got, "relay") || !strings.Contains(got, "no decision") {
		t.Errorf("failures are not logged: %s", got)
	}
	if strings.Contains(got, "secret") || strings.Contains(got, gotKey) {
		t.Errorf("the log holds secrets: %s", got)
	}
}
