package local

import "runtime/debug"

// How the collector works in a process that answers gates: a decision leaves a
// few kB behind and next to nothing stays, so that collecting at twice that little
// costs a fifth of the processor (docs/performance.md). The limit makes
// it work harder before hashes and imports need more than a small machine has.
const (
	heapGrowth  = 400 // per cent of what lives
	memoryLimit = 256 << 20
)

// TuneMemory sets the collector of this process, where its environment has
// neither GOGC nor GOMEMLIMIT: who sets one knows their machine better.
func TuneMemory(environment func(string) (string, bool)) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := environment(name); set {
			return
		}
	}
	debug.SetGCPercent(heapGrowth)
	debug.SetMemoryLimit(memoryLimit)
}
