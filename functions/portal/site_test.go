package portal

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func theSite(t *testing.T) *site {
	t.Helper()
	s, err := newSite("https://portal.example")()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func source(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(files, "page/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// heaviest is what all of the portal may weigh as it travels, in bytes.
const heaviest = 100_000

// roundTrip is what a server sends before it waits for the first answer: ten
// segments (RFC 6928), less what TLS and the headers take.
const roundTrip = 14_600 - 1_600

func TestThePortalIsLight(t *testing.T) {
	s := theSite(t)
	all := 0
	for _, f := range s.assets {
		all += len(f.packed())
	}
	for _, language := range Languages() {
		first := len(s.index[language].packed())
		if first > roundTrip {
			t.Errorf("the first view in %s takes %d bytes: more than one round trip", language, first)
		}
		all += first + len(s.help[language].packed())
	}
	t.Logf("%d bytes in all", all)
	if all > heaviest {
		t.Errorf("the portal weighs %d bytes, at most %d", all, heaviest)
	}
}

var placeholders = regexp.MustCompile(`\{(\w+)`)

func TestEveryTextStandsInEveryLanguage(t *testing.T) {
	texts, err := readTexts([]byte(source(t, "texts.js")))
	if err != nil || len(texts) < 100 {
		t.Fatalf("%d texts: %v", len(texts), err)
	}
	for key, each := range texts {
		if len(each) != len(Languages()) || slices.Contains(each, "") {
			t.Errorf("%s is missing in a language", key)
			continue
		}
		names := func(text string) string {
			var found []string
			for _, match := range placeholders.FindAllStringSubmatch(text, -1) {
				found = append(found, match[1])
			}
			slices.Sort(found)
			return strings.Join(slices.Compact(found), " ")
		}
		if names(each[0]) != names(each[1]) {
			t.Errorf("%s is filled with %q and %q", key, names(each[0]), names(each[1]))
		}
	}
}

// used are the keys that the scripts and pages name: whole, and beginnings that
// they go on from.
func used(t *testing.T) (whole map[string]bool, beginnings []string) {
	t.Helper()
	whole = map[string]bool{}
	names, err := fs.Glob(files, "page/*")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`'([a-z_]+(?:\.[a-z_0-9-]+)*\.?)'|\{\{([a-z_.]+)\}\}`)
	for _, name := range names {
		if strings.HasSuffix(name, "texts.js") {
			continue
		}
		for _, match := range literal.FindAllStringSubmatch(source(t, strings.TrimPrefix(name, "page/")), -1) {
			key := match[1] + match[2]
			whole[key] = true
			if strings.HasSuffix(key, ".") {
				beginnings = append(beginnings, key)
			}
		}
	}
	return whole, beginnings
}

func TestTheTextsAreThoseThatAreSaid(t *testing.T) {
	texts, err := readTexts([]byte(source(t, "texts.js")))
	if err != nil {
		t.Fatal(err)
	}
	whole, beginnings := used(t)
	for key := range texts {
		begun := slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(key, b) })
		if !whole[key] && !begun && !strings.HasPrefix(key, "said: ") {
			t.Errorf("%s is said nowhere", key)
		}
	}
	said := regexp.MustCompile(`\bt\('([^']+)'[,)]`)
	names, err := fs.Glob(files, "page/*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, match := range said.FindAllStringSubmatch(source(t, strings.TrimPrefix(name, "page/")), -1) {
			if len(texts[match[1]]) == 0 {
				t.Errorf("%s says %s, which is no text", name, match[1])
			}
		}
	}
}

