package demo

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
)

// answer is a whole answer, of Portcullis or of the gate itself.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// asNotice keeps of a denial what a browser is to see: the page, and what
// makes it safe. Without a page the gate has its own.
func (a answer) asNotice() answer {
	if len(a.body) == 0 {
		return answer{}
	}
	kept := answer{status: http.StatusForbidden, header: http.Header{}, body: a.body}
	passBack(kept.header, a.header)
	kept.header.Del("Location")
	kept.header.Del("Set-Cookie")
	kept.header.Set("Cache-Control", "no-store")
	return kept
}

// send writes the answer; the zero answer is the gate's own notice.
func (a answer) send(w http.ResponseWriter, r *http.Request) {
	if a.status == 0 {
		locked.send(w, r)
		return
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	// The client may have left; there is nobody to tell.
	_, _ = w.Write(a.body)
}

// passBack copies the headers of an answer of Portcullis that are meant for
// the browser. Content-Length is counted anew.
func passBack(to, from http.Header) {
	for name, values := range from {
		if forBrowser(name) {
			to[name] = values
		}
	}
}

func forBrowser(name string) bool {
	switch name {
	case "Content-Length":
		return false
	case "Set-Cookie", "Location", "Cache-Control", "Referrer-Policy", "Permissions-Policy",
		"X-Content-Type-Options", "X-Frame-Options", "Strict-Transport-Security", "Retry-After", "Vary", "Allow":
		return true
	}
	return strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "Cross-Origin-")
}

// ownPage is what the gate says by itself, where there is nothing to relay.
type ownPage struct {
	Status int
	Code   string // of API.md, "Errors"
	Title  string
	Text   string
}

var (
	locked = ownPage{http.StatusForbidden, "bad_attempt", "Locked",
		"The console of this phone system is locked. Open an unlock window in the control portal first."}
	unreachable = ownPage{http.StatusServiceUnavailable, "unavailable", "Locked",
		"The gate can't reach Portcullis, so the console stays locked."}
	badRequest = ownPage{http.StatusBadRequest, "invalid", "Refused",
		"The gate can't judge this request, so it does not forward it."}
	notAllowed = ownPage{http.StatusMethodNotAllowed, "invalid", "Refused",
		"The gate does not forward this method."}
	misdirected = ownPage{http.StatusMisdirectedRequest, "invalid", "Refused",
		"This gate stands in front of another host."}
	notFound = ownPage{http.StatusNotFound, "not_found", "Not found", "There is no such page here."}
	tooLarge = ownPage{http.StatusRequestEntityTooLarge, "invalid", "Too large",
		"The gate does not forward a body of this size."}
	noPhoneSystem = ownPage{http.StatusBadGateway, "unavailable", "No answer",
		"The gate can't reach the phone system."}
)

var ownPageHTML = template.Must(template.New("gate").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<h1>{{.Title}}</h1><p>{{.Text}}</p></html>
`))

// send writes the page: HTML for a browser, a problem (RFC 9457) for the rest.
func (p ownPage) send(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	}
	body, kind := p.render(strings.Contains(r.Header.Get("Accept"), "text/html"))
	h.Set("Content-Type", kind)
	w.WriteHeader(p.Status)
	// The client may have left; there is nobody to tell.
	_, _ = w.Write(body)
}

func (p ownPage) render(html bool) (body []byte, kind string) {
	var page bytes.Buffer
	if html && ownPageHTML.Execute(&page, p) == nil {
		return page.Bytes(), "text/html; charset=utf-8"
	}
	problem, err := json.Marshal(map[string]any{
		"type": "about:blank", "title": p.Title, "status": p.Status, "detail": p.Text, "code": p.Code,
	})
	if err != nil {
		return []byte(p.Text), "text/plain; charset=utf-8"
	}
	return append(problem, '\n'), "application/problem+json"
}
