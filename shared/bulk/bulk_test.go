package bulk_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portcullis.example/shared/bulk"
	"portcullis.example/shared/input"
)

// Steps takes all lines once, and stops when its time is over or a step fails.
func TestSteps(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		takes time.Duration
		fails int  // the step that fails; 0: none
		makes bool // whether lines are made, not only met
		want  string
		err   error
	}{
		"all":                      {0, 0, true, "[0-4 4-8 8-10] 10 0", nil},
		"the time is over":         {bulk.Within / 2, 0, true, "[0-4 4-8] 8 2", nil},
		"one step takes all of it": {bulk.Within, 0, true, "[0-4] 4 6", nil},
		"the first fails":          {0, 1, true, "[0-4] 0 10", failed},
		"a later one fails":        {0, 2, true, "[0-4 4-8] 4 6", nil},
		"after nothing was made":   {0, 2, false, "[0-4 4-8] 0 6", failed},
	} {
		now, asked := time.Unix(1000, 0), []string{}
		r := bulk.NewReport(10)
		err := r.Steps(func() time.Time { return now }, 4, func(from, to int) error {
			asked = append(asked, fmt.Sprintf("%d-%d", from, to))
			now = now.Add(c.takes)
			if len(asked) == c.fails {
				return failed
			}
			for i := from; i < to; i++ {
				r.Results[i].Outcome = bulk.Unchanged
				if c.makes {
					r.Results[i].Outcome = bulk.Created
				}
			}
			return nil
		})
		if got := fmt.Sprint(asked, r.Count(bulk.Created), r.Count(bulk.Pending)); got != c.want || !errors.Is(err, c.err) || r.Complete() != (r.Count(bulk.Pending) == 0) {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

func TestReason(t *testing.T) {
	if got := bulk.Reason(input.Invalid("body.name", "must be short")); got != "name: must be short" {
		t.Error(got)
	}
	if got := bulk.Reason(errors.New("no")); got != "no" {
		t.Error(got)
	}
}
