// Package auditor is the scheduled function that tells the ends of windows,
// those whose time is over and those that an epoch closed, and of gates that
// have gone silent or are back, and brings recoveries to their end. It guarantees
// no more than shared/unlock, shared/gatekeeper and shared/recovery do, whose
// methods it calls; running twice, late or in several places at once changes nothing.
package auditor

import (
	"context"
	"errors"

	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/recovery"
	"portcullis.example/shared/unlock"
)

// Function is what a run needs.
type Function struct {
	Book     *unlock.Book
	Rounds   gatekeeper.Rounds
	Recovery *recovery.Service
}

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Book: g.Book, Rounds: gatekeeper.Rounds{Journal: g.Journal, Outbox: g.Outbox}, Recovery: g.Recovery}
}

// Run does what is due, and answers of how many windows it told the end. Errors
// of single windows and gates are joined; the next run meets them again.
func (f Function) Run(ctx context.Context) (told int, err error) {
	completed := f.Recovery.Complete(ctx) // first: it closes windows, whose ends are told below
	settled := f.Book.Settle(ctx)
	told, err = f.Book.Sweep(ctx)
	return told, errors.Join(completed, settled, err, f.Rounds.Walk(ctx))
}
