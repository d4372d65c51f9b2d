package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxExcepted is how many paths may be taken out of a profile.
const MaxExcepted = 20

// ErrFloor says that an exception would open the console or its log-in.
var ErrFloor = errors.New("profile: no exception is made for the console itself or its log-in")

// Excepted is a path that the operator has taken out of what a profile
// restricts, with all below it, and the exception's name. Added paths win over
// it.
type Excepted struct{ Path, Name string }

// Floor is what no exception ever opens.
type Floor struct {
	Origin  Origin   `json:"origin"`
	Comment string   `json:"comment"`
	Paths   []string `json:"paths"`
}

func (f Floor) check() error {
	if len(f.Paths) == 0 {
		return nil
	}
	for _, path := range f.Paths {
		if err := checkPath(path); err != nil {
			return err
		}
	}
	return checkOrigin(f.Origin, f.Comment)
}

// entrances are what a segment of a path is called, its extension aside, where
// the console of whatever product lets people in.
func entrances() []string {
	return []string{"admin", "administrator", "console", "login", "logon", "management", "signin"}
}

// CompileExcepted is Compile with exceptions as well. One that CheckExcepted
// refuses opens nothing: it may have been made for another profile. Errors:
// Compile's, ErrTooManyPaths.
func CompileExcepted(name string, added []string, excepted []Excepted) (*Matcher, error) {
	all, err := builtin()
	if err != nil {
		return nil, err
	}
	base, ok := all[name]
	if !ok {
		return nil, fmt.Errorf("%w: %.64q", ErrUnknownProfile, name)
	}
	if len(added) > MaxAdded || len(excepted) > MaxExcepted {
		return nil, fmt.Errorf("%w: %d and %d, at most %d and %d", ErrTooManyPaths, len(added), len(excepted), MaxAdded, MaxExcepted)
	}
	if len(added)+len(excepted) == 0 {
		return base.matcher, nil
	}
	var standing []Excepted
	for _, e := range excepted {
		if base.checkExcepted(e.Path) == nil {
			standing = append(standing, e)
		}
	}
	return base.matcher.with(added, standing)
}

// CheckExcepted tells whether an exception to a profile may be made for a path:
// decoded and normal, of letters, digits and - _ . @ alone, and neither "/", nor
// a restricted rule as a whole, nor anything in or around the profile's floor,
// nor below a segment that is called as an entrance is. Errors:
// ErrUnknownProfile, ErrMalformedPath, ErrFloor.
func CheckExcepted(name, path string) error {
	all, err := builtin()
	if err != nil {
		return err
	}
	base, ok := all[name]
	if !ok {
		return fmt.Errorf("%w: %.64q", ErrUnknownProfile, name)
	}
	return base.checkExcepted(path)
}

func (p Profile) checkExcepted(path string) error {
	if err := checkPath(path); err != nil {
		return err
	}
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for _, segment := range segments {
		if !plain(segment, true) {
			return fmt.Errorf("%w: %q has more than letters, digits and - _ . @", ErrMalformedPath, path)
		}
		if stem, _, _ := strings.Cut(lowerASCII(segment), "."); slices.Contains(entrances(), stem) {
			return fmt.Errorf("%w: %q", ErrFloor, segment)
		}
	}
	mine := newMatch(Rule{Path: path, Kind: KindException})
	if mine.prefix == "" {
		return fmt.Errorf("%w: %q", ErrFloor, path)
	}
	for _, r := range p.Rules {
		if r.Kind == KindRestricted && mine.covers(r.Path) {
			return fmt.Errorf("%w: %q", ErrFloor, r.Path)
		}
	}
	for _, floor := range p.Floor.Paths {
		m := newMatch(Rule{Path: floor, Kind: KindRestricted})
		if m.covers(path) || mine.covers(floor) {
			return fmt.Errorf("%w: %q", ErrFloor, floor)
		}
	}
	return nil
}
