package profile

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// kiss has every letter that something beyond ASCII folds to, ss included.
var fuzzAdded = []string{"/webclient/kiss", "/ucp/Kiss", "/login/kiss"}

var seeds = []string{
	"/", "/webclient/", "/webclient/a%20b", "/xapi/v1/MyUser(1)/x", "/%78api/", "/webclient/../xapi", "/webclient/%2e%2e%2fxapi",
	"/webclient/%252e%252e/xapi", "/webclient/..;/xapi", "//xapi", "/webclient/kiss", "/webclient/k\u0130\u017fs", "/webclient/\u212aiss",
	"/webclient/kiß", "/webclient/\uff0e\uff0e\uff0fxapi", `/webclient\..\xapi`, "/xapi%00/x.js", "/xapi%3f.js", "/main.js", "/xapi /x.js",
	"/(S(x))/xapi/x.js", "/xapi::$DATA/x.js", "/webclient/kiss(1)", "/webclient/..%c0%afxapi", "/webclient/?/../../xapi", "/ucp/k\u200biss",
	"/xapi/v1/MyUser/..%5cUsers", "/xapi./x.js", "/callcontrol/+49/devices/sip%3A1%40h", "/\u2025/xapi/x.js", "/login/./kiss", "*", "",
	"/xapi/v1/Reports/x", "/xapi/v1/reports(1)", "/xapi/v1/reports/..%2fUsers", "/api/reports/kiss", "/api/reports;/x",
}

// FuzzJudge: what any reading takes for the console is never unrestricted, and
// a verdict is well-formed.
func FuzzJudge(f *testing.F) {
	for _, seed := range seeds {
		f.Add("GET", seed)
	}
	f.Add("get", "/webclient/")
	f.Add("TRACE", "/webclient/")
	matchers := make(map[string]*Matcher)
	for _, name := range Names() {
		matchers[name], matchers[name+" with exceptions"] = compile(f, name, fuzzAdded...), compileExcepted(f, name, fuzzAdded...)
	}
	f.Fuzz(func(t *testing.T, method, raw string) {
		var all []string
		for name, m := range matchers {
			v := m.Judge(method, raw)
			checkForm(t, method, raw, v)
			if v.Class != Unrestricted {
				continue
			}
			if all == nil { // worth the work only now
				all = readings(raw)
			}
			for _, p := range all {
				of, excepted, _ := strings.Cut(name, " ")
				if isAdmin(of, p, fuzzAdded) && !(excepted != "" && isExcepted(p)) {
					t.Fatalf("%s: %s %q is unrestricted by %q; a server may read %q", name, method, raw, v.Rule, p)
				}
			}
		}
	})
}

func checkForm(t *testing.T, method, raw string, v Verdict) {
	t.Helper()
	if v.Class > Unrestricted || v.Rule == "" {
		t.Fatalf("%s %q: %v", method, raw, v)
	}
	if v.Class == Ambiguous {
		if v.Path != "" || !strings.HasPrefix(v.Rule, "ambiguous: ") {
			t.Fatalf("%s %q: %v", method, raw, v)
		}
		return
	}
	if v.Path != decodeKindly(raw) || !utf8.ValidString(v.Path) || strings.ContainsAny(v.Path, "\x00\r\n\t\x7f\\%;?#") {
		t.Fatalf("%s %q: path %q", method, raw, v.Path)
	}
	if v.Class == Unrestricted && (method == "TRACE" || method == "CONNECT") {
		t.Fatalf("%s %q: %v", method, raw, v)
	}
}

