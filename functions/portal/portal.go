// Package portal is the function that serves the control portal's own pages
// and tells whether it is up. It guarantees that its pages load nothing from
// elsewhere. The portal's application is not built yet: its one page says how
// to go on by the API.
package portal

import (
	"context"
	_ "embed"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"portcullis.example/shared/ground"
	"portcullis.example/shared/table"
	"portcullis.example/shared/web"
)

//go:embed index.html
var index []byte

// Function is what the routes need.
type Function struct {
	API   *web.API
	Table table.Table
}

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Table: g.Table}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	page := &huma.Operation{
		OperationID: "portal", Method: http.MethodGet, Path: "/{$}", Summary: "The control portal",
		Tags: []string{"Portal"}, Responses: map[string]*huma.Response{"200": {Description: "a page"}},
	}
	f.API.Handle(page, http.HandlerFunc(serve))
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: "/healthz", ID: "health", Summary: "Is the service up, and its store?", Tag: "Portal", Public: true}, f.health)
}

func serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	// A browser that went away has no use for the rest.
	_, _ = w.Write(index)
}

type healthView struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func (f Function) health(ctx context.Context, _ *struct{}) (*healthView, error) {
	if _, err := f.Table.GetAll(ctx, table.Key{Partition: "health", Sort: "health"}); err != nil {
		return nil, err
	}
	out := &healthView{}
	out.Body.Status = "ok"
	return out, nil
}
