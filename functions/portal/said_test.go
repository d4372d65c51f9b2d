package portal

import (
	"io/fs"
	"os"
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
	err = fs.WalkDir(os.DirFS("../../shared"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := os.ReadFile("../../shared/" + name)
		code.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for key := range texts {
		words, said := strings.CutPrefix(key, "said: ")
		if said && !strings.Contains(code.String(), words) {
			t.Errorf("nobody says %q", words)
		}
	}
}
