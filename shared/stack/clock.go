package stack

import "time"

// now is the clock, and gateWithin how long an answer to a gate may take before it
// is a denial; zero: as long as it usually may. They stand alone in this file so
// that the rehearsal can build the same functions with a clock that it sets and
// with the time that a busy machine needs.
func now() time.Time { return time.Now() }

func gateWithin() time.Duration { return 0 }
