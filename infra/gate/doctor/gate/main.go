// Command gate is for whoever runs a gate. "gate doctor" examines an
// installation and explains what is not as it should be. It ends with 0 where
// all is well, 1 where something is wrong, 2 where something could not be told,
// and 3 where it was called wrongly.
package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"portcullis.example/infra/gate/doctor"
)

// Exit codes.
const (
	well = iota
	wrong
	untold
	misused
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errOut io.Writer) int {
	if len(args) == 0 || args[0] != "doctor" {
		fmt.Fprintln(errOut, "usage: gate doctor -url https://pbx.example.com [flags]; gate doctor -help lists them")
		return misused
	}
	o, err := options(args[1:], errOut)
	if errors.Is(err, flag.ErrHelp) {
		return well
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var checks []doctor.Check
	if err == nil {
		checks, err = doctor.Examine(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(errOut, "gate doctor:", err)
		return misused
	}
	if err := doctor.Write(out, checks); err != nil {
		return untold
	}
	return map[doctor.Outcome]int{doctor.OK: well, doctor.Failed: wrong, doctor.Unknown: untold}[doctor.Worst(checks)]
}

// logWithin is how long the phone system's log may take.
const logWithin = 5 * time.Second

func options(args []string, errOut io.Writer) (doctor.Options, error) {
	o := doctor.Options{Wait: logWithin, Random: rand.Reader}
	flags := flag.NewFlagSet("gate doctor", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Func("url", "the phone system as people reach it, through the gate: https://pbx.example.com", func(text string) (err error) {
		o.URL, err = url.Parse(text)
		return err
	})
	flags.StringVar(&o.Profile, "profile", "3cx-v20", "the phone system's profile: 3cx-v20, 3cx-v18, freepbx, yeastar, custom")
	flags.StringVar(&o.Gate, "gate", "", "the gate's `address`, where the host name does not lead there (yet)")
	flags.StringVar(&o.Portal, "portal", "", "the control portal's `URL`, which the notice must name")
	flags.Func("pbx", "an `address` of the phone system itself, beside the gate; may be repeated", func(text string) error {
		o.PBX = append(o.PBX, text)
		return nil
	})
	flags.Func("port", "a `port` to look at there beside those of the product; may be repeated", func(text string) error {
		port, err := strconv.ParseUint(text, 10, 16)
		o.Ports = append(o.Ports, int(port))
		return err
	})
	flags.StringVar(&o.Installed, "installed", "", "the gate's configuration `file` as the proxy reads it")
	flags.StringVar(&o.Generated, "generated", "", "the same `file` as just fetched from the control portal")
	flags.StringVar(&o.AccessLog, "access-log", "", "the `file` in which the phone system's own web server logs requests")
	flags.StringVar(&o.Marker, "marker", "", "look for this `word` of an earlier examination in the log, and ask nobody")
	flags.StringVar(&o.Client, "client", "", "the `address` that the phone system should see: this machine's, as the gate sees it")
	flags.Func("from", "the `address` of this machine to ask from", func(text string) (err error) {
		o.From, err = netip.ParseAddr(text)
		return err
	})
	flags.Func("ca", "a `file` with the certificate of an authority to believe", func(name string) (err error) {
		o.Roots, err = roots(name)
		return err
	})
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected %s", strings.Join(flags.Args(), " "))
	}
	return o, err
}

func roots(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in PEM form")
	}
	return pool, nil
}
