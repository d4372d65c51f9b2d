package windowtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/unlock"
)

const (
	steps    = 500 // of one life; rapid makes 100 lives of each half
	lifeUses = 3   // users; the first is an administrator
	lifeOn   = 2   // phone systems
	lifeMax  = 900 // of the first policy
	lifeRole = 600 // of the first role
	lifeMore = 3   // extensions
)

// life is a stage and what the model knows of it.
type life struct {
	*stage
	t      *rapid.T
	ctx    context.Context
	clock  *tabletest.Clock
	memory *memory
	faulty *tabletest.Faulty
	*process

	policy  [lifeOn]phonesystem.Policy
	epochs  [lifeOn]epoch
	people  [lifeUses]epoch
	pending []task
	slots   [lifeOn][lifeUses]*modelWindow
	every   []*modelWindow
}

func newLife(t *testing.T, rt *rapid.T) *life {
	clock := tabletest.NewClock(start)
	m := newMemory(clock.Now)
	faulty := tabletest.NewFaulty(m, nil)
	policy := phonesystem.Policy{DefaultSeconds: 60, MaxSeconds: lifeMax, MaxExtensions: lifeMore, Binding: phonesystem.BindPass, Reason: phonesystem.ReasonOptional}
	l := &life{
		stage: newStage(t, m, clock.Now, lifeUses, lifeOn, policy, lifeRole), t: rt, ctx: t.Context(), clock: clock, memory: m,
		faulty: faulty, process: newProcess(faulty, clock.Now),
	}
	for i := range l.policy {
		l.policy[i] = policy
	}
	return l
}

// Windows live as the simplest model says, over 100,000 steps: two halves, one
// for each core.
func TestLifeOfWindows(t *testing.T) {
	for half := range 2 {
		t.Run(fmt.Sprint(half), func(t *testing.T) {
			t.Parallel()
			total, ends := 0, map[string]int{}
			rapid.Check(t, func(rt *rapid.T) {
				l := newLife(t, rt)
				for range steps {
					l.step()
					total++
				}
				l.pass(7 * 24 * 3600)
				l.sweep()
				l.compare()
				for _, w := range l.every {
					ends[w.end]++
				}
			})
			t.Logf("%d steps, %v", total, ends)
			if total >= 50000 && min(ends[unlock.Expired], ends[unlock.Closed], ends[unlock.Revoked]) < 100 {
				t.Error("too few windows of some end to mean anything")
			}
		})
	}
}

func (l *life) seconds() int64 { return l.now().Unix() }

func (l *life) fail(format string, values ...any) {
	l.t.Helper()
	l.t.Fatalf(format, values...)
}

func (l *life) check(err error) {
	l.t.Helper()
	if err != nil {
		l.fail("%v", err)
	}
}

func (l *life) step() {
	sys, user := rapid.IntRange(0, lifeOn-1).Draw(l.t, "system"), rapid.IntRange(0, lifeUses-1).Draw(l.t, "user")
	switch n := rapid.IntRange(0, 99).Draw(l.t, "step"); {
	case n < 20:
		l.open(sys, user)
	case n < 32:
		l.extend(sys, user)
	case n < 38:
		l.close(sys, user)
	case n < 41:
		l.lock(sys)
	case n < 43:
		l.dieLocking(sys)
	case n < 46:
		l.setPolicy(sys, rapid.SampledFrom([]int64{0, 60, 120, 300, 600, lifeMax}).Draw(l.t, "max"))
	case n < 48:
		granted := rapid.IntRange(0, 3).Draw(l.t, "granted") > 0
		l.setRole(rapid.SampledFrom([]int64{0, 60, 300, lifeRole, 2 * lifeMax}).Draw(l.t, "role's max"), granted)
	case n < 50:
		l.setActive(user, false)
	case n < 56:
		l.setPolicy(sys, lifeMax)
		l.setRole(lifeRole, true)
		l.setActive(user, true)
	case n < 66:
		l.pass(rapid.Int64Range(0, 300).Draw(l.t, "seconds"))
	case n < 68:
		l.pass(-rapid.Int64Range(0, 300).Draw(l.t, "seconds back"))
	case n < 73:
		l.sweep()
	case n < 76:
		l.reap()
	case n < 80:
		l.decideAround(sys, user)
	}
	l.decideOn(sys, user)
}

