// Package web is what every handler stands on: it decodes and encodes, finds
// out who is asking, turns errors into problems and sets the headers that keep
// browsers safe. It guarantees that a route answers without a living session
// only if it says so, that a cookie never acts for a page of another origin,
// that unknown fields, malformed text, large bodies and other content types are
// refused, and that an unexpected error tells nothing but the number of its occurrence.
package web

import (
	"cmp"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"portcullis.example/shared/apikey"
	"portcullis.example/shared/session"
	"portcullis.example/shared/sheet"
	"portcullis.example/shared/token"
)

// MaxBody is the largest request body in bytes.
const MaxBody = 64 << 10

// Options are what an API needs.
type Options struct {
	// BaseURL is the control portal's, without a slash at its end.
	BaseURL string
	Desk    *session.Desk
	Keys    *apikey.Ring
	IDs     *token.IDs
	Log     *slog.Logger
	// CursorKey authenticates the cursors of lists.
	CursorKey []byte
}

// API is the routes of one process. Routes are added before it serves; then it
// is safe for concurrent use.
type API struct {
	huma.API
	mux  *http.ServeMux
	desk *session.Desk
	keys *apikey.Ring
	ids  *token.IDs
	log  *slog.Logger
	// takes are the media types of bodies that are no JSON, by the mux's pattern.
	takes map[string]string
	// bare are the routes that pay for nothing but themselves.
	bare map[bareRoute]http.Handler
	// elsewhere are the routes that others answer; they serve nothing here.
	elsewhere func() *http.ServeMux
	// headers are securing's, shared by all answers: never appended to.
	headers http.Header

	Cookies Cookies
	Cursors Cursors
}

// New makes an API without routes.
func New(o Options) *API {
	mux := http.NewServeMux()
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Portcullis", Version: "1", Description: "Keeps the admin consoles of phone systems locked, and opens them for who proves a second factor."},
			Servers: []*huma.Server{{URL: o.BaseURL}},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"apiKey":  {Type: "http", Scheme: "bearer", Description: "the API key of a partner's program"},
					"session": {Type: "http", Scheme: "bearer", Description: "the session token, or the session cookie"},
					"gateKey": {Type: "http", Scheme: "bearer", Description: "the key of one phone system's gate"},
				},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": strictJSON(), "json": strictJSON()},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{refine},
	}
	// What huma refuses is written as a Problem too, by refine.
	config.Components.Schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	cookies := newCookies(o.BaseURL)
	return &API{
		API: humago.New(mux, config), mux: mux, desk: o.Desk, keys: o.Keys, ids: o.IDs, log: o.Log,
		takes: map[string]string{}, bare: map[bareRoute]http.Handler{}, elsewhere: sync.OnceValue(http.NewServeMux), headers: securing(cookies.secure), Cookies: cookies, Cursors: Cursors{key: o.CursorKey},
	}
}

// Route declares one operation. The OpenAPI document is made from these.
type Route struct {
	Method, Path string
	ID           string // operationId
	Summary      string
	Tag          string
	Status       int // of success; zero: 200
	// Public routes answer without a session.
	Public bool
	// Takes is the media type of its body, which the handler gets as RawBody;
	// empty: JSON. MaxBody is its most bytes; zero: the package's.
	Takes   string
	MaxBody int64
	// Programs may ask as well, with an API key; all other routes are for persons.
	Programs bool
	// Errors are the statuses it may answer beside those that all do.
	Errors []int
}

// WithCSV is the route with a CSV file of at most sheet.MaxSize for a body.
func (r Route) WithCSV() Route {
	r.Takes, r.MaxBody = "text/csv", sheet.MaxSize
	return r
}

// OrProgram is the route with Programs set.
func (r Route) OrProgram() Route {
	r.Programs = true
	return r
}

func (r Route) operation() huma.Operation {
	op := huma.Operation{
		OperationID: r.ID, Method: r.Method, Path: r.Path, Summary: r.Summary, Tags: []string{r.Tag},
		DefaultStatus: r.Status, MaxBodyBytes: cmp.Or(r.MaxBody, MaxBody) + 1, // huma refuses what reaches it
	}
	op.Errors = append([]int{http.StatusInternalServerError, http.StatusServiceUnavailable}, r.Errors...)
	if !r.Public {
		op.Security = []map[string][]string{{"session": {}}}
		op.Errors = append(op.Errors, http.StatusUnauthorized)
	}
	switch {
	case r.Programs:
		op.Security = append(op.Security, map[string][]string{"apiKey": {}})
	case !r.Public:
		op.Errors = append(op.Errors, http.StatusForbidden) // what a program is answered
	}
	return op
}

