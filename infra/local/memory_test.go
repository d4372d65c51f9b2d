package local_test

import (
	"runtime/debug"
	"testing"

	"portcullis.example/infra/local"
)

// The collector is set for gates, unless whoever runs the process has set it.
func TestTuneMemory(t *testing.T) {
	growth, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(growth)
		debug.SetMemoryLimit(limit)
	}()
	for _, c := range []struct {
		set  string
		want int
	}{{"GOGC", 100}, {"GOMEMLIMIT", 100}, {"", 400}} {
		local.TuneMemory(func(name string) (string, bool) { return "", name == c.set })
		if got := debug.SetGCPercent(100); got != c.want {
			t.Errorf("with %q in the environment the heap grows by %d %%, want %d", c.set, got, c.want)
		}
	}
	if got := debug.SetMemoryLimit(-1); got != 256<<20 {
		t.Errorf("the limit is %d", got)
	}
}