// says names an error of opening or extending.
func says(err error) string {
	if errors.Is(err, access.ErrForbidden) {
		return "forbidden"
	}
	return outcome(err)
}

func (l *life) open(sys, user int) {
	seconds := rapid.Int64Range(50, lifeMax+20).Draw(l.t, "seconds")
	want := l.wantOpen(sys, user, seconds)
	opened, err := l.book.Open(l.ctx, l.caller(user), idempotency.Key{}, unlock.Request{PhoneSystemID: l.systems[sys].id, Seconds: &seconds})
	var already *unlock.AlreadyUnlockedError
	if says(err) != want || errors.As(err, &already) && already.UnlockID != l.slots[sys][user].id {
		l.fail("open: %v, want %s", err, want)
	}
	if err != nil {
		return
	}
	if w := l.standing(sys, user); w != nil {
		l.replaced(w)
	}
	cookie, err := l.admit(l.ctx, l.process, sys, opened.Ticket)
	l.check(err)
	w := &modelWindow{
		system: sys, user: user, id: opened.Unlock.ID, cookie: cookie, opened: l.seconds(), expires: l.seconds() + seconds, left: lifeMore,
		of: l.epochs[sys].n, by: l.people[user].n,
	}
	l.slots[sys][user], l.every = w, append(l.every, w)
}

func (l *life) extend(sys, user int) {
	w := l.slots[sys][user]
	if w == nil {
		return
	}
	seconds := rapid.Int64Range(0, 300).Draw(l.t, "seconds")
	want := l.wantExtend(sys, user, seconds)
	if _, err := l.book.Extend(l.ctx, l.caller(user), w.id, seconds); says(err) != want {
		l.fail("extend: %v, want %s", err, want)
	}
	if want == "ok" {
		w.expires, w.left = w.expires+seconds, w.left-1
	}
}

func (l *life) close(sys, user int) {
	w := l.slots[sys][user]
	if w == nil {
		return
	}
	who, end := l.caller(user), unlock.Closed
	if rapid.Bool().Draw(l.t, "by the administrator") {
		who, end = l.fresh(l.admin), unlock.Revoked
	}
	u, err := l.book.Close(l.ctx, who, w.id)
	l.check(err)
	if w.end == "" {
		w.ended(end, l.seconds())
	}
	if u.End != w.end || u.EndedAt.Unix() != w.endedAt {
		l.fail("closed as %s at %d, want %+v", u.End, u.EndedAt.Unix(), w)
	}
}

func (l *life) lock(sys int) {
	l.epochs[sys] = epoch{l.epochs[sys].n + 1, l.seconds()}
	want := l.settle(task{sys, l.epochs[sys].n, l.seconds()})
	if closed, err := l.book.Lock(l.ctx, l.fresh(l.admin), l.systems[sys].id); err != nil || closed != want {
		l.fail("lock closed %d (%v), want %d", closed, err, want)
	}
}

// dieLocking raises the epoch and tells no end.
func (l *life) dieLocking(sys int) {
	l.faulty.SetPlan(dying(1))
	_, err := l.book.Lock(l.ctx, l.fresh(l.admin), l.systems[sys].id)
	l.faulty.SetPlan(nil)
	if !errors.Is(err, table.ErrUnavailable) {
		l.fail("a dying lock: %v", err)
	}
	l.epochs[sys] = epoch{l.epochs[sys].n + 1, l.seconds()}
	l.pending = append(l.pending, task{sys, l.epochs[sys].n, l.seconds()})
}

