//go:build rehearsal

package rehearsal

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const hello = `package main

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: "hello"}, nil
	})
}
`

// BenchmarkStart measures each function's start, from exec to the first poll,
// beside a hello-world function: by turns, so that both see the same machine. It
// reports the medians' ratio and the binary's size.
func BenchmarkStart(b *testing.B) {
	c, err := newCloud()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	binaries := build(b)
	w := newWorld(b, c, binaries, nil)
	baseline := &function{name: "hello", binary: helloWorld(b)}
	for _, name := range []string{"login", "users", "phonesystems", "unlocks", "gate", "reports", "portal", "auditor", "courier", "installer"} {
		b.Run(name, func(b *testing.B) {
			var ours, theirs []time.Duration
			for b.Loop() {
				theirs = append(theirs, started(b, baseline))
				ours = append(ours, started(b, w.functions[name]))
			}
			info, err := os.Stat(w.functions[name].binary)
			if err != nil {
				b.Fatal(err)
			}
			median := func(of []time.Duration) float64 { slices.Sort(of); return float64(of[len(of)/2]) }
			b.ReportMetric(median(ours)/1e6, "ms")
			b.ReportMetric(median(theirs)/1e6, "hello-ms")
			b.ReportMetric(median(ours)/median(theirs), "ratio")
			b.ReportMetric(float64(info.Size())/1e6, "MB")
		})
	}
}

func started(b *testing.B, f *function) time.Duration {
	b.Helper()
	begun := time.Now()
	i, err := startInstance(f.name, f.binary, f.env)
	if err != nil {
		b.Fatal(err)
	}
	select {
	case <-i.polled:
	case <-i.ended:
		b.Fatalf("%s ended: %s", f.name, i.said.String())
	}
	took := time.Since(begun)
	if err := i.stop(); err != nil {
		b.Fatal(err)
	}
	return took
}

// helloWorld is built with the same flags, in the same module.
func helloWorld(b *testing.B) string {
	b.Helper()
	folder, err := os.MkdirTemp(".", "hello-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			b.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(hello), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := filepath.Join(b.TempDir(), "bootstrap")
	made := exec.Command("go", "build", "-buildvcs=false", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", binary, "./"+folder)
	made.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := made.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return binary
}
