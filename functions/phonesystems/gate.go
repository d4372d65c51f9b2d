package phonesystems

import (
	"time"

	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/phonesystem"
)

// gateView is what is known of a phone system's gate.
type gateView struct {
	LastSeenAt  *time.Time    `json:"last_seen_at" doc:"null: never"`
	ConfigStale *bool         `json:"config_stale" doc:"whether its file was made from other rules than the present ones; null: it has not said"`
	SilentSince *time.Time    `json:"silent_since" doc:"when it was told to be silent; null: it is not"`
	Config      string        `json:"config" doc:"the fingerprint of the rules as they are, which a file made now carries"`
	Decisions   *decisionView `json:"decisions" doc:"null: it has not asked"`
	// BadAttempts are shown of one phone system, to who may see the audit.
	BadAttempts      []attemptView `json:"bad_attempts,omitzero" nullable:"false" doc:"the sources denied last, at most 20; not in lists; for view_audit alone"`
	OtherBadAttempts *int64        `json:"other_bad_attempts,omitempty" doc:"denied requests of sources that are not listed"`
}

type decisionView struct {
	Allowed int64     `json:"allowed"`
	Denied  int64     `json:"denied"`
	Since   time.Time `json:"since"`
}

type attemptView struct {
	From     string    `json:"from" doc:"an IPv4 address, or the /64 of an IPv6 address"`
	Attempts int64     `json:"attempts"`
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
}

func (f Function) gateOf(p phonesystem.PhoneSystem, r gatekeeper.Report) (gateView, error) {
	matcher, err := p.Matcher()
	if err != nil {
		return gateView{}, err
	}
	v := gateView{Config: matcher.Fingerprint()}
	if r.LastSeenAt.IsZero() {
		return v, nil
	}
	v.LastSeenAt, v.Decisions = &r.LastSeenAt, &decisionView{Allowed: r.Allowed, Denied: r.Denied, Since: r.Since}
	if !r.SilentAt.IsZero() {
		v.SilentSince = &r.SilentAt
	}
	if config := r.ConfigNow(v.Config, f.Registry.Journal.Second()); config != gatekeeper.ConfigUnknown {
		stale := config == gatekeeper.ConfigStale
		v.ConfigStale = &stale
	}
	return v, nil
}

func (v *gateView) showSources(r gatekeeper.Report) {
	if v.LastSeenAt == nil {
		return
	}
	v.OtherBadAttempts = &r.OtherAttempts
	v.BadAttempts = []attemptView{}
	for _, s := range r.Sources {
		v.BadAttempts = append(v.BadAttempts, attemptView(s))
	}
}
