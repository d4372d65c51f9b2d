package portal_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table/tabletest"
)

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	w := localtest.New(t)
	a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/"})
	policy := a.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q lacks %q", policy, part)
		}
	}
	if a.Header.Get("Content-Type") != "text/html; charset=utf-8" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") != "strict-origin" {
		t.Errorf("headers: %v", a.Header)
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	text := strings.ReplaceAll(a.Body, "http://www.w3.org/2000/svg", "") // a name, not an address
	if found := regexp.MustCompile(`(?i)(src|href)="[^"#/d]|url\(|https?://|\son\w+=|\sstyle=`).FindString(text); found != "" {
		t.Errorf("the page has %q", found)
	}
	if a := w.Send(localtest.Request{Method: "GET", Path: "/index.html"}); a.Status != http.StatusNotFound {
		t.Errorf("there is another page: %d", a.Status)
	}
}

func TestHealthIsTheStoresToo(t *testing.T) {
	clock := localtest.NewClock()
	faulty := tabletest.NewFaulty(localtest.Bolt(t, clock), tabletest.At(1, tabletest.Fail))
	w := localtest.On(t, faulty, clock)
	if a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/healthz"}); a.Text("status") != "ok" {
		t.Errorf("%s", a.Body)
	}
	a := w.Must(http.StatusServiceUnavailable, localtest.Request{Method: "GET", Path: "/healthz"})
	if a.Text("code") != "unavailable" || a.Header.Get("Retry-After") == "" || strings.Contains(a.Body, "table") {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/healthz"})
}

// Files are kept for ever under their version, and are nowhere else; the page
// that names them is asked for each time.
func TestAssetsAreImmutableAndThePageIsNot(t *testing.T) {
	w := localtest.New(t)
	page := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/"})
	script := regexp.MustCompile(`src="(/assets/([\w-]+)/main\.js)"`).FindStringSubmatch(page.Body)
	if script == nil || page.Header.Get("Cache-Control") != "no-cache" || page.Header.Get("ETag") == "" {
		t.Fatalf("%v %s", page.Header, page.Body)
	}
	a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: script[1]})
	if a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("%v", a.Header)
	}
	for _, match := range regexp.MustCompile(`href="(/assets/[^"]+)"`).FindAllStringSubmatch(page.Body, -1) {
		w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: match[1]})
	}
	for _, path := range []string{"/assets/another/main.js", "/assets/" + script[2] + "/index.html", "/assets/" + script[2] + "/early.js", "/assets/" + script[2] + "/..%2fportal.go"} {
		if a := w.Send(localtest.Request{Method: "GET", Path: path}); a.Status != http.StatusNotFound || a.Text("code") != "not_found" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
	}
}

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	w := localtest.New(t)
	for _, c := range []struct{ path, header, want string }{
		{"/", "de-DE,de;q=0.9", `lang="de"`}, {"/", "", `lang="en"`}, {"/help", "de", "Die Sperre"}, {"/help", "fr", "The lock"},
		{"/help?lang=en", "de", "The lock"}, {"/help?lang=de", "en", "Die Sperre"}, {"/help?lang=xx", "de", "Die Sperre"},
	} {
		a := w.Must(http.StatusOK, localtest.Request{Method: "GET", Path: c.path, Header: http.Header{"Accept-Language": {c.header}}})
		if !strings.Contains(a.Body, c.want) || !strings.Contains(a.Body, "</html>") || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Accept-Language") {
			t.Errorf("%s in %q: %v %.80s", c.path, c.header, a.Header, a.Body)
		}
	}
}
