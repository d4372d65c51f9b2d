package profile

import (
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// The readings are what programs behind the gate may make of a path. They and
// the roots are written anew, without the package's own code or data.

// roots are the restricted folders of a profile, in lower case.
var roots = map[string][]string{
	"3cx-v20": {"/xapi", "/api", "/connect/authorize"},
	"3cx-v18": {"/xapi", "/api", "/management"},
	"freepbx": {"/admin"},
	"yeastar": {"/admin", "/api"},
	"custom":  {""},
}

// ownPaths are the exceptions of 3cx-v20.
var ownPaths = []string{"/xapi/v1/myuser", "/xapi/v1/mytokens"}

func below(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// isAdmin tells whether a server that ended up with the path p serves the
// console. It takes X(key) for X.
func isAdmin(name, p string, added []string) bool {
	segments := strings.Split(strings.ToLower(p), "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, "(")
	}
	p = strings.Join(segments, "/")
	for _, root := range added {
		if below(p, strings.ToLower(root)) {
			return true
		}
	}
	if name == "3cx-v20" && (below(p, ownPaths[0]) || below(p, ownPaths[1])) {
		return false
	}
	for _, root := range roots[name] {
		if below(p, root) {
			return true
		}
	}
	return false
}

// steps are what a server may do to a path, in any order and any number of
// times.
var steps = []func(string) string{
	decodeKindly,
	path.Clean,
	func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
	func(p string) string { return eachSegment(p, func(s string) string { return before(s, ";") }) },
	func(p string) string { return before(before(p, "?"), "#") },
	func(p string) string { return before(p, "\x00") },
	func(p string) string {
		return eachSegment(p, func(s string) string { return strings.TrimRight(s, ". ") })
	},
	func(p string) string { return eachSegment(p, strings.TrimSpace) },
	func(p string) string { return eachSegment(p, func(s string) string { return before(s, "::$") }) },
	func(p string) string { return eachSegment(p, withoutSession) },
	mergeSlashes,
	strings.ToLower,
	cases.Upper(language.Und).String,
	cases.Fold().String,
	norm.NFKC.String,
	func(p string) string { return strings.Map(visible, p) },
}

// before is s up to the first mark.
func before(s, mark string) string {
	head, _, _ := strings.Cut(s, mark)
	return head
}

func eachSegment(p string, change func(string) string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i] = change(s)
	}
	return strings.Join(segments, "/")
}

func mergeSlashes(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// withoutSession drops ASP.NET's (S(id)).
func withoutSession(s string) string {
	if strings.HasPrefix(s, "(") && strings.HasSuffix(s, ")") {
		return ""
	}
	return s
}

func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
		return -1
	}
	return r
}

// decodeKindly decodes what it can, overlong UTF-8 too, and keeps the rest.
func decodeKindly(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if v, err := strconv.ParseUint(p[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(p[i])
	}
	return strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", `\`).Replace(b.String())
}

// standardReading is the standard library's: net/url, then path.Clean.
func standardReading(raw string) (string, bool) {
	u, err := url.ParseRequestURI(raw)
	if err != nil {
		return "", false
	}
	return path.Clean("/" + u.Path), true
}

// readings is everything the steps make of raw, up to a bound.
func readings(raw string) []string {
	found := []string{raw}
	known := map[string]bool{raw: true}
	if p, ok := standardReading(raw); ok && !known[p] {
		found, known[p] = append(found, p), true
	}
	for i := 0; i < len(found) && len(found) < 300; i++ {
		for _, step := range steps {
			if p := step(found[i]); !known[p] {
				found, known[p] = append(found, p), true
			}
		}
	}
	return found
}
