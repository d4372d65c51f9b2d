// Package gatekeeper answers the gates: may this request pass? It guarantees
// that doubt denies (an unreadable header, an unknown path, a store that does
// not answer), that every decision rests on a strongly consistent read and is
// judged anew from phone system, lease, user and role, that allowing writes
// nothing, and that denying writes at most once per instance, source and
// WatchFor, in bounded memory.
package gatekeeper

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
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

// answerWithin is how long a decision may take before it is a denial.
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
	journal *audit.Journal
	random  io.Reader
	log     *slog.Logger
	baseURL string
	known   *acquaintances
	watch   *watch
	seen    *sightings
}

// Options are what a Keeper needs.
type Options struct {
	Journal *audit.Journal
	Random  io.Reader
	Log     *slog.Logger
	// BaseURL is the control portal's, whose origin may hand passes over.
	BaseURL string
}

// New makes a Keeper.
func New(o Options) *Keeper {
	return &Keeper{
		journal: o.Journal, random: o.Random, log: o.Log, baseURL: o.BaseURL,
		known: newAcquaintances(), watch: newWatch(), seen: newSightings(),
	}
}

// Decide answers whether a request may pass. Errors: ErrUnknownKey; anything
// else means that the store did not answer, and denies as well.
func (k *Keeper) Decide(ctx context.Context, req Request) (Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	id, hash, ok := readKey(req.Authorization)
	if !ok {
		return Decision{}, ErrUnknownKey
	}
	t, readable := req.readTarget()
	pass, found, sure := readPass(req.Cookie, t.scheme)
	q := question{target: t, pass: pass, hasPass: found, now: k.journal.Second()}
	q.expect(k.known.find(id))
	items, err := k.journal.Table.GetAll(ctx, q.keys(id)...)
	if err != nil {
		return Decision{}, err
	}
	system, err := k.known.meet(items[0])
	if err != nil {
		return Decision{}, err
	}
	if !system.Authenticates(hash, q.now) {
		return Decision{}, ErrUnknownKey
	}
	k.seen.note(system.PhoneSystem, q.now)
	d, err := k.judge(ctx, &q, system, items, readable && sure)
	if err != nil {
		return Decision{}, err
	}
	d.System = system.PhoneSystem
	if !d.Allow {
		k.noteDenial(ctx, q, d)
	}
	return d, nil
}

func (k *Keeper) judge(ctx context.Context, q *question, system *acquaintance, items []table.Item, readable bool) (Decision, error) {
	if !readable {
		return Decision{Reason: Ambiguous}, nil
	}
	if q.target.host != system.Host {
		return Decision{Reason: WrongHost}, nil
	}
	switch system.matcher.Judge(q.target.method, q.target.path).Class {
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
	target  target
	pass    heldPass
	hasPass bool
	now     time.Time
	reads   reading
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
	case last.matcher.Judge(q.target.method, q.target.path).Class != profile.Restricted:
		q.reads = readSystem
	case last.Policy.Binding == phonesystem.BindIP:
		q.reads = readAddress
	case q.hasPass:
		q.reads = readWindow
	}
}

// keys are at most four: phone system, then lease, user and role, or address.
func (q *question) keys(system string) []table.Key {
	keys := make([]table.Key, 1, 4)
	keys[0] = phonesystem.Key(system)
	switch q.reads {
	case readWindow:
		keys = append(keys, windowKeys(q.pass.partner, system, unlock.Holder{UserID: q.pass.user, Role: q.pass.role})...)
	case readAddress:
		keys = append(keys, unlock.AddressKey(system, q.target.network()))
	}
	return keys
}

