package windowtest

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

const (
	clients  = 8
	users    = 3
	systems  = 2
	phases   = 2
	each     = 7 // operations of one client in one phase
	longest  = 300
	extended = 3
)

// ask is an operation's input.
type ask struct {
	op      string // open, extend, close, lock, decide, tick
	system  int
	user    int
	id      string // of the unlock
	seconds int64
	now     int64 // of a tick
}

// answer is its output.
type answer struct {
	// end is ok, refused (with why) or unknown.
	end     string
	id      string
	expires int64
	allow   bool
}

// window is what the model knows of one user on one phone system.
type window struct {
	id              string
	open            bool
	opened, expires int64
	left            int64
}

// state is one phone system.
type state struct {
	now     int64
	windows [users]window
}

func (s state) living(user int) bool {
	return s.windows[user].open && s.now < s.windows[user].expires
}

// windows is the specification that every history is held against.
func windows() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Partition: bySystem,
		Init:      func() []any { return []any{state{now: start.Unix()}} },
		Step: func(s, in, out any) []any {
			return step(s.(state), in.(ask), out.(answer))
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
	return model.ToModel()
}

func bySystem(history []porcupine.Operation) [][]porcupine.Operation {
	parts := make([][]porcupine.Operation, systems)
	for _, op := range history {
		at := op.Input.(ask).system
		parts[at] = append(parts[at], op)
	}
	return parts
}

// step answers the states that may follow; none where the answer was wrong.
func step(s state, in ask, out answer) []any {
	next, right := s.apply(in, out)
	switch {
	case out.end == "unknown" && in.op != "decide":
		return []any{s, next}
	case out.end == "unknown":
		return []any{s}
	case right:
		return []any{next}
	}
	return nil
}

// apply answers the state after an operation, and whether it may be answered so.
func (s state) apply(in ask, out answer) (next state, right bool) {
	w := &s.windows[in.user]
	switch in.op {
	case "tick":
		s.now = in.now
		return s, true
	case "open":
		if s.living(in.user) {
			return s, out.end == "already" && out.id == w.id
		}
		*w = window{id: out.id, open: true, opened: s.now, expires: s.now + in.seconds, left: extended}
		return s, out.end == "ok" && out.expires == w.expires
	case "extend":
		if want := s.extend(in); want != "ok" {
			return s, out.end == want
		}
		w.expires, w.left = w.expires+in.seconds, w.left-1
		return s, out.end == "ok" && out.expires == w.expires
	case "close":
		w.open = w.open && w.id != in.id
		return s, out.end == "ok"
	case "lock":
		for i := range s.windows {
			s.windows[i].open = false
		}
		return s, out.end == "ok"
	case "decide":
		allow := s.living(in.user) && w.id == in.id
		return s, out.allow == allow && (!allow || out.expires == w.expires)
	}
	return s, false
}

func (s state) extend(in ask) string {
	w := s.windows[in.user]
	switch {
	case !s.living(in.user) || w.id != in.id:
		return "ended"
	case w.left == 0:
		return "no extension"
	case w.expires+in.seconds-w.opened > longest:
		return "out of range"
	}
	return "ok"
}
