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

// measured is a crowd in a store of its own, and what an operation there cost.
type measured struct {
	*crowd
	calls *tabletest.Counting
	size  int
	trips int
	took  []time.Duration
}

func newMeasured(b *testing.B, size int) *measured {
	clock := localtest.NewClock()
	calls := tabletest.NewCounting(localtest.Bolt(b, clock))
	m := &measured{crowd: newCrowd(localtest.On(b, calls, clock), nil), calls: calls, size: size}
	began := time.Now()
	if err := m.grow(size); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d users after %s", size, time.Since(began).Round(time.Second))
	m.ready()
	return m
}

func (m *measured) turn(do func()) {
	m.calls.Reset()
	start := time.Now()
	do()
	m.took = append(m.took, time.Since(start))
	m.trips += m.calls.Reset().RoundTrips
}

func (m *measured) median() float64 {
	slices.Sort(m.took)
	return float64(m.took[len(m.took)/2].Nanoseconds()) / 1e3
}

// BenchmarkUsers loads partners of 100, 10,000 and 1,000,000 users into embedded
// stores and reports for each operation, done in each by turns, so that what else
// the machine does befalls all three: its round trips, the median of its times,
// and the largest partner's as a multiple of the smallest's. docs/performance.md
// has the command.
func BenchmarkUsers(b *testing.B) {
	all := []*measured{newMeasured(b, 100), newMeasured(b, 10_000), newMeasured(b, 1_000_000)}
	for name := range all[0].operations() {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			for _, m := range all {
				m.trips, m.took = 0, nil
			}
			for b.Loop() {
				for _, m := range all {
					m.turn(m.operations()[name])
				}
			}
			for _, m := range all {
				b.ReportMetric(float64(m.trips)/float64(len(m.took)), fmt.Sprintf("trips@%d", m.size))
				b.ReportMetric(m.median(), fmt.Sprintf("µs@%d", m.size))
			}
			b.ReportMetric(all[2].median()/all[0].median(), "times")
			b.ReportMetric(0, "ns/op")
		})
	}
}
