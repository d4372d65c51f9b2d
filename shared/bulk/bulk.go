// Package bulk takes long lists in short steps. It guarantees that each line gets
// one result, that a call ends well before whoever waits for it gives up, with
// the lines that it did not come to marked Pending, and that an error after
// something was done does not hide what was: the same list sent again goes on.
package bulk

import (
	"errors"
	"slices"
	"strings"
	"time"

	"portcullis.example/shared/input"
)

// MostLines is how many lines a call takes.
const MostLines = 500

// Within is how long a call works. API Gateway gives an answer up after 29
// seconds; what is left is for the step that is under way.
const Within = 18 * time.Second

// Outcome is what became of a line.
type Outcome string

// The outcomes. A preview says Created for what would be made.
const (
	Created   Outcome = "created"
	Unchanged Outcome = "unchanged" // it was there
	Invited   Outcome = "invited"   // it was there, and nobody has accepted yet
	Refused   Outcome = "error"
	Pending   Outcome = "pending" // not come to yet
)

// Result is one line's.
type Result struct {
	Outcome Outcome `json:"outcome"`
	// ID is of what the line made or met; empty where there is none.
	ID string `json:"id,omitempty"`
	// Message says why, and what to do; empty where there is nothing to say.
	Message string `json:"message,omitempty"`
}

// Report is the results of a list, in its order.
type Report struct {
	Results []Result `json:"results"`
}

// NewReport is a report on a list that nothing was done about.
func NewReport(lines int) Report {
	return Report{slices.Repeat([]Result{{Outcome: Pending}}, lines)}
}

// Count is how many lines had an outcome.
func (r Report) Count(o Outcome) (n int) {
	for _, result := range r.Results {
		if result.Outcome == o {
			n++
		}
	}
	return n
}

// Complete tells whether every line has its result.
func (r Report) Complete() bool { return r.Count(Pending) == 0 }

// Steps takes the lines some at a time, until all are done, Within is over or a
// step fails. step fills in the results of the lines from one to before another;
// those that it leaves Pending are for the next call. An error is answered only
// where nothing was made.
func (r Report) Steps(now func() time.Time, size int, step func(from, to int) error) error {
	until := now().Add(Within)
	for from := 0; from < len(r.Results) && now().Before(until); from += size {
		err := step(from, min(from+size, len(r.Results)))
		if err != nil && r.Count(Created) == 0 {
			return err
		}
		if err != nil {
			return nil
		}
	}
	return nil
}

// Reason is what is wrong with a line, by the names of its columns.
func Reason(err error) string {
	var invalid *input.Error
	if errors.As(err, &invalid) {
		return strings.ReplaceAll(invalid.Error(), "body.", "")
	}
	return err.Error()
}
