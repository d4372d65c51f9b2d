// Package config is what an installation is told from outside: one struct, read
// once at start. It guarantees that every value has been checked when Read
// returns, and that an error names the setting and says what it should be.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"portcullis.example/shared/session"
)

// Config are the settings. Each comes from the environment variable named, or
// from the flag of the same name (-addr for PORTCULLIS_ADDR), which wins.
type Config struct {
	// Addr is where the API listens: PORTCULLIS_ADDR.
	Addr string
	// Data is the folder of the store, the key file and the outbox:
	// PORTCULLIS_DATA.
	Data string
	// BaseURL is how people reach the control portal, without a slash at its
	// end: PORTCULLIS_BASE_URL. Links in mails are made from it alone.
	BaseURL string
	// DemoAddr is where the demonstration listens; empty: there is none:
	// PORTCULLIS_DEMO_ADDR.
	DemoAddr string
	// OperatorEmail is who is invited as the first operator:
	// PORTCULLIS_OPERATOR_EMAIL.
	OperatorEmail string
	// LogJSON has logs written as JSON: PORTCULLIS_LOG_JSON.
	LogJSON bool
	// Sessions are PORTCULLIS_SESSION_IDLE and PORTCULLIS_SESSION_LONGEST, such
	// as 15m and 12h.
	Sessions session.Lifetimes
}

// ErrConfig is what every error of Read is, but for flag.ErrHelp.
var ErrConfig = errors.New("configuration")

// Read reads the settings from the arguments and the environment; usage and
// what flags have to complain about go to out. Errors: ErrConfig, flag.ErrHelp.
func Read(args []string, getenv func(string) (string, bool), out io.Writer) (Config, error) {
	var c Config
	flags := flag.NewFlagSet("portcullis", flag.ContinueOnError)
	flags.SetOutput(out)
	text := func(to *string, name, initial, usage string) {
		if value, ok := getenv(variable(name)); ok {
			initial = value
		}
		flags.StringVar(to, name, initial, usage+" ("+variable(name)+")")
	}
	var json, idle, longest string
	text(&c.Addr, "addr", "127.0.0.1:8080", "where the API listens")
	text(&c.Data, "data", ".portcullis", "folder of the store, the key file and the outbox")
	text(&c.BaseURL, "base-url", "http://localhost:8080", "how people reach the control portal")
	text(&c.DemoAddr, "demo-addr", "127.0.0.1:8081", "where the demonstration listens; empty: none")
	text(&c.OperatorEmail, "operator-email", "operator@example.com", "who is invited as the first operator")
	text(&json, "log-json", "false", "write logs as JSON: true or false")
	text(&idle, "session-idle", "15m", "a session ends after this long without a request, at most 1h")
	text(&longest, "session-longest", "12h", "a session ends after this long in any case, at most 24h")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return Config{}, err
		}
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if flags.NArg() > 0 {
		return Config{}, fmt.Errorf("%w: unexpected argument %q", ErrConfig, flags.Arg(0))
	}
	c.LogJSON = json == "true"
	if json != "true" && json != "false" {
		return Config{}, bad("log-json", "true or false")
	}
	return c, errors.Join(c.check(), c.times(idle, longest))
}

func variable(name string) string {
	return "PORTCULLIS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func bad(name, wanted string) error {
	return fmt.Errorf("%w: -%s (%s) must be %s", ErrConfig, name, variable(name), wanted)
}

func (c *Config) check() error {
	u, err := url.Parse(c.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return bad("base-url", "a URL without a path, such as https://portal.example.com")
	}
	c.BaseURL = u.Scheme + "://" + u.Host
	switch {
	case c.Addr == "":
		return bad("addr", "an address, such as 127.0.0.1:8080")
	case c.Data == "":
		return bad("data", "a folder")
	}
	return nil
}

func (c *Config) times(idle, longest string) error {
	var err error
	if c.Sessions.Idle, err = time.ParseDuration(idle); err != nil || c.Sessions.Idle < time.Minute || c.Sessions.Idle > time.Hour {
		return bad("session-idle", "a duration from 1m to 1h")
	}
	if c.Sessions.Longest, err = time.ParseDuration(longest); err != nil || c.Sessions.Longest < time.Minute || c.Sessions.Longest > 24*time.Hour {
		return bad("session-longest", "a duration from 1m to 24h")
	}
	return nil
}
