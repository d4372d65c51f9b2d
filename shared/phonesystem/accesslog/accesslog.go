// Package accesslog tells, from a piece of a phone system's own access log,
// which requests its gate would have denied. It guarantees that every line is
// either judged as the gate would judge it without a window or counted as
// unreadable, never guessed at; that nothing of a request's query, where secrets
// travel, is in what was judged; and that the answer is bounded, whatever the
// log.
package accesslog

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portcullis.example/shared/phonesystem/profile"
)

const (
	// Most is how many paths, addresses and user agents are listed; the rest are
	// counted together.
	Most = 100
	// Shown is how many unreadable lines are shown.
	Shown = 5
	// maxText is the most bytes of a path, a user agent or a line that are shown.
	maxText = 300
)

// Report is what would have happened.
type Report struct {
	// Lines that are not empty: each is Allowed, Denied or Unreadable.
	Lines, Allowed, Denied, Unreadable int
	// FirstUnreadable are the first Shown of the unreadable ones.
	FirstUnreadable []Line
	// Served are those of the denied that the phone system answered with success
	// or a redirect: what somebody may miss.
	Served int
	// Paths, Addresses and UserAgents are those of the denied, Most at most, those
	// that were served most first.
	Paths      []Path
	Addresses  []Source
	UserAgents []Source
	// OtherPaths, OtherAddresses and OtherUserAgents are how many of the denied
	// had one that is not listed.
	OtherPaths, OtherAddresses, OtherUserAgents int
}

// Line is one line of the log, by its number, from 1.
type Line struct {
	Number int
	Text   string
}

// Count is how many requests had something in common, and from when to when.
type Count struct {
	Requests, Served int
	First, Last      time.Time
}

// Path is one method and path that would have been denied, and by which rule.
type Path struct {
	Method, Path, Rule string
	Class              profile.Class
	Count
}

// Source is an address or a user agent whose requests would have been denied.
type Source struct {
	Name string
	Count
}

func (c *Count) add(r record) {
	c.Requests++
	if r.served {
		c.Served++
	}
	if c.First.IsZero() || r.at.Before(c.First) {
		c.First = r.at
	}
	if r.at.After(c.Last) {
		c.Last = r.at
	}
}

// tally counts what was denied while a log is read.
type tally struct {
	paths           map[[2]string]*Path
	clients, agents map[string]*Source
}

// Read judges a log in nginx's combined format, or Apache's; a format that goes
// on behind the user agent is read as far as that.
func Read(log string, matcher *profile.Matcher) Report {
	var r Report
	t := tally{paths: map[[2]string]*Path{}, clients: map[string]*Source{}, agents: map[string]*Source{}}
	number := 0
	for line := range strings.Lines(log) {
		number++
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) == "" {
			continue
		}
		r.Lines++
		one, ok := parse(line)
		if !ok {
			r.unreadable(number, line)
			continue
		}
		switch verdict := matcher.Judge(one.method, one.path); verdict.Class {
		case profile.Unrestricted:
			r.Allowed++
		default:
			r.deny(&t, one, verdict)
		}
	}
	r.Paths, r.OtherPaths = top(values(t.paths))
	r.Addresses, r.OtherAddresses = top(values(t.clients))
	r.UserAgents, r.OtherUserAgents = top(values(t.agents))
	return r
}

func (r *Report) unreadable(number int, line string) {
	r.Unreadable++
	if len(r.FirstUnreadable) < Shown {
		r.FirstUnreadable = append(r.FirstUnreadable, Line{Number: number, Text: shown(line)})
	}
}

func (r *Report) deny(t *tally, one record, v profile.Verdict) {
	r.Denied++
	if one.served {
		r.Served++
	}
	key := [2]string{one.method, one.path}
	if t.paths[key] == nil {
		t.paths[key] = &Path{Method: shown(one.method), Path: shown(one.path), Rule: v.Rule, Class: v.Class}
	}
	t.paths[key].add(one)
	addTo(t.clients, one.client, one)
	addTo(t.agents, one.agent, one)
}

func addTo(all map[string]*Source, name string, one record) {
	if all[name] == nil {
		all[name] = &Source{Name: shown(name)}
	}
	all[name].add(one)
}

// shown keeps what is answered short, and text.
func shown(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= maxText {
		return text
	}
	cut := maxText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// listed is what a list is made of.
type listed interface{ rank() (Count, string) }

func (p Path) rank() (Count, string)   { return p.Count, p.Path + " " + p.Method }
func (s Source) rank() (Count, string) { return s.Count, s.Name }

func values[K comparable, T any](all map[K]*T) []T {
	list := make([]T, 0, len(all))
	for _, one := range all {
		list = append(list, *one)
	}
	return list
}

// top answers those that the phone system served most, then the most frequent,
// and how many requests the others had.
func top[T listed](all []T) (list []T, others int) {
	slices.SortFunc(all, func(a, b T) int {
		x, name := a.rank()
		y, other := b.rank()
		return cmp.Or(y.Served-x.Served, y.Requests-x.Requests, strings.Compare(name, other))
	})
	for len(all) > Most {
		last, _ := all[len(all)-1].rank()
		others += last.Requests
		all = all[:len(all)-1]
	}
	return all, others
}
