package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrCrossOrigin says that a page of another origin acted with our cookie, or
// that the request does not say which page it came from.
var ErrCrossOrigin = errors.New("this request did not come from a page of the control portal; with a cookie, send Origin or Sec-Fetch-Site")

// Cookies names and judges the portal's cookies. The __Host- prefix has the
// browser hold them to https, this host and every path (RFC 6265bis section
// 4.1.3.2); on a plain-http base URL, for local use, there is none.
type Cookies struct {
	origin string
	secure bool
}

func newCookies(baseURL string) Cookies {
	u, err := url.Parse(baseURL)
	if err != nil {
		return Cookies{secure: true}
	}
	return Cookies{origin: u.Scheme + "://" + u.Host, secure: u.Scheme != "http"}
}

const deviceKept = 400 * 24 * time.Hour

func (c Cookies) name(plain string) string {
	if c.secure {
		return "__Host-" + plain
	}
	return plain
}

// Session is the cookie of a session that ends at a time.
func (c Cookies) Session(secret string, ends, now time.Time) http.Cookie {
	return c.cookie("portcullis", secret, ends.Sub(now.Truncate(time.Second)))
}

// EndSession removes the session's cookie.
func (c Cookies) EndSession() http.Cookie { return c.cookie("portcullis", "", -time.Second) }

// Device is the cookie by which a browser that has fully signed in is known.
func (c Cookies) Device(secret string) http.Cookie {
	return c.cookie("portcullis-device", secret, deviceKept)
}

func (c Cookies) cookie(name, value string, kept time.Duration) http.Cookie {
	return http.Cookie{
		Name: c.name(name), Value: value, Path: "/", MaxAge: int(kept / time.Second),
		Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

func (c Cookies) session(r *http.Request) (string, bool) { return c.one(r, "portcullis") }

// one reads a cookie that must stand there exactly once.
func (c Cookies) one(r *http.Request, plain string) (string, bool) {
	found := r.CookiesNamed(c.name(plain))
	if len(found) != 1 || found[0].Value == "" {
		return "", false
	}
	return found[0].Value, true
}

// notForeign judges a request that is to be answered with a cookie as sameOrigin
// does one that comes with it. Who has no session and says nothing of a page is a
// program: no browser sends JSON to another origin without naming the page (Fetch
// standard, section 4.1), and nothing but JSON is taken.
func (c Cookies) notForeign(r *http.Request) error {
	if len(r.Header.Values("Origin"))+len(r.Header.Values("Sec-Fetch-Site"))+len(r.CookiesNamed(c.name("portcullis"))) == 0 {
		return nil
	}
	return c.sameOrigin(r)
}

// sameOrigin judges a request that a cookie stands for: reading is free, for
// anything else what the browser says of the page must be there and must be
// ours. The standard library's CrossOriginProtection lets requests with neither
// header through.
func (c Cookies) sameOrigin(r *http.Request) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	origins, sites := r.Header.Values("Origin"), r.Header.Values("Sec-Fetch-Site")
	if len(origins)+len(sites) == 0 || len(origins) > 1 || len(sites) > 1 {
		return ErrCrossOrigin
	}
	if len(origins) == 1 && (c.origin == "" || !strings.EqualFold(origins[0], c.origin)) {
		return ErrCrossOrigin
	}
	if len(sites) == 1 && sites[0] != "same-origin" {
		return ErrCrossOrigin
	}
	return nil
}
