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

func TestAStyleTravelsWithoutItsAir(t *testing.T) {
	style := "/* Lists */\n.list > li:first-child { border-top: 0; margin: 0 -.5rem; }\n\n@media (max-width: 46rem) {\n  *, ::before { content: attr(data-label) \": {; \"; width: calc(100% - 2rem); }\n}\n"
	want := `.list>li:first-child{border-top:0;margin:0 -.5rem}@media (max-width:46rem){*,::before{content:attr(data-label) ": {; ";width:calc(100% - 2rem)}}`
	if got := string(leanStyle([]byte(style))); got != want {
		t.Errorf("%s", got)
	}
}

func TestTextsTravelLanguageByLanguage(t *testing.T) {
	got, err := leanTexts(map[string][]string{"b": {"<b>", "B"}, "a": {"1", "eins"}})
	want := "const first = {\"a\":\"1\",\"b\":\"<b>\"}\nconst second = [\"eins\",\"B\"]\n"
	if err != nil || !strings.HasPrefix(string(got), want) {
		t.Errorf("%s %v", got, err)
	}
	if _, err := leanTexts(map[string][]string{"a": {"only English"}}); err == nil {
		t.Error("a text is missing, and nobody noticed")
	}
}
