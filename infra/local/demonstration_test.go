package local_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local"
	"portcullis.example/infra/local/demo"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
)

const demoHost = "pbx.localhost:8081"

// demonstration is what `make run` shows, on a clock that only the test moves.
type demonstration struct {
	*localtest.World
	*demo.Demo
	made  local.Demonstration
	admin *localtest.Person
}

func newDemonstration(t *testing.T) *demonstration {
	t.Helper()
	w := localtest.New(t)
	made, links, err := w.PrepareDemo(context.Background(), filepath.Join(t.TempDir(), "demo.json"), demoHost)
	if err != nil {
		t.Fatal(err)
	}
	if len(links) != 1 || links[0].Email != "admin@demo.example" {
		t.Fatalf("invited: %v", links)
	}
	backend, memory := demo.InProcess(&url.URL{Scheme: "http", Host: "portcullis"}, w.API)
	d, err := demo.New(demo.Options{
		PublicHost: demoHost, Portcullis: backend, GateKey: func() string { return made.GateKey },
		Administrator: made.Administrator, Extension: made.Extension, Now: w.Clock.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), Within: localtest.Patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, closer := range []io.Closer{memory, d} {
			if err := closer.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	admin := w.Join(account.Invited{User: account.User{Email: "admin@demo.example"}, Link: links[0].URL})
	return &demonstration{World: w, Demo: d, made: made, admin: admin}
}

// browse is a browser at the phone system's host; with says what it carries.
func (d *demonstration) browse(method, path, body string, with func(*http.Request)) *http.Response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host, r.RemoteAddr = demoHost, "192.0.2.1:40000"
	with(r)
	recorder := httptest.NewRecorder()
	d.ServeHTTP(recorder, r)
	return recorder.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// console asks for the admin console with the phone system's own right password.
func (d *demonstration) console(pass *http.Cookie) *http.Response {
	return d.browse("GET", demo.ConsolePath, "", func(r *http.Request) {
		r.SetBasicAuth(d.made.Administrator.Name, d.made.Administrator.Password)
		r.Header.Set("Accept", "text/html")
		if pass != nil {
			r.AddCookie(pass)
		}
	})
}

// badAttempt demands the notice, and that the phone system saw nothing.
func (d *demonstration) badAttempt(t *testing.T, when string, pass *http.Cookie) {
	t.Helper()
	before := d.PhoneSystem.Count()
	answer := d.console(pass)
	if page := text(t, answer); answer.StatusCode != http.StatusForbidden || !strings.Contains(page, "Bad attempt") || !strings.Contains(page, localtest.BaseURL) {
		t.Errorf("%s: %d %s", when, answer.StatusCode, page)
	}
	if d.PhoneSystem.Count() != before {
		t.Errorf("%s: the phone system saw %+v", when, d.PhoneSystem.Seen())
	}
}

// unlock opens a window and has the browser fetch its pass.
func (d *demonstration) unlock(t *testing.T, seconds int) *http.Cookie {
	t.Helper()
	opened := d.admin.Must(http.StatusCreated, "POST", "/v1/phone-systems/"+d.made.PhoneSystemID+"/unlocks", map[string]any{"reason": "a look", "duration_seconds": seconds})
	form := url.Values{"ticket": {opened.Text("pass.ticket")}}.Encode()
	answer := d.browse("POST", "/.portcullis/pass", form, func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", localtest.BaseURL)
	})
	if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) != 1 {
		t.Fatalf("the ticket is refused: %d %s", answer.StatusCode, text(t, answer))
	}
	return answer.Cookies()[0]
}

// The demonstration of the README, to the second.
func TestDemonstration(t *testing.T) {
	d := newDemonstration(t)
	d.badAttempt(t, "without a window", nil)

	extension := d.browse("GET", "/webclient/", "", func(*http.Request) {})
	if extension.StatusCode != http.StatusOK || d.PhoneSystem.Count() != 1 {
		t.Errorf("the extension user's page: %d, seen %d", extension.StatusCode, d.PhoneSystem.Count())
	}

	pass := d.unlock(t, 60)
	if answer := d.console(pass); answer.StatusCode != http.StatusOK || !strings.Contains(text(t, answer), "Everything here can be changed") {
		t.Errorf("with a window: %d", answer.StatusCode)
	}
	seen := d.PhoneSystem.Seen()
	if last := seen[len(seen)-1]; last.RemoteEmail != "admin@demo.example" || len(last.Cookies) != 0 || last.ClientAddr != "192.0.2.1" {
		t.Errorf("the phone system saw %+v", last)
	}
	d.badAttempt(t, "another browser", nil)

	d.Clock.Add(59 * time.Second)
	if answer := d.console(pass); answer.StatusCode != http.StatusOK {
		t.Errorf("a second before the end: %d", answer.StatusCode)
	}
	d.Clock.Add(2 * time.Second)
	d.badAttempt(t, "a second after the end", pass)
	if extension := d.browse("GET", "/webclient/", "", func(*http.Request) {}); extension.StatusCode != http.StatusOK {
		t.Errorf("the extension user's page afterwards: %d", extension.StatusCode)
	}
	for range 3 {
		d.Tick()
	}
	if entries := d.admin.Must(http.StatusOK, "GET", "/v1/audit?action=unlock.expired", nil).Items(); len(entries) != 1 {
		t.Errorf("%d entries of the end", len(entries))
	}
	if entries := d.admin.Must(http.StatusOK, "GET", "/v1/audit?action=gate.bad_attempt", nil).Items(); len(entries) != 1 {
		t.Errorf("%d entries of bad attempts of one source in a minute", len(entries))
	}
}

// PrepareDemo is done at each start: what was made stays, what was lost or does
// not fit any more is replaced.
func TestDemonstrationIsMadeOnce(t *testing.T) {
	w := localtest.New(t)
	ctx, file := context.Background(), filepath.Join(t.TempDir(), "demo.json")
	first, _, err := w.PrepareDemo(ctx, file, demoHost)
	if err != nil {
		t.Fatal(err)
	}
	again, links, err := w.PrepareDemo(ctx, file, demoHost)
	if err != nil || again != first || len(links) != 0 {
		t.Errorf("again: %+v %v %v", again, links, err)
	}
	elsewhere, _, err := w.PrepareDemo(ctx, filepath.Join(t.TempDir(), "lost.json"), "pbx.localhost:9091")
	if err != nil || elsewhere.GateKey == first.GateKey || elsewhere.PhoneSystemID != first.PhoneSystemID || elsewhere.Administrator.Password == "" {
		t.Errorf("with the file lost: %+v %v", elsewhere, err)
	}
	mended, links, err := w.PrepareDemo(ctx, file, "pbx.localhost:9091")
	if err != nil || mended.GateKey == first.GateKey || mended.GateKey == elsewhere.GateKey || mended.Administrator != first.Administrator || len(links) != 0 {
		t.Errorf("with a key that was replaced: %+v %v", mended, err)
	}
	header := http.Header{"Authorization": {"Bearer " + mended.GateKey}, "Portcullis-Method": {"GET"}, "Portcullis-Url": {"http://pbx.localhost:9091/webclient/"}, "Portcullis-Client": {"192.0.2.1"}}
	if a := w.Send(localtest.Request{Method: "GET", Path: "/v1/gate/decision", Header: header}); a.Status != http.StatusNoContent {
		t.Errorf("at the new address: %d %v", a.Status, a.Header)
	}
}
