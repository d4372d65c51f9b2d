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
	if a.Header.Get("Content-Type") != "text/html; charset=utf-8" || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers: %v", a.Header)
	}
	if found := regexp.MustCompile(`(?i)<script|src=|url\(|https?://|\son\w+=`).FindString(a.Body); found != "" {
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
