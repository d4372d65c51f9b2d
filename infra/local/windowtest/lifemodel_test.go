package windowtest

import (
	"slices"

	"portcullis.example/shared/access"
	"portcullis.example/shared/unlock"
)

type epoch struct {
	n  int64
	at int64
}

// task is a lock that died after its first write.
type task struct {
	system int
	epoch  int64
	at     int64
}

// modelWindow is the model of one window.
type modelWindow struct {
	system, user    int
	id, cookie      string
	opened, expires int64
	left            int64
	of, by          int64 // epochs of phone system and user
	end             string
	endedAt         int64
}

// limit is the longest window that policy and role allow a user now; zero: none.
func (l *life) limit(sys, user int) int64 {
	limit := l.policy[sys].MaxSeconds
	if user > 0 {
		limit = min(limit, l.role.MaxUnlockSeconds)
	}
	return limit
}

func (l *life) granted(user int) bool {
	return user == 0 || slices.Contains(l.role.Permissions, access.Unlock) && l.role.MaxUnlockSeconds > 0
}

// standing is the window whose lease stands: its end is neither told nor here.
func (l *life) standing(sys, user int) *modelWindow {
	w := l.slots[sys][user]
	if w == nil || w.end != "" || l.seconds() >= w.expires {
		return nil
	}
	return w
}

func (l *life) dead(w *modelWindow) bool {
	return w.of != l.epochs[w.system].n || w.by != l.people[w.user].n
}

// ended notes a window's end as told at a time, but never before its beginning.
func (w *modelWindow) ended(end string, at int64) {
	w.end, w.endedAt = end, max(at, w.opened)
	if w.endedAt >= w.expires {
		w.end, w.endedAt = unlock.Expired, w.expires
	}
}

// passed notes the end of a window that ended without anybody's asking.
func (l *life) passed(w *modelWindow) {
	end, at := unlock.Expired, w.expires
	if e := l.epochs[w.system]; e.n != w.of && e.at < at {
		end, at = unlock.Revoked, e.at
	}
	if e := l.people[w.user]; e.n != w.by && e.at < at {
		end, at = unlock.Revoked, e.at
	}
	w.ended(end, at)
}

// replaced notes the end of a window that stood in the way of another though the
// gate let nobody through it any more.
func (l *life) replaced(w *modelWindow) {
	l.passed(w)
	if w.end == unlock.Expired {
		w.ended(unlock.Revoked, l.seconds())
	}
}

func (l *life) wantOpen(sys, user int, seconds int64) string {
	limit := l.limit(sys, user)
	opens, stands := l.ends(sys, user)
	switch {
	case !l.users[user].Active || !l.granted(user) || limit < 60:
		return "forbidden"
	case seconds < 60 || seconds > limit:
		return "out of range"
	case stands && l.seconds() < opens:
		return "already"
	}
	return "ok"
}

func (l *life) wantExtend(sys, user int, seconds int64) string {
	w := l.standing(sys, user)
	switch {
	case w == nil:
		return "ended"
	case !l.users[user].Active:
		return "forbidden"
	case l.dead(w):
		return "ended"
	case w.left == 0:
		return "no extension"
	case !l.granted(user) || l.limit(sys, user) < 60:
		return "forbidden"
	case seconds < 1 || w.expires+seconds-w.opened > l.limit(sys, user):
		return "out of range"
	}
	return "ok"
}

// settle tells the ends that a lock has decided, of what it can find: leases
// that stand and records whose time is over.
func (l *life) settle(t task) (told int) {
	for _, w := range l.every {
		found := l.slots[w.system][w.user] == w || l.seconds() >= w.expires
		if w.system == t.system && w.end == "" && found && w.of < t.epoch && t.at < w.expires {
			w.ended(unlock.Revoked, t.at)
			told++
		}
	}
	return told
}

// ends is the second from which on the gate denies; ok is false where it denies
// at any.
func (l *life) ends(sys, user int) (at int64, ok bool) {
	w := l.slots[sys][user]
	granted := user == 0 || slices.Contains(l.role.Permissions, access.Unlock)
	if w == nil || w.end != "" || l.dead(w) || !l.users[user].Active || !granted {
		return 0, false
	}
	return min(w.expires, w.opened+l.limit(sys, user)), true
}
