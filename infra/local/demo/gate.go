package demo

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"time"
)

// DecisionTimeout is how long the gate waits for Portcullis before it denies
// (API.md, "The gate"), unless its options say otherwise.
const DecisionTimeout = 2 * time.Second

// MaxBody is the largest request body that is forwarded, in bytes.
const MaxBody = 10 << 20

// GateOptions is everything the gate needs. All fields but Log and Within are
// required.
type GateOptions struct {
	// PublicHost is the phone system's host as browsers name it, with the port.
	PublicHost string
	// Upstream is the phone system; its Base has no path.
	Upstream Backend
	// Portcullis is where the gate asks.
	Portcullis Backend
	// GateKey answers the key at the time of asking; "" locks everything.
	GateKey func() string
	Now     func() time.Time
	Log     *slog.Logger
	// Within is how long it waits for Portcullis; zero: DecisionTimeout.
	Within time.Duration
}

// Gate is the reverse proxy in front of a phone system. It asks Portcullis
// about every request and keeps nothing between two of them. Its methods may be
// called concurrently.
type Gate struct {
	host       string
	portcullis Backend
	upstream   Backend
	key        func() string
	now        func() time.Time
	log        *slog.Logger
	within     time.Duration
	proxy      *httputil.ReverseProxy
}

// NewGate builds a gate, or answers ErrOptions.
func NewGate(o GateOptions) (*Gate, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Gate{
		host: o.PublicHost, portcullis: o.Portcullis, upstream: o.Upstream,
		key: o.GateKey, now: o.Now, log: logger(o.Log), within: cmp.Or(o.Within, DecisionTimeout),
	}
	g.proxy = g.newProxy()
	return g, nil
}

func (o GateOptions) validate() error {
	switch {
	case o.PublicHost == "":
		return missing("PublicHost")
	case o.Upstream.Base == nil || o.Upstream.Transport == nil:
		return missing("Upstream")
	case strings.Trim(o.Upstream.Base.Path, "/") != "":
		return fmt.Errorf("%w: Upstream has a path, so what is judged would not be what is forwarded", ErrOptions)
	case o.Portcullis.Base == nil || o.Portcullis.Transport == nil:
		return missing("Portcullis")
	case o.GateKey == nil:
		return missing("GateKey")
	case o.Now == nil:
		return missing("Now")
	}
	return nil
}

// ServeHTTP refuses what can't be judged, relays Portcullis' own two pages, and
// guards the rest.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, err := clientAddress(r.RemoteAddr)
	switch {
	case err != nil:
		g.log.Error("client address", "error", err)
		badRequest.send(w, r)
	case !strings.EqualFold(r.Host, g.host):
		misdirected.send(w, r)
	case !originForm(r):
		badRequest.send(w, r)
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		notAllowed.send(w, r)
	case reserved(r.URL.Path):
		g.relay(w, r, client)
	default:
		g.guard(w, r, client)
	}
}

// guard forwards what Portcullis allows.
func (g *Gate) guard(w http.ResponseWriter, r *http.Request, client netip.Addr) {
	v, err := g.ask(r, client)
	switch {
	case err != nil:
		g.log.Error("no decision, denied", "error", err)
		unreachable.send(w, r)
	case !v.allowed:
		v.notice.send(w, r)
	case g.target(r.URL).RequestURI() != r.RequestURI:
		// What was judged could not be forwarded to the letter.
		badRequest.send(w, r)
	case r.ContentLength > MaxBody:
		tooLarge.send(w, r)
	default:
		g.forward(w, r, passage{verdict: v, client: client})
	}
}

// originForm tells a plain "/path?query" from the targets that name another
// host (absolute form), a tunnel (CONNECT) or the server itself ("*").
func originForm(r *http.Request) bool {
	return strings.HasPrefix(r.RequestURI, "/") && r.URL.Scheme == "" && r.URL.Host == ""
}

// clientAddress is the peer of the connection: no header has a say in it.
func clientAddress(remote string) (netip.Addr, error) {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("peer %q: %w", remote, err)
	}
	return peer.Addr().Unmap().WithZone(""), nil
}

// scheme is how the client reached the gate.
func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
