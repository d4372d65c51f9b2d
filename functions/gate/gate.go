// Package gate is the function that the gates ask: decision, pass and notice,
// its routes and nothing else. It guarantees no more than shared/gatekeeper
// does, whose methods it calls, and that whatever goes wrong is a denial.
package gate

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"portcullis.example/shared/account"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/web"
)

// Function is what the routes need.
type Function struct {
	API       *web.API
	Keeper    *gatekeeper.Keeper
	Directory *account.Directory
	// BaseURL is the control portal's, where the notice leads.
	BaseURL string
	// AboutWithin is how long the notice waits for what is good to know.
	AboutWithin time.Duration
	room        *room
}

// NoticePath is the notice on the phone system's own host.
const NoticePath = "/.portcullis/notice"

// New makes the function.
func New(g *ground.Ground, api *web.API, keeper *gatekeeper.Keeper) Function {
	return Function{API: api, Keeper: keeper, Directory: g.Directory, BaseURL: g.BaseURL, AboutWithin: cmp.Or(g.GateWithin, aboutWithin), room: &room{}}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	describe := func(method, path, id, summary string, statuses ...string) *huma.Operation {
		op := &huma.Operation{
			OperationID: id, Method: method, Path: path, Summary: summary, Tags: []string{"The gate"},
			Security: []map[string][]string{{"gateKey": {}}}, Responses: map[string]*huma.Response{},
		}
		for _, status := range statuses {
			code, _ := strconv.Atoi(status)
			op.Responses[status] = &huma.Response{Description: http.StatusText(code)}
		}
		return op
	}
	f.API.HandleBare(describe(http.MethodGet, "/v1/gate/decision", "decide", "May this request pass?", "204", "401", "403", "503"), http.HandlerFunc(f.decision))
	f.API.Handle(describe(http.MethodGet, "/v1/gate/pass", "show-pass", "The page that posts a ticket", "200", "401", "403", "503"), http.HandlerFunc(f.showPass))
	f.API.Handle(describe(http.MethodPost, "/v1/gate/pass", "admit", "Spend a ticket and set the pass", "303", "401", "403", "409", "413", "422", "503"), http.HandlerFunc(f.admit))
	f.API.Handle(describe(http.MethodGet, "/v1/gate/notice", "notice", "The bad attempt page", "200", "401", "503"), http.HandlerFunc(f.notice))
}

func (f Function) decision(w http.ResponseWriter, r *http.Request) {
	if !f.room.enter() {
		f.shed(w, r)
		return
	}
	defer f.room.leave()
	h := r.Header
	d, err := f.Keeper.Decide(r.Context(), gatekeeper.Request{
		Authorization: h["Authorization"], Method: h["Portcullis-Method"], URL: h["Portcullis-Url"],
		Client: h["Portcullis-Client"], Cookie: h["Cookie"], Config: h["Portcullis-Config"],
	})
	head := w.Header()
	// Every identity header is always set, so that a client's own never stands.
	v := []string{d.UserID, d.Email}
	head["Remote-User"], head["Remote-Email"] = v[0:1:1], v[1:2:2]
	switch {
	case err != nil:
		f.undecided(w, r, err)
	case d.Allow:
		allow(w, d)
	default:
		f.deny(w, r, d)
	}
}

