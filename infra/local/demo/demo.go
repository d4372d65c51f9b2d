// Package demo is what `make run` shows beside Portcullis itself: a stand-in
// phone system and the gate in front of it, on one listener. It guarantees
// that
//
//   - nothing reaches the phone system but through the gate: it has no port
//     and is spoken to over memory;
//   - the gate forwards a request only after Portcullis answered 204 with
//     `Portcullis-Decision: allow`; any other answer, none, or a late one denies;
//   - what is forwarded has byte for byte the path and query that were judged,
//     carries no header or cookie by which a client could pass for the gate, for
//     Portcullis or for somebody else, and none of Portcullis' own cookies.
//
// It is a demonstration for one machine: the phone system is invented, holds
// everything in memory, and only speaks the log-in of profile 3cx-v20.
package demo

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// ErrOptions says that the demonstration can't be built from what it was given;
// the text names the field. Calling again with the same options is pointless.
var ErrOptions = errors.New("demo: options")

// Options is everything the demonstration needs. All fields but Log are required.
type Options struct {
	// PublicHost is host and port as browsers name them: "pbx.localhost:8081".
	PublicHost string
	// Portcullis is where the gate asks: Remote or InProcess.
	Portcullis Backend
	// GateKey answers the gate's key at the time of asking; "" while there is
	// none yet, which locks everything. Called concurrently.
	GateKey func() string
	// Administrator and Extension are the phone system's two users.
	Administrator, Extension Credentials
	Now                      func() time.Time
	// Random makes the phone system's tokens. It needs no lock of its own.
	Random io.Reader
	// Log gets what went wrong, never a secret; nil drops it.
	Log *slog.Logger
	// Within is how long the gate waits for Portcullis; zero: DecisionTimeout.
	Within time.Duration
}

// Credentials are a user name and a password at the phone system.
type Credentials struct{ Name, Password string }

// Demo is the handler for the listener, and its two parts for those who look.
type Demo struct {
	Gate        *Gate
	PhoneSystem *PhoneSystem
	memory      io.Closer
}

// New builds the phone system and the gate in front of it, or answers
// ErrOptions. Close ends what it started.
func New(o Options) (*Demo, error) {
	phones, err := NewPhoneSystem(PhoneSystemOptions{
		Administrator: o.Administrator, Extension: o.Extension, Now: o.Now, Random: o.Random, Log: o.Log,
	})
	if err != nil {
		return nil, err
	}
	upstream, memory := InProcess(&url.URL{Scheme: "http", Host: o.PublicHost}, phones)
	gate, err := NewGate(GateOptions{
		PublicHost: o.PublicHost, Upstream: upstream, Portcullis: o.Portcullis,
		GateKey: o.GateKey, Now: o.Now, Log: o.Log, Within: o.Within,
	})
	if err != nil {
		return nil, errors.Join(err, memory.Close())
	}
	return &Demo{Gate: gate, PhoneSystem: phones, memory: memory}, nil
}

// ServeHTTP is the gate.
func (d *Demo) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.Gate.ServeHTTP(w, r) }

// Close ends the connections between the gate and the phone system. Requests
// that come later are answered 502.
func (d *Demo) Close() error { return d.memory.Close() }

func missing(field string) error { return fmt.Errorf("%w: %s is missing", ErrOptions, field) }

func logger(given *slog.Logger) *slog.Logger {
	if given == nil {
		return slog.New(slog.DiscardHandler)
	}
	return given
}
