package browser

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/demo"
	"portcullis.example/infra/local/localtest"
)

// stage is a whole Portcullis, a phone system behind its gate, and browsers.
type stage struct {
	*localtest.World
	t *testing.T
	// pbx is the stand-in; its gate takes the key of whichever phone system has
	// its host.
	pbx     *demo.Demo
	mu      sync.Mutex
	key     string
	between func(w http.ResponseWriter, r *http.Request) bool
	// asked is read while a page is answered, and written while it is to wait.
	asked   sync.RWMutex
	browser context.Context
	// rest has the world's time stand still, but for what a test adds to it.
	rest context.CancelFunc
}

const (
	pbxHost     = "pbx.acme.example"
	pbxUser     = "admin"
	pbxPassword = "console-password"
	// stepPatience is only to end a test at all: a machine may be busy.
	stepPatience = 2 * time.Minute
)

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{World: localtest.New(t), t: t}
	backend, memory := demo.InProcess(&url.URL{Scheme: "http", Host: "portcullis"}, s.API)
	pbx, err := demo.New(demo.Options{
		PublicHost: pbxHost, Portcullis: backend, GateKey: s.gateKey, Now: s.Clock.Now, Random: rand.Reader, Log: slog.New(slog.NewTextHandler(s.Log, nil)), Within: localtest.Patience,
		Administrator: demo.Credentials{Name: pbxUser, Password: pbxPassword}, Extension: demo.Credentials{Name: "100", Password: "extension-password"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.pbx = pbx
	portal, gate := httptest.NewTLSServer(s.dated(http.HandlerFunc(s.portal))), httptest.NewTLSServer(s.dated(pbx))
	ticking, rest := context.WithCancel(context.Background())
	s.rest = rest
	go s.tick(ticking)
	t.Cleanup(func() {
		rest()
		portal.Close()
		gate.Close()
		if err := memory.Close(); err != nil {
			t.Error(err)
		}
		if err := pbx.Close(); err != nil {
			t.Error(err)
		}
	})
	s.browser = s.launch(portal.Listener.Addr(), gate.Listener.Addr())
	return s
}

func (s *stage) gateKey() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// guard has the phone system's gate use a key.
func (s *stage) guard(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key = key
}

// dated has a server's answers tell the world's time: by it a browser judges when
// a cookie is over.
func (s *stage) dated(server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tells := told{w, s.Clock}
		tells.date()
		server.ServeHTTP(tells, r)
	})
}

// told is an answer that tells the world's time when it begins.
type told struct {
	http.ResponseWriter
	clock *localtest.Clock
}

func (a told) date() { a.Header().Set("Date", a.clock.Now().UTC().Format(http.TimeFormat)) }

func (a told) WriteHeader(status int) {
	a.date()
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController flush and hijack.
func (a told) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// portal is the API, behind what a test has put before it.
func (s *stage) portal(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	between := s.between
	s.mu.Unlock()
	if between != nil && between(w, r) {
		return
	}
	if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/") {
		s.asked.RLock()
		defer s.asked.RUnlock()
	}
	s.API.ServeHTTP(w, r)
}

// hold has wait what pages ask by themselves, so that nothing of it comes between
// two things that a test does: what was asked before has been answered then, and
// what is asked from then on has been once release returns.
func (s *stage) hold() (release func()) {
	s.asked.Lock()
	release = sync.OnceFunc(func() {
		s.asked.Unlock()
		s.asked.Lock()
		defer s.asked.Unlock()
	})
	s.t.Cleanup(release)
	return release
}

// meet has something see the portal's requests first, and answer whether it
// dealt with them; nil for nothing.
func (s *stage) meet(between func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = between
}

// tick has the world's time go by.
func (s *stage) tick(ctx context.Context) {
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	for {
		select {
		case <-seconds.C:
			s.Clock.Add(time.Second)
		case <-ctx.Done():
			return
		}
	}
}

// chromium is the browser's program.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatal("the tests of the portal need Chromium: install it (Debian: apt-get install chromium), or name it in CHROMIUM")
	return ""
}

