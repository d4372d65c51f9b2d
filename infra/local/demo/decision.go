package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer of Portcullis, in bytes.
const maxAnswer = 1 << 20

var (
	// errDoubt is an answer that is neither a clear yes nor a clear no.
	errDoubt = errors.New("demo: unclear answer")
	errNoKey = errors.New("demo: no gate key yet")
)

// verdict is what Portcullis said about one request.
type verdict struct {
	allowed     bool
	user, email string    // of an allowed one, empty where unknown
	expires     time.Time // of the window that allowed it; zero: unrestricted
	notice      answer    // of a denied one
}

// ask puts one request to Portcullis. Every error means: deny.
func (g *Gate) ask(r *http.Request, client netip.Addr) (verdict, error) {
	ctx, cancel := context.WithTimeout(r.Context(), g.within)
	defer cancel()
	q, err := g.question(ctx, r, client, http.MethodGet, "/v1/gate/decision", "answer=notice")
	if err != nil {
		return verdict{}, err
	}
	copyHeaders(q.Header, r.Header, "Cookie", "Accept", "Accept-Language")
	a, err := g.send(q)
	if err != nil {
		return verdict{}, err
	}
	switch a.status {
	case http.StatusNoContent:
		return g.allowance(a.header)
	case http.StatusForbidden:
		return verdict{notice: a.asNotice()}, nil
	}
	return verdict{}, fmt.Errorf("%w: status %d", errDoubt, a.status)
}

// question is a request to Portcullis with the headers that only a gate sets,
// each exactly once. Nothing of the client's own headers is in it.
func (g *Gate) question(ctx context.Context, r *http.Request, client netip.Addr, method, path, query string) (*http.Request, error) {
	key := g.key()
	if key == "" {
		return nil, errNoKey
	}
	q, err := http.NewRequestWithContext(ctx, method, g.portcullis.Base.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask Portcullis: %w", err)
	}
	q.URL.Path, q.URL.RawPath = strings.TrimSuffix(q.URL.Path, "/")+path, ""
	q.URL.RawQuery = query
	q.Header.Set("Authorization", "Bearer "+key)
	q.Header.Set("Portcullis-Method", r.Method)
	q.Header.Set("Portcullis-Url", scheme(r)+"://"+r.Host+r.RequestURI)
	q.Header.Set("Portcullis-Client", client.String())
	q.Header.Set("User-Agent", "portcullis-gate")
	return q, nil
}

// send carries a question and reads the whole answer. Redirects are answers
// like any other: they are not followed.
func (g *Gate) send(q *http.Request) (answer, error) {
	res, err := g.portcullis.Transport.RoundTrip(q)
	if err != nil {
		return answer{}, fmt.Errorf("ask Portcullis: %w", withoutURL(err))
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read Portcullis: %w", withoutURL(err))
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("%w: longer than %d bytes", errDoubt, maxAnswer)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

// withoutURL takes the URL, which may hold a ticket, out of an error.
func withoutURL(err error) error {
	if named, ok := errors.AsType[*url.Error](err); ok {
		return named.Err
	}
	return err
}

// allowance reads the headers of a 204. One that is missing where it must not
// be, doubled or contradictory is a doubt.
func (g *Gate) allowance(h http.Header) (verdict, error) {
	if only(h, "Portcullis-Decision") != "allow" {
		return verdict{}, fmt.Errorf("%w: 204 without one allow", errDoubt)
	}
	if len(h["Remote-User"]) > 1 || len(h["Remote-Email"]) > 1 {
		return verdict{}, fmt.Errorf("%w: identity given twice", errDoubt)
	}
	v := verdict{allowed: true, user: h.Get("Remote-User"), email: h.Get("Remote-Email")}
	if only(h, "Portcullis-Reason") == "unrestricted" {
		return v, nil
	}
	seconds, err := strconv.ParseInt(only(h, "Portcullis-Expires"), 10, 64)
	if err != nil {
		return verdict{}, fmt.Errorf("%w: a window without its end", errDoubt)
	}
	v.expires = time.Unix(seconds, 0)
	if !g.now().Before(v.expires) {
		return verdict{}, fmt.Errorf("%w: a window that has ended", errDoubt)
	}
	return v, nil
}

// only is the value of a header that came exactly once, or "".
func only(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

func copyHeaders(to, from http.Header, names ...string) {
	for _, name := range names {
		for _, value := range from.Values(name) {
			to.Add(name, value)
		}
	}
}
