package gatekeeper

import (
	"fmt"
	"testing"
	"time"

	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
)

// A watch holds maxSources sources and one more for each phone system, whoever
// comes and however long it goes on.
func TestAttack47WatchIsBounded(t *testing.T) {
	w, now, told := newWatch(), time.Unix(1_800_000_000, 0), 0
	const systems = 3
	for i := range 10 * maxSources {
		if i%2500 == 0 {
			now = now.Add(WatchFor / 2)
		}
		if tell, _, _ := w.note(source{system: fmt.Sprint(i % systems), network: fmt.Sprint(i)}, now); tell {
			told++
		}
		if len(w.spells) > maxSources+systems || w.sources > maxSources || w.sources < 0 {
			t.Fatalf("after %d: %d spells, %d sources", i, len(w.spells), w.sources)
		}
	}
	if most := 2*maxSources + 2*systems; told != most {
		t.Errorf("told %d times, want %d", told, most)
	}
}

// How many the others were is told with the next of them, whatever was forgotten
// in between.
func TestAttack47OthersAreCounted(t *testing.T) {
	w, now := newWatch(), time.Unix(1_800_000_000, 0)
	flood := func(from, to int) (told map[string][]int) {
		told = map[string][]int{}
		for i := from; i < to; i++ {
			if tell, as, untold := w.note(source{system: "S", network: fmt.Sprint(i)}, now); tell && as.network == others {
				told[as.network] = append(told[as.network], untold)
			}
		}
		return told
	}
	if told := flood(0, 2*maxSources); len(told[others]) != 1 || told[others][0] != 0 {
		t.Errorf("at first: %v", told)
	}
	now = now.Add(WatchFor)
	if told := flood(2*maxSources, 4*maxSources); len(told[others]) != 1 || told[others][0] != maxSources-1 {
		t.Errorf("5 minutes later: %v", told)
	}
}

// As long as there is room nothing is forgotten, so that every denial is told of
// some time.
func TestWatchWithRoomForgetsNothing(t *testing.T) {
	w, now := newWatch(), time.Unix(1_800_000_000, 0)
	first, second := source{system: "S", network: "first"}, source{system: "S", network: "second"}
	for range 4 {
		w.note(first, now)
	}
	now = now.Add(2 * WatchFor)
	w.note(second, now)
	if tell, _, untold := w.note(first, now); !tell || untold != 3 {
		t.Errorf("told %t, of %d more", tell, untold)
	}
}

// What could not be told is told soon, together with what came in between.
func TestUntoldDenialsAreToldTogether(t *testing.T) {
	w, now, s := newWatch(), time.Unix(1_800_000_000, 0), source{system: "S", network: "N"}
	w.note(s, now)
	w.note(s, now)
	w.untold(s, 1, now)
	if tell, _, _ := w.note(s, now.Add(tellAgain-time.Second)); tell {
		t.Error("told too soon")
	}
	if tell, _, untold := w.note(s, now.Add(tellAgain)); !tell || untold != 3 {
		t.Errorf("told %t, of %d more", tell, untold)
	}
	w.untold(source{system: "S", network: "forgotten"}, 1, now)
	if len(w.spells) != 1 {
		t.Errorf("%d spells", len(w.spells))
	}
}

// A full watch has room again at the very second that the oldest spell is over.
func TestFullWatchHasRoomWhenTheOldestSpellIsOver(t *testing.T) {
	w, start := newWatch(), time.Unix(1_800_000_000, 0)
	name := func(i int) source { return source{system: "S", network: fmt.Sprint(i)} }
	w.note(name(0), start)
	for i := 1; i < maxSources; i++ {
		w.note(name(i), start.Add(time.Minute))
	}
	note := func(i int, at time.Duration) string {
		_, as, _ := w.note(name(i), start.Add(at))
		return as.network
	}
	for _, c := range []struct {
		source int
		at     time.Duration
		want   string
	}{
		{2000, time.Minute, others},
		{2001, WatchFor - time.Second, others},
		{2002, WatchFor, "2002"},
		{2003, WatchFor, others},
		{2004, WatchFor + time.Minute - time.Second, others},
		{2005, WatchFor + time.Minute, "2005"},
		{2006, WatchFor + time.Minute, "2006"},
	} {
		if got := note(c.source, c.at); got != c.want {
			t.Errorf("%d at %s: as %s, want %s", c.source, c.at, got, c.want)
		}
	}
}

// Phone systems that were met are remembered by revision, for as many as fit.
func TestAcquaintancesAreBounded(t *testing.T) {
	known := newRemembered(decodeSystem)
	item := func(i int, rev table.Rev, name string) table.Item {
		item, err := table.Encode(phonesystem.Key(fmt.Sprint(i)), "phonesystem", phonesystem.PhoneSystem{Profile: "custom", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		item.Rev = rev
		return item
	}
	for i := range 2*maxKnown + 1 {
		met, err := known.of(item(i, 1, "first"))
		if err != nil || met.Name != "first" || len(known.byKey) > maxKnown {
			t.Fatalf("%d: %v, %d known", i, err, len(known.byKey))
		}
	}
	last := 2 * maxKnown
	if again, err := known.of(item(last, 1, "not read")); err != nil || again.Name != "first" {
		t.Errorf("%v %v", again, err)
	}
	if earlier, err := known.of(item(last-1, 1, "not read")); err != nil || earlier.Name != "not read" {
		t.Errorf("a memory that was cleared: %v %v", earlier, err)
	}
	if both, err := known.of(item(last, 1, "not read")); err != nil || both.Name != "first" {
		t.Errorf("a memory beside another: %v %v", both, err)
	}
	if changed, err := known.of(item(last, 2, "second")); err != nil || changed.Name != "second" {
		t.Errorf("%v %v", changed, err)
	}
	broken := item(last, 3, "x")
	broken.Body = []byte("{")
	if _, err := known.of(broken); err == nil {
		t.Error("a record that can't be read was met")
	}
	strange := item(last, 4, "x")
	strange.Body = []byte(`{"profile":"of tomorrow"}`)
	if _, err := known.of(strange); err == nil {
		t.Error("a profile that is unknown was met")
	}
}
