package profile

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// Line 26 of the attacks to repel: paths that mean something else to the phone
// system than to the gate (CVE-2025-54576, CVE-2026-95811).
func TestAttack26PathsThatMeanSomethingElse(t *testing.T) {
	m := compile(t, "3cx-v20", "/webclient/kiss")
	for want, paths := range map[doubt][]string{
		doubtDots: {"/webclient/../xapi/", "/webclient/%2e%2e/xapi/", "/webclient/%2E./xapi", "/webclient/.%2e/xapi", "/..",
			"/./xapi/", "/xapi/.", "/webclient/./x", "/webclient/.../x", "/webclient/%2e%2e%2e/x", "/webclient/....",
			"/xapi/v1/MyUser/../Users", "/xapi/v1/MyUser/%2e%2e/Users", "/webclient/../xapi/x.js", "/."},
		doubtSlash: {"/webclient%2f..%2fxapi", "/webclient/..%2Fxapi", "/%2fxapi/", "/xapi%2fv1", "/webclient%2fkiss",
			"/xapi/v1/MyUser%2f..%2fUsers", "/a%2fx.js"},
		doubtEmpty: {"//", "//xapi/", "/webclient//kiss", "/webclient//", "//webclient/", "///", "//evil.example/webclient/",
			"/xapi//v1/Users", "/xapi/v1//MyUser"},
		doubtBack: {`/webclient\..\xapi`, `/webclient/..%5cxapi`, `/webclient/%5c..%5Cxapi`, `/\xapi`, `/webclient\kiss`},
		doubtParam: {"/webclient/..;/xapi/", "/xapi;x/", "/webclient;x=1/", "/webclient/kiss;x", "/webclient/%3b/x", "/;/xapi",
			"/xapi/v1/MyUser;x/Users", "/xapi;.js"},
		doubtControl: {"/webclient/%00", "/webclient/kiss%00.js", "/xapi%00/x.js", "/webclient/\x00", "/webclient/%0d%0aX", "/webclient/%09/",
			"/webclient/\t", "/webclient/kiss%7f", "/webclient/\x7f", "/webclient/\n", "/webclient/%1f", "/webclient/%1b[0m"},
		doubtTwice: {"/webclient/%252e%252e/xapi", "/webclient/..%252fxapi", "/%2578api/", "/webclient/%25", "/webclient/%25252e"},
		doubtEscape: {"/webclient/%", "/webclient/%2", "/webclient/%zz", "/webclient/%u002e", "/webclient/%2g", "/%u0078api/",
			"/webclient/%-1", "/webclient/%+2e"},
		doubtQuery: {"/webclient/?/../xapi", "/xapi?x", "/webclient/#/xapi", "/xapi%3fx.js", "/xapi%23.js", "/webclient/kiss%3f",
			"/?", "/xapi?.js"},
		doubtEnd: {"/xapi./", "/webclient/kiss.", "/webclient/kiss%20", "/webclient/kiss%20/x", "/webclient/kiss./x", "/xapi%20/x.js",
			"/webclient/kiss.%20.", "/webclient/..%20/xapi", "/webclient/.%20./x%20", "/webclient/..+/xapi", "/webclient/+"},
		doubtBegin:  {"/%20xapi/x.js", "/webclient/%20kiss", "/(S(x))/xapi/x.js", "/webclient/(A(x))/kiss"},
		doubtStream: {"/xapi::$INDEX_ALLOCATION/x.js", "/webclient/kiss:$i30:$INDEX_ALLOCATION/x", "/webclient/kiss%3a%3a$DATA"},
		doubtShort:  {"/webclient/KISSME~1/x", "/webclient/k%7e1"},
		doubtStart: {"", "*", "webclient/", "xapi", " /webclient/", "\t/webclient/", "https://pbx.example/webclient/", `\webclient\`,
			"%2fwebclient/", "?/webclient/", "\u2215webclient/"},
		doubtSpace: {"/webclient/ HTTP/1.1", "/webclient/ ", "/xapi /x.js", "/webclient/ /xapi"},
		doubtUTF8: {"/webclient/%c0%ae%c0%ae/xapi", "/webclient/..%c0%afxapi", "/webclient/%ff", "/webclient/\xff", "/webclient/%c3",
			"/webclient/%e0%80%af", "/webclient/%ed%a0%80", "/webclient/%f4%90%80%80", "/webclient/\xc3/%a4"},
		doubtLookLike: {"/webclient/\uff0e\uff0e/xapi", "/webclient/..\uff0fxapi", "/webclient/\u2024\u2024/xapi", "/webclient\u2215kiss",
			"/webclient\u2044kiss", "/webclient/\u2025/xapi", "/webclient/\u2026", "/webclient/\ufe52/x", "/webclient\uff3ckiss",
			"/webclient\u2216kiss", "/webclient/\uff052e", "/webclient/\ufe6a", "/webclient/\uff1bx", "/webclient/\u037ex",
			"/webclient/%ef%bc%8e%ef%bc%8e/xapi", "/webclient/\uff4biss", "/\uff58api/", "/webclient/\u212aiss", "/webclient/ki\u017fs",
			"/webclient/k\u0130ss", "/webclient/k\u0131ss", "/webclient/kiß", "/webclient/kiẞ", "/webclient/\u2100", "/webclient/\U0001d424iss",
			"/webclient/k\u200biss", "/webclient/kiss\u00ad", "/webclient/\ufeffkiss", "/webclient/kiss\ufe0f", "/webclient/k\u034fiss",
			"/webclient/kiss\u00a0", "/webclient/\u3000", "/webclient/\u0085", "/webclient/\u202ekiss", "/webclient/\ue000", "/webclient/\u2028",
			"/web\u200bclient/", "/webclıent/", "/web\u00a5client/", "/webclient/\u3002\u3002/xapi", "/webclient/\ufffe"},
		doubtLength: {"/webclient/" + strings.Repeat("a", maxPath), strings.Repeat("/", 1<<20), "/webclient/" + strings.Repeat("%61", maxPath/3)},
	} {
		for _, path := range paths {
			for _, m := range []*Matcher{m, compileExcepted(t, "3cx-v20", "/webclient/kiss")} {
				if v := m.Judge("GET", path); v.Class != Ambiguous || v.Rule != string(want) || v.Path != "" {
					t.Errorf("%.80q: %v by %q, want %q", path, v.Class, v.Rule, want)
				}
			}
		}
	}
	longest := "/webclient/" + strings.Repeat("a", maxPath-len("/webclient/"))
	row{longest, Unrestricted, "unrestricted /webclient/"}.check(t, m)
}

func TestAttack26OtherMethods(t *testing.T) {
	m := compile(t, "3cx-v20")
	for _, method := range []string{
		"", "get", "Get", "GET ", " GET", "GET\n", "GET,POST", "GET/", "G\x00T", "GÉT", "GE\uff34", "\"GET\"", "(GET)",
		strings.Repeat("A", maxMethod+1),
	} {
		if v := m.Judge(method, "/webclient/"); v.Class != Ambiguous || v.Rule != string(doubtMethod) || v.Path != "" {
			t.Errorf("%q: %v", method, v)
		}
	}
	for _, method := range []string{"GET", "POST", "M-SEARCH", "PROPFIND", "X_Y", strings.Repeat("A", maxMethod)} {
		if v := m.Judge(method, "/webclient/"); v.Class != Unrestricted {
			t.Errorf("%q /webclient/: %v", method, v)
		}
		if v := m.Judge(method, "/xapi/"); v.Class != Restricted {
			t.Errorf("%q /xapi/: %v", method, v)
		}
	}
	if v := m.Judge("TRACE", "/webclient/"); v.Class != Restricted || v.Rule != "method TRACE" {
		t.Errorf("TRACE /webclient/: %v", v)
	}
	if v := m.Judge("CONNECT", "/webclient/"); v.Class != Ambiguous || v.Rule != string(doubtTunnel) || v.Path != "" {
		t.Errorf("CONNECT /webclient/: %v", v)
	}
}

// X(key) is X to an OData server: it is as restricted as that, wherever it lies.
func TestAttack26KeysBehindARestrictedPath(t *testing.T) {
	m := compile(t, "3cx-v20", "/webclient/kiss")
	for _, path := range []string{"/webclient/kiss(1)", "/webclient/Kiss('a')/x", "/webclient/kiss(", "/webclient/kiss()", "/xapi(1)/v1/Users"} {
		if v := m.Judge("GET", path); v.Class != Restricted || v.Rule == "no rule" {
			t.Errorf("%s: %v", path, v)
		}
	}
}

// Every code point that some mapping turns into ASCII alone is a doubt; the
// mappings here are the full ones, where the code uses simple ones and a list.
func TestAttack26NoRuneMapsToASCII(t *testing.T) {
	m := compile(t, "3cx-v20")
	mappings := map[string]func(string) string{
		"NFKC": norm.NFKC.String, "NFC": norm.NFC.String, "fold": cases.Fold().String,
		"upper": cases.Upper(language.Und).String, "lower": cases.Lower(language.Und).String,
		"Turkish upper": cases.Upper(language.Turkish).String, "Turkish lower": cases.Lower(language.Turkish).String,
		"fold of NFKC": func(s string) string { return cases.Fold().String(norm.NFKC.String(s)) },
		"NFKC of upper": func(s string) string {
			return norm.NFKC.String(cases.Upper(language.Und).String(s))
		},
	}
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Han, unicode.Hangul) { // only to save time: no case, no ASCII in NFKC
			continue
		}
		if !utf8.ValidRune(r) || m.Judge("GET", "/webclient/x"+string(r)+"x").Class != Unrestricted {
			continue
		}
		for name, mapping := range mappings {
			if got := mapping(string(r)); strings.IndexFunc(got, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
				t.Errorf("%U is %q by %s, and unrestricted", r, got, name)
			}
		}
	}
}

func TestPlainLettersBeyondASCIIAreFine(t *testing.T) {
	m := compile(t, "3cx-v20")
	for _, path := range []string{"/webclient/ü", "/webclient/u\u0308", "/webclient/%C3%BC", "/webclient/日本語/ノ", "/webclient/Ελλάδα", "/webclient/é.png"} {
		if v := m.Judge("GET", path); v.Class != Unrestricted {
			t.Errorf("%s: %v", path, v)
		}
	}
	if v := m.Judge("GET", "/webclient/%C3%BC%20B"); v.Path != "/webclient/ü B" {
		t.Errorf("path %q", v.Path)
	}
}
