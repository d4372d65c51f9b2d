// Package auditor is the scheduled function that tells the ends of windows:
// those whose time is over and those that an epoch closed. It guarantees no
// more than shared/unlock does, whose methods it calls; running twice, late or
// in several places at once changes nothing.
package auditor

import (
	"context"
	"errors"

	"portcullis.example/shared/ground"
	"portcullis.example/shared/unlock"
)

// Function is what a run needs.
type Function struct{ Book *unlock.Book }

// New makes the function.
func New(g *ground.Ground) Function {
	return Function{Book: g.Book}
}

// Run does what is due, and answers of how many windows it told the end. Errors
// of single windows are joined; the next run meets them again.
func (f Function) Run(ctx context.Context) (told int, err error) {
	settled := f.Book.Settle(ctx)
	told, err = f.Book.Sweep(ctx)
	return told, errors.Join(settled, err)
}
