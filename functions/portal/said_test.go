package portal

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the API says is said in the reader's language by its very words: a text
// whose words nobody says any more would never be shown.
func TestWhatTheAPISaysIsStillSaid(t *testing.T) {
	texts, err := readTexts([]byte(source(t, "texts.js")))
	if err != nil {
		t.Fatal(err)
	}
	code := strings.Builder{}
	for _, folder := range []string{"../../shared/", "../../functions/"} {
		err = fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			text, err := os.ReadFile(folder + name)
			code.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	numbers := regexp.MustCompile(`\{\d\}`)
	for key := range texts {
		words, said := strings.CutPrefix(key, "said: ")
		for _, part := range numbers.Split(words, -1) {
			if said && !strings.Contains(code.String(), part) {
				t.Errorf("nobody says %q of %q", part, words)
			}
		}
	}
}

// Every action of the audit has words of its own in the portal.
func TestActionsHaveWords(t *testing.T) {
	texts, err := readTexts([]byte(source(t, "texts.js")))
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../../shared/audit/audit.go")
	if err != nil {
		t.Fatal(err)
	}
	actions := regexp.MustCompile(`Action = "([a-z_.]+)"`).FindAllSubmatch(code, -1)
	if len(actions) < 40 {
		t.Fatalf("%d actions found", len(actions))
	}
	for _, match := range actions {
		if texts["audit."+string(match[1])] == nil {
			t.Errorf("the portal has no words for %s", match[1])
		}
	}
}