// Register adds a route. The handler gets a context in which Identity and
// Origin answer; its errors are mapped by the one table.
func Register[I, O any](a *API, r Route, handler func(context.Context, *I) (*O, error)) {
	op := r.operation()
	if r.Takes != "" {
		a.takes[r.Method+" "+r.Path] = r.Takes
	}
	op.Middlewares = huma.Middlewares{ourStatuses}
	if !r.Public {
		op.Middlewares = append(op.Middlewares, a.authenticate(r.Programs))
	}
	if !takesBody(reflect.TypeFor[I]()) {
		op.Middlewares, op.Errors = append(op.Middlewares, a.bodiless), append(op.Errors, http.StatusUnprocessableEntity)
	}
	huma.Register(a.API, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.fail(ctx, err)
		}
		return out, nil
	})
}

// Handle adds a route that reads and writes HTTP itself, and its description.
func (a *API) Handle(op *huma.Operation, handler http.Handler) {
	a.mux.Handle(op.Method+" "+op.Path, handler)
	op.Path = strings.TrimSuffix(op.Path, "{$}") // the mux's own way to write an exact path
	a.OpenAPI().AddOperation(op)
}

type bareRoute struct{ method, path string }

// HandleBare adds a route as Handle does, for the one that is asked with every
// request at every gate: no OriginOf, no headers but Cache-Control: no-store
// until the handler asks for them with Secure.
func (a *API) HandleBare(op *huma.Operation, handler http.Handler) {
	a.bare[bareRoute{op.Method, op.Path}] = handler
	a.Handle(op, handler)
}

// Elsewhere names the routes, as method and path, that other functions of the
// installation answer. Asked for one of their paths with a method that it does
// not take, this API says which it takes, as one that had the route would. They
// are read when they are first needed.
func (a *API) Elsewhere(routes func() iter.Seq2[string, string]) {
	a.elsewhere = sync.OnceValue(func() *http.ServeMux {
		mux := http.NewServeMux()
		for method, path := range routes() {
			if strings.HasSuffix(path, "/") {
				path += "{$}"
			}
			mux.Handle(method+" "+path, http.NotFoundHandler())
		}
		return mux
	})
}

// Secure sets the headers that keep a browser safe.
func (a *API) Secure(w http.ResponseWriter) {
	for name, values := range a.headers {
		w.Header()[name] = values
	}
}

// statusContext lets huma's own refusals have API.md's statuses.
type statusContext struct{ humaContext }

type humaContext huma.Context

func (c statusContext) SetStatus(status int) { c.humaContext.SetStatus(ourStatus(status)) }

// Unwrap is how humago finds the request.
func (c statusContext) Unwrap() huma.Context { return c.humaContext }

func ourStatuses(ctx huma.Context, next func(huma.Context)) { next(statusContext{ctx}) }

// authenticate lets nobody past without a living session or, where programs may
// ask, an API key.
func (a *API) authenticate(programs bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		id, secret, err := a.identify(r, programs)
		if err != nil {
			a.fail(context.WithValue(r.Context(), identityKey{}, id), err).Write(w)
			return
		}
		next(huma.WithValue(huma.WithValue(ctx, identityKey{}, id), secretKey{}, secret))
	}
}

func (a *API) identify(r *http.Request, programs bool) (session.Identity, string, error) {
	secret, byCookie, err := a.credential(r)
	if err != nil {
		return session.Identity{}, "", err
	}
	if token.APIKey.Is(secret) && !byCookie {
		caller, err := a.keys.Authenticate(r.Context(), secret, OriginOf(r.Context()).Client, programs)
		return session.Identity{Caller: caller}, secret, err
	}
	id, err := a.desk.Authenticate(r.Context(), secret, OriginOf(r.Context()).Client)
	if err != nil {
		return session.Identity{}, "", err
	}
	if id.Session.Delivery == session.Cookie != byCookie {
		return session.Identity{}, "", session.ErrUnauthenticated
	}
	return id, secret, nil
}

// credential is the bearer token, or the cookie of a page of ours.
func (a *API) credential(r *http.Request) (secret string, byCookie bool, err error) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		secret, ok := strings.CutPrefix(values[0], "Bearer ")
		if !ok || len(values) > 1 {
			return "", false, session.ErrUnauthenticated
		}
		return secret, false, nil
	}
	secret, ok := a.Cookies.session(r)
	if !ok {
		return "", false, session.ErrUnauthenticated
	}
	return secret, true, a.Cookies.sameOrigin(r)
}

type identityKey struct{}

type secretKey struct{}

// Identity is who is asking; of a program there is the caller alone. It panics on
// a Public route, which has nobody.
func Identity(ctx context.Context) session.Identity {
	return ctx.Value(identityKey{}).(session.Identity)
}

// Secret is the session token that the request came with.
func Secret(ctx context.Context) string { return ctx.Value(secretKey{}).(string) }
