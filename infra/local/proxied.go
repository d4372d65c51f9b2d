package local

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// proxied has requests that come from a trusted reverse proxy count as their
// client's: the proxy appends the address that it saw to X-Forwarded-For, so
// only the last one is its word, and what stands before it is the client's.
// From anybody else the header means nothing. A trusted proxy that names no
// address has the request count as its own.
func proxied(handler http.Handler, trusted []netip.Prefix) http.Handler {
	if len(trusted) == 0 {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client, ok := forwarded(r, trusted); ok {
			r = r.Clone(r.Context())
			r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
		}
		handler.ServeHTTP(w, r)
	})
}

func forwarded(r *http.Request, trusted []netip.Prefix) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !slices.ContainsFunc(trusted, func(n netip.Prefix) bool { return n.Contains(peer.Addr().Unmap()) }) {
		return netip.Addr{}, false
	}
	list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	client, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1]))
	return client, err == nil
}
