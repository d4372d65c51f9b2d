package local

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestAttack08OnlyATrustedProxyNamesTheClient(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"from a stranger", "203.0.113.9:5000", []string{"198.51.100.1"}, "203.0.113.9:5000"},
		{"from the proxy", "127.0.0.1:5000", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"from the proxy, v4-mapped", "[::ffff:10.1.2.3]:5000", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"with the client's own claim in front", "10.1.2.3:5000", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1:0"},
		{"with the client's own line in front", "10.1.2.3:5000", []string{"192.0.2.66", "198.51.100.1"}, "198.51.100.1:0"},
		{"IPv6", "10.1.2.3:5000", []string{"2001:db8::7"}, "[2001:db8::7]:0"},
		{"no word", "127.0.0.1:5000", nil, "127.0.0.1:5000"},
		{"no address", "127.0.0.1:5000", []string{"unknown"}, "127.0.0.1:5000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			handler := proxied(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }), trusted)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
			handler.ServeHTTP(httptest.NewRecorder(), r)
			if got != c.want {
				t.Errorf("it came from %s, want %s", got, c.want)
			}
		})
	}
}

// FuzzForwarded has a trusted proxy hand any header on: what counts as the client is
// the last word of it, the proxy's own, or the proxy itself; from a stranger nothing.
func FuzzForwarded(f *testing.F) {
	for _, text := range []string{"198.51.100.1", "192.0.2.66, 198.51.100.1", "2001:db8::7%eth0", "::ffff:198.51.100.1", "", ",", "198.51.100.1,", "198.51.100.1:80", "0x7f.1", "1.2.3.4\x00"} {
		f.Add(text, "")
		f.Add("192.0.2.66", text)
	}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, first, second string) {
		for peer, believed := range map[string]bool{"10.1.2.3:5000": true, "203.0.113.9:5000": false} {
			got := ""
			handler := proxied(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }), trusted)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Header["X-Forwarded-For"] = peer, []string{first, second}
			handler.ServeHTTP(httptest.NewRecorder(), r)
			want := peer
			last := second[strings.LastIndexByte(second, ',')+1:]
			if client, err := netip.ParseAddr(strings.TrimSpace(last)); err == nil && believed {
				want = netip.AddrPortFrom(client, 0).String()
			}
			if got != want {
				t.Errorf("%q, %q from %s: it came from %s, want %s", first, second, peer, got, want)
			}
		}
	})
}
