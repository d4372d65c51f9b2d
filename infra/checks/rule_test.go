package checks

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// rule is one thing that must hold of the whole tree.
type rule struct {
	name string
	// find answers each violation as "file:line: what is wrong".
	find func(*tree) []string
}

// violations runs the rule; the answer is sorted and free of repeats.
func (r rule) violations(t *tree) []string {
	found := r.find(t)
	slices.Sort(found)
	return slices.Compact(found)
}

// rules are all of them.
func rules() []rule {
	return slices.Concat(importRules(), codeRules(), sizeRules(), docRules(), textRules())
}

// breach is a small tree that shows what a rule forbids, or, with no want,
// what it must let pass.
type breach struct {
	rule  string
	files map[string]string
	want  []string
}

func breaches() []breach {
	return slices.Concat(importBreaches(), edgeBreaches(), codeBreaches(), sizeBreaches(), docBreaches(), textBreaches())
}

func loadHere(t *testing.T) *tree {
	t.Helper()
	keep, err := committed(top)
	if err != nil {
		t.Fatal(err)
	}
	here, err := load(os.DirFS(top), keep)
	if err != nil {
		t.Fatal(err)
	}
	return here
}

func TestRulesHold(t *testing.T) {
	here := loadHere(t)
	for _, r := range rules() {
		t.Run(strings.ReplaceAll(r.name, " ", "-"), func(t *testing.T) {
			for _, v := range r.violations(here) {
				t.Error(v)
			}
		})
	}
}

func TestEveryRuleFindsItsBreach(t *testing.T) {
	for _, r := range rules() {
		bites := false
		for _, b := range breaches() {
			if b.rule != r.name {
				continue
			}
			bites = bites || len(b.want) > 0
			slices.Sort(b.want)
			if got := r.violations(imagine(t, b.files)); !slices.Equal(got, b.want) {
				t.Errorf("%s: found\n\t%s\nwant\n\t%s", r.name, strings.Join(got, "\n\t"), strings.Join(b.want, "\n\t"))
			}
		}
		if !bites {
			t.Errorf("%s: no breach shows that this rule can fail", r.name)
		}
	}
}

func TestEveryBreachNamesARule(t *testing.T) {
	for _, b := range breaches() {
		if !slices.ContainsFunc(rules(), func(r rule) bool { return r.name == b.rule }) {
			t.Errorf("no rule is called %q", b.rule)
		}
	}
}

// imagine loads a tree that exists only here. Keys are paths; an "import" line
// is all that most of them need.
func imagine(t *testing.T, files map[string]string) *tree {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tr, err := load(fsys, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// A loader that finds nothing would let every rule pass.
func TestTheWholeTreeIsRead(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range loadHere(t).files {
		seen[f.path] = true
	}
	for _, want := range []string{"go.mod", "Makefile", ".ci/run", "shared/table/table.go", "infra/checks/rule_test.go"} {
		if !seen[want] {
			t.Errorf("%s was not read", want)
		}
	}
}

func TestWhatIsIgnoredIsNotJudged(t *testing.T) {
	here := imagine(t, map[string]string{
		".portcullis/store.go": "not Go",
		"bin/main.go":          "not Go",
		"shared/a/a.go":        "package a",
		"shared/a/testdata/b.go": "not Go either, " +
			"but text",
	})
	var got []string
	for _, f := range here.files {
		got = append(got, f.path)
	}
	if want := []string{"shared/a/a.go", "shared/a/testdata/b.go"}; !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if n := len(here.sources()); n != 1 {
		t.Errorf("%d files were parsed, want 1", n)
	}
}

func TestSourcesThatDoNotParseAreAnError(t *testing.T) {
	_, err := load(fstest.MapFS{"a.go": {Data: []byte("package")}}, func(string) bool { return true })
	if err == nil {
		t.Error("a file that does not parse was passed over")
	}
}

func TestOutsideACheckoutEveryFileCounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*"), 0o600); err != nil {
		t.Fatal(err)
	}
	keep, err := committed(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !keep("anything") {
		t.Error("a file outside a checkout was passed over")
	}
}

func TestInACheckoutIgnoredFilesDoNotCount(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".gitignore": "*.log\n", "trace.log": "", "a.go": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return // nothing to ask, and the other branch has its own test
	}
	// As in a hook, where this names the repository that was pushed to.
	t.Setenv("GIT_DIR", filepath.Join(dir, "elsewhere"))
	if out, err := exec.Command(git, "--git-dir="+filepath.Join(dir, ".git"), "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	keep, err := committed(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !keep("a.go") || keep("trace.log") {
		t.Errorf("a.go counts: %t, the ignored trace.log: %t", keep("a.go"), keep("trace.log"))
	}
}
