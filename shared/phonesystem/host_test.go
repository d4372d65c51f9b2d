package phonesystem_test

import (
	"net/url"
	"strings"
	"testing"

	"portcullis.example/shared/phonesystem"
)

func TestNormaliseHost(t *testing.T) {
	for _, c := range []struct{ text, scheme, want string }{
		{"pbx.example.com", "https", "pbx.example.com"}, {"PBX.Example.COM", "https", "pbx.example.com"}, {"pbx.example.com.", "https", "pbx.example.com"},
		{"pbx.example.com:443", "https", "pbx.example.com"}, {"pbx.example.com:0443", "https", "pbx.example.com"}, {"pbx.example.com.:443", "https", "pbx.example.com"},
		{"pbx.example.com:80", "https", "pbx.example.com:80"}, {"pbx.example.com:80", "http", "pbx.example.com"}, {"pbx.example.com:443", "http", "pbx.example.com:443"},
		{"pbx:08081", "http", "pbx:8081"}, {"192.0.2.1:65535", "https", "192.0.2.1:65535"},
	} {
		if got, ok := phonesystem.NormaliseHost(c.text, c.scheme); !ok || got != c.want {
			t.Errorf("%s over %s: %q %t", c.text, c.scheme, got, ok)
		}
	}
	for _, text := range []string{"", ".", ":443", "a:", "a:0", "a:65536", "a:-1", "a:+1", "a:1:2", "a..b", "-a", "a-", "a_b", "a@b", "[::1]", "a b", "a/b", "ä.example", "a:４４３", strings.Repeat("a", 64)} {
		if got, ok := phonesystem.NormaliseHost(text, "https"); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
}

// A normal host is its own normal form, and what a URL says is its host.
func FuzzNormaliseHost(f *testing.F) {
	for _, seed := range []string{"pbx.example.com", "PBX:0443", "a.:80", "a:65536", "a@b", "a..b", "192.0.2.1:1"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, plain bool) {
		scheme := "https"
		if plain {
			scheme = "http"
		}
		host, ok := phonesystem.NormaliseHost(text, scheme)
		if !ok {
			return
		}
		if again, ok := phonesystem.NormaliseHost(host, scheme); !ok || again != host {
			t.Fatalf("%q is %q, and that is %q %t", text, host, again, ok)
		}
		u, err := url.Parse(scheme + "://" + host + "/x")
		if err != nil || u.Host != host || u.User != nil || u.Path != "/x" || host != strings.ToLower(host) || len(host) > 259 {
			t.Fatalf("%q is %q: %v %v", text, host, u, err)
		}
	})
}

// A policy that is wider in one thing is wider, however narrow in others; one
// that is narrower in everything, or the same, is not.
func TestWider(t *testing.T) {
	old := phonesystem.Policy{DefaultSeconds: 600, MaxSeconds: 3600, MaxExtensions: 2, Binding: phonesystem.BindPass, Reason: phonesystem.ReasonRequired, DecisionCacheSeconds: 5}
	narrow := phonesystem.Policy{DefaultSeconds: 60, MaxSeconds: 60, Binding: phonesystem.BindPassIP, Reason: phonesystem.ReasonRequired}
	if old.Wider(old) || narrow.Wider(old) || !old.Wider(narrow) {
		t.Error("the same, narrower, wider")
	}
	for name, widen := range map[string]func(*phonesystem.Policy){
		"time": func(p *phonesystem.Policy) { p.MaxSeconds = 3601 }, "extensions": func(p *phonesystem.Policy) { p.MaxExtensions = 3 },
		"cache": func(p *phonesystem.Policy) { p.DecisionCacheSeconds = 6 }, "reason": func(p *phonesystem.Policy) { p.Reason = phonesystem.ReasonOptional },
		"address alone": func(p *phonesystem.Policy) { p.Binding = phonesystem.BindIP },
	} {
		next := narrow
		widen(&next)
		if !next.Wider(old) {
			t.Errorf("%s is no widening", name)
		}
	}
}
