// Package profile tells which paths of a phone system's web server are
// restricted (the admin console) and which are not (extension users). It
// guarantees:
//
//   - one path is judged: decoded once, normalised, by whole segments, without
//     regard to ASCII case;
//   - what no rule knows is Restricted; what another program might read as
//     another path is Ambiguous, and both deny without an unlock window;
//   - added paths only ever restrict: no Restricted or Ambiguous verdict
//     becomes Unrestricted by them.
//
// Profiles are data: one embedded JSON file for each product, which says of
// every rule where it comes from.
package profile

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ErrUnknownProfile says that Names does not hold the name. Not to be retried.
var ErrUnknownProfile = errors.New("profile: unknown profile")

// Kind is what a rule does with the paths it covers.
type Kind string

// The kinds of rules, in the order of judgement.
const (
	KindException    Kind = "exception"    // unrestricted, inside a restricted rule
	KindRestricted   Kind = "restricted"   // admin console
	KindUnrestricted Kind = "unrestricted" // extension users
)

// Origin is how sure a rule is.
type Origin string

// The origins, surest first.
const (
	OriginSeen       Origin = "seen"       // in a vendor's or community source
	OriginInferred   Origin = "inferred"   // follows from what was seen
	OriginRemembered Origin = "remembered" // common knowledge, no source at hand
)

// Profile is what is known of one product.
type Profile struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Rules []Rule `json:"rules"`
	// Ports are where the product's own web server listens, beside any gate.
	Ports Ports `json:"ports"`
	// Floor is what no exception ever opens, beside the restricted rules as a whole.
	Floor Floor `json:"floor,omitzero"`
	// Static opens files of listed kinds outside restricted rules; nil: none.
	Static *Static `json:"static,omitempty"`
}

// Rule covers a path and all below it; "/" covers that exact path alone.
type Rule struct {
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	// Keyed lets an exception's last segment carry an OData key: MyUser(…).
	Keyed   bool   `json:"keyed,omitempty"`
	Origin  Origin `json:"origin"`
	Comment string `json:"comment"`
}

// Ports are a product's own; most likely first.
type Ports struct {
	Origin  Origin `json:"origin"`
	Comment string `json:"comment"`
	Numbers []int  `json:"numbers"`
}

// maxPorts keeps looking at them polite.
const maxPorts = 8

func (p Ports) check() error {
	if len(p.Numbers) == 0 || len(p.Numbers) > maxPorts || slices.Min(p.Numbers) < 1 || slices.Max(p.Numbers) > 65535 {
		return fmt.Errorf("ports: %v", p.Numbers)
	}
	return checkOrigin(p.Origin, p.Comment)
}

// Static opens GET and HEAD of files by extension (without the dot) or by
// whole name, both in lower case. It is judged last.
type Static struct {
	Origin     Origin   `json:"origin"`
	Comment    string   `json:"comment"`
	Extensions []string `json:"extensions"`
	Names      []string `json:"names"`
}

//go:embed data/*.json
var files embed.FS

// builtin holds every profile compiled without added paths; read only.
var builtin = sync.OnceValues(compileAll)

// Names lists the profiles in the order to show them.
func Names() []string {
	return []string{"3cx-v20", "3cx-v18", "freepbx", "yeastar", "custom"}
}

// Describe returns a profile's rules with their origins, for people to read;
// the caller owns the answer. It answers ErrUnknownProfile for a name that is
// not in Names. Safe to call concurrently.
func Describe(name string) (Profile, error) {
	for _, known := range Names() {
		if name == known {
			return load(name)
		}
	}
	return Profile{}, fmt.Errorf("%w: %.64q", ErrUnknownProfile, name)
}

func load(name string) (Profile, error) {
	data, err := files.ReadFile("data/" + name + ".json")
	if err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	p, err := parse(data)
	if err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	if p.Name != name {
		return Profile{}, fmt.Errorf("profile %s: the file says %q", name, p.Name)
	}
	return p, nil
}

// parse is strict, since a misspelt field in a data file would drop a rule.
func parse(data []byte) (Profile, error) {
	var p Profile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&p); err != nil {
		return Profile{}, err
	}
	if p.Title == "" || len(p.Rules) == 0 {
		return Profile{}, errors.New("no title or no rules")
	}
	for _, r := range p.Rules {
		if err := p.checkRule(r); err != nil {
			return Profile{}, fmt.Errorf("rule %q: %w", r.Path, err)
		}
	}
	if err := p.Ports.check(); err != nil {
		return Profile{}, err
	}
	if err := p.Floor.check(); err != nil {
		return Profile{}, err
	}
	if p.Static != nil {
		return p, p.Static.check()
	}
	return p, nil
}

func (p Profile) checkRule(r Rule) error {
	if err := checkPath(r.Path); err != nil {
		return err
	}
	if err := checkOrigin(r.Origin, r.Comment); err != nil {
		return err
	}
	switch r.Kind {
	case KindRestricted, KindException, KindUnrestricted:
	default:
		return fmt.Errorf("unknown kind %q", r.Kind)
	}
	if r.Keyed && r.Kind != KindException {
		return errors.New("only an exception is keyed")
	}
	// Otherwise the file says one thing and the order of judgement another.
	if (r.Kind == KindException) != p.insideRestricted(r) {
		return errors.New("exceptions, and they alone, stand inside a restricted rule")
	}
	return nil
}

// insideRestricted tells whether another rule, a restricted one, covers r.
func (p Profile) insideRestricted(r Rule) bool {
	for _, other := range p.Rules {
		m := newMatch(other)
		if other.Kind == KindRestricted && other.Path != r.Path && m.covers(r.Path) {
			return true
		}
	}
	return false
}

func (s Static) check() error {
	for _, name := range append(append([]string{}, s.Extensions...), s.Names...) {
		if name == "" || name != strings.ToLower(name) || name[0] == '.' || !plain(name, true) {
			return fmt.Errorf("static: %q is no plain lower-case name", name)
		}
	}
	return checkOrigin(s.Origin, s.Comment)
}

func checkOrigin(o Origin, comment string) error {
	switch o {
	case OriginSeen, OriginInferred, OriginRemembered:
	default:
		return fmt.Errorf("unknown origin %q", o)
	}
	if comment == "" {
		return errors.New("no comment")
	}
	return nil
}
