package login_test

import (
	"crypto/rand"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/ground"
)

// spent is the processor time of n times something, each, with what it leaves
// behind collected.
func spent(b *testing.B, n int, do func()) (cpu, wall time.Duration) {
	b.Helper()
	now := func() time.Duration {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			b.Fatal(err)
		}
		return time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	runtime.GC()
	before, began := now(), time.Now()
	for range n {
		do()
	}
	wall = time.Since(began)
	runtime.GC()
	return (now() - before) / time.Duration(n), wall / time.Duration(n)
}

// median is what half of the rounds took at most, in milliseconds.
func median(times []time.Duration) float64 {
	slices.Sort(times)
	return float64(times[len(times)/2]) / float64(time.Millisecond)
}

// BenchmarkSignIn is a whole sign-in, password and code, through the mux and to the
// embedded store's disk, beside the bare argon2id of its one hash: medians of b.N
// rounds of ten of each, turn and turn about.
func BenchmarkSignIn(b *testing.B) {
	const round = 10
	hasher, err := password.New(password.Options{Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	clock := localtest.NewClock()
	w := localtest.On(b, localtest.Bolt(b, clock), clock, func(o *ground.Options) { o.Hasher = hasher })
	alice := w.Administrator("acme", "alice@acme.example")
	params, salt := password.DefaultParams(), make([]byte, 16)
	var whole, bare, lasted []time.Duration
	for b.Loop() {
		cpu, wall := spent(b, round, func() {
			code := alice.NextCode()
			w.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login/mfa", Body: map[string]any{"login_token": alice.Login(), "method": "totp", "code": code}})
		})
		whole, lasted = append(whole, cpu), append(lasted, wall)
		cpu, _ = spent(b, round, func() {
			argon2.IDKey([]byte(localtest.Password), salt, params.Time, params.Memory, params.Threads, 32)
		})
		bare = append(bare, cpu)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(whole), "cpu-ms/sign-in")
	b.ReportMetric(median(bare), "cpu-ms/argon2id")
	b.ReportMetric(median(whole)/median(bare), "ratio")
	b.ReportMetric(1000/median(lasted), "sign-ins/s")
}