// What a script imports is there; and nothing makes markup of text, loads from
// elsewhere, or keeps a script longer than a reader's patience.
func TestTheScriptsAreTheirOwn(t *testing.T) {
	names, err := fs.Glob(files, "page/*.js")
	if err != nil {
		t.Fatal(err)
	}
	s := theSite(t)
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|https?://[a-z]|javascript:`)
	brought := regexp.MustCompile(`(?m)(?:^import .* from|import\()\s*'([^']+)'`)
	for _, name := range names {
		text := source(t, strings.TrimPrefix(name, "page/"))
		if found := forbidden.FindString(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", "")); found != "" {
			t.Errorf("%s has %s", name, found)
		}
		for _, match := range brought.FindAllStringSubmatch(text, -1) {
			if file, ours := strings.CutPrefix(match[1], "./"); !ours || s.assets[file] == nil {
				t.Errorf("%s imports %s", name, match[1])
			}
		}
		if lines := strings.Count(text, "\n"); lines > 400 && !strings.HasSuffix(name, "texts.js") {
			t.Errorf("%s has %d lines", name, lines)
		}
		if !strings.HasPrefix(text, "// ") {
			t.Errorf("%s does not say what it is for", name)
		}
	}
}

func TestALanguageIsChosenAsTheBrowserPrefers(t *testing.T) {
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.8": "de", "en-GB,en;q=0.9,de;q=0.8": "en", "fr,de;q=0.5,en;q=0.4": "de",
		"en;q=0.3, DE-ch;q=0.7": "de", "fr": "en", "*": "en", "de;q=0": "en", "de;q=x,en": "en", ";;,,": "en",
	} {
		if got := preferred(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// A page that names a text or a file that does not exist is an error, not a hole.
func TestAPageWithHolesIsRefused(t *testing.T) {
	whole := func() fstest.MapFS {
		return fstest.MapFS{
			"page/texts.js": {Data: []byte(`export const texts = {"a": ["x", "y"]};`)}, "page/main.js": {Data: []byte("// x")},
			"page/index.html": {Data: []byte("{{a}}")}, "page/help.en.html": {Data: []byte("{{a}}")}, "page/help.de.html": {Data: []byte("{{a}}")},
		}
	}
	if _, err := assemble(whole(), ""); err != nil {
		t.Fatal(err)
	}
	for name, break_ := range map[string]func(fstest.MapFS){
		"an unknown text": func(f fstest.MapFS) { f["page/index.html"] = &fstest.MapFile{Data: []byte("{{b}}")} },
		"no German guide": func(f fstest.MapFS) { delete(f, "page/help.de.html") },
		"no texts":        func(f fstest.MapFS) { delete(f, "page/texts.js") },
		"texts as scripts": func(f fstest.MapFS) {
			f["page/texts.js"] = &fstest.MapFile{Data: []byte("export const texts = {a: 1};")}
		},
		"half a text": func(f fstest.MapFS) {
			f["page/texts.js"] = &fstest.MapFile{Data: []byte(`export const texts = {"a": ["x"]};`)}
		},
	} {
		f := whole()
		break_(f)
		if _, err := assemble(f, ""); err == nil {
			t.Errorf("%s: nobody noticed", name)
		}
	}
}

// Phone systems without TLS are for local use, where the portal has none either.
func TestFormsGoWherePhoneSystemsAre(t *testing.T) {
	local, err := newSite("http://localhost:8080")()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(local.policy, "form-action https: http:;") || !strings.Contains(theSite(t).policy, "form-action https:;") {
		t.Errorf("%s\n%s", local.policy, theSite(t).policy)
	}
}

func TestAFileIsTakenAsTheBrowserCan(t *testing.T) {
	f := newFile("text/plain", []byte(strings.Repeat("portcullis ", 100)), http.Header{})
	for accept, packed := range map[string]bool{"": false, "gzip, br": true, "br": false} {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Accept-Encoding", accept)
		f.serve(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != packed || packed != (w.Body.Len() < 100) {
			t.Errorf("%q: packed %v, %d bytes", accept, got, w.Body.Len())
		}
	}
	r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
	r.Header.Set("If-None-Match", f.header.Get("ETag"))
	f.serve(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%d, %d bytes", w.Code, w.Body.Len())
	}
}
