package windowtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/anishathalye/porcupine"

	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/input"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/tabletest"
	"portcullis.example/shared/unlock"
)

// run is one history in the making.
type run struct {
	*stage
	clock *tabletest.Clock
	tick  atomic.Int64 // orders calls and returns

	mu      sync.Mutex
	history []porcupine.Operation
	known   map[[2]int][]held // by phone system and user
	reasons atomic.Int64
}

// held is what clients know of one window.
type held struct{ id, cookie string }

func (r *run) record(client int, in ask, do func() answer) answer {
	call := r.tick.Add(1)
	out := do()
	r.keep(porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: r.tick.Add(1)})
	return out
}

func (r *run) keep(op porcupine.Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.history = append(r.history, op)
}

func (r *run) learn(sys, user int, h held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := [2]int{sys, user}
	r.known[at] = append(r.known[at], h)
}

// recall answers one of the last windows known; ok is false where there is none.
func (r *run) recall(random *rand.Rand, sys, user int, withCookie bool) (held, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.known[[2]int{sys, user}]
	for back := random.IntN(2); back < len(known); back++ {
		if h := known[len(known)-1-back]; !withCookie || h.cookie != "" {
			return h, true
		}
	}
	return held{}, false
}

// outcome names an error as the model does.
func outcome(err error) string {
	var already *unlock.AlreadyUnlockedError
	var outOfRange *input.OutOfRangeError
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, table.ErrUnavailable):
		return "unknown"
	case errors.As(err, &already):
		return "already"
	case errors.Is(err, unlock.ErrEnded):
		return "ended"
	case errors.Is(err, unlock.ErrNoExtension):
		return "no extension"
	case errors.As(err, &outOfRange):
		return "out of range"
	}
	return "unexpected: " + err.Error()
}

// client is one program with a process of its own, whose table fails now and
// then, and that dies now and then in the middle of an operation.
type client struct {
	*run
	number int
	faulty *tabletest.Faulty
	*process
	random *rand.Rand
}

func (r *run) client(number int, seed uint64) *client {
	faulty := tabletest.NewFaulty(r.table, nil)
	return &client{run: r, number: number, faulty: faulty, process: newProcess(faulty, r.now), random: rand.New(rand.NewPCG(seed, uint64(number)))}
}

// dying is a plan under which nothing is answered after so many writes.
func dying(writes int) tabletest.Plan {
	return func(_ int, op tabletest.Op) tabletest.Fault {
		if writes == 0 {
			return tabletest.Fail
		}
		if op.Writes() {
			writes--
		}
		return tabletest.None
	}
}

// fate is what befalls the next operation.
func (c *client) fate() {
	switch c.random.IntN(8) {
	case 0:
		c.faulty.SetPlan(dying(c.random.IntN(4)))
	case 1:
		c.faulty.SetPlan(tabletest.At(c.random.IntN(4), tabletest.Fail+tabletest.Fault(c.random.IntN(2))))
	case 2:
		c.faulty.SetPlan(tabletest.Randomly(c.random.Uint64(), 0.1))
	default:
		c.faulty.SetPlan(nil)
	}
}

func (c *client) act(ctx context.Context) {
	c.fate()
	sys, user := c.random.IntN(systems), c.random.IntN(users)
	switch n := c.random.IntN(20); {
	case n < 6:
		c.open(ctx, sys, user)
	case n < 9:
		c.extend(ctx, sys, user)
	case n < 12:
		c.close(ctx, sys, user)
	case n < 13:
		c.record(c.number, ask{op: "lock", system: sys}, func() answer {
			_, err := c.book.Lock(ctx, c.fresh(c.admin), c.systems[sys].id)
			return answer{end: outcome(err)}
		})
	case n < 14:
		// What a sweep does shows in nothing but the audit; its errors are the
		// injected ones.
		_ = c.audits(ctx)
	default:
		c.ask(ctx, sys, user)
	}
}

func (c *client) open(ctx context.Context, sys, user int) {
	seconds, reason := int64(60+c.random.IntN(4)*30), strconv.FormatInt(c.reasons.Add(1), 10)
	var opened unlock.Opened
	in := ask{op: "open", system: sys, user: user, seconds: seconds, id: reason}
	out := c.record(c.number, in, func() (out answer) {
		var err error
		opened, err = c.book.Open(ctx, c.caller(user), idempotency.Key{}, unlock.Request{PhoneSystemID: c.systems[sys].id, Seconds: &seconds, Reason: reason})
		out = answer{end: outcome(err), id: opened.Unlock.ID, expires: opened.Unlock.ExpiresAt.Unix()}
		var already *unlock.AlreadyUnlockedError
		if errors.As(err, &already) {
			out.id = already.UnlockID
		}
		return out
	})
	switch out.end {
	case "ok":
		h := held{id: out.id}
		if cookie, err := c.admit(ctx, c.process, sys, opened.Ticket); err == nil {
			h.cookie = cookie
		}
		c.learn(sys, user, h)
	case "already":
		c.learn(sys, user, held{id: out.id})
	}
}

func (c *client) extend(ctx context.Context, sys, user int) {
	h, ok := c.recall(c.random, sys, user, false)
	if !ok {
		return
	}
	seconds := int64(30 + c.random.IntN(4)*30)
	c.record(c.number, ask{op: "extend", system: sys, user: user, id: h.id, seconds: seconds}, func() answer {
		u, err := c.book.Extend(ctx, c.caller(user), h.id, seconds)
		return answer{end: outcome(err), expires: u.Unlock.ExpiresAt.Unix()}
	})
}

func (c *client) close(ctx context.Context, sys, user int) {
	h, ok := c.recall(c.random, sys, user, false)
	if !ok {
		return
	}
	who := c.caller(user)
	if c.random.IntN(3) == 0 {
		who = c.fresh(c.admin)
	}
	c.record(c.number, ask{op: "close", system: sys, user: user, id: h.id}, func() answer {
		u, err := c.book.Close(ctx, who, h.id)
		if err == nil && u.End == "" {
			return answer{end: "closed, and not ended"}
		}
		return answer{end: outcome(err)}
	})
}

func (c *client) ask(ctx context.Context, sys, user int) {
	h, ok := c.recall(c.random, sys, user, true)
	if !ok {
		return
	}
	c.record(c.number, ask{op: "decide", system: sys, user: user, id: h.id}, func() answer {
		d, err := c.decide(ctx, c.process, sys, h.cookie)
		return answer{end: outcome(err), allow: d.Allow, expires: d.Expires.Unix()}
	})
}
