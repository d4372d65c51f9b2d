// Package lambdahttp answers API Gateway's HTTP API events (payload version 2)
// with an http.Handler. It guarantees that a handler sees what it would see of
// the same request over a connection:
//
//   - the peer is the address that API Gateway saw, never what a header claims;
//   - path, query, headers and cookies arrive as the event has them: nothing is
//     decoded a second time, split at commas or trimmed, so that a header which
//     was sent twice (API Gateway joins it) is never taken for one;
//   - an event that can't be read is refused with 400, and a handler that
//     panics answers 500, without a word about why.
//
// The conversion is the library's (aws-lambda-go-api-proxy), on an event that
// has been stripped of all that it gets wrong; this package alone imports it.
package lambdahttp

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
	"golang.org/x/net/http/httpguts"
)

// Adapter hands events to a handler. Make one with New; safe for concurrent use.
type Adapter struct {
	proxy *httpadapter.HandlerAdapterV2
}

// New makes the adapter of a handler.
func New(handler http.Handler) *Adapter {
	return &Adapter{httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, ok := r.Context().Value(eventKey{}).(*events.APIGatewayV2HTTPRequest)
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer := &answer{ResponseWriter: w, header: http.Header{}, bodyless: r.Method == http.MethodHead}
		handler.ServeHTTP(answer, request(r, event))
		answer.WriteHeader(http.StatusOK) // where the handler gave no status
	}))}
}

type eventKey struct{}

// Handle answers one event: what lambda.Start takes. It answers no errors: one
// would be API Gateway's own 500, which looks like none of ours.
func (a *Adapter) Handle(ctx context.Context, event events.APIGatewayV2HTTPRequest) (out events.APIGatewayV2HTTPResponse, err error) {
	defer func() {
		// Half an answer has not gone out yet: none of it does.
		if recover() != nil {
			out, err = events.APIGatewayV2HTTPResponse{StatusCode: http.StatusInternalServerError}, nil
		}
	}()
	if !readable(event) {
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusBadRequest}, nil
	}
	bare := events.APIGatewayV2HTTPRequest{RawPath: "/", Body: event.Body, IsBase64Encoded: event.IsBase64Encoded}
	bare.RequestContext.HTTP.Method = event.RequestContext.HTTP.Method
	out, err = a.proxy.ProxyWithContext(context.WithValue(ctx, eventKey{}, &event), bare)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusInternalServerError}, nil
	}
	return out, nil
}

// readable refuses events that no connection could have brought.
func readable(event events.APIGatewayV2HTTPRequest) bool {
	method := event.RequestContext.HTTP.Method
	if method != strings.ToUpper(method) || !httpguts.ValidHeaderFieldName(method) || !strings.HasPrefix(event.RawPath, "/") {
		return false
	}
	if strings.ContainsFunc(event.RawQueryString, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	for name, value := range event.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return false
		}
	}
	for _, cookie := range event.Cookies {
		if !httpguts.ValidHeaderFieldValue(cookie) {
			return false
		}
	}
	if !event.IsBase64Encoded {
		return true
	}
	_, err := base64.StdEncoding.DecodeString(event.Body)
	return err == nil
}

// request is the event's, with the body that the library has decoded.
func request(bare *http.Request, event *events.APIGatewayV2HTTPRequest) *http.Request {
	r := bare.Clone(bare.Context())
	r.Header = header(event)
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	// The path is decoded already: decoding it again would make another of it.
	r.URL = &url.URL{Path: event.RawPath, RawQuery: event.RawQueryString}
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = ""
	if peer, err := netip.ParseAddr(event.RequestContext.HTTP.SourceIP); err == nil {
		r.RemoteAddr = netip.AddrPortFrom(peer, 0).String()
	}
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	return r
}

func header(event *events.APIGatewayV2HTTPRequest) http.Header {
	h := make(http.Header, len(event.Headers)+1)
	for name, value := range event.Headers {
		h.Add(name, value)
	}
	if len(event.Cookies) > 0 {
		h["Cookie"] = []string{strings.Join(event.Cookies, "; ")}
	}
	return h
}

// answer writes as a server's connection would: the first status stands, the
// headers are those of that moment, and what may have no body has none.
type answer struct {
	http.ResponseWriter // the library's
	header              http.Header
	bodyless            bool
	begun               bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.begun || status < 200 { // an interim answer can't be given
		return
	}
	a.begun = true
	for name, values := range a.header {
		a.ResponseWriter.Header()[name] = append([]string(nil), values...)
	}
	if status == http.StatusNoContent || status == http.StatusNotModified {
		a.bodyless = true
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(body []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.bodyless {
		return len(body), nil
	}
	return a.ResponseWriter.Write(body)
}
