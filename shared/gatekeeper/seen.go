package gatekeeper

import (
	"net/netip"
	"sync"
	"time"

	"portcullis.example/shared/attempt"
)

// sightings remember what each gate asked since they were last written, in one
// go: no decision writes them, and an allowed one writes nothing at all.
type sightings struct {
	mu   sync.Mutex
	last map[string]*sighting
	// met are the gates that have ever asked here, as many as fit; news are those
	// of them that nothing has been taken of yet.
	met  map[string]bool
	news []string
	// sources is how many the sightings hold, all together.
	sources int
}

// sighting is what one gate asked since the last Flush.
type sighting struct {
	partner         string
	at              time.Time
	allowed, denied int64
	// fingerprint is of the phone system's rules as they were last met; currentAt
	// is when a gate first said that its file was made from these, otherAt when
	// one last said that its was not.
	fingerprint        string
	currentAt, otherAt time.Time
	sources            map[string]*Source
}

// sight is one question of a gate.
type sight struct {
	at     time.Time
	config []string // Portcullis-Config
	// decided questions are counted: allow tells how, and of what is denied client
	// is whose it was.
	decided, allow bool
	client         netip.Addr
}

func newSightings() *sightings {
	return &sightings{last: map[string]*sighting{}, met: map[string]bool{}}
}

func (s *sightings) note(system *acquaintance, what sight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.last[system.ID]
	if seen == nil {
		if len(s.last) >= maxKnown {
			return
		}
		seen = &sighting{partner: system.PartnerID}
		s.last[system.ID] = seen
		if !s.met[system.ID] && len(s.met) < maxKnown {
			s.met[system.ID], s.news = true, append(s.news, system.ID)
		}
	}
	now := what.at.UTC().Truncate(time.Second)
	seen.at = now
	if len(what.config) > 0 {
		seen.says(system.fingerprint(), what.config, now)
	}
	switch {
	case !what.decided:
	case what.allow:
		seen.allowed++
	default:
		seen.denied++
		s.noteSource(seen, attempt.Network(what.client), now)
	}
}

// says notes what a gate's file was made from. Only one header with the present
// fingerprint is the present file's: a doubled or a malformed one comes from a
// file that is none of ours, which lets clients say it.
func (seen *sighting) says(fingerprint string, config []string, now time.Time) {
	if seen.fingerprint != fingerprint { // the rules were changed
		seen.fingerprint, seen.currentAt, seen.otherAt = fingerprint, time.Time{}, time.Time{}
	}
	switch current := len(config) == 1 && config[0] == fingerprint; {
	case !current:
		seen.otherAt = now
	case seen.currentAt.IsZero():
		seen.currentAt = now
	}
}

// noteSource counts a denial by its source; beyond maxSources they count as
// others, whose name is none.
func (s *sightings) noteSource(seen *sighting, network string, now time.Time) {
	source := seen.sources[network]
	if source == nil && s.sources >= maxSources {
		network = others
		source = seen.sources[network]
	}
	if source == nil {
		if seen.sources == nil {
			seen.sources = map[string]*Source{}
		}
		source = &Source{From: network, FirstAt: now}
		seen.sources[network] = source
		s.sources++
	}
	source.Attempts++
	source.LastAt = now
}

func (s *sightings) take() map[string]*sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.last
	s.last, s.sources, s.news = map[string]*sighting{}, 0, nil
	return taken
}

// takeNews takes what those gates asked that had never asked here before.
func (s *sightings) takeNews() map[string]*sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := map[string]*sighting{}
	for _, system := range s.news {
		taken[system] = s.last[system]
		s.sources -= len(taken[system].sources)
		delete(s.last, system)
	}
	s.news = nil
	return taken
}

// back takes in again what could not be written. Where the gate has asked since,
// its counts are added up.
func (s *sightings) back(system string, unwritten *sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.last[system]
	if seen == nil {
		if len(s.last) < maxKnown {
			s.last[system] = unwritten
			s.sources += len(unwritten.sources)
		}
		return
	}
	seen.allowed += unwritten.allowed
	seen.denied += unwritten.denied
	for network, source := range unwritten.sources {
		if known := seen.sources[network]; known != nil {
			known.Attempts += source.Attempts
			known.FirstAt = source.FirstAt
		} else if s.sources < maxSources {
			if seen.sources == nil {
				seen.sources = map[string]*Source{}
			}
			seen.sources[network] = source
			s.sources++
		}
	}
}
