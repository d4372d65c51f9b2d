package portal

import (
	"io/fs"
	"strings"
	"testing"
)

func TestAScriptTravelsWithoutItsComments(t *testing.T) {
	script := "// what it is for\nimport {a} from './a.js';\n\n/** One line. */\n/**\n * Several\n * lines.\n */\nexport function b() {\n  // why\n  return a('// no comment'); // stays\n}\n"
	want := "\nimport {a} from './a.js';\n\n\n\n\n\n\nexport function b() {\n\nreturn a('// no comment'); // stays\n}\n"
	if got := string(lean([]byte(script))); got != want {
		t.Errorf("%q", got)
	}
}

// What lean may not meet: a text over several lines.
func TestNoScriptHasATextOverSeveralLines(t *testing.T) {
	names, err := fs.Glob(files, "page/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for i, line := range strings.Split(source(t, strings.TrimPrefix(name, "page/")), "\n") {
			if strings.Count(line, "`")%2 != 0 {
				t.Errorf("%s:%d: a text goes on in the next line", name, i+1)
			}
		}
	}
}
