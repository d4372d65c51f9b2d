package bulk

import (
	"context"
	"errors"
	"strconv"

	"portcullis.example/shared/audit"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/table"
)

// Call is one call that takes a list: it previews it, or does it and says so once.
type Call struct {
	Journal *audit.Journal
	Once    idempotency.Key
	// Dry has every line judged and nothing changed.
	Dry bool
	// Size is how many lines a step takes.
	Size int
	// Entry says that the list was taken, to its end; how many lines had each of
	// Outcomes is added.
	Entry    audit.Entry
	Outcomes []Outcome
}

// Step judges the lines of a report from one to before another and does what they
// ask for. It may be called again for the same lines, of which it leaves alone those
// that are done: after table.ErrConflict, when another change was first.
type Step func(from, to int) error

// triesBeyond is how often a step is tried beside once for each of its lines: another
// call with the same list may be first at each.
const triesBeyond = 5

// Take answers what became of each line of the list that begin judges the caller
// about. The answer is recorded under Once where it is whole: one that is not is not
// the one to repeat. Errors: begin's, idempotency.ErrReused, table.ErrUnavailable,
// a step's where nothing was made.
func (c Call) Take(ctx context.Context, begin func() (Report, Step, error)) (Report, error) {
	if c.Dry {
		c.Once = idempotency.Key{}
	}
	report, _, err := idempotency.Do(ctx, c.Journal.Table, c.Journal.Second(), c.Once, func(record func(Report) ([]table.Write, error)) (Report, error) {
		report, step, err := begin()
		if err != nil {
			return Report{}, err
		}
		if err := report.Steps(c.Journal.Now, c.Size, again(step)); err != nil || c.Dry || !report.Complete() {
			return report, err
		}
		writes, err := record(report)
		if err != nil {
			return report, err
		}
		return report, c.done(ctx, report, writes)
	})
	return report, err
}

func again(step Step) Step {
	return func(from, to int) error {
		for range triesBeyond + to - from {
			if err := step(from, to); !errors.Is(err, table.ErrConflict) {
				return err
			}
		}
		return table.ErrUnavailable
	}
}

func (c Call) done(ctx context.Context, r Report, record []table.Write) error {
	if len(record) == 0 && r.Count(Created) == 0 {
		return nil
	}
	entry := c.Entry.With("lines", strconv.Itoa(len(r.Results)))
	for _, outcome := range c.Outcomes {
		entry = entry.With(string(outcome), strconv.Itoa(r.Count(outcome)))
	}
	return c.Journal.Commit(ctx, record, entry)
}
