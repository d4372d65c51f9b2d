package profile

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func compile(t testing.TB, name string, added ...string) *Matcher {
	t.Helper()
	m, err := Compile(name, added)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type row struct {
	path  string // GET, or "METHOD path"
	class Class
	rule  string
}

func (r row) check(t *testing.T, m *Matcher) {
	t.Helper()
	method, path, ok := strings.Cut(r.path, " /")
	path = "/" + path
	if !ok {
		method, path = "GET", r.path
	}
	v := m.Judge(method, path)
	if v.Class != r.class || v.Rule != r.rule {
		t.Errorf("%s %s: %v by %q, want %v by %q", method, path, v.Class, v.Rule, r.class, r.rule)
	}
	if (v.Path == "") != (v.Class == Ambiguous) {
		t.Errorf("%s %s: %v has path %q", method, path, v.Class, v.Path)
	}
}

const (
	userRule  = "exception /xapi/v1/MyUser"
	tokenRule = "exception /xapi/v1/MyTokens"
)

// checkAll judges every row by the profile as it is.
func checkAll(t *testing.T, profile string, rows []row) {
	t.Helper()
	m := compile(t, profile)
	for _, r := range rows {
		t.Run(r.path, func(t *testing.T) { r.check(t, m) })
	}
}

func TestProfile3CXv20Restricted(t *testing.T) {
	checkAll(t, "3cx-v20", []row{
		{"/xapi", Restricted, "restricted /xapi/"},
		{"/xapi/", Restricted, "restricted /xapi/"},
		{"/xapi/v1/Users", Restricted, "restricted /xapi/"},
		{"PATCH /xapi/v1/ConsoleRestrictions", Restricted, "restricted /xapi/"},
		{"/XAPI/V1/USERS", Restricted, "restricted /xapi/"},
		{"/%78api/", Restricted, "restricted /xapi/"},
		{"/xapi(1)", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyGroup", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser", Unrestricted, userRule},
		{"/xapi/v1/myuser/", Unrestricted, userRule},
		{"PATCH /xapi/v1/MyUser", Unrestricted, userRule},
		{"POST /xapi/v1/MyUser/Pbx.Reset", Unrestricted, userRule},
		{"/xapi/v1/MyUser()", Unrestricted, userRule},
		{"/xapi/v1/MyUser(12)", Unrestricted, userRule},
		{"/xapi/v1/MyUser(Id='a-1')/Greetings", Unrestricted, userRule},
		{"/xapi/v1/MyTokens", Unrestricted, tokenRule},
		{"/xapi/v1/MyTokens(1)", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUsers", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUserX", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser.x", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser(1", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser(1)x", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser(1)(2)", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser((1))", Restricted, "restricted /xapi/"},
		{"/xapi/v1/MyUser(a)b)", Restricted, "restricted /xapi/"},
		{"/xapi/v2/MyUser", Restricted, "restricted /xapi/"},
		{"/xapi/MyUser", Restricted, "restricted /xapi/"},
		{"/api/", Restricted, "restricted /api/"},
		{"/api/login", Restricted, "restricted /api/"},
		{"/connect/authorize", Restricted, "restricted /connect/authorize"},
		{"/connect/authorize/callback", Restricted, "restricted /connect/authorize"},
	})
}

func TestProfile3CXv20Unrestricted(t *testing.T) {
	checkAll(t, "3cx-v20", []row{
		{"POST /connect/token", Unrestricted, "unrestricted /connect/token"},
		{"/connect/tokens", Restricted, "no rule"},
		{"/connect", Restricted, "no rule"},
		{"POST /webclient/api/Login/GetAccessToken", Unrestricted, "unrestricted /webclient/"},
		{"/webclient", Unrestricted, "unrestricted /webclient/"},
		{"/webclient/%61", Unrestricted, "unrestricted /webclient/"},
		{"/webclient/a%20b/ü/%C3%BC", Unrestricted, "unrestricted /webclient/"},
		{"/webclients", Restricted, "no rule"},
		{"/webclient(1)", Restricted, "no rule"},
		{"/myphone/c", Unrestricted, "unrestricted /MyPhone/"},
		{"/ws/webclient", Unrestricted, "unrestricted /ws/webclient"},
		{"/ws/admin", Restricted, "no rule"},
		{"/callcontrol/100/devices/sip%3A100%40192.0.2.1%3A5060", Unrestricted, "unrestricted /callcontrol/"},
		{"/callcontrol/+4912345", Unrestricted, "unrestricted /callcontrol/"},
		{"/", Unrestricted, "unrestricted /"},
		{"/user_images/1.png", Unrestricted, "unrestricted /user_images/"},
		{"/provisioning/x1y2/cfg.xml", Unrestricted, "unrestricted /provisioning/"},
		{"/callus/", Unrestricted, "unrestricted /callus/"},
		{"/whatever", Restricted, "no rule"},
	})
}

func TestProfile3CXv20Static(t *testing.T) {
	checkAll(t, "3cx-v20", []row{
		{"/main.4f3a.js", Unrestricted, "static file"},
		{"HEAD /assets/user@2x.PNG", Unrestricted, "static file"},
		{"/manifest.json", Unrestricted, "static file"},
		{"/assets/Manifest.JSON", Unrestricted, "static file"},
		{"/webclient.js", Unrestricted, "static file"},
		{"POST /main.js", Restricted, "no rule"},
		{"OPTIONS /main.js", Restricted, "no rule"},
		{"/config.json", Restricted, "no rule"},
		{"/main.php", Restricted, "no rule"},
		{"/js", Restricted, "no rule"},
		{"/main.js/", Restricted, "no rule"},
		{"/.js", Restricted, "no rule"},
		{"/.env.js", Restricted, "no rule"},
		{"/xapi/main.js", Restricted, "restricted /xapi/"},
		{"/xapi.js", Restricted, "no rule"},
		{"/XApi.min.js", Restricted, "no rule"},
		{"/connect/authorize.css", Restricted, "no rule"},
		{"/x.php/y.js", Restricted, "no rule"},
		{"/a+b/y.js", Restricted, "no rule"},
		{"/a:b/y.js", Restricted, "no rule"},
		{"/a.png:b.js", Restricted, "no rule"},
		{"/ü/y.js", Restricted, "no rule"},
	})
}

func TestProfile3CXv20Methods(t *testing.T) {
	checkAll(t, "3cx-v20", []row{
		{"TRACE /", Restricted, "method TRACE"},
		{"TRACE /webclient/", Restricted, "method TRACE"},
		{"CONNECT /webclient/", Ambiguous, "ambiguous: method CONNECT"},
		{"TRACE //", Ambiguous, string(doubtEmpty)},
	})
}

func TestProfile3CXv18(t *testing.T) {
	checkAll(t, "3cx-v18", []row{
		{"POST /api/login", Restricted, "restricted /api/"},
		{"/api/SystemStatus", Restricted, "restricted /api/"},
		{"/management/", Restricted, "restricted /management/"},
		{"/management", Restricted, "restricted /management/"},
		{"/xapi/v1/MyUser", Restricted, "restricted /xapi/"},
		{"/webclient/", Unrestricted, "unrestricted /webclient/"},
		{"/MyPhone/c", Unrestricted, "unrestricted /MyPhone/"},
		{"/myphone/c", Unrestricted, "unrestricted /MyPhone/"},
		{"/ws/webclient", Unrestricted, "unrestricted /ws/webclient"},
		{"/user_images/1.png", Unrestricted, "unrestricted /user_images/"},
		{"/provisioning/x", Unrestricted, "unrestricted /provisioning/"},
		{"/connect/token", Unrestricted, "unrestricted /connect/"},
		{"/callus/x", Unrestricted, "unrestricted /callus/"},
		{"/webmeeting/x", Unrestricted, "unrestricted /webmeeting/"},
		{"/", Restricted, "no rule"},
		{"/main.js", Restricted, "no rule"},
	})
}

func TestProfileFreePBX(t *testing.T) {
	checkAll(t, "freepbx", []row{
		{"/admin", Restricted, "restricted /admin/"},
		{"/admin/config.php", Restricted, "restricted /admin/"},
		{"POST /admin/ajax.php", Restricted, "restricted /admin/"},
		{"/admin/assets/js/x.js", Restricted, "restricted /admin/"},
		{"/ucp/", Unrestricted, "unrestricted /ucp/"},
		{"/ucp/ajax.php", Unrestricted, "unrestricted /ucp/"},
		{"/socket.io/", Unrestricted, "unrestricted /socket.io"},
		{"/socket.io", Unrestricted, "unrestricted /socket.io"},
		{"/socket.iox", Restricted, "no rule"},
		{"/", Restricted, "no rule"},
		{"/x.js", Restricted, "no rule"},
	})
}

func TestProfileYeastar(t *testing.T) {
	checkAll(t, "yeastar", []row{
		{"/admin/", Restricted, "restricted /admin/"},
		{"/api/v1.0/x", Restricted, "restricted /api/"},
		{"/login", Unrestricted, "unrestricted /login"},
		{"/logins", Restricted, "no rule"},
		{"/", Restricted, "no rule"},
	})
}

func TestProfileCustom(t *testing.T) {
	checkAll(t, "custom", []row{
		{"/", Restricted, "restricted /"},
		{"/webclient/", Restricted, "no rule"},
		{"/main.js", Restricted, "no rule"},
		{"/login", Restricted, "no rule"},
		{"//", Ambiguous, string(doubtEmpty)},
	})
}

func TestAddedPathsWin(t *testing.T) {
	m := compile(t, "3cx-v20", "/webclient/Admin/", "/xapi/v1/MyUser", "/assets", "/a b", "/odata(1)")
	for _, r := range []row{
		{"/webclient/", Unrestricted, "unrestricted /webclient/"},
		{"/webclient/admin", Restricted, "added /webclient/Admin/"},
		{"/WEBCLIENT/ADMIN/x.js", Restricted, "added /webclient/Admin/"},
		{"/webclient/admin(1)/x", Restricted, "added /webclient/Admin/"},
		{"/webclient/administrator", Unrestricted, "unrestricted /webclient/"},
		{"/xapi/v1/MyUser", Restricted, "added /xapi/v1/MyUser"},
		{"/xapi/v1/MyUser(12)", Restricted, "added /xapi/v1/MyUser"},
		{"/xapi/v1/MyTokens", Unrestricted, tokenRule},
		{"/assets/x.js", Restricted, "added /assets"},
		{"/assets.js", Restricted, "no rule"},
		{"/other/x.js", Unrestricted, "static file"},
		{"/a%20b/x", Restricted, "added /a b"},
		{"/webclient/admin~1/x", Ambiguous, string(doubtShort)},
		{"/webclient/admin::$INDEX_ALLOCATION/x", Ambiguous, string(doubtStream)},
	} {
		r.check(t, m)
	}
	if v := compile(t, "3cx-v20").Judge("GET", "/xapi/v1/MyUser"); v.Class != Unrestricted {
		t.Errorf("added paths leaked into the profile: %v", v)
	}
	only := compile(t, "3cx-v20", "/")
	row{"/", Restricted, "added /"}.check(t, only)
	row{"/webclient/", Unrestricted, "unrestricted /webclient/"}.check(t, only)
}

func TestCompileRefuses(t *testing.T) {
	for _, name := range []string{"", "3CX-V20", "../x", "custom.json", strings.Repeat("x", 1<<20)} {
		_, err := Compile(name, nil)
		if !errors.Is(err, ErrUnknownProfile) || len(err.Error()) > 400 {
			t.Errorf("Compile(%.20q): %.400v", name, err)
		}
		if _, err := Describe(name); !errors.Is(err, ErrUnknownProfile) {
			t.Errorf("Describe(%.20q): %v", name, err)
		}
	}
	for _, path := range []string{
		"", "admin", "admin/", " /admin", "/admin ", "/a /b", "/ a", "//", "/a//b", "/.", "/a/../b", "/a/.", "/...", "/a.",
		"/a?b", "/a#b", "/a%20b", "/a\\b", "/a;b", "/a\x00", "/a\tb", "/a\x7f", "/ü", "/\xff", "/\uff0f", "/a+",
		"/a::$DATA", "/A~1", "https://pbx.example/a", "/" + strings.Repeat("a", MaxAddedPath),
	} {
		if _, err := Compile("3cx-v20", []string{"/fine", path}); !errors.Is(err, ErrMalformedPath) {
			t.Errorf("added %.40q: %v", path, err)
		}
	}
	compile(t, "custom", "/"+strings.Repeat("a", MaxAddedPath-1))
	many := slices.Repeat([]string{"/a"}, MaxAdded)
	compile(t, "custom", many...)
	if _, err := Compile("custom", append(many, "/a")); !errors.Is(err, ErrTooManyPaths) {
		t.Errorf("%d paths: %v", MaxAdded+1, err)
	}
}

func TestDescribe(t *testing.T) {
	if want := []string{"3cx-v20", "3cx-v18", "freepbx", "yeastar", "custom"}; !slices.Equal(Names(), want) {
		t.Fatalf("Names() = %v", Names())
	}
	for _, name := range Names() {
		p, err := Describe(name)
		if err != nil || p.Name != name {
			t.Fatalf("%s: %v, %v", name, p, err)
		}
		p.Rules[0] = Rule{}
		if again, err := Describe(name); err != nil || again.Rules[0] == (Rule{}) {
			t.Errorf("%s: the answer is shared (%v)", name, err)
		}
	}
}

func TestParseIsStrict(t *testing.T) {
	const good = `{"path":"/a/","kind":"restricted","origin":"seen","comment":"c"}`
	file := func(rules, more string) string {
		if !strings.Contains(more, `"ports"`) {
			more += `,"ports":{"origin":"seen","comment":"c","numbers":[443]}`
		}
		return `{"name":"n","title":"t","rules":[` + rules + `]` + more + `}`
	}
	if _, err := parse([]byte(file(good, ""))); err != nil {
		t.Fatal(err)
	}
	for why, data := range map[string]string{
		"no JSON":               `x`,
		"no rules":              file("", ""),
		"unknown field":         file(strings.Replace(good, `"kind"`, `"keyd":true,"kind"`, 1), ""),
		"bad path":              file(strings.Replace(good, "/a/", "/a//", 1), ""),
		"unknown kind":          file(strings.Replace(good, "restricted", "open", 1), ""),
		"unknown origin":        file(strings.Replace(good, "seen", "guessed", 1), ""),
		"no comment":            file(strings.Replace(good, `"c"`, `""`, 1), ""),
		"keyed restricted":      file(strings.Replace(good, `"kind"`, `"keyed":true,"kind"`, 1), ""),
		"exception outside":     file(strings.Replace(good, "restricted", "exception", 1), ""),
		"unrestricted inside":   file(good+`,{"path":"/a/b","kind":"unrestricted","origin":"seen","comment":"c"}`, ""),
		"dotted extension":      file(good, `,"static":{"origin":"seen","comment":"c","extensions":[".js"]}`),
		"upper-case extension":  file(good, `,"static":{"origin":"seen","comment":"c","extensions":["JS"]}`),
		"no ports":              file(good, `,"ports":{"origin":"seen","comment":"c","numbers":[]}`),
		"no port at all":        file(good, `,"ports":{"origin":"seen","comment":"c","numbers":[0]}`),
		"too many ports":        file(good, `,"ports":{"origin":"seen","comment":"c","numbers":[1,2,3,4,5,6,7,8,9]}`),
		"static without origin": file(good, `,"static":{"comment":"c","extensions":["js"]}`),
	} {
		if p, err := parse([]byte(data)); err == nil {
			t.Errorf("%s: accepted as %v", why, p)
		}
	}
}

func TestZeroValuesDeny(t *testing.T) {
	var v Verdict
	if v.Class != Ambiguous || v.Class.String() != "ambiguous" {
		t.Errorf("zero verdict is %v", v.Class)
	}
	var m Matcher
	row{"/", Restricted, "no rule"}.check(t, &m)
	row{"/x.js", Restricted, "no rule"}.check(t, &m)
}
