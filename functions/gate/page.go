package gate

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/table"
	"portcullis.example/shared/web"
)

//go:embed pages/*.html
var files embed.FS

var (
	noticePage  = page("notice.html")
	passPage    = page("pass.html")
	framePolicy = policy()
)

func page(name string) *template.Template {
	return template.Must(template.ParseFS(files, "pages/frame.html", "pages/"+name))
}

// policy lets the pages have their one style sheet, by its hash, and post to
// where they came from; no script, no frame, nothing from elsewhere.
func policy() string {
	frame, err := files.ReadFile("pages/frame.html")
	if err != nil {
		panic(err) // embedded at build time
	}
	_, rest, _ := strings.Cut(string(frame), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}

// noticeText is what the notice says.
type noticeText struct {
	System, Portal, Support, Why, Reason string
}

// passText is what the pass page says; Holder where the browser holds another
// person's pass.
type passText struct {
	System, User, Holder, Ticket string
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
	f.writePage(w, status, noticePage, text)
}

// wantsJSON tells a program from a browser: whichever of the two types the
// Accept header names first.
func wantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	json, html := strings.Index(accept, "json"), strings.Index(accept, "text/html")
	return json >= 0 && (html < 0 || json < html)
}

func (f Function) writePage(w http.ResponseWriter, status int, page *template.Template, text any) {
	var out bytes.Buffer
	if err := page.ExecuteTemplate(&out, "frame.html", text); err != nil {
		http.Error(w, "something went wrong on our side", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", framePolicy)
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
