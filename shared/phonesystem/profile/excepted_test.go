package profile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testExcepted are exceptions inside restricted rules; each profile takes those
// that its floor lets stand.
func testExcepted() []Excepted {
	return []Excepted{{"/xapi/v1/Reports", "test"}, {"/api/reports/", "test"}, {"/reports", "test"}}
}

func compileExcepted(t testing.TB, name string, added ...string) *Matcher {
	t.Helper()
	m, err := CompileExcepted(name, added, testExcepted())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// isExcepted tells whether a server that ended up with the path p serves what
// was excepted: written anew, like the readings. X(key) may be another thing.
func isExcepted(p string) bool {
	p = strings.ToLower(p)
	return below(p, "/xapi/v1/reports") || below(p, "/api/reports") || below(p, "/reports")
}

func TestExceptionsOpenWhatTheySayAndNoMore(t *testing.T) {
	m := compileExcepted(t, "3cx-v20", "/xapi/v1/Reports/secret", "/reports")
	for path, want := range map[string]string{
		"/xapi/v1/Reports":           "unrestricted excepted /xapi/v1/Reports (test)",
		"/XAPI/v1/reports/x":         "unrestricted excepted /xapi/v1/Reports (test)",
		"/api/reports/x":             "unrestricted excepted /api/reports/ (test)",
		"/xapi/v1/Reports(1)":        "restricted restricted /xapi/",
		"/xapi/v1/ReportsX":          "restricted restricted /xapi/",
		"/xapi/v1/Reports/secret/x":  "restricted added /xapi/v1/Reports/secret", // what a partner adds wins
		"/reports":                   "restricted added /reports",
		"/xapi/v1/Reports/../Users":  "ambiguous ambiguous: segment of dots",
		"/xapi/v1/Reports/..%2fUser": "ambiguous ambiguous: encoded slash",
		"/xapi/v1/Reports;/x":        "ambiguous ambiguous: semicolon",
		"/xapi/v1/Users":             "restricted restricted /xapi/",
	} {
		v := m.Judge("GET", path)
		if got := v.Class.String() + " " + v.Rule; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if v := m.Judge("TRACE", "/xapi/v1/Reports"); v.Class != Restricted {
		t.Errorf("TRACE: %v", v)
	}
	if m.Fingerprint() == compile(t, "3cx-v20", "/xapi/v1/Reports/secret", "/reports").Fingerprint() {
		t.Error("exceptions leave the fingerprint as it is")
	}
}

// The console and its log-in are never excepted: neither themselves, nor what
// holds them, nor what is in them.
func TestExceptionsHaveAFloor(t *testing.T) {
	for name, paths := range map[string][]string{
		"3cx-v20": {"/", "/xapi", "/XAPI/", "/xapi/v1", "/api", "/api/login", "/API/Login/x", "/connect", "/connect/authorize", "/xapi/v1/Users", "/xapi/v1/users/1", "/xapi/v1/SecurityTokens", "/xapi/v1/ConsoleRestrictions", "/xapi/v1/Blocklist", "/management", "/x/admin", "/x/Login.aspx", "/x/signin/y"},
		"3cx-v18": {"/", "/api", "/api/login", "/api/Token", "/api/settings/x", "/management/x", "/xapi", "/webclient/console"},
		"freepbx": {"/", "/admin", "/admin/ajax.php", "/Admin/api/x", "/admin.php"},
		"yeastar": {"/", "/admin/x", "/api", "/api/v1.0/login"},
		"custom":  {"/", "/admin", "/login", "/x/logon"},
	} {
		for _, path := range paths {
			if err := CheckExcepted(name, path); !errors.Is(err, ErrFloor) {
				t.Errorf("%s: %s: %v", name, path, err)
			}
			m, err := CompileExcepted(name, nil, []Excepted{{path, "made for another profile"}})
			if err != nil {
				t.Fatal(err)
			}
			if a, b := m.Judge("GET", path), compile(t, name).Judge("GET", path); a != b {
				t.Errorf("%s: %s is %v, without the exception %v", name, path, a, b)
			}
		}
	}
	for _, path := range []string{"", "x", "/x/../y", "/x%20", "/x y", "/x(1)", "/x;y", "/ü", "/x?y", "/x'", "/" + strings.Repeat("x", MaxAddedPath), "/$metadata", "/x*"} {
		if err := CheckExcepted("3cx-v20", path); !errors.Is(err, ErrMalformedPath) {
			t.Errorf("%q: %v", path, err)
		}
	}
	for name, path := range map[string]string{"3cx-v20": "/xapi/v1/Contacts", "3cx-v18": "/api/SystemStatus", "yeastar": "/api/v2.0.0/cdr", "custom": "/webclient", "freepbx": "/restapps"} {
		if err := CheckExcepted(name, path); err != nil {
			t.Errorf("%s: %s: %v", name, path, err)
		}
	}
	if err := CheckExcepted("other", "/x"); !errors.Is(err, ErrUnknownProfile) {
		t.Errorf("%v", err)
	}
	if _, err := CompileExcepted("custom", nil, make([]Excepted, MaxExcepted+1)); !errors.Is(err, ErrTooManyPaths) {
		t.Errorf("%v", err)
	}
}

// Whatever is excepted, the floor stays restricted, and no path is opened that
// no exception covers.
func TestAttack26ExceptionsNeverOpenTheFloor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(Names()).Draw(t, "profile")
		var excepted []Excepted
		for range rapid.IntRange(1, 5).Draw(t, "how many") {
			excepted = append(excepted, Excepted{drawPath(t), "x"})
		}
		m, err := CompileExcepted(name, nil, excepted)
		if err != nil {
			t.Fatal(err)
		}
		bare := mustCompile(t, name, nil)
		p, err := Describe(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range append(slices.Clone(p.Floor.Paths), "/admin") {
			if v := m.Judge("GET", path); v.Class == Unrestricted {
				t.Fatalf("%s: %s is %v with %q", name, path, v, excepted)
			}
		}
		method, raw := drawMethod(t), drawPath(t)
		before, after := bare.Judge(method, raw), m.Judge(method, raw)
		if after != before && !strings.HasPrefix(after.Rule, "excepted ") {
			t.Fatalf("%s %q: %v became %v by %q", method, raw, before, after, excepted)
		}
	})
}
