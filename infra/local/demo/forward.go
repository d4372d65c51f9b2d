package demo

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
)

// passage is an allowed request on its way: the reverse proxy's hooks find it
// in the context.
type passage struct {
	verdict
	client netip.Addr
}

type passageKey struct{}

// forward hands an allowed request to the phone system. What a window allowed
// ends with the window, downloads and websockets included; a window closed
// early denies from the next request on.
func (g *Gate) forward(w http.ResponseWriter, r *http.Request, p passage) {
	ctx := context.WithValue(r.Context(), passageKey{}, p)
	if !p.expires.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.expires.Sub(g.now()))
		defer cancel()
	}
	r = r.WithContext(ctx)
	if r.ContentLength != 0 {
		// Without w: the transport reads in a goroutine of its own, which must
		// not touch the answer.
		r.Body = http.MaxBytesReader(nil, r.Body, MaxBody)
	}
	g.proxy.ServeHTTP(finalOnly{w}, r)
}

func (g *Gate) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Transport:      g.upstream.Transport,
		Rewrite:        g.rewrite,
		ModifyResponse: modifyResponse,
		ErrorHandler:   g.proxyFailed,
		ErrorLog:       slog.NewLogLogger(g.log.Handler(), slog.LevelError),
	}
}

// target is where a request goes: the same path in the same spelling, the same
// query (httputil would drop the parts it can't parse).
func (g *Gate) target(judged *url.URL) *url.URL {
	return &url.URL{
		Scheme: g.upstream.Base.Scheme, Host: g.upstream.Base.Host,
		Path: judged.Path, RawPath: judged.RawPath,
		RawQuery: judged.RawQuery, ForceQuery: judged.ForceQuery,
	}
}

// rewrite runs after httputil took off the hop-by-hop headers, so that a
// client's Connection header can't name, and thereby remove, what is set here.
func (g *Gate) rewrite(p *httputil.ProxyRequest) {
	allowed := p.In.Context().Value(passageKey{}).(passage)
	p.Out.URL = g.target(p.In.URL)
	p.Out.Host = g.host
	p.Out.Trailer = nil // trailers could repeat any header
	h := p.Out.Header
	stripHeaders(h)
	stripCookies(h)
	keepWebsocket(h)
	// Always all of them: what is not set, a phone system could take from
	// elsewhere (ATTACKS.md 29).
	h.Set("Remote-User", allowed.user)
	h.Set("Remote-Email", allowed.email)
	h.Set("X-Forwarded-For", allowed.client.String())
	h.Set("X-Forwarded-Proto", scheme(p.In))
}

// keepWebsocket lets no other protocol be switched to: HTTP/2 over an upgraded
// connection would carry requests that nobody judged.
func keepWebsocket(h http.Header) {
	h.Del("Http2-Settings")
	if !strings.EqualFold(h.Get("Upgrade"), "websocket") {
		h.Del("Upgrade")
		h.Del("Connection")
	}
}

func modifyResponse(res *http.Response) error {
	stripSetCookies(res.Header)
	if p, ok := res.Request.Context().Value(passageKey{}).(passage); ok && !p.expires.IsZero() {
		// A cached page would outlive the window.
		res.Header.Set("Cache-Control", "no-store")
	}
	return nil
}

func (g *Gate) proxyFailed(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		tooLarge.send(w, r)
		return
	}
	g.log.Error("phone system", "error", withoutURL(err))
	noPhoneSystem.send(w, r)
}

// finalOnly drops informational responses (103 and the like), which pass by
// ModifyResponse and so could still set a cookie.
type finalOnly struct{ http.ResponseWriter }

func (f finalOnly) WriteHeader(status int) {
	if status >= http.StatusOK {
		f.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap lets http.ResponseController flush and hijack.
func (f finalOnly) Unwrap() http.ResponseWriter { return f.ResponseWriter }