func (l *life) sweep() {
	l.check(l.audits(l.ctx))
	slices.SortStableFunc(l.pending, func(a, b task) int { return int(a.at - b.at) })
	var later []task
	for _, t := range l.pending {
		if t.at > l.seconds() { // the clock went back
			later = append(later, t)
			continue
		}
		l.settle(t)
	}
	l.pending = later
	for _, w := range l.every {
		if w.end == "" && l.seconds() >= w.expires {
			l.passed(w)
		}
	}
}

func (l *life) reap() {
	l.check(l.memory.reap(func(item table.Item) error { return l.book.Removed(l.ctx, item) }))
	for _, of := range l.slots {
		for _, w := range of {
			if w != nil && w.end == "" && l.seconds() >= w.expires {
				l.passed(w)
			}
		}
	}
}

func (l *life) pass(seconds int64) { l.clock.Advance(time.Duration(seconds) * time.Second) }

func (l *life) setPolicy(sys int, longest int64) {
	l.policy[sys].MaxSeconds = longest
	key := phonesystem.Key(l.systems[sys].id)
	item, err := l.memory.Get(l.ctx, key)
	l.check(err)
	p, err := table.Decode[phonesystem.PhoneSystem](item)
	l.check(err)
	p.Policy = l.policy[sys]
	writes, err := p.Writes(table.Is(item.Rev))
	l.check(err)
	l.check(l.memory.Apply(l.ctx, writes...))
}

func (l *life) setRole(longest int64, granted bool) {
	l.role.MaxUnlockSeconds, l.role.Permissions = longest, nil
	if granted {
		l.role.Permissions = []access.Permission{access.Unlock}
	}
	l.check(l.writeRole())
}

// setActive turns a user off, which raises the epoch, or on again.
func (l *life) setActive(user int, active bool) {
	u := &l.users[user]
	if u.Active = active; !active {
		u.Epoch++
		u.EpochAt = l.now()
		l.people[user] = epoch{u.Epoch, l.seconds()}
	}
	l.check(l.writeUser(account.User(*u)))
}

func (l *life) decideOn(sys, user int) {
	w := l.slots[sys][user]
	if w == nil {
		return
	}
	at, ok := l.ends(sys, user)
	want := ok && l.seconds() < at
	d, err := l.decide(l.ctx, l.process, sys, w.cookie)
	l.check(err)
	if d.Allow != want || want && (d.Reason != gatekeeper.OpenWindow || d.Expires.Unix() != at) {
		l.fail("at %d: %+v, want allow %v until %d: %+v", l.seconds(), d, want, at, w)
	}
	if d.Allow && l.seconds() >= w.opened+l.policy[sys].MaxSeconds {
		l.fail("open past opened_at + max_seconds: %+v", w)
	}
}

// decideAround asks in the window's last second and in the one after it.
func (l *life) decideAround(sys, user int) {
	at, ok := l.ends(sys, user)
	if !ok || at <= l.seconds() {
		return
	}
	l.pass(at - 1 - l.seconds())
	l.decideOn(sys, user)
	l.pass(1)
}

// compare holds records and audit against the model, at the end of it all.
func (l *life) compare() {
	l.check(l.settled(l.ctx, lifeMore))
	records, err := l.records(l.ctx)
	l.check(err)
	if len(records) != len(l.every) {
		l.fail("%d windows, want %d", len(records), len(l.every))
	}
	byID := map[string]unlock.Unlock{}
	for _, u := range records {
		byID[u.ID] = u
	}
	for _, w := range l.every {
		u := byID[w.id]
		if u.End != w.end || u.EndedAt.Unix() != w.endedAt || u.ExpiresAt.Unix() != w.expires || u.ExtensionsLeft != w.left {
			l.fail("%+v, want %+v", u, w)
		}
	}
	l.check(errors.Join(outOfPlace(l)...))
}

// outOfPlace finds leases of windows that are over.
func outOfPlace(l *life) (found []error) {
	for item, err := range l.memory.List(l.ctx, table.Range{Partition: "leases#" + l.partner}) {
		found = append(found, err, errors.New("a lease is left: "+string(item.Body)))
	}
	return found
}
