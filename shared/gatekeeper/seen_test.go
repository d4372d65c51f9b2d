package gatekeeper

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"portcullis.example/shared/phonesystem"
)

func met(id string) *acquaintance {
	return &acquaintance{PhoneSystem: phonesystem.PhoneSystem{ID: id, PartnerID: "P"}, fingerprint: func() string { return "now" }}
}

func denied(from int, at time.Time) sight {
	return sight{at: at, decided: true, client: netip.AddrFrom4([4]byte{10, 0, byte(from >> 8), byte(from)})}
}

// What gates asked is remembered for as many as fit; those go on being seen.
func TestSightingsAreBounded(t *testing.T) {
	s, first, later := newSightings(), time.Unix(1_800_000_000, 0).UTC(), time.Unix(1_800_000_060, 0).UTC()
	for i := range maxKnown + 100 {
		s.note(met(fmt.Sprint(i)), sight{at: first, decided: true, allow: true})
	}
	s.note(met("0"), sight{at: later})
	taken := s.take()
	if got := taken["0"]; len(taken) != maxKnown || got.partner != "P" || got.at != later || got.allowed != 1 {
		t.Errorf("%d taken, the first %+v", len(taken), got)
	}
	if len(s.take()) != 0 {
		t.Error("what was taken is still there")
	}
}

// What a gate asks first is news once, and nothing of it is counted twice.
func TestNewsAreTakenOnce(t *testing.T) {
	s, at := newSightings(), time.Unix(1_800_000_000, 0).UTC()
	s.note(met("old"), denied(1, at))
	s.take()
	s.note(met("old"), denied(1, at))
	for range 2 {
		s.note(met("new"), denied(2, at))
	}
	news := s.takeNews()
	if len(news) != 1 || news["new"].denied != 2 || s.sources != 1 {
		t.Errorf("%v, %d sources left", news, s.sources)
	}
	s.note(met("new"), denied(2, at))
	if again := s.takeNews(); len(again) != 0 {
		t.Errorf("news again: %v", again)
	}
	if rest := s.take(); len(rest) != 2 || rest["new"].denied != 1 || rest["old"].denied != 1 {
		t.Errorf("the rest: %v", rest)
	}
}

// A flood of sources takes no more memory than maxSources, and none goes
// uncounted.
func TestAttack47SourcesAreBounded(t *testing.T) {
	s, at := newSightings(), time.Unix(1_800_000_000, 0).UTC()
	for i := range 10 * maxSources {
		s.note(met(fmt.Sprint(i%7)), denied(i, at))
	}
	held, counted := 0, int64(0)
	taken := s.take()
	for _, seen := range taken {
		held += len(seen.sources)
		for _, source := range seen.sources {
			counted += source.Attempts
		}
	}
	if held > maxSources+7 || counted != 10*maxSources {
		t.Errorf("%d sources are held, %d attempts counted", held, counted)
	}
	var r Report
	for range 3 {
		r.merge(taken["0"])
	}
	listed := r.OtherAttempts
	for _, source := range r.Sources {
		listed += source.Attempts
	}
	if len(r.Sources) != keptSources || listed != r.Denied {
		t.Errorf("%d listed, %d attempts of %d", len(r.Sources), listed, r.Denied)
	}
}

// What could not be written is written with what came after it.
func TestSightingsComeBack(t *testing.T) {
	s, first, later := newSightings(), time.Unix(1_800_000_000, 0).UTC(), time.Unix(1_800_000_060, 0).UTC()
	s.note(met("0"), denied(1, first))
	taken := s.take()
	s.back("0", taken["0"])
	taken = s.take()
	s.note(met("0"), denied(1, later))
	s.note(met("0"), denied(2, later))
	s.back("0", taken["0"])
	got := s.take()["0"]
	if got.denied != 3 || got.at != later || *got.sources["10.0.0.1"] != (Source{"10.0.0.1", 2, first, later}) || got.sources["10.0.0.2"].Attempts != 1 {
		t.Errorf("%+v", got)
	}
}

// A file is stale where a gate says another fingerprint than the rules', and two
// gates with different files do not make it flicker.
func TestConfigNow(t *testing.T) {
	start := time.Unix(1_800_000_000, 0).UTC()
	type step struct {
		at     time.Duration
		config []string
		want   Config
	}
	for name, steps := range map[string][]step{
		"says nothing":    {{0, nil, ConfigUnknown}, {time.Hour, nil, ConfigUnknown}},
		"is current":      {{0, []string{"now"}, ConfigCurrent}, {time.Hour, nil, ConfigCurrent}},
		"is old":          {{0, []string{"old"}, ConfigStale}, {100 * time.Hour, nil, ConfigStale}},
		"empty":           {{0, []string{""}, ConfigStale}},
		"doubled":         {{0, []string{"now", "now"}, ConfigStale}},
		"joined":          {{0, []string{"now,now"}, ConfigStale}},
		"is renewed":      {{0, []string{"old"}, ConfigStale}, {time.Hour, []string{"now"}, ConfigCurrent}},
		"is reloaded":     {{0, []string{"old"}, ConfigStale}, {time.Hour, []string{"now"}, ConfigCurrent}, {time.Hour + reloading, []string{"old"}, ConfigCurrent}},
		"an old one back": {{0, []string{"now"}, ConfigCurrent}, {time.Hour, []string{"old"}, ConfigStale}},
		"two gates": {
			{0, []string{"now"}, ConfigCurrent}, {time.Hour, []string{"old"}, ConfigStale}, {2 * time.Hour, []string{"now"}, ConfigStale},
			{3 * time.Hour, []string{"old"}, ConfigStale}, {3*time.Hour + staleFor - time.Second, []string{"now"}, ConfigStale}, {3*time.Hour + staleFor, []string{"now"}, ConfigCurrent},
		},
	} {
		s, r := newSightings(), Report{}
		for i, step := range steps {
			at := start.Add(step.at)
			s.note(met("0"), sight{at: at, config: step.config})
			r.merge(s.take()["0"])
			if got := r.ConfigNow("now", at); got != step.want {
				t.Errorf("%s, step %d: %d, want %d", name, i, got, step.want)
			}
		}
		if got := r.ConfigNow("changed", start); name != "says nothing" && got != ConfigStale {
			t.Errorf("%s, and the rules are changed: %d", name, got)
		}
	}
}

// What an instance heard before the rules were changed does not undo what
// another one has heard since.
func TestReportOfAnEarlierInstance(t *testing.T) {
	start := time.Unix(1_800_000_000, 0).UTC()
	r := Report{}
	r.merge(&sighting{at: start, fingerprint: "new", otherAt: start})
	r.merge(&sighting{at: start, fingerprint: "old", currentAt: start.Add(-time.Second)})
	if r.Fingerprint != "new" || r.ConfigNow("new", start) != ConfigStale {
		t.Errorf("%+v", r)
	}
}
