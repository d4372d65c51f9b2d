package demo

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// listed is the oracle: written apart from the code it judges.
func listed(name string) bool {
	name = strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	for _, prefix := range []string{"portcullis-", "remote-", "x-forwarded-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"forwarded", "x-forwarded", "x-real-ip", "portcullis"}, name)
}

func FuzzStripHeaders(f *testing.F) {
	for _, seed := range []string{"Remote_User", "x.forwarded-For", "PORTCULLIS_client", "X-Real.IP", "Accept", "forwarded", "_remote-user"} {
		f.Add(seed, "v")
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		h := http.Header{name: {value, value}, "Accept": {"a"}, "X-Remote": {"b"}}
		h.Add(name, value) // the canonical spelling, if that is another
		stripHeaders(h)
		for left := range h {
			if listed(left) {
				t.Errorf("%q is left", left)
			}
		}
		if h["X-Remote"] == nil {
			t.Error("a header of the phone system's own was taken")
		}
	})
}

func TestStripHeadersInEverySpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{
			"portcullis-client", "portcullis-url", "remote-user", "remote-email", "remote-groups", "x-forwarded-for",
			"x-forwarded-host", "forwarded", "x-real-ip", "x-forwarded", "accept", "x-remote", "remoteuser", "content-type",
		}).Draw(t, "name")
		spelled := []byte(name)
		for i, c := range spelled {
			switch {
			case c == '-':
				spelled[i] = rapid.SampledFrom([]byte("-_.")).Draw(t, "sign")
			case rapid.Bool().Draw(t, "upper"):
				spelled[i] = c + 'A' - 'a'
			}
		}
		h := http.Header{textproto.CanonicalMIMEHeaderKey(string(spelled)): {"v"}}
		stripHeaders(h)
		if (len(h) == 0) != listed(name) {
			t.Fatalf("%s: left %v", spelled, h)
		}
	})
}

func cookieNames(lines []string) []string {
	var names []string
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimLeft(pair, " \t="), "=")
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	return names
}

func FuzzStripCookies(f *testing.F) {
	for _, seed := range []string{
		"a=1; portcullis=2", "__Host-portcullis-pass=x;;b=2", "=portcullis=1", "PORTCULLIS", "a=\"x; portcullis-pass=1\"", " ; =; ",
	} {
		f.Add(seed, "pbx=1; "+seed+"; last=2")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Cookie": {one, two, "pbx=1; portcullis=2; x=portcullis"}}
		stripCookies(h)
		for _, name := range cookieNames(h["Cookie"]) {
			if strings.Contains(name, "portcullis") {
				t.Errorf("%q is left", name)
			}
		}
		for _, cookie := range (&http.Request{Header: h}).Cookies() {
			if strings.Contains(strings.ToLower(cookie.Name), "portcullis") {
				t.Errorf("%q is left", cookie.Name)
			}
		}
		if lines := h["Cookie"]; len(lines) == 0 || lines[len(lines)-1] != "pbx=1; x=portcullis" {
			t.Errorf("the phone system's own are gone: %q", lines)
		}
	})
}

func FuzzStripSetCookies(f *testing.F) {
	for _, seed := range []string{"portcullis=1", "__Host-portcullis-pass=x; Path=/", "=portcullis-pass=1", " Portcullis =1", "a=portcullis"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		h := http.Header{"Set-Cookie": {value, "Pbx=1; Path=/"}}
		stripSetCookies(h)
		for _, cookie := range (&http.Response{Header: h}).Cookies() {
			if strings.Contains(strings.ToLower(cookie.Name), "portcullis") {
				t.Errorf("%q is left", cookie.Name)
			}
		}
		for _, left := range h["Set-Cookie"] {
			pair, _, _ := strings.Cut(left, ";")
			if names := cookieNames([]string{pair}); strings.Contains(names[0], "portcullis") {
				t.Errorf("%q is left", left)
			}
		}
		if !slices.Contains(h["Set-Cookie"], "Pbx=1; Path=/") {
			t.Error("the phone system's own is gone")
		}
	})
}
