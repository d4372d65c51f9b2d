package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"path"
	"strings"

	"portcullis.example/shared/session"
)

var errNoRoute = errors.New("there is nothing here; the calls are listed in /openapi.json")

// ErrForm says that a form can't be read or is too large.
var ErrForm = errors.New("this form can't be read")

type originKey struct{}

// requestOrigin is what is known of where a request came from, and its number,
// which is made when somebody asks for it.
type requestOrigin struct {
	session.Origin
	api    *API
	number string
	call   string // the route, as the mux has it; empty: none yet
}

// OriginOf is where the request came from: the peer's address as the server saw
// it, never a forwarding header, and the device token as sent.
func OriginOf(ctx context.Context) session.Origin {
	if origin, ok := ctx.Value(originKey{}).(*requestOrigin); ok {
		return origin.Origin
	}
	return session.Origin{Foreign: ErrCrossOrigin}
}

// NotForeign is nil unless the request came from a page of another origin: for
// routes that set a cookie rather than read one.
func NotForeign(ctx context.Context) error { return OriginOf(ctx).Foreign }

// instance names this one occurrence. A request has one number, whoever asks.
func instance(ctx context.Context) string {
	origin, ok := ctx.Value(originKey{}).(*requestOrigin)
	if !ok {
		return "urn:portcullis:request:unnumbered"
	}
	if origin.number == "" {
		number, err := origin.api.ids.New()
		if err != nil {
			return "urn:portcullis:request:unnumbered"
		}
		origin.number = number
	}
	return "urn:portcullis:request:" + origin.number
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer a.recover(w, r)
	if handler := a.bare[bareRoute{r.Method, r.URL.Path}]; handler != nil && r.URL.RawPath == "" {
		w.Header()["Cache-Control"] = a.headers["Cache-Control"]
		handler.ServeHTTP(w, r)
		return
	}
	r = a.placed(r)
	a.Secure(w)
	handler, pattern := a.mux.Handler(r)
	switch {
	case pattern == "" || unclean(r):
		a.unrouted(handler, w, r)
	case !acceptable(r, a.takes[pattern]):
		a.Problem(w, r, http.StatusUnsupportedMediaType, Invalid, wanted(a.takes[pattern]))
	default:
		called(r.Context(), pattern)
		a.mux.ServeHTTP(w, r)
	}
}

// called notes which route a request is for.
func called(ctx context.Context, call string) {
	if origin, ok := ctx.Value(originKey{}).(*requestOrigin); ok {
		origin.call = call
	}
}

// placed is the request with where it came from, once.
func (a *API) placed(r *http.Request) *http.Request {
	if _, ok := r.Context().Value(originKey{}).(*requestOrigin); ok {
		return r
	}
	origin := &requestOrigin{Origin: session.Origin{Client: peer(r), Device: a.device(r), Foreign: a.Cookies.notForeign(r)}, api: a}
	origin.Session, _ = a.Cookies.session(r)
	return r.WithContext(context.WithValue(r.Context(), originKey{}, origin))
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap().WithZone("")
}

func (a *API) device(r *http.Request) string {
	if sent := r.Header.Get("Portcullis-Device"); sent != "" {
		return sent
	}
	sent, _ := a.Cookies.one(r, "portcullis-device")
	return sent
}

// acceptable refuses bodies that a page of another origin could send without
// asking first: forms, plain text, and those without a type (Fetch standard,
// CORS-safelisted request-header). The gate's pass is a form, and judged there. A
// route that takes another type says so; a cookie is held to its origin there as
// everywhere.
func acceptable(r *http.Request, takes string) bool {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 || strings.HasPrefix(r.URL.Path, "/v1/gate/") {
		return true
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == cmp.Or(takes, "application/json")
}

func wanted(takes string) string {
	if takes == "" {
		return "the body must be JSON, sent with Content-Type: application/json"
	}
	return "the body must be sent with Content-Type: " + takes
}

// securing are the headers of every answer but a bare one's.
func securing(overTLS bool) http.Header {
	h := http.Header{}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if overTLS {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
	return h
}

// unclean tells whether the mux would redirect to another spelling of the path.
func unclean(r *http.Request) bool {
	sent := r.URL.EscapedPath()
	return path.Clean(sent) != sent
}

// unrouted answers what the mux does not know in our words: 404, 405 with what
// is allowed, or its redirect to the clean path as the 404 that it is.
func (a *API) unrouted(handler http.Handler, w http.ResponseWriter, r *http.Request) {
	heard := &statusOnly{header: http.Header{}}
	if handler.ServeHTTP(heard, r); heard.status == http.StatusNotFound {
		handler, _ = a.elsewhere().Handler(r)
		handler.ServeHTTP(heard, r)
	}
	p := a.fail(r.Context(), errNoRoute)
	if allow := heard.header.Get("Allow"); heard.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allow)
		p.Status, p.Title, p.Detail = heard.status, http.StatusText(heard.status), "this path takes "+allow
	}
	p.Write(w)
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }

// recover keeps a panic's text from the client.
func (a *API) recover(w http.ResponseWriter, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if cause == http.ErrAbortHandler {
		panic(cause)
	}
	a.log.ErrorContext(r.Context(), "panic", slog.String("at", fmt.Sprintf("%s %s", r.Method, r.Pattern)), slog.Any("cause", cause))
	a.Fail(w, r, errors.New("panic"))
}
