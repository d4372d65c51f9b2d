package web

import (
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

type requestOrigin struct {
	session.Origin
	instance string
}

// OriginOf is where the request came from: the peer's address as the server saw
// it, never a forwarding header, and the device token as sent.
func OriginOf(ctx context.Context) session.Origin {
	origin, _ := ctx.Value(originKey{}).(requestOrigin)
	return origin.Origin
}

// SameOrigin is nil if the request came from a page of ours: for routes that
// set a cookie rather than read one.
func SameOrigin(ctx context.Context) error {
	origin, ok := ctx.Value(originKey{}).(requestOrigin)
	if !ok {
		return ErrCrossOrigin
	}
	return origin.Foreign
}

func instance(ctx context.Context) string {
	origin, _ := ctx.Value(originKey{}).(requestOrigin)
	return "urn:portcullis:request:" + origin.instance
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := a.ids.New()
	if err != nil {
		a.fail(r.Context(), err).Write(w)
		return
	}
	origin := requestOrigin{Origin: session.Origin{Client: peer(r), Device: a.device(r), Foreign: a.Cookies.sameOrigin(r)}, instance: id}
	r = r.WithContext(context.WithValue(r.Context(), originKey{}, origin))
	defer a.recover(w, r)
	a.secure(w.Header())
	handler, pattern := a.mux.Handler(r)
	switch {
	case pattern == "" || unclean(r):
		a.unrouted(handler, w, r)
	case !acceptable(r):
		a.Problem(w, r, http.StatusUnsupportedMediaType, Invalid, "the body must be JSON, sent with Content-Type: application/json")
	default:
		a.mux.ServeHTTP(w, r)
	}
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
// CORS-safelisted request-header). The gate's pass is a form, and judged there.
func acceptable(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 || strings.HasPrefix(r.URL.Path, "/v1/gate/") {
		return true
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

func (a *API) secure(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.Cookies.secure {
		h.Set("Strict-Transport-Security", "max-age=63072000")
	}
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
	handler.ServeHTTP(heard, r)
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
	a.fail(r.Context(), errors.New("panic")).Write(w)
}
