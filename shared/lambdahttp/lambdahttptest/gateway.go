// Package lambdahttptest plays API Gateway's HTTP API for tests. It guarantees
// to do to a request what is known that API Gateway does: names of headers in
// lower case, repeats joined with commas, cookies apart, the path decoded, its
// peer appended to X-Forwarded-For, X-Forwarded-Proto and -Port its own.
package lambdahttptest

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"portcullis.example/shared/lambdahttp"
)

// Event is a request, and its body, as API Gateway hands it to a function.
func Event(r *http.Request, body []byte) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Headers: map[string]string{"host": r.Host}}
	for name, values := range r.Header {
		if name == "Cookie" {
			for _, value := range values {
				e.Cookies = append(e.Cookies, strings.Split(value, "; ")...)
			}
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		peer = r.RemoteAddr
	}
	e.Headers["x-forwarded-for"] = strings.TrimPrefix(e.Headers["x-forwarded-for"]+", "+peer, ", ")
	e.Headers["x-forwarded-proto"], e.Headers["x-forwarded-port"] = "https", "443"
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = r.Method, peer
	if e.Body = string(body); !utf8.Valid(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return e
}

// Through serves a handler by way of events.
func Through(handler http.Handler) http.Handler {
	adapter := lambdahttp.New(handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := adapter.Handle(context.WithoutCancel(r.Context()), Event(r, body))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		for name, value := range out.Headers {
			w.Header().Set(name, value)
		}
		for _, cookie := range out.Cookies {
			w.Header().Add("Set-Cookie", cookie)
		}
		w.WriteHeader(out.StatusCode)
		// A test that reads half an answer says so.
		_, _ = w.Write(decoded(out))
	})
}

func decoded(out events.APIGatewayV2HTTPResponse) []byte {
	if !out.IsBase64Encoded {
		return []byte(out.Body)
	}
	body, err := base64.StdEncoding.DecodeString(out.Body)
	if err != nil {
		return []byte(err.Error())
	}
	return body
}
