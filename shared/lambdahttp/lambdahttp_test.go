package lambdahttp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"portcullis.example/shared/lambdahttp"
	"portcullis.example/shared/lambdahttp/lambdahttptest"
)

// seen is all that a handler can see of a request.
type seen struct {
	Method, Path, RawPath, Query, URI, Host, Peer, Body string
	Header                                              http.Header
	Length                                              int64
}

// echo answers what it saw.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	header := r.Header.Clone()
	header.Del("Content-Length")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(seen{r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI, r.Host, r.RemoteAddr, base64.StdEncoding.EncodeToString(body), header, r.ContentLength})
}

// event is a request as API Gateway hands it on, from a peer, less the headers
// that it sets itself.
func event(r *http.Request, peer string, body []byte) events.APIGatewayV2HTTPRequest {
	claimed := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	e := lambdahttptest.Event(r, body)
	e.RequestContext.HTTP.SourceIP = peer
	for _, name := range []string{"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"} {
		delete(e.Headers, name)
	}
	if claimed != "" {
		e.Headers["x-forwarded-for"] = claimed
	}
	return e
}

func ask(t testing.TB, h http.HandlerFunc, e events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	out, err := lambdahttp.New(h).Handle(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func headers() map[string]http.Header {
	return map[string]http.Header{
		"none":                  {},
		"commas":                {"User-Agent": {"a, b,c"}, "Accept": {"text/html, application/json;q=0.9"}, "If-Modified-Since": {"Mon, 02 Jan 2006 15:04:05 GMT"}},
		"doubled":               {"Portcullis-Client": {"192.0.2.1,198.51.100.7"}, "Portcullis-Url": {"https://a.example/,https://b.example/"}},
		"forwarded":             {"X-Forwarded-For": {"203.0.113.9, 198.51.100.1"}, "X-Real-Ip": {"203.0.113.9"}, "Forwarded": {"for=203.0.113.9"}},
		"cookies":               {"Cookie": {"a=1; __Host-portcullis=x; a=2; b=\"c,d\""}},
		"spaces":                {"X-Odd": {"a  b"}, "Authorization": {"Bearer  two"}},
		"empty":                 {"X-Empty": {""}},
		"what the library adds": {"X-Golambdaproxy-Apigw-Context": {"{}"}},
	}
}

// A handler sees the same over Lambda as over a connection.
func TestHandlersSeeTheSame(t *testing.T) {
	paths := []string{"/", "/v1/session", "/a%20b", "/a%25b", "/a%3Fb", "/a%23b", "/a+b", "/%c3%a4", "//double", "/a/../b", "/a;x=1", "/%00", "/a%2525"}
	queries := []string{"", "a=b", "a=b&a=c", "q=%20%2b+", "q=a%26b", "empty=", "ticket=pct_x&answer=notice"}
	for _, path := range paths {
		for _, query := range queries {
			for name, header := range headers() {
				compare(t, name, "GET", path+mark(query), header, nil)
			}
		}
	}
	for _, body := range [][]byte{nil, []byte(`{"a":1}`), []byte("\xff\xfe\x00"), bytes.Repeat([]byte("x"), 70<<10)} {
		for _, method := range []string{"POST", "PATCH", "DELETE", "PUT", "GET"} {
			compare(t, "body", method, "/v1/login", http.Header{"Content-Type": {"application/json"}}, body)
		}
	}
}

func mark(query string) string {
	if query == "" {
		return ""
	}
	return "?" + query
}

func compare(t *testing.T, name, method, target string, header http.Header, body []byte) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	// API Gateway has decoded the path: a connection with it says the same.
	r.URL = &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	r.RequestURI, r.Host, r.Header, r.RemoteAddr = r.URL.RequestURI(), "portal.example", header.Clone(), "198.51.100.1:0"
	recorder := httptest.NewRecorder()
	echo(recorder, r.Clone(t.Context()))
	r.Body = http.NoBody
	out := ask(t, echo, event(r, "198.51.100.1", body))
	if got, want := out.Body, recorder.Body.String(); got != want || out.StatusCode != recorder.Code {
		t.Errorf("%s: %s %s: the handler saw\n%s\nwant\n%s", name, method, target, got, want)
	}
}

// ATTACKS.md 25: what a client claims about itself is not its address.
func TestAttack25ClaimsAreNotThePeer(t *testing.T) {
	for peer, want := range map[string]string{"198.51.100.1": "198.51.100.1:0", "2001:db8::1": "[2001:db8::1]:0", "": "", "nonsense": "", "1.2.3.4, 5.6.7.8": ""} {
		e := event(httptest.NewRequest("GET", "/", nil), peer, nil)
		e.Headers["x-forwarded-for"] = "203.0.113.9"
		var got seen
		if err := json.Unmarshal([]byte(ask(t, echo, e).Body), &got); err != nil || got.Peer != want {
			t.Errorf("peer %q: the handler saw %q, %v", peer, got.Peer, err)
		}
	}
}

// Answers arrive as a connection would carry them.
func TestAnswersAreTheSame(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"nothing":      func(http.ResponseWriter, *http.Request) {},
		"only headers": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", "b") },
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); _, _ = w.Write([]byte("x")) },
		"two statuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403); w.WriteHeader(200) },
		"late header":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); w.Header().Set("Late", "x") },
		"text":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"binary":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("\x89PNG\xff")) },
		"in two":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("a")); _, _ = w.Write([]byte("b")) },
		"cookies": func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2"}
			w.WriteHeader(303)
		},
		"problem": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(422)
			_, _ = w.Write([]byte("{}"))
		},
		"without a type": func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; w.WriteHeader(401) },
	} {
		recorder := httptest.NewRecorder()
		handler(recorder, httptest.NewRequest("GET", "/", nil))
		want := recorder.Result()
		out := ask(t, handler, event(httptest.NewRequest("GET", "/", nil), "198.51.100.1", nil))
		body := []byte(out.Body)
		if out.IsBase64Encoded {
			body, _ = base64.StdEncoding.DecodeString(out.Body)
		}
		expected, _ := io.ReadAll(want.Body)
		if want.StatusCode == http.StatusNoContent {
			expected = nil // the recorder keeps what a connection would not carry
		}
		if out.StatusCode != want.StatusCode || !bytes.Equal(body, expected) || !slices.Equal(out.Cookies, want.Header.Values("Set-Cookie")) {
			t.Errorf("%s: %+v, want %d %q", name, out, want.StatusCode, expected)
		}
		want.Header.Del("Set-Cookie")
		if want.StatusCode == http.StatusNoContent {
			want.Header.Del("Content-Type")
		}
		for header, values := range maps.All(want.Header) {
			if len(values) > 0 && out.Headers[header] != strings.Join(values, ",") {
				t.Errorf("%s: header %s is %q, want %q", name, header, out.Headers[header], values)
			}
		}
		if out.Headers["Late"] != "" {
			t.Errorf("%s: a header came after the status", name)
		}
	}
}

