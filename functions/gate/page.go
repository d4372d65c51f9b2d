package gate

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/table"
	"portcullis.example/shared/web"
)

//go:embed style.css
var style string

// stylePolicy lets the pages have their one style sheet, by its hash, and post to
// where they came from; no script, no frame, nothing from elsewhere.
func stylePolicy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// frame is what all pages have around them.
func frame(title string, body ...g.Node) g.Node {
	return h.Doctype(h.HTML(h.Lang("en"),
		h.Head(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.Meta(h.Name("robots"), h.Content("noindex")),
			h.Meta(h.Name("referrer"), h.Content("strict-origin")),
			h.TitleEl(g.Text(title)),
			h.StyleEl(g.Raw(style)),
		),
		h.Body(h.Main(body...)),
	))
}

func strong(text string) g.Node { return h.Strong(g.Text(text)) }

func quiet(text string) g.Node { return h.P(h.Class("quiet"), g.Text(text)) }

// noticeText is what the notice says.
type noticeText struct {
	System, Portal, Support, Why, Reason string
}

func (t noticeText) page() g.Node {
	return frame("Bad attempt: this phone system is locked",
		h.H1(g.Text("Bad attempt")),
		h.P(g.Text("The admin console of "), strong(t.System), g.Text(" is locked, and this attempt to reach it was recorded.")),
		h.P(g.Text(t.Why)),
		h.P(h.A(h.Class("act"), h.Href(t.Portal), h.Rel("noreferrer"), g.Text("Go to the control portal"))),
		quiet("Sign in there with your password and your second factor, open an unlock window for this phone system, then open the console from there."),
		g.If(t.Support != "", quiet("If you need help: "+t.Support)),
		quiet("Telephones and extension users are not affected."),
	)
}

// passText is what the pass page says; Holder where the browser holds another
// person's pass.
type passText struct {
	System, User, Holder, Ticket string
}

func (t passText) page() g.Node {
	return frame("Open the console",
		t.question(),
		h.Form(h.Method("post"), h.Action("/.portcullis/pass"),
			h.Input(h.Type("hidden"), h.Name("ticket"), h.Value(t.Ticket)),
			g.If(t.Holder != "", h.Input(h.Type("hidden"), h.Name("replace"), h.Value("yes"))),
			h.P(h.Button(h.Class("act"), h.Type("submit"), g.Text("Go on as "+t.User))),
		),
		quiet("If this is not you, close this page: nothing has happened."),
	)
}

func (t passText) question() g.Node {
	if t.Holder != "" {
		return g.Group{
			h.H1(g.Text("Open the console as someone else?")),
			h.P(g.Text("This browser holds the pass of "), strong(t.Holder), g.Text(". If you go on, it will hold the pass of "), strong(t.User), g.Text(" instead.")),
		}
	}
	return g.Group{
		h.H1(g.Text("Open the console")),
		h.P(g.Text("This opens the admin console of "), strong(t.System), g.Text(" in this browser as "), strong(t.User), g.Text(", until the unlock window ends.")),
	}
}

// why says a reason in words that tell what to do.
func why(reason gatekeeper.Reason) string {
	switch reason {
	case gatekeeper.NoPass:
		return "A window is open on this phone system, but not for this browser. Open the console from the control portal, or ask there for a pass for this browser."
	case gatekeeper.WrongAddress:
		return "A window is open, but it is bound to another network address. Open the console from the network you unlocked it for, or get a new pass in the control portal."
	case gatekeeper.Expired:
		return "Your unlock window has ended. Open a new one in the control portal."
	case gatekeeper.Revoked:
		return "Your unlock window was closed, or what allowed it has changed. Open a new one in the control portal."
	case gatekeeper.Ambiguous:
		return "This address can be read in more than one way, so it stays closed even while a window is open."
	case gatekeeper.WrongHost:
		return "This request was meant for another host."
	}
	return "Nobody has an unlock window open. The right user name and password of the phone system alone do not open its console."
}

func (f Function) writeNotice(w http.ResponseWriter, r *http.Request, status int, text noticeText) {
	if wantsJSON(r) {
		f.API.Problem(w, r, status, web.BadAttempt, "bad attempt: the admin console of "+text.System+" is locked. "+text.Why+" Control portal: "+text.Portal)
		return
	}
	f.writePage(w, status, text.page())
}

// wantsJSON tells a program from a browser: whichever of the two types the
// Accept header names first.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	json, html := strings.Index(accept, "json"), strings.Index(accept, "text/html")
	return json >= 0 && (html < 0 || json < html)
}

func (f Function) writePage(w http.ResponseWriter, status int, page g.Node) {
	var out bytes.Buffer
	if err := page.Render(&out); err != nil {
		http.Error(w, "something went wrong on our side", http.StatusInternalServerError)
		return
	}
	out.WriteByte('\n') // as text files end; sed, in the README's walk, minds
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", stylePolicy())
	w.WriteHeader(status)
	// The status is sent: a browser that went away has no use for more.
	_, _ = out.WriteTo(w)
}

// unavailableUnlessKnown: a gate is told that its key is unknown or that a
// visit is refused; anything else is the store not answering in time, whatever
// else its text may be taken for.
func unavailableUnlessKnown(err error) error {
	for _, known := range []error{gatekeeper.ErrUnknownKey, gatekeeper.ErrForeignOrigin, gatekeeper.ErrUnreadable, gatekeeper.ErrTicket} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("%w: %v", table.ErrUnavailable, err)
}
