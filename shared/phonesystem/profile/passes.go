package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Pattern is a rule as a gate applies it by itself, without asking: an
// expression that PCRE and RE2 read alike, over the method, a space and the
// request's target as it came, query included.
type Pattern struct {
	// Expression is anchored at its start.
	Expression string
	// FoldCase says that case does not count.
	FoldCase bool
	// Passes says that what it matches need not be asked about.
	Passes bool
	// Rule says where it comes from, as Verdict.Rule does.
	Rule string
}

// Pieces of a pattern. A segment is what no program reads in another way:
// letters, digits, - _ @, and single dots between them.
const (
	methods    = "(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) "
	anyMethod  = "[^ ]+ "
	segment    = `[A-Za-z0-9_@-]+(?:\.[A-Za-z0-9_@-]+)*`
	targetEnd  = `(?:\?|$)`
	patternKey = `(?:\([A-Za-z0-9_='-]*\))?`
)

// Patterns are what a gate may decide alone, the first that matches deciding;
// what none matches is to be asked about. Whatever passes is Unrestricted to
// Judge as well, for targets of at most 4096 bytes: unencoded, in the case that
// the profile has, and free of anything that can be read in two ways.
func (m *Matcher) Patterns() []Pattern {
	var all []Pattern
	for i := range m.rules {
		all = append(all, m.rules[i].pattern())
	}
	if m.static == nil {
		return all
	}
	for _, names := range []struct{ before, list string }{{`[A-Za-z0-9_@-]+(?:\.[A-Za-z0-9_@-]+)*\.`, alternatives(m.static.Extensions)}, {"", alternatives(m.static.Names)}} {
		if names.list != "" {
			all = append(all, Pattern{
				Expression: "^(?:GET|HEAD) /(?:[A-Za-z0-9_-]+/)*" + names.before + names.list + targetEnd,
				Passes:     true, Rule: "static file",
			})
		}
	}
	return all
}

func (m *match) pattern() Pattern {
	p := Pattern{Rule: m.label, Passes: m.class == Unrestricted, FoldCase: m.class != Unrestricted}
	switch {
	case m.prefix == "" && p.Passes:
		p.Expression = "^" + methods + "/" + targetEnd
	case m.prefix == "":
		p.Expression = "^" + anyMethod + "/" + targetEnd
	case p.Passes:
		key := ""
		if m.keyed {
			key = patternKey
		}
		p.Expression = "^" + methods + quote(strings.TrimSuffix(m.path, "/")) + key + "(?:/" + segment + ")*/?" + targetEnd
	default:
		// More than the rule covers, so as never to be less: to be asked about
		// is all that follows.
		p.Expression = "^" + anyMethod + quote(m.prefix) + "(?:[^A-Za-z0-9_-]|$)"
	}
	return p
}

// quote writes everything but the plainest characters by number, which no
// configuration file takes for a sign of its own.
func quote(text string) string {
	var out strings.Builder
	for i := range len(text) {
		if c := text[i]; alphanumeric(c) || c == '/' || c == '-' || c == '_' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, `\x%02x`, c)
		}
	}
	return out.String()
}

func alternatives(names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return "(?:" + strings.Join(quoted, "|") + ")"
}

// Fingerprint tells rules apart: two matchers with one fingerprint judge alike
// and have the same Patterns.
func (m *Matcher) Fingerprint() string {
	sum := sha256.New()
	for _, p := range m.Patterns() {
		fmt.Fprintf(sum, "%v %v %s\n", p.Passes, p.FoldCase, p.Expression)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
