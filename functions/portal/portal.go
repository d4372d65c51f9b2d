// Package portal is the function that serves the control portal's own pages and
// the description of the API, and tells whether it is up. It guarantees that its
// pages load nothing from elsewhere and run nothing but their own scripts, that
// a browser keeps a file for as long as the file is the same and no longer, and
// that whatever no function answers is refused as it is where all of them are
// one process.
package portal

import (
	"bytes"
	"context"
	_ "embed" // the document
	"encoding/json"
	"iter"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"portcullis.example/shared/ground"
	"portcullis.example/shared/table"
	"portcullis.example/shared/web"
)

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

	site func() (*site, error)
}

// New makes the function.
func New(g *ground.Ground, api *web.API) Function {
	return Function{API: api, Table: g.Table, BaseURL: g.BaseURL, site: newSite(g.BaseURL)}
}

// Routes adds the function's routes to its API.
func (f Function) Routes() {
	f.page("portal", "/{$}", "The control portal", f.index)
	f.page("help", "/help", "The user's guide", f.help, parameter("lang", "query", false, "en or de; as the browser prefers, if left out"))
	f.page("portal-asset", "/assets/{version}/{name}", "A file of the control portal", f.asset,
		parameter("version", "path", true, "of all files together"), parameter("name", "path", true, "the file's"))
	f.page("openapi", "/openapi.json", "This document", f.describe)
	web.Register(f.API, web.Route{Method: http.MethodGet, Path: "/healthz", ID: "health", Summary: "Is the service up, and its store?", Tag: "Portal", Public: true}, f.health)
}

// page adds a route that answers a file.
func (f Function) page(id, path, summary string, serve http.HandlerFunc, parameters ...*huma.Param) {
	f.API.Handle(&huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Parameters: parameters,
		Tags: []string{"Portal"}, Responses: map[string]*huma.Response{"200": {Description: "a file"}},
	}, serve)
}

func parameter(name, in string, required bool, description string) *huma.Param {
	return &huma.Param{Name: name, In: in, Required: required, Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
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

// index is the one page of the application. The browser asks each time whether
// it is still the same, so that a new version is there at once.
func (f Function) index(w http.ResponseWriter, r *http.Request) {
	f.answer(w, r, "", func(s *site, language string) *file { return s.index[language] })
}

func (f Function) help(w http.ResponseWriter, r *http.Request) {
	f.answer(w, r, r.URL.Query().Get("lang"), func(s *site, language string) *file { return s.help[language] })
}

// answer serves a page in the language that was asked for or is preferred.
func (f Function) answer(w http.ResponseWriter, r *http.Request, wanted string, choose func(*site, string) *file) {
	s, err := f.site()
	if err != nil {
		f.API.Fail(w, r, err)
		return
	}
	language := wanted
	if choose(s, wanted) == nil {
		language = preferred(r.Header.Get("Accept-Language"))
	}
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Add("Vary", "Accept-Language")
	choose(s, language).serve(w, r)
}

// asset is a file under the version's path: the same for ever. A page of another
// version is told to load anew, rather than to run files that do not go together.
func (f Function) asset(w http.ResponseWriter, r *http.Request) {
	s, err := f.site()
	if err != nil {
		f.API.Fail(w, r, err)
		return
	}
	found := s.assets[r.PathValue("name")]
	if found == nil || r.PathValue("version") != s.version {
		f.API.Problem(w, r, http.StatusNotFound, web.NotFound, "there is no such file in this version of the control portal; load its page again")
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	found.serve(w, r)
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