// launch starts a browser to which both hosts are ours.
func (s *stage) launch(portal, gate net.Addr) context.Context {
	s.t.Helper()
	rules := fmt.Sprintf("MAP portal.example:443 %s, MAP %s:443 %s, MAP * ~NOTFOUND, EXCLUDE localhost", portal, pbxHost, gate)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(s.t)), chromedp.NoSandbox, chromedp.WSURLReadTimeout(stepPatience),
		chromedp.Flag("host-resolver-rules", rules), chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("accept-lang", "en-GB"), chromedp.Flag("hide-scrollbars", true))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	browser, closed := chromedp.NewContext(allocated)
	s.t.Cleanup(func() { closed(); end() })
	if err := chromedp.Do(browser); err != nil {
		s.t.Fatalf("starting Chromium: %v", err)
	}
	return browser
}

// page is one tab, and what its console said.
type page struct {
	*stage
	ctx context.Context

	heard   sync.Mutex
	console []string
	// done counts what a person did: clicks, and fields filled in.
	done int
}

// tab opens a tab that keeps what goes wrong in it.
func (s *stage) tab() *page {
	s.t.Helper()
	p := &page{stage: s}
	ctx, closed := chromedp.NewContext(s.browser, chromedp.WithListener(p.hear))
	s.t.Cleanup(closed)
	p.ctx = ctx
	// The tab lives as long as what first runs in it may take.
	if err := chromedp.Do(ctx); err != nil {
		s.t.Fatal(err)
	}
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Func(unhurried))
	return p
}

// unhurried has a word at the page's edge stay until it is sent away, or another
// comes, and an answer be waited for without end: how soon a test looks for the
// one and gives the other must not matter.
func unhurried(ctx context.Context, _ *chromedp.Target) error {
	const script = `{
		const later = setTimeout;
		window.setTimeout = (run, after, ...rest) => after > 10_000 ? 0 : later(run, after, ...rest);
		AbortSignal.timeout = () => new AbortController().signal;
	}`
	_, err := chromedp.Call(ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	return err
}

// hear keeps errors, warnings and what the Content-Security-Policy reports. An
// answer that is no success is no error of the page's.
func (p *page) hear(event any) {
	said := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		said = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" {
			said = fmt.Sprint(e.Type, ": ", arguments(e.Args))
		}
	case *log.EventEntryAdded:
		if e.Entry.Source != log.EntrySourceNetwork && e.Entry.Level != "verbose" {
			said = fmt.Sprint(e.Entry.Source, ": ", e.Entry.Text)
		}
	}
	if said != "" {
		p.heard.Lock()
		p.console = append(p.console, said)
		p.heard.Unlock()
	}
}

func arguments(args []*runtime.RemoteObject) string {
	var texts []string
	for _, a := range args {
		texts = append(texts, strings.Trim(string(a.Value), `"`)+a.Description)
	}
	return strings.Join(texts, " ")
}

// complaints are what the console said since the last call.
func (p *page) complaints() []string {
	p.heard.Lock()
	defer p.heard.Unlock()
	said := p.console
	p.console = nil
	return said
}

// quiet demands that nothing went wrong.
func (p *page) quiet() {
	p.t.Helper()
	for _, said := range p.complaints() {
		p.t.Errorf("the console says: %s", said)
	}
}

// do runs actions, or fails with what the page showed.
func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepPatience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.fail(err)
	}
}

func (p *page) fail(err error) {
	p.t.Helper()
	p.t.Fatalf("%v\nconsole: %v\nthe page shows:\n%s", err, p.complaints(), p.text())
}

// get runs an action that answers something.
func get[T any](p *page, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepPatience)
	defer cancel()
	got, err := chromedp.Run(ctx, action)
	if err != nil {
		p.fail(err)
	}
	return got
}

// until waits until a script's expression holds, over changes of the page.
func (p *page) until(expression string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepPatience)
	defer cancel()
	for {
		held, err := chromedp.Run(ctx, chromedp.Poll[bool]("Boolean("+expression+")", chromedp.WithPollingInterval(50*time.Millisecond)))
		if held {
			return
		}
		if ctx.Err() != nil {
			p.fail(fmt.Errorf("waiting for %s: %w", expression, err))
		}
	}
}

// text is what the page shows, as far as that can be found out.
func (p *page) text() string {
	ctx, cancel := context.WithTimeout(p.ctx, stepPatience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}
