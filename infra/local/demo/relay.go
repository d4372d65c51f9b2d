package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxForm is the largest body that is relayed to Portcullis, in bytes (API.md).
const maxForm = 64 << 10

// reserved tells whether a decoded path lies under the prefix on the phone
// system's host that belongs to Portcullis, however it is spelled.
func reserved(path string) bool {
	path = strings.ToLower(path)
	return path == "/.portcullis" || strings.HasPrefix(path, "/.portcullis/")
}

// relayed answers which path of Portcullis a path as sent stands for, and the
// methods it takes.
func relayed(uri string) (path string, methods []string, ok bool) {
	sent, _, _ := strings.Cut(uri, "?")
	switch sent {
	case "/.portcullis/pass":
		return "/v1/gate/pass", []string{http.MethodGet, http.MethodHead, http.MethodPost}, true
	case "/.portcullis/notice":
		return "/v1/gate/notice", []string{http.MethodGet, http.MethodHead}, true
	}
	return "", nil, false
}

// relay takes a request for one of Portcullis' own pages there and back. The
// phone system never sees it.
func (g *Gate) relay(w http.ResponseWriter, r *http.Request, client netip.Addr) {
	path, methods, ok := relayed(r.RequestURI)
	if !ok {
		notFound.send(w, r)
		return
	}
	if !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		notAllowed.send(w, r)
		return
	}
	form, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		unreadForm(err).send(w, r)
		return
	}
	a, err := g.fetch(r, client, path, form)
	if err != nil {
		g.log.Error("relay", "path", path, "error", err)
		unreachable.send(w, r)
		return
	}
	a.send(w, r)
}

func unreadForm(err error) ownPage {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge
	}
	return badRequest
}

// fetch relays one request. A refused gate key or a failing Portcullis is an
// error: it is not the browser's business.
func (g *Gate) fetch(r *http.Request, client netip.Addr, path string, form []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(r.Context(), g.within)
	defer cancel()
	q, err := g.question(ctx, r, client, r.Method, path, r.URL.RawQuery)
	if err != nil {
		return answer{}, err
	}
	copyHeaders(q.Header, r.Header, "Cookie", "Origin", "Content-Type", "Accept", "Accept-Language")
	for name, values := range r.Header {
		if strings.HasPrefix(name, "Sec-Fetch-") {
			q.Header[name] = slices.Clone(values)
		}
	}
	if len(form) > 0 {
		q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(form)), int64(len(form))
	}
	a, err := g.send(q)
	if err != nil {
		return answer{}, err
	}
	if a.status < 200 || a.status == http.StatusUnauthorized || a.status >= 500 {
		return answer{}, errDoubt
	}
	return a.asRelayed(), nil
}

// asRelayed keeps of an answer what passBack knows.
func (a answer) asRelayed() answer {
	kept := answer{status: a.status, header: http.Header{}, body: a.body}
	passBack(kept.header, a.header)
	if kept.header.Get("Cache-Control") == "" {
		kept.header.Set("Cache-Control", "no-store")
	}
	return kept
}
