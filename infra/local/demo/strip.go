package demo

import (
	"net/http"
	"strings"
)

// stripHeaders removes every header by which a client could pass for the gate,
// for Portcullis or for another client, or name another URL than the judged one.
func stripHeaders(h http.Header) {
	for name := range h {
		if claimed(name) {
			delete(h, name)
		}
	}
}

// claimed tells whether a header is the gate's to set, or nobody's.
func claimed(name string) bool {
	name = plain(name)
	switch name {
	case "portcullis", "forwarded", "x-forwarded", "x-real-ip", "x-original-url", "x-rewrite-url":
		return true
	}
	return strings.HasPrefix(name, "portcullis-") ||
		strings.HasPrefix(name, "remote-") ||
		strings.HasPrefix(name, "x-forwarded-")
}

// plain brings the spellings of a name together. Servers that hand headers on
// as variables make one of `-`, `_`, `.` and other signs, and of both cases
// (CVE-2026-40575).
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, name)
}

// stripCookies takes Portcullis' cookies out of a request (ATTACKS.md 45) and
// leaves the phone system its own, in their order and to the letter.
func stripCookies(h http.Header) {
	lines := h.Values("Cookie")
	h.Del("Cookie")
	for _, line := range lines {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			if !oursByName(pair) && strings.TrimSpace(pair) != "" {
				kept = append(kept, strings.TrimSpace(pair))
			}
		}
		if len(kept) > 0 {
			h.Add("Cookie", strings.Join(kept, "; "))
		}
	}
}

// stripSetCookies keeps a phone system from setting Portcullis' cookies.
func stripSetCookies(h http.Header) {
	values := h.Values("Set-Cookie")
	h.Del("Set-Cookie")
	for _, value := range values {
		pair, _, _ := strings.Cut(value, ";")
		if !oursByName(pair) {
			h.Add("Set-Cookie", value)
		}
	}
}

// oursByName judges `name=value`. Any name with our word in it is ours, prefixed
// (`__Host-`), quoted or in another case. A browser sends the nameless cookie
// `=portcullis=x` as `portcullis=x`, so signs in front of the name do not count.
func oursByName(pair string) bool {
	pair = strings.TrimLeftFunc(pair, func(c rune) bool { return plain(string(c)) == "-" })
	name, _, _ := strings.Cut(pair, "=")
	return strings.Contains(plain(name), "portcullis")
}