func allow(w http.ResponseWriter, d gatekeeper.Decision) {
	head := w.Header()
	v := []string{"allow", string(d.Reason)}
	head["Portcullis-Decision"], head["Portcullis-Reason"] = v[0:1:1], v[1:2:2]
	if !d.Expires.IsZero() {
		head["Portcullis-Expires"] = []string{strconv.FormatInt(d.Expires.Unix(), 10)}
	}
	if d.CacheSeconds > 0 {
		head["Cache-Control"] = []string{"max-age=" + strconv.FormatInt(d.CacheSeconds, 10)}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f Function) deny(w http.ResponseWriter, r *http.Request, d gatekeeper.Decision) {
	head := w.Header()
	head["Portcullis-Decision"], head["Portcullis-Reason"] = []string{"deny"}, []string{string(d.Reason)}
	head["Location"] = []string{d.System.URL(NoticePath)}
	if r.URL.Query().Get("answer") != "notice" {
		// A body here would cost nginx its kept-alive connection.
		head["Content-Length"] = []string{"0"}
		w.WriteHeader(http.StatusForbidden)
		return
	}
	f.API.Secure(w)
	f.writeNotice(w, r, http.StatusForbidden, f.about(r.Context(), d.System, d.Reason))
}

// undecided is a denial too: the proxy lets nothing but a 204 pass.
func (f Function) undecided(w http.ResponseWriter, r *http.Request, err error) {
	w.Header()["Portcullis-Decision"] = []string{"deny"}
	f.API.Secure(w)
	f.API.Fail(w, r, unavailableUnlessKnown(err))
}

// notice is what a locked-out browser sees; a gate that has just been told why
// hands the reason on, so that it need not ask twice.
func (f Function) notice(w http.ResponseWriter, r *http.Request) {
	if len(r.Header["Authorization"]) == 0 { // whoever asks beside a gate learns no more
		f.writeNotice(w, r, http.StatusOK, noticeText{System: "this phone system", Portal: f.BaseURL, Why: why(gatekeeper.Locked), Reason: string(gatekeeper.Locked)})
		return
	}
	system, err := f.Keeper.System(r.Context(), visit(r))
	if err != nil {
		f.API.Fail(w, r, unavailableUnlessKnown(err))
		return
	}
	f.writeNotice(w, r, http.StatusOK, f.about(r.Context(), system, gatekeeper.Denial(r.URL.Query().Get("reason"))))
}

// aboutWithin is AboutWithin unless the ground says otherwise: with the decision
// before it, an answer takes less than the 2 s that a proxy waits.
const aboutWithin = 300 * time.Millisecond

// about gathers what the notice says. Whom to ask is worth a read, but not worth
// failing for: without it the notice says less.
func (f Function) about(ctx context.Context, system phonesystem.PhoneSystem, reason gatekeeper.Reason) noticeText {
	ctx, cancel := context.WithTimeout(ctx, f.AboutWithin)
	defer cancel()
	text := noticeText{System: system.Name, Portal: f.BaseURL, Why: why(reason), Reason: string(reason)}
	if partner, err := f.Directory.Partner(ctx, system.PartnerID); err == nil {
		text.Support = partner.SupportContact
	}
	return text
}

func visit(r *http.Request) gatekeeper.Visit {
	return gatekeeper.Visit{
		Authorization: r.Header["Authorization"], Client: r.Header["Portcullis-Client"],
		Cookie: r.Header["Cookie"], Origin: r.Header["Origin"], Config: r.Header["Portcullis-Config"],
	}
}

// showPass names the user and offers to post the ticket; it spends nothing, so
// that scanners that open links spend nothing.
func (f Function) showPass(w http.ResponseWriter, r *http.Request) {
	v := visit(r)
	v.Ticket = r.URL.Query().Get("ticket")
	system, email, err := f.Keeper.Show(r.Context(), v)
	if err != nil {
		f.refusePass(w, r, system, err)
		return
	}
	f.writePage(w, http.StatusOK, passText{System: system.Name, User: email, Ticket: v.Ticket}.page())
}

func (f Function) admit(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, web.MaxBody)
	var tooLarge *http.MaxBytesError
	switch err := r.ParseForm(); {
	case errors.As(err, &tooLarge):
		f.API.Problem(w, r, http.StatusRequestEntityTooLarge, web.Invalid, "the form is too large")
		return
	case err != nil:
		f.API.Fail(w, r, web.ErrForm)
		return
	}
	v := visit(r)
	v.Ticket, v.Replace = r.PostForm.Get("ticket"), r.PostForm.Get("replace") == "yes"
	admitted, err := f.Keeper.Admit(r.Context(), v)
	var other *gatekeeper.OtherPassError
	switch {
	case errors.As(err, &other):
		f.writePage(w, http.StatusConflict, passText{User: other.User, Holder: other.Holder, Ticket: v.Ticket}.page())
	case err != nil:
		f.refusePass(w, r, admitted.System, err)
	default:
		f.hand(w, admitted)
	}
}

// hand sets the pass and leads to the console.
func (f Function) hand(w http.ResponseWriter, a gatekeeper.Admitted) {
	http.SetCookie(w, &http.Cookie{
		Name: a.Cookie, Value: a.Pass, Path: "/", Expires: a.Expires, HttpOnly: true,
		Secure: a.System.Scheme() == "https", SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Location", a.System.URL("/"))
	w.WriteHeader(http.StatusSeeOther)
}

// refusePass shows the notice for a ticket that admits nobody.
func (f Function) refusePass(w http.ResponseWriter, r *http.Request, system phonesystem.PhoneSystem, err error) {
	if system.ID == "" || !errors.Is(err, gatekeeper.ErrTicket) && !errors.Is(err, gatekeeper.ErrForeignOrigin) {
		f.API.Fail(w, r, unavailableUnlessKnown(err))
		return
	}
	text := f.about(r.Context(), system, gatekeeper.NoPass)
	text.Why = err.Error()
	f.writeNotice(w, r, http.StatusForbidden, text)
}
