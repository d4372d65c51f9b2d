package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Time-outs of one question, and how much of an answer is read.
const (
	connectWithin = 3 * time.Second
	answerWithin  = 8 * time.Second
	readAtMost    = 64 << 10
)

// asker asks over connections of their own, which are closed at once.
type asker struct {
	from  netip.Addr
	roots *x509.CertPool
}

// question is one request.
type question struct {
	url *url.URL
	// at is where to connect, host:port; empty: where the URL leads.
	at string
	// anybody believes any certificate: for what is not the gate.
	anybody bool
	header  http.Header
}

// reply is what was answered.
type reply struct {
	status       int
	header       http.Header
	body         string
	client, peer netip.AddrPort
	// code and detail are a problem's (RFC 9457); empty where it is none.
	code, detail string
}

// errShut says that nobody listens.
var errShut = errors.New("nobody listens there")

func (a asker) ask(ctx context.Context, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var r reply
	transport := &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: a.roots, InsecureSkipVerify: q.anybody},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if q.at != "" {
				address = q.at
			}
			connection, err := a.dial(ctx, network, address)
			if err == nil {
				r.client, r.peer = end(connection.LocalAddr()), end(connection.RemoteAddr())
			}
			return connection, err
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.url.String(), nil)
	if err != nil {
		return r, err
	}
	request.Header = http.Header{"Accept": {"application/problem+json"}, "User-Agent": {"portcullis-doctor"}}
	for name, values := range q.header {
		request.Header[name] = values
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, readAtMost))
	r.status, r.header, r.body = response.StatusCode, response.Header, string(body)
	var problem struct{ Code, Detail string }
	if json.Unmarshal(body, &problem) == nil {
		r.code, r.detail = problem.Code, problem.Detail
	}
	return r, err
}

func (a asker) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectWithin}
	if a.from.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: a.from.AsSlice()}
	}
	connection, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errShut, err)
	}
	return connection, nil
}

func end(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
}

// through asks for a path through the gate.
func (e *examination) through(ctx context.Context, path string, header http.Header) (reply, error) {
	u := *e.URL
	u.Path = path
	r, err := e.web.ask(ctx, question{url: &u, at: e.gateAddress(), header: header})
	if r.client.IsValid() {
		e.client = r.client.Addr()
	}
	return r, err
}

func (e *examination) gateAddress() string {
	if e.Gate == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(e.Gate); err == nil {
		return e.Gate
	}
	return net.JoinHostPort(e.Gate, port(e.URL))
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// isNotice tells whether Portcullis' own denial came.
func (r reply) isNotice() bool { return r.status == http.StatusForbidden && r.code == "bad_attempt" }

// isUnsure tells whether the gate said that it could ask nobody.
func (r reply) isUnsure() bool {
	return r.status == http.StatusServiceUnavailable && strings.Contains(r.body, "Portcullis could not be asked")
}

// isKeyRefused tells whether Portcullis does not know the gate's key.
func (r reply) isKeyRefused() bool {
	return r.status == http.StatusUnauthorized && strings.Contains(r.detail, "gate key")
}
