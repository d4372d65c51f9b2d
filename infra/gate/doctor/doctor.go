// Package doctor examines a real installation of a gate, from outside and, with
// files of the gate and the phone system, from inside, and says of each thing
// that matters whether it is as it should be, with what to do where it is not.
// It guarantees that it looks at the addresses it was given and at no other, at
// a bounded number of ports, one after another with short time-outs; that it
// changes nothing, sends no password and no gate key; and that what it could
// not see it never calls well.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"portcullis.example/shared/phonesystem/profile"
)

// Outcome is what an examination came to.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "FAILED"
	Unknown Outcome = "unknown" // it could not be told
)

// Check is one thing that was examined.
type Check struct {
	// Name says what, in the words of a question.
	Name    string
	Outcome Outcome
	// Found says what was seen.
	Found string
	// Advice says what to do next; empty where nothing is to be done.
	Advice string
}

// Options are what an examination goes by.
type Options struct {
	// URL is the phone system's as people reach it, through its gate.
	URL *url.URL
	// Gate is the gate's own address, host or host:port; empty: where URL leads.
	Gate string
	// From is the address to ask from; the zero value: any of this machine's.
	From netip.Addr
	// Roots are whose certificates are believed; nil: those of this machine.
	Roots *x509.CertPool
	// Profile is the phone system's.
	Profile string
	// Portal is the control portal's base URL; empty: the notice may name any.
	Portal string
	// PBX are the phone system's own addresses, beside the gate.
	PBX []string
	// Ports are to be looked at there beside those of the profile.
	Ports []int
	// Installed and Generated are files: the gate's configuration as it is
	// installed, and as the control portal has it now.
	Installed, Generated string
	// AccessLog is the file of the phone system's own web server.
	AccessLog string
	// Marker is the one that an earlier examination left in that log; empty:
	// this one leaves its own.
	Marker string
	// Client is this machine's address as the internet sees it; empty: From, or
	// the one that reaches the gate.
	Client string
	// Wait is how long a log may take to be written.
	Wait time.Duration
	// Random makes the marker.
	Random io.Reader
}

// Limits that keep an examination polite.
const (
	maxAddresses = 8
	maxPorts     = 16
)

// examination is one under way.
type examination struct {
	Options
	web                      asker
	restricted, unrestricted string // paths; empty where the profile has none
	profile                  profile.Profile
	// client is the address that the gate was reached from.
	client netip.Addr
}

// Examine makes every check, in the order to read them. An error says that the
// options can't be: profile.ErrUnknownProfile, or text for whoever gave them.
func Examine(ctx context.Context, o Options) ([]Check, error) {
	e, err := begin(o)
	if err != nil {
		return nil, err
	}
	if e.Marker != "" { // the other half of an examination from elsewhere
		return []Check{e.installed(), e.key(), e.logged(ctx, e.Marker)}, nil
	}
	return []Check{e.gate(ctx), e.notice(ctx), e.users(ctx), e.forged(ctx), e.beside(ctx), e.installed(), e.key(), e.address(ctx)}, nil
}

func begin(o Options) (*examination, error) {
	p, err := profile.Describe(o.Profile)
	if err != nil {
		return nil, err
	}
	switch u := o.URL; {
	case o.Marker != "" && o.AccessLog == "":
		return nil, fmt.Errorf("a marker is looked for in an access log: name that file too")
	case o.Marker != "":
	case u == nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil:
		return nil, fmt.Errorf("the URL must be the phone system's as people reach it, such as https://pbx.example.com")
	}
	if len(o.PBX) > maxAddresses || len(o.Ports)+len(p.Ports.Numbers) > maxPorts {
		return nil, fmt.Errorf("at most %d addresses and %d ports, those of the profile included", maxAddresses, maxPorts)
	}
	e := &examination{Options: o, profile: p, web: asker{from: o.From, roots: o.Roots}}
	e.restricted, e.unrestricted = paths(p)
	return e, nil
}

// paths are below the first rule of either kind, where nothing is.
func paths(p profile.Profile) (restricted, unrestricted string) {
	for _, r := range p.Rules {
		below := strings.TrimSuffix(r.Path, "/") + "/portcullis-doctor"
		switch {
		case r.Kind == profile.KindRestricted && restricted == "":
			restricted = below
		case r.Kind == profile.KindUnrestricted && unrestricted == "" && r.Path != "/":
			unrestricted = below
		}
	}
	return restricted, unrestricted
}

// Write says what was found, for people.
func Write(out io.Writer, checks []Check) error {
	for _, c := range checks {
		if _, err := fmt.Fprintf(out, "%-8s %s\n         %s\n", c.Outcome, c.Name, c.Found); err != nil {
			return err
		}
		if c.Advice == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "         → %s\n", c.Advice); err != nil {
			return err
		}
	}
	return nil
}

// Worst is what the checks come to: Failed if one has, Unknown if one could not
// be told, else OK.
func Worst(checks []Check) Outcome {
	worst := OK
	for _, c := range checks {
		switch {
		case c.Outcome == Failed:
			return Failed
		case c.Outcome == Unknown:
			worst = Unknown
		}
	}
	return worst
}
