package demo

import (
	"bytes"
	_ "embed" // the pages
	"html/template"
	"net/http"
)

// pageCookie is the session of the stand-in's pages.
const pageCookie = "PbxSession"

//go:embed pages/style.css
var styleCSS []byte

//go:embed pages/page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what the template shows.
type page struct {
	Title   string
	Console bool // the administration console, not the extension user's page
	Action  string
	Message string
	User    string // signed in; "" shows the log-in
	Name    string
	Users   []string
	// Vouched and Client are who the gate says is behind the request.
	Vouched, Client string
	ConsolePath     string
}

// showHome is the page of extension users, which never locks.
func (p *PhoneSystem) showHome(w http.ResponseWriter, r *http.Request) {
	if u, ok := p.who(r); ok {
		p.show(w, http.StatusOK, p.home(r, u))
		return
	}
	p.show(w, http.StatusOK, p.home(r, user{}))
}

func (p *PhoneSystem) enterHome(w http.ResponseWriter, r *http.Request) {
	u, ok := p.check(formCredentials(r))
	if !ok {
		refused := p.home(r, user{})
		refused.Message = "Wrong user name or password."
		p.show(w, http.StatusUnauthorized, refused)
		return
	}
	if p.signIn(w, u) {
		http.Redirect(w, r, "/webclient/", http.StatusSeeOther)
	}
}

// showConsole is the console, or its log-in.
func (p *PhoneSystem) showConsole(w http.ResponseWriter, r *http.Request) {
	u, ok := p.who(r)
	switch {
	case !ok:
		p.show(w, http.StatusOK, p.console(r, user{}))
	case !u.administrator:
		p.refuseConsole(w, r, http.StatusForbidden, "This user is no administrator.")
	default:
		p.show(w, http.StatusOK, p.console(r, u))
	}
}

// enterConsole takes the log-in form and shows the console.
func (p *PhoneSystem) enterConsole(w http.ResponseWriter, r *http.Request) {
	u, ok := p.check(formCredentials(r))
	switch {
	case !ok:
		p.refuseConsole(w, r, http.StatusUnauthorized, "Wrong user name or password.")
	case !u.administrator:
		p.refuseConsole(w, r, http.StatusForbidden, "This user is no administrator.")
	case p.signIn(w, u):
		p.show(w, http.StatusOK, p.console(r, u))
	}
}

func (p *PhoneSystem) refuseConsole(w http.ResponseWriter, r *http.Request, status int, message string) {
	refused := p.console(r, user{})
	refused.Message = message
	p.show(w, status, refused)
}

// leave ends the session of the pages.
func (p *PhoneSystem) leave(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(pageCookie); err == nil {
		p.grants.spend(cookie.Value, forPages)
	}
	http.SetCookie(w, &http.Cookie{Name: pageCookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/webclient/", http.StatusSeeOther)
}

// signIn sets the cookie of the pages, or has answered 503.
func (p *PhoneSystem) signIn(w http.ResponseWriter, u user) bool {
	token, err := p.grants.issue(u.name, forPages, browserLife)
	if err != nil {
		p.unavailable(w, err)
		return false
	}
	http.SetCookie(w, &http.Cookie{
		Name: pageCookie, Value: token, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int(browserLife.Seconds()),
	})
	return true
}

func formCredentials(r *http.Request) Credentials {
	return Credentials{r.PostFormValue("username"), r.PostFormValue("password")}
}

func (p *PhoneSystem) home(r *http.Request, u user) page {
	return page{
		Title: "Web client", Action: "/webclient/sign-in", User: u.name, Name: u.first,
		Vouched: r.Header.Get("Remote-Email"), Client: r.Header.Get("X-Forwarded-For"), ConsolePath: ConsolePath,
	}
}

func (p *PhoneSystem) console(r *http.Request, u user) page {
	shown := p.home(r, u)
	shown.Title, shown.Action, shown.Console = "Administration console", ConsolePath, true
	if u.name == "" {
		return shown
	}
	for _, known := range p.users {
		shown.Users = append(shown.Users, known.name+", "+known.first+" "+known.last+" ("+known.role+")")
	}
	return shown
}

func (p *PhoneSystem) show(w http.ResponseWriter, status int, shown page) {
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, shown); err != nil {
		p.unavailable(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	// The client may have left; there is nobody to tell.
	_, _ = w.Write(out.Bytes())
}

func styleSheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	// The client may have left; there is nobody to tell.
	_, _ = w.Write(styleCSS)
}
