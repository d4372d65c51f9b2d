// Package config is what an installation is told from outside: one struct, read
// once at start. It guarantees that every value has been checked when Read
// returns, and that an error is one line that names the setting and says what it
// should be.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portcullis.example/shared/account"
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
	// TrustedProxies are the networks of the reverse proxies that end TLS in
	// front of the API: from them, and from nobody else, the last address in
	// X-Forwarded-For is the client's: PORTCULLIS_TRUSTED_PROXIES, such as
	// 127.0.0.1,10.0.0.0/8; empty: none.
	TrustedProxies []netip.Prefix
	// LogJSON has logs written as JSON: PORTCULLIS_LOG_JSON.
	LogJSON bool
	// RestoredAt is when the store was last brought back from a backup; zero:
	// never. What was made before and lets anybody in is void from then on:
	// PORTCULLIS_RESTORED_AT, such as 2027-03-01T09:30:00Z.
	RestoredAt time.Time
	// Sessions are PORTCULLIS_SESSION_IDLE and PORTCULLIS_SESSION_LONGEST, such
	// as 15m and 12h.
	Sessions session.Lifetimes
}

// ErrConfig is what every error of Read is, but for flag.ErrHelp.
var ErrConfig = errors.New("configuration")

// Read reads the settings from the arguments and the environment; the usage, if
// it is asked for, goes to out. Errors: ErrConfig, flag.ErrHelp.
func Read(args []string, getenv func(string) (string, bool), out io.Writer) (Config, error) {
	s := settings{flags: flag.NewFlagSet("portcullis", flag.ContinueOnError), getenv: getenv}
	s.flags.SetOutput(io.Discard) // an error is told once, by whoever called
	s.declare()
	if err := s.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		s.flags.SetOutput(out)
		s.flags.Usage()
		return Config{}, err
	} else if err != nil {
		return Config{}, fmt.Errorf("%w: %w; -help lists the flags", ErrConfig, err)
	}
	if s.flags.NArg() > 0 {
		return Config{}, fmt.Errorf("%w: unexpected argument %q; -help lists the flags", ErrConfig, s.flags.Arg(0))
	}
	for _, check := range []func() error{s.addresses, s.baseURL, s.trust, s.texts, s.times, s.restore} {
		if err := check(); err != nil {
			return Config{}, err
		}
	}
	return s.Config, nil
}

// settings are the values as read, before and after they are checked.
type settings struct {
	Config
	flags         *flag.FlagSet
	getenv        func(string) (string, bool)
	logJSON       truth
	idle, longest string
	proxies       string
	restored      string
}

func (s *settings) declare() {
	s.text(&s.Addr, "addr", "127.0.0.1:8080", "where the API listens")
	s.text(&s.Data, "data", ".portcullis", "folder of the store, the key file and the outbox")
	s.text(&s.BaseURL, "base-url", "", "how people reach the control portal; the default is http://localhost and the port of -addr")
	s.text(&s.DemoAddr, "demo-addr", "127.0.0.1:8081", "where the demonstration listens; empty: none")
	s.text(&s.OperatorEmail, "operator-email", "operator@example.com", "who is invited as the first operator")
	s.text(&s.proxies, "trusted-proxies", "", "addresses or networks of the reverse proxies whose X-Forwarded-For tells the client; empty: none")
	s.text(&s.restored, "restored-at", "", "when the store was last restored from a backup, such as 2027-03-01T09:30:00Z; empty: never")
	s.text(&s.idle, "session-idle", "15m", "a session ends after this long without a request, 1m to 1h")
	s.text(&s.longest, "session-longest", "12h", "a session ends after this long in any case, 1m to 24h")
	s.logJSON = "false"
	if value, ok := s.getenv(variable("log-json")); ok {
		s.logJSON = truth(value)
	}
	s.flags.Var(&s.logJSON, "log-json", "write logs as JSON ("+variable("log-json")+"=true)")
}

