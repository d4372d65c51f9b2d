package local

import "time"

// gateWithin is how long an answer to a gate may take before it is a denial; zero:
// as long as it usually may. It stands alone in this file so that the tests of the
// built program can build it with more: one slow write to the disk failed them.
const gateWithin time.Duration = 0