// The reference itself must find what it is there to find.
func TestReadingsReachTheConsole(t *testing.T) {
	for _, raw := range []string{
		"/webclient/../xapi", "/webclient/%252e%252e/xapi", "/webclient/..;/xapi", "//xapi", `/x\..\xapi`, "/xapi%00/x.js", "/xapi%3f.js",
		"/xapi%20/x.js", "/(S(x))/xapi/x.js", "/xapi::$DATA/x.js", "/webclient/\u212ai\u017fs", "/webclient/kiß", "/webclient/kiss(1)",
		"/webclient/\uff0e\uff0e\uff0fxapi", "/\u2025/xapi/x.js", "/webclient/..%c0%afxapi", "/webclient/k\u200biss", "/x%2f..%2fxapi", "/XAPI",
	} {
		reached := false
		for _, p := range readings(raw) {
			reached = reached || isAdmin("3cx-v20", p, fuzzAdded)
		}
		if !reached {
			t.Errorf("%q: no reading is the console", raw)
		}
	}
}

// drawPath joins pieces that matter to the rules.
func drawPath(t *rapid.T) string {
	piece := rapid.SampledFrom([]string{
		"/", "/", "/", "xapi", "v1", "MyUser", "MyTokens", "(1)", "api", "connect", "authorize", "token", "webclient", "kiss", "ws", "ucp",
		"admin", "login", "management", "main", ".js", ".", "..", ";x", "%2e", "%2F", "%61", "%", "ü", "\u212a", "\u0130", "%00", "+", " ", "~1",
	})
	return "/" + strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
}

func drawMethod(t *rapid.T) string {
	return rapid.SampledFrom([]string{"GET", "HEAD", "POST", "TRACE", "get"}).Draw(t, "method")
}

func TestAddingPathsNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(Names()).Draw(t, "profile")
		method, raw := drawMethod(t), drawPath(t)
		var added []string
		for range rapid.IntRange(1, 4).Draw(t, "how many") {
			if p := drawPath(t); checkPath(p) == nil {
				added = append(added, p)
			}
		}
		bare, more := mustCompile(t, name, nil), mustCompile(t, name, added)
		before, after := bare.Judge(method, raw), more.Judge(method, raw)
		if before.Class != Unrestricted && after.Class != before.Class {
			t.Fatalf("%s %q: %v became %v by adding %q", method, raw, before, after, added)
		}
		for _, p := range added {
			p = strings.ReplaceAll(p, " ", "%20")
			if v := more.Judge("GET", p); v.Class != Restricted {
				t.Fatalf("%q was added and is %v", p, v)
			}
			if v := more.Judge("GET", strings.TrimSuffix(p, "/")+"/x.js"); p != "/" && v.Class != Restricted {
				t.Fatalf("%q was added and what is below it is %v", p, v)
			}
		}
	})
}

func TestCaseNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := mustCompile(t, rapid.SampledFrom(Names()).Draw(t, "profile"), []string{"/webclient/Kiss"})
		method, raw := drawMethod(t), drawPath(t)
		other := []byte(raw)
		for i, c := range other {
			if ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && rapid.Bool().Draw(t, "swap") {
				other[i] = c ^ 0x20
			}
		}
		if a, b := m.Judge(method, raw), m.Judge(method, string(other)); a.Class != b.Class || a.Rule != b.Rule {
			t.Fatalf("%s: %q is %v, %q is %v", method, raw, a, other, b)
		}
	})
}

func mustCompile(t *rapid.T, name string, added []string) *Matcher {
	m, err := Compile(name, added)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestJudgeOfACleanPathDoesNotAllocate(t *testing.T) {
	m := compile(t, "3cx-v20", "/webclient/kiss")
	for _, path := range []string{"/webclient/x/Y", "/xapi/v1/MyUser(1)", "/XAPI/v1/Users", "/main.js", "/none", "//"} {
		if n := testing.AllocsPerRun(100, func() { m.Judge("GET", path) }); n != 0 {
			t.Errorf("%s: %v allocations", path, n)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	m := compile(b, "3cx-v20", "/webclient/kiss")
	for name, path := range map[string]string{
		"clean": "/webclient/api/Login/GetAccessToken", "restricted": "/xapi/v1/Users", "static": "/assets/main.4f3a.js",
		"escaped": "/webclient/a%20b/c", "unicode": "/webclient/日本語", "longest": "/webclient/" + strings.Repeat("a/", 2040),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Judge("GET", path)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compile(b, "3cx-v20", "/webclient/kiss", "/reports")
	}
}
