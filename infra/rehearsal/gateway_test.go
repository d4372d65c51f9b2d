//go:build rehearsal

package rehearsal

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"portcullis.example/shared/lambdahttp/lambdahttptest"
)

// gateway does what API Gateway's HTTP API does, with the routes of the template.
type gateway struct {
	mux       *http.ServeMux
	otherwise *function
	wait      time.Duration // 30 s there
}

const maxRequest = 10 << 20

// newGateway takes routes such as "POST /v1/login", and $default.
func newGateway(routes map[string]*function) *gateway {
	g := &gateway{mux: http.NewServeMux(), wait: 30 * time.Second}
	for key, f := range routes {
		if key == "$default" {
			g.otherwise = f
			continue
		}
		// A trailing slash would be a whole tree to the mux.
		g.mux.HandleFunc(strings.TrimSuffix(key, " /")+exactRoot(key), func(w http.ResponseWriter, r *http.Request) { g.answer(w, r, key, f) })
	}
	return g
}

func exactRoot(key string) string {
	if strings.HasSuffix(key, " /") {
		return " /{$}"
	}
	return ""
}

// ServeHTTP routes as API Gateway does: the path as it was sent, a method as it
// is, and what has no route to $default. Redirects are not its business.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, pattern := g.mux.Handler(r)
	if pattern == "" || r.Method == http.MethodHead || strings.Contains(r.URL.Path, "//") || strings.Contains(r.URL.Path, "/.") {
		g.answer(w, r, "$default", g.otherwise)
		return
	}
	handler.ServeHTTP(w, r)
}

func (g *gateway) answer(w http.ResponseWriter, r *http.Request, key string, f *function) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	switch {
	case err != nil:
		own(w, http.StatusBadRequest, "Bad Request")
		return
	case len(body) > maxRequest:
		own(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	case f == nil:
		own(w, http.StatusNotFound, "Not Found")
		return
	}
	event := lambdahttptest.Event(r, body)
	event.RouteKey, event.RequestContext.RouteKey, event.RequestContext.Stage, event.RequestContext.AccountID = key, key, "$default", accountID
	event.RequestContext.DomainName, event.RequestContext.HTTP.Path = r.Host, r.URL.Path
	payload, err := json.Marshal(event)
	if err != nil {
		own(w, http.StatusBadRequest, "Bad Request")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.wait)
	defer cancel()
	answer, err := f.invoke(ctx, payload)
	var out events.APIGatewayV2HTTPResponse
	if err == nil {
		err = json.Unmarshal(answer, &out)
	}
	if err != nil || out.StatusCode == 0 {
		w.Header().Set("Rehearsal-Error", strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
		own(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	give(w, out)
}

func own(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"message":%q}`, message)
}

func give(w http.ResponseWriter, out events.APIGatewayV2HTTPResponse) {
	for name, value := range out.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range out.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	body := []byte(out.Body)
	if out.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(out.Body)
		if err != nil {
			own(w, http.StatusInternalServerError, "Internal Server Error")
			return
		}
		body = decoded
	}
	w.WriteHeader(out.StatusCode)
	_, _ = w.Write(body)
}
