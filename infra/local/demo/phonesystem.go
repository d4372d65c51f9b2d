package demo

import (
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// ConsolePath is the administration console of the stand-in: a restricted path
// of profile 3cx-v20.
const ConsolePath = "/xapi/v1/console"

// Lifetimes of what the stand-in issues. The first is the vendor's
// (PROFILES.md); the others are plausible.
const (
	accessLife  = 60 * time.Second
	refreshLife = 12 * time.Hour
	browserLife = 15 * time.Minute
)

// PhoneSystemOptions is everything the stand-in needs. All fields but Log are
// required.
type PhoneSystemOptions struct {
	Administrator, Extension Credentials
	Now                      func() time.Time
	Random                   io.Reader
	Log                      *slog.Logger
}

// PhoneSystem stands in for a 3CX v20: its log-in, a little of its admin API,
// a page for extension users and a console for administrators. Its passwords
// alone open the console, as in the original: what keeps it shut is the gate.
// Its methods may be called concurrently.
type PhoneSystem struct {
	users  []user
	grants *grants
	seen   *sightings
	routes http.Handler
	log    *slog.Logger
}

// user is somebody the phone system knows. Passwords are compared by digest, so
// that the comparison takes the same time whatever their lengths.
type user struct {
	id            int
	name          string
	first, last   string
	role          string
	administrator bool
	password      [sha256.Size]byte
}

// NewPhoneSystem builds the stand-in, or answers ErrOptions.
func NewPhoneSystem(o PhoneSystemOptions) (*PhoneSystem, error) {
	switch {
	case o.Administrator.Name == "" || o.Administrator.Password == "":
		return nil, missing("Administrator")
	case o.Extension.Name == "" || o.Extension.Password == "" || o.Extension.Name == o.Administrator.Name:
		return nil, missing("Extension")
	case o.Now == nil:
		return nil, missing("Now")
	case o.Random == nil:
		return nil, missing("Random")
	}
	p := &PhoneSystem{
		users: []user{
			{1, o.Administrator.Name, "Ada", "Administrator", "system_owners", true, sha256.Sum256([]byte(o.Administrator.Password))},
			{2, o.Extension.Name, "Ellis", "Extension", "users", false, sha256.Sum256([]byte(o.Extension.Password))},
		},
		grants: newGrants(o.Now, o.Random), seen: &sightings{}, log: logger(o.Log),
	}
	p.routes = p.routing()
	return p, nil
}

func (p *PhoneSystem) routing() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webclient/api/Login/GetAccessToken", p.logIn)
	mux.HandleFunc("POST /connect/token", p.refresh)
	mux.HandleFunc("GET /xapi/v1/MyUser", p.myUser)
	mux.HandleFunc("GET /xapi/v1/Users", p.listUsers)
	mux.HandleFunc("GET /xapi/v1/SystemStatus", p.systemStatus)
	mux.HandleFunc("/xapi/", p.unknownAPI)
	mux.HandleFunc("GET "+ConsolePath, p.showConsole)
	mux.HandleFunc("POST "+ConsolePath, p.enterConsole)
	mux.HandleFunc("GET /{$}", p.showHome)
	mux.HandleFunc("GET /webclient/{$}", p.showHome)
	mux.HandleFunc("POST /webclient/sign-in", p.enterHome)
	mux.HandleFunc("POST /webclient/sign-out", p.leave)
	mux.HandleFunc("GET /webclient/style.css", styleSheet)
	return http.NewCrossOriginProtection().Handler(mux)
}

// ServeHTTP notes the request and answers it.
func (p *PhoneSystem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.seen.note(r)
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	p.routes.ServeHTTP(w, r)
}

// check compares name and password, in the same time whichever is wrong.
func (p *PhoneSystem) check(c Credentials) (u user, ok bool) {
	digest := sha256.Sum256([]byte(c.Password))
	for _, known := range p.users {
		right := subtle.ConstantTimeCompare(digest[:], known.password[:])
		if right&subtle.ConstantTimeCompare([]byte(c.Name), []byte(known.name)) == 1 {
			u, ok = known, true
		}
	}
	return u, ok
}

func (p *PhoneSystem) byName(name string) (user, bool) {
	for _, known := range p.users {
		if known.name == name {
			return known, true
		}
	}
	return user{}, false
}
