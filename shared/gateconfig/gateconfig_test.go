package gateconfig

import (
	"errors"
	"strings"
	"testing"

	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/phonesystem/profile"
)

func options(upstream string) Options {
	return Options{
		System:  phonesystem.PhoneSystem{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Name: "Main office", Host: "pbx.example.com", Profile: "3cx-v20"},
		BaseURL: "https://portal.example", Upstream: upstream,
	}
}

// Nothing is left to fill in, whatever the profile.
func TestFilesAreComplete(t *testing.T) {
	for _, proxy := range Proxies() {
		for _, name := range profile.Names() {
			o := options("")
			o.System.Profile = name
			text, err := New(proxy, o)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "{{") || !strings.Contains(text, "/etc/portcullis/pbx.example.com/gate-key."+proxy) || !strings.Contains(text, "Main office") {
				t.Errorf("%s for %s is not complete", proxy, name)
			}
			if !strings.Contains(text, "(umask 077; printf ") || !strings.Contains(text, "-m 0700") || strings.Contains(text, "pcg_") {
				t.Errorf("%s for %s leaves the key to whoever reads files", proxy, name)
			}
		}
	}
}

// What is written into a configuration can be nothing but a server's address.
func TestUpstreamsThatAreNone(t *testing.T) {
	for _, proxy := range Proxies() {
		for _, upstream := range []string{"10.0.0.5", "ftp://10.0.0.5", "https://", "https://10.0.0.5/", "https://10.0.0.5/x", "https://a@10.0.0.5", "https://10.0.0.5?x", "https://10.0.0.5;evil", "https://a b", "https://a\nb", "https://{x}", "https://$x", "https://10.0.0.5:0", "https://10.0.0.5:x", "HTTPS://x"} {
			var refused *input.Error
			if _, err := New(proxy, options(upstream)); !errors.As(err, &refused) {
				t.Errorf("%s: %q: %v", proxy, upstream, err)
			}
		}
		for _, upstream := range []string{"http://127.0.0.1:5000", "https://pbx.lan:5001", "https://[2001:db8::1]:5001"} {
			if _, err := New(proxy, options(upstream)); err != nil {
				t.Errorf("%s: %q: %v", proxy, upstream, err)
			}
		}
	}
}

// Times that no test can wait for: how long the portal and the phone system are
// waited for, and how long a quiet web socket of an extension user stays open.
func TestTimesAreSet(t *testing.T) {
	for proxy, times := range map[string][]string{
		"nginx": {"client_header_timeout 15s;", "client_body_timeout 60s;", "proxy_connect_timeout 2s;", "proxy_send_timeout 2s;", "proxy_read_timeout 2s;", "proxy_connect_timeout 5s;", "proxy_send_timeout 1h;", "proxy_read_timeout 1h;"},
		"caddy": {"dial_timeout 2s", "response_header_timeout 2s", "tls_timeout 2s", "dial_timeout 5s"},
	} {
		text, err := New(proxy, options(""))
		if err != nil {
			t.Fatal(err)
		}
		for _, set := range times {
			if !strings.Contains(text, set) {
				t.Errorf("%s: no %s", proxy, set)
			}
		}
	}
}
