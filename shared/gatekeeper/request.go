package gatekeeper

import (
	"net/netip"
	"strings"

	"portcullis.example/shared/attempt"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/token"
)

// Request is what a gate asks about, header values as they arrived: each slice
// must hold exactly one.
type Request struct {
	// Authorization is "Bearer " and the gate key.
	Authorization []string
	Method        []string // Portcullis-Method
	URL           []string // Portcullis-Url: scheme, host, original path and query
	Client        []string // Portcullis-Client: one address
	Cookie        []string // any number
	// Config is what the gate's file says it was made from, Portcullis-Config: it
	// is noted, and decides nothing.
	Config []string
}

// Sizes beyond which a value is not read.
const (
	maxURL    = 16 << 10
	maxCookie = 64 << 10
)

// target is a request that can be read.
type target struct {
	method string
	scheme string // http or https
	host   string // as sent
	path   string // raw
	client netip.Addr
}

func (t target) network() string { return attempt.Network(t.client) }

// at tells whether the request is for a phone system's host; readable is false
// where the host is none.
func (t target) at(system phonesystem.PhoneSystem) (own, readable bool) {
	if t.host == system.Host && t.scheme == system.Scheme() {
		return true, true // as nearly always
	}
	host, ok := phonesystem.NormaliseHost(t.host, t.scheme)
	return ok && host == system.Host, ok
}

// readTarget reads what is asked about; ok is false for anything missing,
// doubled, unreadable or contradictory. The host is not judged yet.
func (r Request) readTarget() (t target, ok bool) {
	method, one := single(r.Method)
	raw, two := single(r.URL)
	if !one || !two || len(raw) > maxURL || doubledURL(raw) {
		return target{}, false
	}
	t.method = method
	rest := ""
	for _, scheme := range []string{"https", "http"} {
		if after, found := strings.CutPrefix(raw, scheme+"://"); found {
			t.scheme, rest = scheme, after
		}
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return target{}, false
		}
	}
	rest, _, _ = strings.Cut(rest, "?")
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		rest, slash = rest+"/", len(rest)
	}
	t.host, t.path = rest[:slash], rest[slash:]
	t.client, ok = ReadClient(r.Client)
	return t, ok && t.host != ""
}

// doubledURL finds a second absolute URL behind a comma: so API Gateway joins
// repeated headers. With a space between, it is no URL at all.
func doubledURL(raw string) bool {
	for _, rest, more := strings.Cut(raw, ","); more; _, rest, more = strings.Cut(rest, ",") {
		if next := strings.ToLower(rest[:min(len(rest), 8)]); strings.HasPrefix(next, "http://") || next == "https://" {
			return true
		}
	}
	return false
}

func single(values []string) (string, bool) {
	if len(values) != 1 || values[0] == "" {
		return "", false
	}
	return values[0], true
}

// ReadClient reads the one address that a gate names: v4-mapped ones are
// unwrapped, zones refused.
func ReadClient(values []string) (netip.Addr, bool) {
	text, ok := single(values)
	if !ok || len(text) > 64 {
		return netip.Addr{}, false
	}
	client, err := netip.ParseAddr(text)
	if err != nil || client.Zone() != "" || client.IsUnspecified() {
		return netip.Addr{}, false
	}
	return client.Unmap(), true
}

// readKey reads a gate key and the id of its phone system.
func readKey(authorization []string) (system string, hash token.Hash, ok bool) {
	text, ok := single(authorization)
	secret, bearer := strings.CutPrefix(text, "Bearer ")
	if !ok || !bearer {
		return "", "", false
	}
	ids, hash, err := token.Parse(secret, token.GateKey, 1)
	if err != nil || !token.ValidID(ids[0]) {
		return "", "", false
	}
	return ids[0], hash, true
}

// CookieName is the pass's cookie: the browser itself holds the prefixed one to
// https, the host and the whole path (RFC 6265bis section 4.1.3.2). Plain http
// is for a demonstration on one machine.
func CookieName(scheme string) string {
	if scheme == "http" {
		return "portcullis-pass"
	}
	return "__Host-portcullis-pass"
}

// heldPass is the pass that a browser sent.
type heldPass struct {
	partner, user, role string
	hash                token.Hash
}

// administratorGrant stands in a pass where a role would: an id is never empty.
const administratorGrant = "0"

// readPass finds the one pass in the cookies. found is false where there is
// none; sure is false where there is more than one, or one too large to read.
// Only what browsers take from a name's ends is taken (RFC 6265bis section
// 5.6): with any other space in front, a name is not held to the prefix's rules.
// Where the gate is reached over plain http, be it behind something that ends
// TLS, the prefixed name counts as well: only https can have set it.
func readPass(cookies []string, scheme string) (pass heldPass, found, sure bool) {
	value := ""
	for _, header := range cookies {
		if len(header) > maxCookie {
			return heldPass{}, false, false
		}
		for part := range strings.SplitSeq(header, ";") {
			key, v, _ := strings.Cut(strings.Trim(part, " \t"), "=")
			if key != CookieName(scheme) && key != CookieName("https") {
				continue
			}
			if found {
				return heldPass{}, false, false
			}
			found, value = true, v
		}
	}
	if !found {
		return heldPass{}, false, true
	}
	ids, hash, err := token.Parse(value, token.Pass, 3)
	if err != nil {
		return heldPass{}, false, true
	}
	pass = heldPass{partner: ids[0], user: ids[1], role: ids[2], hash: hash}
	if pass.role == administratorGrant {
		pass.role = ""
	}
	return pass, true, true
}
