package config_test

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/config"
	"portcullis.example/shared/session"
)

func read(environment map[string]string, args ...string) (config.Config, string, error) {
	var out bytes.Buffer
	c, err := config.Read(args, func(name string) (string, bool) { value, ok := environment[name]; return value, ok }, &out)
	return c, out.String(), err
}

func TestDefaults(t *testing.T) {
	got, _, err := read(nil)
	want := config.Config{
		Addr: "127.0.0.1:8080", Data: ".portcullis", BaseURL: "http://localhost:8080", DemoAddr: "127.0.0.1:8081",
		OperatorEmail: "operator@example.com", Sessions: session.Lifetimes{Idle: 15 * time.Minute, Longest: 12 * time.Hour},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestSettings(t *testing.T) {
	environment := map[string]string{
		"PORTCULLIS_ADDR": "[::1]:9090", "PORTCULLIS_DATA": "/srv/portcullis", "PORTCULLIS_BASE_URL": "https://Portal.example.com:443/",
		"PORTCULLIS_DEMO_ADDR": "", "PORTCULLIS_OPERATOR_EMAIL": "ops@example.com", "PORTCULLIS_LOG_JSON": "true",
		"PORTCULLIS_TRUSTED_PROXIES": "127.0.0.1, 10.1.2.3/8", "PORTCULLIS_SESSION_IDLE": "1h", "PORTCULLIS_SESSION_LONGEST": "24h",
		"PORTCULLIS_RESTORED_AT": "2027-03-01T10:30:00+01:00",
	}
	want := config.Config{
		Addr: "[::1]:9090", Data: "/srv/portcullis", BaseURL: "https://portal.example.com", OperatorEmail: "ops@example.com", LogJSON: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")},
		RestoredAt:     time.Date(2027, 3, 1, 9, 30, 0, 0, time.UTC),
		Sessions:       session.Lifetimes{Idle: time.Hour, Longest: 24 * time.Hour},
	}
	if got, _, err := read(environment); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("from the environment: %+v %v", got, err)
	}
	want.Addr, want.LogJSON, want.DemoAddr = "0.0.0.0:80", false, "localhost:81"
	if got, _, err := read(environment, "-addr", "0.0.0.0:80", "-log-json=false", "-demo-addr=localhost:81"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("with flags, which win: %+v %v", got, err)
	}
	if got, _, err := read(nil, "-log-json"); err != nil || !got.LogJSON {
		t.Errorf("-log-json alone: %+v %v", got, err)
	}
	for _, local := range []string{"http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080", "http://portal.localhost"} {
		if got, _, err := read(nil, "-base-url", local); err != nil || got.BaseURL != local {
			t.Errorf("plain http on this machine: %+v %v", got, err)
		}
	}
	if got, _, err := read(nil, "-addr", ":9090"); err != nil || got.BaseURL != "http://localhost:9090" {
		t.Errorf("the base URL does not follow the port: %+v %v", got, err)
	}
}

func TestBadSettingsAreToldInOneLine(t *testing.T) {
	for _, c := range []struct{ name, value string }{
		{"addr", ""}, {"addr", "8080"}, {"addr", "127.0.0.1"}, {"addr", "127.0.0.1:0"}, {"addr", "127.0.0.1:http"}, {"addr", ":65536"},
		{"demo-addr", "8081"}, {"demo-addr", "x:0"},
		{"data", ""},
		{"base-url", "portal.example.com"}, {"base-url", "ftp://portal.example.com"}, {"base-url", "https://"}, {"base-url", "https://:443"},
		{"base-url", "https://portal.example.com/sub"}, {"base-url", "https://user@portal.example.com"}, {"base-url", "https://portal.example.com?x"},
		{"base-url", "https://portal.example.com?x=1"}, {"base-url", "https://portal.example.com#x"}, {"base-url", "https://a b"},
		{"base-url", "http://portal.example.com"}, {"base-url", "http://192.0.2.1:8080"}, {"base-url", "http://localhost.example.com"},
		{"restored-at", "yesterday"}, {"restored-at", "2027-03-01"}, {"restored-at", "2027-03-01T09:30:00.5Z"},
		{"trusted-proxies", "proxy.example.com"}, {"trusted-proxies", "10.0.0.0/40"},
		{"operator-email", ""}, {"operator-email", "operator"}, {"operator-email", "a b@example.com"},
		{"log-json", "yes"}, {"log-json", ""},
		{"session-idle", "59s"}, {"session-idle", "61m"}, {"session-idle", "15"}, {"session-idle", "-5m"},
		{"session-longest", "25h"}, {"session-longest", "30s"}, {"session-longest", "long"},
	} {
		variable := "PORTCULLIS_" + strings.ToUpper(strings.ReplaceAll(c.name, "-", "_"))
		for _, way := range []struct {
			environment map[string]string
			args        []string
		}{{map[string]string{variable: c.value}, nil}, {nil, []string{"-" + c.name + "=" + c.value}}} {
			got, out, err := read(way.environment, way.args...)
			if !errors.Is(err, config.ErrConfig) || !reflect.DeepEqual(got, config.Config{}) || out != "" {
				t.Errorf("%s=%q: %+v %v %q", c.name, c.value, got, err, out)
				continue
			}
			if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, "-"+c.name) || !strings.Contains(text, variable) {
				t.Errorf("%s=%q: %s", c.name, c.value, text)
			}
		}
	}
}

func TestUsage(t *testing.T) {
	_, out, err := read(nil, "-help")
	if !errors.Is(err, flag.ErrHelp) || !strings.Contains(out, "PORTCULLIS_DEMO_ADDR") || strings.Count(out, "PORTCULLIS_") != 10 {
		t.Errorf("%v: %s", err, out)
	}
	for _, args := range [][]string{{"-bogus"}, {"start"}, {"-addr"}} {
		if _, out, err := read(nil, args...); !errors.Is(err, config.ErrConfig) || strings.Contains(err.Error(), "\n") || out != "" {
			t.Errorf("%q: %v %q", args, err, out)
		}
	}
}
