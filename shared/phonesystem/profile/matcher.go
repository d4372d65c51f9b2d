package profile

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// MaxAdded is how many paths may be added to a profile: each costs every
	// judgement a comparison.
	MaxAdded = 200
	// MaxAddedPath is the longest added path in bytes.
	MaxAddedPath = 256
	// maxMethod is the longest method in bytes; the longest registered has 17.
	maxMethod = 32
)

var (
	// ErrMalformedPath says that an added path is not in its normal form. The
	// text says why. Not to be retried.
	ErrMalformedPath = errors.New("profile: malformed path")
	// ErrTooManyPaths says that more than MaxAdded paths were added.
	ErrTooManyPaths = errors.New("profile: too many added paths")
)

// Class is a verdict's outcome. The zero value denies whatever window is open.
type Class uint8

// The classes.
const (
	Ambiguous    Class = iota // denied always: programs disagree on what it means
	Restricted                // denied without an unlock window
	Unrestricted              // allowed
)

// String is the class in lower case.
func (c Class) String() string {
	switch c {
	case Restricted:
		return "restricted"
	case Unrestricted:
		return "unrestricted"
	default:
		return "ambiguous"
	}
}

// Verdict is the judgement of one request.
type Verdict struct {
	Class Class
	// Rule says in words what decided, such as "restricted /xapi/", "added
	// /reports", "static file", "no rule" or "ambiguous: encoded slash".
	Rule string
	// Path is the path that was judged: decoded, in the case it came in, free
	// of control characters. Empty if Ambiguous, since there is no such path.
	Path string
}

// Matcher judges the paths of one phone system. It never changes and may be
// used concurrently. The zero value knows no rule, so it opens nothing.
type Matcher struct {
	rules  []match // the first that covers the path decides
	static *Static
}

// Compile makes the matcher of a profile with further restricted paths, each
// covering all below it and winning over every other rule ("/" is that exact
// path alone). An added path is decoded and normal: "/" first, at most
// MaxAddedPath bytes of printable ASCII, nothing that Judge calls ambiguous.
// Case and order do not matter. Errors: ErrUnknownProfile, ErrMalformedPath,
// ErrTooManyPaths. Safe to call concurrently, and cheap: nothing is parsed.
func Compile(name string, added []string) (*Matcher, error) {
	return CompileExcepted(name, added, nil)
}

// compiled is a profile, ready.
type compiled struct {
	Profile
	matcher *Matcher
}

func compileAll() (map[string]compiled, error) {
	all := make(map[string]compiled)
	for _, name := range Names() {
		p, err := load(name)
		if err != nil {
			return nil, err
		}
		all[name] = compiled{Profile: p, matcher: newMatcher(p)}
	}
	return all, nil
}

// newMatcher puts the rules into the order of judgement.
func newMatcher(p Profile) *Matcher {
	m := &Matcher{static: p.Static}
	for _, kind := range []Kind{KindException, KindRestricted, KindUnrestricted} {
		for _, r := range p.Rules {
			if r.Kind == kind {
				m.rules = append(m.rules, newMatch(r))
			}
		}
	}
	return m
}

// with puts the added paths in front, and the operator's exceptions behind them.
func (m *Matcher) with(added []string, excepted []Excepted) (*Matcher, error) {
	rules := make([]match, 0, len(added)+len(excepted)+len(m.rules))
	for _, path := range added {
		if err := checkPath(path); err != nil {
			return nil, err
		}
		rule := newMatch(Rule{Path: path, Kind: KindRestricted})
		rule.label = "added " + path
		rules = append(rules, rule)
	}
	for _, e := range excepted {
		rule := newMatch(Rule{Path: e.Path, Kind: KindException})
		rule.label = "excepted " + e.Path + " (" + e.Name + ")"
		rules = append(rules, rule)
	}
	return &Matcher{rules: append(rules, m.rules...), static: m.static}, nil
}

// checkPath holds a rule's path to the form that Judge gives to a request's.
func checkPath(path string) error {
	if len(path) > MaxAddedPath {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrMalformedPath, len(path), MaxAddedPath)
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%w: %q does not begin with /", ErrMalformedPath, path)
	}
	for i := range len(path) {
		if path[i] >= 0x80 {
			return fmt.Errorf("%w: %q is not ASCII", ErrMalformedPath, path)
		}
	}
	if d := doubtIn(path); d != "" {
		return fmt.Errorf("%w: %q: %s", ErrMalformedPath, path, d)
	}
	return nil
}

// Judge classifies a request by its method and the path as it stands in the
// request line, undecoded and without a query. It decides on every input,
// never fails, and may be called concurrently. Methods and paths are those of
// RFC 9110 section 9.1 and RFC 3986 section 3.3. An ASCII path without
// escapes costs no allocation.
func (m *Matcher) Judge(method, rawPath string) Verdict {
	if !isMethod(method) {
		return Verdict{Class: Ambiguous, Rule: string(doubtMethod)}
	}
	path, d := normalise(rawPath)
	if d != "" {
		return Verdict{Class: Ambiguous, Rule: string(d)}
	}
	switch method {
	case "CONNECT":
		return Verdict{Class: Ambiguous, Rule: string(doubtTunnel)}
	case "TRACE":
		return Verdict{Restricted, "method TRACE", path}
	}
	if rule := m.first(path); rule != nil {
		return Verdict{rule.class, rule.label, path}
	}
	if m.isStatic(method, path) {
		return Verdict{Unrestricted, "static file", path}
	}
	return Verdict{Restricted, "no rule", path}
}

func (m *Matcher) first(path string) *match {
	for i := range m.rules {
		if m.rules[i].covers(path) {
			return &m.rules[i]
		}
	}
	return nil
}

// isStatic is asked for paths that no rule covers, where nothing is known of
// the origin. So only the plainest names pass: a dotted folder may be a script
// with path information (/x.php/y.js), and some frameworks drop an extension
// (/api.js for /api).
func (m *Matcher) isStatic(method, path string) bool {
	if m.static == nil || method != "GET" && method != "HEAD" {
		return false
	}
	slash := strings.LastIndexByte(path, '/')
	folder, file := path[:slash+1], path[slash+1:]
	stem := strings.IndexByte(file, '.')
	if stem < 1 || !plain(folder, false) || !plain(file, true) || !m.static.lists(file) {
		return false
	}
	rule := m.first(path[:slash+1+stem])
	return rule == nil || rule.class == Unrestricted
}

func (s *Static) lists(file string) bool {
	for _, name := range s.Names {
		if equalFold(file, name) {
			return true
		}
	}
	extension := file[strings.LastIndexByte(file, '.')+1:]
	for _, listed := range s.Extensions {
		if equalFold(extension, listed) {
			return true
		}
	}
	return false
}

// isMethod tells whether s is a token (RFC 9110 section 5.6.2) without lower
// case: methods are case-sensitive, but not every program treats them so.
func isMethod(s string) bool {
	if s == "" || len(s) > maxMethod {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return true
}
