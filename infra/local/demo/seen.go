package demo

import (
	"net/http"
	"slices"
	"strings"
	"sync"
)

// maxSeen bounds what the stand-in remembers of requests.
const maxSeen = 1000

// Seen is one request as it reached the phone system. It holds names and
// presence only where values are secret.
type Seen struct {
	Method string
	// Path is as sent, undecoded, without the query.
	Path string
	// Authorization tells whether there was an Authorization header.
	Authorization bool
	// RemoteUser and RemoteEmail are who the gate says it is.
	RemoteUser, RemoteEmail string
	// Headers and Cookies are names, sorted, doubled where they came twice.
	Headers, Cookies []string
	// ClientAddr is the address the gate gave in X-Forwarded-For.
	ClientAddr string
}

// Seen answers the latest 1000 requests that reached the phone system, oldest
// first.
func (p *PhoneSystem) Seen() []Seen { return p.seen.list() }

// Count answers how many requests ever reached the phone system.
func (p *PhoneSystem) Count() int { return p.seen.count() }

type sightings struct {
	mu     sync.Mutex
	latest []Seen
	total  int
}

func (s *sightings) note(r *http.Request) {
	entry := sight(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latest) == maxSeen {
		s.latest = slices.Delete(s.latest, 0, 1)
	}
	s.latest = append(s.latest, entry)
	s.total++
}

func (s *sightings) list() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.latest)
}

func (s *sightings) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func sight(r *http.Request) Seen {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	entry := Seen{
		Method: r.Method, Path: path,
		Authorization: len(r.Header.Values("Authorization")) > 0,
		RemoteUser:    r.Header.Get("Remote-User"),
		RemoteEmail:   r.Header.Get("Remote-Email"),
		ClientAddr:    r.Header.Get("X-Forwarded-For"),
	}
	for name, values := range r.Header {
		entry.Headers = append(entry.Headers, slices.Repeat([]string{name}, len(values))...)
	}
	for _, cookie := range r.Cookies() {
		entry.Cookies = append(entry.Cookies, cookie.Name)
	}
	slices.Sort(entry.Headers)
	slices.Sort(entry.Cookies)
	return entry
}
