// Package gatekeeper answers the gates: may this request pass? It guarantees
// that doubt denies (an unreadable header, an unknown path, a store that does
// not answer), that every decision rests on a strongly consistent read and is
// judged anew from phone system, lease, user and role, that allowing writes
// nothing, and that denying writes at most once per instance, source and
// WatchFor, in bounded memory.
package gatekeeper

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/audit"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/phonesystem/profile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

// ErrUnknownKey says that no phone system has this gate key (any more).
var ErrUnknownKey = errors.New("this gate key is unknown or revoked")

// Reason says why a request is allowed or denied, as API.md names it.
type Reason string

// The reasons.
const (
	Unrestricted Reason = "unrestricted"
	OpenWindow   Reason = "open_window"

	Locked       Reason = "locked"        // nobody has a window open
	NoPass       Reason = "no_pass"       // somebody has, but not this browser
	WrongAddress Reason = "wrong_address" // a window is bound to another source
	Expired      Reason = "expired"       // the window of this browser is over
	Revoked      Reason = "revoked"       // what granted it is gone
	WrongHost    Reason = "wrong_host"    // not this phone system's
	Ambiguous    Reason = "ambiguous"     // can mean more than one thing
)

// Denial reads a reason to deny; what is none is Locked.
func Denial(text string) Reason {
	switch r := Reason(text); r {
	case NoPass, WrongAddress, Expired, Revoked, WrongHost, Ambiguous:
		return r
	}
	return Locked
}

// answerWithin is how long an answer may take before it is a denial, unless
// Options say otherwise: a proxy waits for 2 s.
const answerWithin = 1500 * time.Millisecond

// Decision is the answer to a gate.
type Decision struct {
	Allow  bool
	Reason Reason
	// Expires is when the window ends; zero without one.
	Expires time.Time
	// UserID and Email are whose window it is; empty where unknown.
	UserID, Email string
	// CacheSeconds is how long the answer may be kept.
	CacheSeconds int64
	System       phonesystem.PhoneSystem
}

// Keeper is the service of this package; make one with New. Safe for concurrent
// use.
type Keeper struct {
	journal  *audit.Journal
	random   io.Reader
	log      *slog.Logger
	baseURL  string
	restored time.Time
	within   time.Duration
	systems  *remembered[acquaintance]
	leases   *remembered[unlock.Lease]
	users    *remembered[account.User]
	roles    *remembered[access.Role]
	watch    *watch
	seen     *sightings
}

// Options are what a Keeper needs.
type Options struct {
	Journal *audit.Journal
	Random  io.Reader
	Log     *slog.Logger
	// BaseURL is the control portal's, whose origin may hand passes over.
	BaseURL string
	// RestoredAt is when the store was last restored from a backup; zero: never.
	// Windows and tickets from before may have been closed or spent since.
	RestoredAt time.Time
	// Within is how long an answer may take before it is a denial; zero: a second
	// and a half.
	Within time.Duration
}

// New makes a Keeper.
func New(o Options) *Keeper {
	return &Keeper{
		journal: o.Journal, random: o.Random, log: o.Log, baseURL: o.BaseURL, restored: o.RestoredAt, within: cmp.Or(o.Within, answerWithin),
		systems: newRemembered(decodeSystem), leases: newRemembered(decodeLease), users: newRemembered(decodeUser), roles: newRemembered(decodeRole),
		watch: newWatch(), seen: newSightings(),
	}
}

// Decide answers whether a request may pass. Errors: ErrUnknownKey; anything
// else means that the store did not answer, and denies as well.
func (k *Keeper) Decide(outer context.Context, req Request) (Decision, error) {
	ctx := within(outer, k.within)
	defer ctx.release()
	id, hash, ok := readKey(req.Authorization)
	if !ok {
		return Decision{}, ErrUnknownKey
	}
	q := question{}
	q.target, q.readable = req.readTarget()
	var sure bool
	q.pass, q.hasPass, sure = readPass(req.Cookie, q.target.scheme)
	q.readable = q.readable && sure
	key := phonesystem.Key(id)
	q.expect(k.systems.last(key))
	items, err := k.journal.Table.GetAll(ctx, q.keys(key, id)...)
	if err != nil {
		return Decision{}, err
	}
	q.now = k.journal.Now() // after the read, which may have taken its time
	if !items[0].Exists() {
		return Decision{}, ErrUnknownKey
	}
	system, err := k.systems.of(items[0])
	if err != nil {
		return Decision{}, err
	}
	if !system.Authenticates(hash, q.now) {
		return Decision{}, ErrUnknownKey
	}
	d, err := k.judge(ctx, &q, system, items)
	k.seen.note(system, sight{at: q.now, config: req.Config, decided: err == nil, allow: d.Allow, client: q.target.client})
	if err != nil {
		return Decision{}, err
	}
	d.System = system.PhoneSystem
	if !d.Allow {
		k.noteDenial(ctx, q, d)
	}
	return d, nil
}

