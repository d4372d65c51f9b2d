package gatekeeper

import (
	"context"
	"strconv"
	"sync"
	"time"

	"portcullis.example/shared/audit"
)

// WatchFor is how long a source that was told of is not told of again.
const WatchFor = 5 * time.Minute

// maxSources bounds the memory of a watch; further sources count together, by
// phone system.
const maxSources = 1000

const others = "others"

type source struct{ system, network string }

type spell struct {
	told    time.Time
	further int // denials since
}

// watch keeps a flood of denials from being a flood of writes.
type watch struct {
	mu      sync.Mutex
	spells  map[source]*spell
	sources int
	// fullUntil is before when no source can be forgotten.
	fullUntil time.Time
}

func newWatch() *watch { return &watch{spells: map[source]*spell{}} }

// note counts a denial, and answers whether to tell of it, under which name,
// and how many went untold since the last time.
func (w *watch) note(s source, now time.Time) (tell bool, as source, untold int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spells[s] == nil && w.sources >= maxSources {
		w.forget(now)
	}
	if w.spells[s] == nil && w.sources >= maxSources {
		s.network = others
	}
	known := w.spells[s]
	if known == nil {
		w.spells[s] = &spell{told: now}
		if s.network != others {
			w.sources++
		}
		return true, s, 0
	}
	if now.Sub(known.told) < WatchFor {
		known.further++
		return false, s, 0
	}
	untold = known.further
	*known = spell{told: now}
	return true, s, untold
}

// tellAgain is when a denial that could not be told is told with the next one:
// soon, but not with every one of a flood.
const tellAgain = 10 * time.Second

// untold takes back that a source was told of.
func (w *watch) untold(s source, denials int, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.spells[s]; known != nil {
		known.told = now.Add(tellAgain - WatchFor)
		known.further += denials
	}
}

// forget drops the sources whose spell is over. It remembers when the next one
// will be: a flood from ever new sources does not walk through all of them each
// time.
func (w *watch) forget(now time.Time) {
	if now.Before(w.fullUntil) {
		return
	}
	w.fullUntil = now.Add(WatchFor)
	for s, known := range w.spells {
		switch ends := known.told.Add(WatchFor); {
		case s.network == others:
		case !now.Before(ends):
			delete(w.spells, s)
			w.sources--
		case ends.Before(w.fullUntil):
			w.fullUntil = ends
		}
	}
}

// noteDenial writes the bad attempt, if it is to be told. That it can't be
// written changes nothing about the denial.
func (k *Keeper) noteDenial(ctx context.Context, q question, d Decision) {
	tell, as, untold := k.watch.note(source{system: d.System.ID, network: q.target.network()}, q.now)
	if !tell {
		return
	}
	entry := audit.Entry{Action: audit.GateBadAttempt, Actor: "gate", Subject: d.System.ID, PartnerID: d.System.PartnerID, Outcome: audit.Failure}
	if as.network != others {
		entry = entry.From(q.target.client)
	}
	entry = entry.On(d.System.ID).With("reason", string(d.Reason)).With("from", as.network).With("path", shortened(q.target.path))
	if untold > 0 {
		entry = entry.With("further_attempts_before", strconv.Itoa(untold))
	}
	if err := k.journal.Commit(ctx, nil, entry); err != nil {
		k.watch.untold(as, untold+1, q.now)
		k.log.WarnContext(ctx, "a bad attempt could not be recorded", "phone_system", d.System.ID, "error", err)
	}
}

// shortened keeps entries small; the query, where secrets travel, is not there.
func shortened(path string) string { return path[:min(len(path), 200)] }
