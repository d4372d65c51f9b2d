package profile

import "strings"

// match is one rule, ready to compare.
type match struct {
	path   string // as the rule has it
	prefix string // lower case, without a slash at the end; empty: exactly "/"
	class  Class
	label  string
	keyed  bool
}

func newMatch(r Rule) match {
	m := match{
		path:   r.Path,
		prefix: lowerASCII(strings.TrimSuffix(r.Path, "/")),
		class:  Restricted,
		label:  string(r.Kind) + " " + r.Path,
		keyed:  r.Keyed,
	}
	if r.Kind != KindRestricted {
		m.class = Unrestricted
	}
	return m
}

// covers tells whether a normalised path is the rule's or lies below it.
func (m *match) covers(path string) bool {
	if m.prefix == "" {
		return path == "/"
	}
	if len(path) < len(m.prefix) || !equalFold(path[:len(m.prefix)], m.prefix) {
		return false
	}
	rest := path[len(m.prefix):]
	if rest == "" || rest[0] == '/' {
		return true
	}
	if rest[0] != '(' {
		return false
	}
	// X(key) is X to an OData server: any restricted X takes it along, and an
	// exception only where it says so and the key is plain.
	return m.class == Restricted || m.keyed && isKey(rest)
}

// isKey tells whether the segment that rest begins with is one plain key in
// parentheses.
func isKey(rest string) bool {
	segment, _, _ := strings.Cut(rest, "/")
	key, closed := strings.CutSuffix(segment[1:], ")")
	if !closed {
		return false
	}
	for i := range len(key) {
		if !alphanumeric(key[i]) && strings.IndexByte("-_='", key[i]) < 0 {
			return false
		}
	}
	return true
}

// plain tells whether s consists of characters that no program reads in
// another way; dots and @ only within file names.
func plain(s string, file bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case alphanumeric(c), c == '-', c == '_':
		case c == '/' && !file:
		case (c == '.' || c == '@') && file:
		default:
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	c = lower(c)
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

// equalFold compares s with a lower-case string by ASCII letters alone.
// strings.EqualFold would take the Kelvin sign for a k.
func equalFold(s, lowered string) bool {
	if len(s) != len(lowered) {
		return false
	}
	for i := range len(s) {
		if lower(s[i]) != lowered[i] {
			return false
		}
	}
	return true
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