func (k *Keeper) judge(ctx context.Context, q *question, system *acquaintance, items []table.Item) (Decision, error) {
	if !q.readable {
		return Decision{Reason: Ambiguous}, nil
	}
	switch own, readable := q.target.at(system.PhoneSystem); {
	case !readable:
		return Decision{Reason: Ambiguous}, nil
	case !own:
		return Decision{Reason: WrongHost}, nil
	}
	switch q.class(system) {
	case profile.Unrestricted:
		return Decision{Allow: true, Reason: Unrestricted, CacheSeconds: system.Policy.DecisionCacheSeconds}, nil
	case profile.Restricted:
		if system.Policy.Binding == phonesystem.BindIP {
			return k.judgeAddress(ctx, q, system, items)
		}
		return k.judgePass(ctx, q, system, items)
	}
	return Decision{Reason: Ambiguous}, nil
}

// question is one request to decide and what has been read for it.
type question struct {
	target   target
	readable bool // nothing missing, doubled or contradictory
	pass     heldPass
	hasPass  bool
	now      time.Time
	reads    reading
	// judged is the last that classed the path, and how.
	judged *acquaintance
	path   profile.Class
}

// class is what a phone system makes of the path.
func (q *question) class(system *acquaintance) profile.Class {
	if q.judged != system {
		q.judged, q.path = system, system.matcher.Judge(q.target.method, q.target.path).Class
	}
	return q.path
}

// reading is what to read beside the phone system itself. A wrong guess costs a
// round trip, never a wrong answer: judging checks what was read.
type reading int

const (
	readSystem reading = iota
	readWindow
	readAddress
)

// expect guesses from what the phone system was when last met what the decision
// will rest on; without an acquaintance the pass speaks for itself.
func (q *question) expect(last *acquaintance) {
	switch {
	case last == nil:
		if q.hasPass {
			q.reads = readWindow
		}
	case q.class(last) != profile.Restricted:
		q.reads = readSystem
	case last.Policy.Binding == phonesystem.BindIP:
		q.reads = readAddress
	case q.hasPass:
		q.reads = readWindow
	}
}

// keys are at most four: phone system, then lease, user and role, or address.
func (q *question) keys(key table.Key, system string) []table.Key {
	keys := append(make([]table.Key, 0, 4), key)
	switch q.reads {
	case readWindow:
		return appendWindow(keys, q.pass.partner, system, unlock.Holder{UserID: q.pass.user, Role: q.pass.role})
	case readAddress:
		return append(keys, unlock.AddressKey(system, q.target.network()))
	}
	return keys
}

// windowKeys are what one user's window rests on.
func windowKeys(partner, system string, h unlock.Holder) []table.Key {
	return appendWindow(nil, partner, system, h)
}

func appendWindow(keys []table.Key, partner, system string, h unlock.Holder) []table.Key {
	keys = append(keys, unlock.LeaseKey(partner, system, h.UserID), account.UserKey(h.UserID))
	if h.Role != "" {
		keys = append(keys, account.RoleKey(partner, h.Role))
	}
	return keys
}

func (k *Keeper) judgePass(ctx context.Context, q *question, system *acquaintance, items []table.Item) (Decision, error) {
	if !q.hasPass {
		return k.without(ctx, system, NoPass)
	}
	holder := unlock.Holder{UserID: q.pass.user, Role: q.pass.role}
	read := items[1:]
	if q.reads != readWindow || q.pass.partner != system.PartnerID {
		var err error
		if read, err = k.journal.Table.GetAll(ctx, windowKeys(system.PartnerID, system.ID, holder)...); err != nil {
			return Decision{}, err
		}
	}
	w, err := k.windowOf(read, holder)
	if err != nil {
		return Decision{}, err
	}
	if reason := w.standing(system.PhoneSystem, q.now); reason != OpenWindow {
		return Decision{Reason: reason}, nil
	}
	held, ok := w.lease.Pass(q.pass.hash)
	switch {
	case !ok:
		return Decision{Reason: NoPass}, nil
	case system.Policy.Binding.ByAddress() && held.Network != q.target.network():
		return Decision{Reason: WrongAddress}, nil
	}
	return w.allow(system.PhoneSystem, q.now), nil
}

// without denies a request that has no window, and says whether anybody has.
func (k *Keeper) without(ctx context.Context, system *acquaintance, otherwise Reason) (Decision, error) {
	first := unlock.LeasesOn(system.PartnerID, system.ID)
	first.Limit = 1
	for _, err := range k.journal.Table.List(ctx, first) {
		if err != nil {
			return Decision{}, err
		}
		return Decision{Reason: otherwise}, nil
	}
	return Decision{Reason: Locked}, nil
}
