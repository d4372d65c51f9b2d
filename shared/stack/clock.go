package stack

import "time"

// now is the clock. It stands alone in this file so that the rehearsal can build
// the same functions with one that it sets.
func now() time.Time { return time.Now() }
