package checks

import "strings"

// codeBreaches are sources of the kinds that codeRules forbid.
func codeBreaches() []breach {
	return append(stateBreaches(), []breach{{
		rule: "packages are nouns of the domain",
		files: map[string]string{
			"shared/helpers/h.go":         "package helpers",
			"shared/unlock/misc/m.go":     "package clean",
			"shared/unlock/u_test.go":     "package utils_test",
			"shared/basement/commonly.go": "package basement",
		},
		want: []string{
			`shared/helpers/h.go:1: "helpers" says nothing about what the package is`,
			`shared/unlock/misc/m.go:1: "misc" says nothing about what the package is`,
			`shared/unlock/u_test.go:1: "utils" says nothing about what the package is`,
		},
	}, {
		rule: "packages are called as their folders",
		files: map[string]string{
			"shared/unlock/u.go":               "package unlocking",
			"shared/unlock/u_test.go":          "package unlock_test",
			"functions/gate/bootstrap/main.go": "package main",
			"tools.go":                         "package portcullis",
		},
		want: []string{"shared/unlock/u.go:1: package unlocking stands in the folder shared/unlock"},
	}, {
		rule: "no init functions",
		files: map[string]string{
			"a/a.go":      "package a\nfunc init() {}\nfunc (t T) init() {}\ntype T int",
			"a/a_test.go": "package a\n\nfunc init() {}",
		},
		want: []string{
			"a/a.go:2: init runs unasked: let main call a function",
			"a/a_test.go:3: init runs unasked: let main call a function",
		},
	}, {
		rule: "tests are not skipped",
		files: map[string]string{
			"a/a_test.go":  "package a\nfunc f(t T) {\n t.Skip()\n t.Skipf(``)\n g(t.SkipNow)\n t.Skipper()\n}",
			"a/atest/b.go": "package atest\nfunc f(t T) { t.SkipNow() }",
			"a/a.go":       "package a\nfunc f(r R) { r.Skip(4) }",
			"a/b_test.go":  "package a\nimport \"x/scan\"\nfunc f() { scan.Skip(4) }",
		},
		want: []string{"a/a_test.go:3: t.Skip", "a/a_test.go:4: t.Skipf", "a/a_test.go:5: t.SkipNow", "a/atest/b.go:2: t.SkipNow"},
	}, {
		rule: "tests do not sleep",
		files: map[string]string{
			"a/a_test.go": "package a\nimport \"time\"\nfunc f() {\n time.Sleep(1)\n}",
			"a/b_test.go": "package a_test\nimport clock \"time\"\nvar nap = clock.Sleep",
			"a/a.go":      "package a\nimport \"time\"\nfunc f() { time.Sleep(1) }",
			"a/c_test.go": "package a\nfunc g(time Fake) { time.Sleep(1) }",
		},
		want: []string{"a/a_test.go:4: time.Sleep", "a/b_test.go:3: clock.Sleep"},
	}}...)
}

// stateBreaches are the ways to change a package-level variable, and what only
// looks like one.
func stateBreaches() []breach {
	const rule = "package variables never change"
	return []breach{{
		rule: rule,
		files: map[string]string{
			"a/a.go": "package a\nvar n, m, s = 1, map[int]int{}, struct{ x []int }{}",
			"a/b.go": `package a
import "net/http"
func f() {
	n = 2
	n += 2
	(n)++
	m[1] = 2
	s.x[0] = 1
	*(&n) = 1
	for n = range 3 { }
	for _, n = range s.x { }
	delete(m, 1)
	clear(m)
	copy(s.x[1:], s.x)
	g(&s.x)
	http.DefaultClient = nil
	http.DefaultClient.Timeout = 1
	func() { n-- }()
}`,
		},
		want: []string{
			"a/b.go:4: package variable n can change here",
			"a/b.go:5: package variable n can change here",
			"a/b.go:6: package variable n can change here",
			"a/b.go:7: package variable m can change here",
			"a/b.go:8: package variable s can change here",
			"a/b.go:9: package variable n can change here",
			"a/b.go:10: package variable n can change here",
			"a/b.go:11: package variable n can change here",
			"a/b.go:12: package variable m can change here",
			"a/b.go:13: package variable m can change here",
			"a/b.go:14: package variable s can change here",
			"a/b.go:15: package variable s can change here",
			"a/b.go:16: package variable http.DefaultClient can change here",
			"a/b.go:17: package variable http.DefaultClient can change here",
			"a/b.go:18: package variable n can change here",
		},
	}, {
		rule: rule,
		files: map[string]string{"a/a.go": `package a
import ("sync"; at "sync/atomic")
var mu sync.Mutex
var pool = sync.Pool{}
var once = &sync.Once{}
var fresh = new(sync.Map)
var (
	count at.Int64
	box at.Pointer[int]
)
var late = sync.OnceValue(func() int { return 1 })`},
		want: []string{
			"a/a.go:3: package variable mu is made to change",
			"a/a.go:4: package variable pool is made to change",
			"a/a.go:5: package variable once is made to change",
			"a/a.go:6: package variable fresh is made to change",
			"a/a.go:8: package variable count is made to change",
			"a/a.go:9: package variable box is made to change",
		},
	}, {
		rule: rule,
		files: map[string]string{"a/a.go": `package a
import ("errors"; "net/http")
var n, ErrGone = 1, errors.New("gone")
type t struct { n int }
func f(m map[int]int) int {
	n := n
	n = 2
	m[n] = n
	x := t{n: 1}
	x.n++
	p := &http.Server{}
	p.Addr = ""
	_ = &n
	n, err := 3, ErrGone
	_ = err
	return n
}`},
	}}
}

// sizeBreaches stand on either side of the limits.
func sizeBreaches() []breach {
	long := func(lines int) string { return strings.Repeat("\n", lines) }
	const stamp = "// Code generated by x. DO NOT EDIT.\n"
	return []breach{{
		rule: "files stay within 400 lines",
		files: map[string]string{
			"a/long.go":      "package a" + long(400) + "// end\n",
			"a/long_test.go": "package a" + long(401) + "// end",
			"a/fits.go":      "package a" + long(399) + "// end\n",
			"a/made.go":      stamp + "package a" + long(500) + "// end\n",
			"README.md":      long(500),
		},
		want: []string{
			"a/long.go:401: the file has 401 lines, at most 400",
			"a/long_test.go:401: the file has 402 lines, at most 400",
		},
	}, {
		rule: "functions stay within 60 lines",
		files: map[string]string{
			"a/a.go":      "package a\n\n// f is short; its comment does not count.\nfunc f() {" + long(59) + "}\nfunc (T) g() {" + long(60) + "}",
			"a/a_test.go": "package a\nvar x = func() {" + long(60) + "}",
			"a/b_test.go": "package a\nfunc f() {\nx := []func(){func() {" + long(60) + "}}\n}",
			"a/c_test.go": "package a\nfunc f() {\nx := []int{" + long(60) + "}\n}",
			"a/c.go":      "package a\nfunc f() {\nx := []int{" + long(60) + "}\n}",
			"a/made.go":   stamp + "package a\nfunc h() {" + long(60) + "}",
		},
		want: []string{
			"a/a.go:64: g has 61 lines, at most 60",
			"a/a_test.go:2: function literal has 61 lines, at most 60",
			"a/b_test.go:3: function literal has 61 lines, at most 60",
			"a/c.go:2: f has 63 lines, at most 60",
		},
	}}
}