func (s *settings) text(to *string, name, initial, usage string) {
	if value, ok := s.getenv(variable(name)); ok {
		initial = value
	}
	s.flags.StringVar(to, name, initial, usage+" ("+variable(name)+")")
}

// truth is a flag that may stand alone.
type truth string

// Set implements flag.Value.
func (t *truth) Set(text string) error { *t = truth(text); return nil }

// String implements flag.Value.
func (t *truth) String() string { return string(*t) }

// IsBoolFlag lets the flag stand alone.
func (t *truth) IsBoolFlag() bool { return true }

func variable(name string) string {
	return "PORTCULLIS_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func bad(name, wanted string) error {
	return fmt.Errorf("%w: -%s (%s) must be %s", ErrConfig, name, variable(name), wanted)
}

func (s *settings) addresses() error {
	if !listenable(s.Addr) {
		return bad("addr", "an address and a port, such as 127.0.0.1:8080")
	}
	if s.DemoAddr != "" && !listenable(s.DemoAddr) {
		return bad("demo-addr", "an address and a port, such as 127.0.0.1:8081, or empty for no demonstration")
	}
	return nil
}

// listenable takes addresses with a port of their own: links name it.
func listenable(address string) bool {
	_, port, err := net.SplitHostPort(address)
	n, portErr := strconv.Atoi(port)
	return err == nil && portErr == nil && n >= 1 && n <= 65535
}

func (s *settings) baseURL() error {
	if s.BaseURL == "" {
		_, port, err := net.SplitHostPort(s.Addr)
		if err != nil {
			return bad("addr", "an address and a port, such as 127.0.0.1:8080")
		}
		s.BaseURL = "http://localhost:" + port
		return nil
	}
	u, err := url.Parse(s.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return bad("base-url", "a URL without a path, such as https://portal.example.com")
	}
	if u.Scheme == "http" && !onThisMachine(u.Hostname()) {
		return bad("base-url", "https: over plain http, which is for localhost, anybody on the way could read the session")
	}
	// As browsers write an origin: without the scheme's own port.
	ownPort := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	s.BaseURL = u.Scheme + "://" + strings.TrimSuffix(strings.ToLower(u.Host), ownPort)
	return nil
}

func onThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.IsLoopback()
}

func (s *settings) trust() error {
	for text := range strings.SplitSeq(s.proxies, ",") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		network, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return bad("trusted-proxies", "addresses or networks with commas between, such as 127.0.0.1,10.0.0.0/8")
		}
		s.TrustedProxies = append(s.TrustedProxies, network.Masked())
	}
	return nil
}

func (s *settings) texts() error {
	s.LogJSON = s.logJSON == "true"
	var err error
	s.OperatorEmail, err = account.CheckEmail(s.OperatorEmail)
	switch {
	case s.Data == "":
		return bad("data", "a folder")
	case err != nil:
		return bad("operator-email", "an e-mail address")
	case !s.LogJSON && s.logJSON != "false":
		return bad("log-json", "true or false")
	}
	return nil
}

// restore takes whole seconds, the unit in which everything is dated.
func (s *settings) restore() error {
	if s.restored == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, s.restored)
	if err != nil || at.Nanosecond() != 0 {
		return bad("restored-at", "the time of the restore, such as 2027-03-01T09:30:00Z, or empty")
	}
	s.RestoredAt = at.UTC()
	return nil
}

func (s *settings) times() error {
	var err error
	if s.Sessions.Idle, err = time.ParseDuration(s.idle); err != nil || s.Sessions.Idle < time.Minute || s.Sessions.Idle > time.Hour {
		return bad("session-idle", "a duration from 1m to 1h")
	}
	if s.Sessions.Longest, err = time.ParseDuration(s.longest); err != nil || s.Sessions.Longest < time.Minute || s.Sessions.Longest > 24*time.Hour {
		return bad("session-longest", "a duration from 1m to 24h")
	}
	return nil
}
