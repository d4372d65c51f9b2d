// Package auditor is the scheduled function that tells the ends of windows,
// those whose time is over and those that an epoch closed, and of gates that
// have gone silent or are back. It guarantees no more than shared/unlock and
// shared/gatekeeper do, whose methods it calls; running twice, late or in several
// places at once changes nothing.
package auditor

import (
	"context"
	"errors"

	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/unlock"
)

// Function is what a run needs.
type Function struct {
	Book   *unlock.Book
	Rounds gatekeeper.Rounds
}

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Book: g.Book, Rounds: gatekeeper.Rounds{Journal: g.Journal, Outbox: g.Outbox}}
}

// Run does what is due, and answers of how many windows it told the end. Errors
// of single windows and gates are joined; the next run meets them again.
func (f Function) Run(ctx context.Context) (told int, err error) {
	settled := f.Book.Settle(ctx)
	told, err = f.Book.Sweep(ctx)
	return told, errors.Join(settled, err, f.Rounds.Walk(ctx))
}