// windowKeys are what one user's window rests on.
func windowKeys(partner, system string, h unlock.Holder) []table.Key {
	keys := []table.Key{unlock.LeaseKey(partner, system, h.UserID), account.UserKey(h.UserID)}
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
	w, err := readWindowOf(read, holder)
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

func (k *Keeper) judgeAddress(ctx context.Context, q *question, system *acquaintance, items []table.Item) (Decision, error) {
	network := q.target.network()
	read := items[1:]
	if q.reads != readAddress {
		var err error
		if read, err = k.journal.Table.GetAll(ctx, unlock.AddressKey(system.ID, network)); err != nil {
			return Decision{}, err
		}
	}
	var address unlock.Address
	if read[0].Exists() {
		var err error
		if address, err = table.Decode[unlock.Address](read[0]); err != nil {
			return Decision{}, err
		}
	}
	var allowed []Decision
	for _, holder := range address.Holders {
		items, err := k.journal.Table.GetAll(ctx, windowKeys(system.PartnerID, system.ID, holder)...)
		if err != nil {
			return Decision{}, err
		}
		w, err := readWindowOf(items, holder)
		if err != nil {
			return Decision{}, err
		}
		if w.standing(system.PhoneSystem, q.now) == OpenWindow && slices.Contains(w.lease.Networks, network) {
			allowed = append(allowed, w.allow(system.PhoneSystem, q.now))
		}
	}
	return k.shared(ctx, system, allowed)
}

// shared decides for a source that any number of people may stand behind. Of
// several it can't tell who it is, so it names none, and promises no more than
// the first to end.
func (k *Keeper) shared(ctx context.Context, system *acquaintance, allowed []Decision) (Decision, error) {
	if len(allowed) == 0 {
		return k.without(ctx, system, WrongAddress)
	}
	first := slices.MinFunc(allowed, func(a, b Decision) int { return a.Expires.Compare(b.Expires) })
	if len(allowed) > 1 {
		first.UserID, first.Email = "", ""
	}
	return first, nil
}

// without denies a request that has no window, and says whether anybody has.
func (k *Keeper) without(ctx context.Context, system *acquaintance, otherwise Reason) (Decision, error) {
	for _, err := range k.journal.Table.List(ctx, unlock.LeasesOn(system.PartnerID, system.ID)) {
		if err != nil {
			return Decision{}, err
		}
		return Decision{Reason: otherwise}, nil
	}
	return Decision{Reason: Locked}, nil
}

// window is what one user's access rests on, as read in one round trip.
type window struct {
	lease  unlock.Lease
	user   account.User
	role   access.Role
	holder unlock.Holder
	found  bool
}

func readWindowOf(items []table.Item, holder unlock.Holder) (w window, err error) {
	w.holder = holder
	if !items[0].Exists() {
		return w, nil
	}
	w.found = true
	if w.lease, err = table.Decode[unlock.Lease](items[0]); err != nil {
		return w, err
	}
	if items[1].Exists() {
		if w.user, err = table.Decode[account.User](items[1]); err != nil {
			return w, err
		}
	}
	if holder.Role != "" && items[2].Exists() {
		w.role, err = table.Decode[access.Role](items[2])
	}
	return w, err
}

// standing judges the window anew, from everything it rests on.
func (w window) standing(system phonesystem.PhoneSystem, now time.Time) Reason {
	switch {
	case !w.found:
		return Expired
	case w.lease.Role != w.holder.Role || !w.granted(system.ID) || w.lease.PartnerID != system.PartnerID:
		return Revoked
	case w.user.PartnerID != system.PartnerID || !w.user.Active || w.lease.Dead(system.Epoch, w.user.Epoch):
		return Revoked
	case !now.Before(w.ends(system.Policy)):
		return Expired
	}
	return OpenWindow
}

func (w window) granted(system string) bool {
	if w.lease.Role == "" {
		return w.user.Administrator
	}
	return w.role.ID == w.lease.Role && slices.Contains(w.user.Roles, w.role.ID) && w.role.Grants(access.Unlock, system)
}

// ends is the lease's end, or what policy and role allow by now if that is
// less.
func (w window) ends(policy phonesystem.Policy) time.Time {
	limit := policy.MaxSeconds
	if w.lease.Role != "" {
		limit = min(limit, w.role.MaxUnlockSeconds)
	}
	if most := w.lease.OpenedAt.Add(time.Duration(limit) * time.Second); most.Before(w.lease.ExpiresAt) {
		return most
	}
	return w.lease.ExpiresAt
}

func (w window) allow(system phonesystem.PhoneSystem, now time.Time) Decision {
	ends := w.ends(system.Policy)
	return Decision{
		Allow: true, Reason: OpenWindow, Expires: ends, UserID: w.user.ID, Email: w.user.Email,
		CacheSeconds: min(system.Policy.DecisionCacheSeconds, int64(ends.Sub(now)/time.Second)),
	}
}
