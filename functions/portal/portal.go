// Package portal is the function that serves the control portal's own pages and
// the description of the API, and tells whether it is up. It guarantees that its
// pages load nothing from elsewhere, and that whatever no function answers is
// refused as it is where all of them are one process. The portal's application is not built yet: its one page says how
// to go on by the API.
package portal

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"iter"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portcullis.example/shared/ground"
	"portcullis.example/shared/table"
	"portcullis.example/shared/web"
)

//go:embed index.html
var index []byte

// document is what `make openapi` writes; a test holds it to the routes.
//
//go:embed openapi.json
var document []byte

// DocumentURL is the control portal in the document, in place of the real one.
const DocumentURL = "https://portal.example"

// Function is what the routes need.
type Function struct {
	API   *web.API
	Table table.Table
	// BaseURL is the control portal's, which the document names.
	BaseURL string
}

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Table: g.Table, BaseURL: g.BaseURL}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	page := &huma.Operation{
		OperationID: "portal", Method: http.MethodGet, Path: "/{$}", Summary: "The control portal",
		Tags: []string{"Portal"}, Responses: map[string]*huma.Response{"200": {Description: "a page"}},
	}
	f.API.Handle(page, http.HandlerFunc(serve))
	f.API.Handle(&huma.Operation{
		OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Summary: "This document",
		Tags: []string{"Portal"}, Responses: map[string]*huma.Response{"200": {Description: "the OpenAPI document"}},
	}, http.HandlerFunc(f.describe))
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: "/healthz", ID: "health", Summary: "Is the service up, and its store?", Tag: "Portal", Public: true}, f.health)
}

// Elsewhere makes the API the one that is asked for whatever no other function
// answers.
func (f Function) Elsewhere() { f.API.Elsewhere(described) }

// described are the routes of the document. One that can't be read would have
// none: a test would say so.
func described() iter.Seq2[string, string] {
	var read struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	err := json.Unmarshal(document, &read)
	return func(yield func(method, path string) bool) {
		for path, methods := range read.Paths {
			for method := range methods {
				if err != nil || !yield(strings.ToUpper(method), path) {
					return
				}
			}
		}
	}
}

func (f Function) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// A browser that went away has no use for the rest.
	_, _ = w.Write(bytes.ReplaceAll(document, []byte(DocumentURL), []byte(f.BaseURL)))
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
