package local_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const top = "../.."

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testNames are the names of all tests and fuzzers in the tree.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range function.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var mentioned = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")

// A threat model that names tests which do not exist would be worse than none.
func TestTheThreatModelNamesTestsThatExist(t *testing.T) {
	known := testNames(t)
	text := document(t, "docs/threat-model.md")
	for _, match := range mentioned.FindAllStringSubmatch(text, -1) {
		if !known[match[1]] {
			t.Errorf("docs/threat-model.md names %s", match[1])
		}
	}
	row := regexp.MustCompile(`(?m)^\| (\d+) \|.*\| (.*) \|$`)
	rows := row.FindAllStringSubmatch(text, -1)
	for _, cells := range rows {
		if !strings.Contains(cells[2], "`") && !strings.Contains(cells[2], "issue ") {
			t.Errorf("line %s has neither a test nor the issue that brings it", cells[1])
		}
	}
	if len(rows) != 47 {
		t.Errorf("%d attacks, ATTACKS.md has 47", len(rows))
	}
}

// The map in the README leads to folders and files that are there.
func TestTheREADMEsMapIsTheTrees(t *testing.T) {
	text := document(t, "README.md")
	for _, match := range regexp.MustCompile(`\]\(([^):#]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		document(t, match[1])
	}
	entries, err := os.ReadDir(filepath.Join(top, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.Contains(text, "`"+entry.Name()+"`") {
			t.Errorf("the README does not mention functions/%s", entry.Name())
		}
	}
}

// Each setting and each error at the start is in the operator's page.
func TestTheOperatorsPageIsComplete(t *testing.T) {
	text := document(t, "docs/operations.md")
	for _, match := range regexp.MustCompile(`s\.text\(&[\w.]+, "([a-z-]+)"`).FindAllStringSubmatch(document(t, "shared/config/config.go"), -1) {
		if name := "PORTCULLIS_" + strings.ToUpper(strings.ReplaceAll(match[1], "-", "_")); !strings.Contains(text, name) {
			t.Errorf("docs/operations.md lacks %s", name)
		}
	}
	for _, says := range []string{"in use by another process", "cut short or damaged", "not a store of this version", "the store is missing", "its key file is missing", "does not belong to this store", "open to others"} {
		if !strings.Contains(text, says) {
			t.Errorf("docs/operations.md lacks %q", says)
		}
	}
}