func TestHeadHasNoBody(t *testing.T) {
	if out := ask(t, echo, event(httptest.NewRequest("HEAD", "/", nil), "198.51.100.1", nil)); out.Body != "" || out.StatusCode != 200 {
		t.Errorf("%+v", out)
	}
}

func TestPanicsTellNothing(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"at once": func(http.ResponseWriter, *http.Request) { panic("secret") },
		"abort": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("A", "secret")
			panic(http.ErrAbortHandler)
		},
		"after the status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200); panic("secret") },
		"half way": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Set-Cookie", "secret")
			_, _ = w.Write([]byte("half"))
			panic("secret")
		},
	} {
		out := ask(t, handler, event(httptest.NewRequest("GET", "/", nil), "198.51.100.1", nil))
		if out.StatusCode != 500 || out.Body != "" || len(out.Headers)+len(out.Cookies) > 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// ATTACKS.md 24: what can't be read is refused and reaches no handler.
func TestAttack24UnreadableEvents(t *testing.T) {
	for name, spoil := range map[string]func(*events.APIGatewayV2HTTPRequest){
		"no method":          func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "" },
		"a method in pieces": func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "GET /x" },
		"another's case":     func(e *events.APIGatewayV2HTTPRequest) { e.RequestContext.HTTP.Method = "get" },
		"no path":            func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "" },
		"a path of a host":   func(e *events.APIGatewayV2HTTPRequest) { e.RawPath = "evil.example/" },
		"body":               func(e *events.APIGatewayV2HTTPRequest) { e.Body, e.IsBase64Encoded = "%%%", true },
		"header name":        func(e *events.APIGatewayV2HTTPRequest) { e.Headers["a b"] = "c" },
		"header value":       func(e *events.APIGatewayV2HTTPRequest) { e.Headers["a"] = "b\r\nC: d" },
		"cookie":             func(e *events.APIGatewayV2HTTPRequest) { e.Cookies = []string{"a=b\n"} },
		"query":              func(e *events.APIGatewayV2HTTPRequest) { e.RawQueryString = "a=b HTTP/1.1\r\n" },
	} {
		e := event(httptest.NewRequest("GET", "/", nil), "198.51.100.1", nil)
		spoil(&e)
		if out := ask(t, func(http.ResponseWriter, *http.Request) { t.Errorf("%s: it reached the handler", name) }, e); out.StatusCode != 400 {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// Whatever an event holds, the handler sees exactly that, or nothing.
func FuzzHandle(f *testing.F) {
	f.Add("GET", "/v1/session", "a=b", "198.51.100.1", "x-a", "b", "c=d", "body", false)
	f.Add("POST", "/%2e%2e/%", "?#", "::ffff:1.2.3.4", "X-Forwarded-For", "1.2.3.4,5.6.7.8", "", "!!!", true)
	f.Fuzz(func(t *testing.T, method, path, query, peer, name, value, cookie, body string, encoded bool) {
		e := events.APIGatewayV2HTTPRequest{RawPath: path, RawQueryString: query, Headers: map[string]string{name: value}, Cookies: []string{cookie}, Body: body, IsBase64Encoded: encoded}
		e.RequestContext.HTTP.Method, e.RequestContext.HTTP.SourceIP = method, peer
		reached := false
		out := ask(t, func(w http.ResponseWriter, r *http.Request) {
			reached = true
			if r.Method != method || r.URL.Path != path || r.URL.RawQuery != query {
				t.Errorf("%q %q %q arrived as %q %q %q", method, path, query, r.Method, r.URL.Path, r.URL.RawQuery)
			}
			if got := r.Header.Get("Cookie"); got != cookie {
				t.Errorf("cookie %q arrived as %q", cookie, got)
			}
			w.WriteHeader(204)
		}, e)
		if reached != (out.StatusCode == 204) || !reached && out.StatusCode != 400 {
			t.Errorf("reached %t, answered %d", reached, out.StatusCode)
		}
	})
}
