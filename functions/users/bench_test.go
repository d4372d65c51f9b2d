package users_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/table/tabletest"
)

// BenchmarkUsers loads a partner up to 1,000,000 users into the embedded store
// and reports for each operation, at 100, 10,000 and 1,000,000, its round trips
// and its time, the median of several turns. docs/performance.md has the command.
func BenchmarkUsers(b *testing.B) {
	clock := localtest.NewClock()
	calls := tabletest.NewCounting(localtest.Bolt(b, clock))
	c := newCrowd(localtest.On(b, calls, clock), func() string { return fmt.Sprint(calls.Reset().RoundTrips) })
	for _, size := range []int{100, 10_000, 1_000_000} {
		began := time.Now()
		if err := c.grow(size); err != nil {
			b.Fatal(err)
		}
		b.Logf("%d users after %s", size, time.Since(began).Round(time.Second))
		c.ready()
		for name, do := range c.operations() {
			b.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(name, " ", "-"), size), func(b *testing.B) {
				var turns []time.Duration
				calls.Reset()
				for b.Loop() {
					start := time.Now()
					do()
					turns = append(turns, time.Since(start))
				}
				slices.Sort(turns)
				b.ReportMetric(float64(calls.Reset().RoundTrips)/float64(len(turns)), "trips/op")
				b.ReportMetric(float64(turns[len(turns)/2].Microseconds()), "median-µs/op")
			})
		}
	}
}
