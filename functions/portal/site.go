package portal

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// files are the pages' sources: what the browser gets is what stands there, but
// for the marks in the pages that site fills in, and the scripts' comments.
//
//go:embed page
var files embed.FS

// Languages are those that the portal speaks; the first one is the default.
func Languages() []string { return []string{"en", "de"} }

// site is every file as it is served.
type site struct {
	version string // of all assets together
	policy  string
	index   map[string]*file // by language
	help    map[string]*file
	assets  map[string]*file // by name
}

// file is one answer, compressed when somebody first takes it so.
type file struct {
	header http.Header
	plain  []byte
	packed func() []byte
}

func newFile(kind string, text []byte, header http.Header) *file {
	sum := sha256.Sum256(text)
	h := header.Clone()
	h.Set("Content-Type", kind)
	h.Set("ETag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	return &file{header: h, plain: text, packed: sync.OnceValue(func() []byte { return pack(text) })}
}

func pack(text []byte) []byte {
	var out bytes.Buffer
	// Neither fails: the level is one, and a buffer takes all.
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = w.Write(text)
	_ = w.Close()
	return out.Bytes()
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range f.header {
		h[name] = values
	}
	h.Add("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.header.Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed()
	}
	// A browser that went away has no use for the rest.
	_, _ = w.Write(body)
}

// newSite puts the site together when it is first asked for: a start that only
// answers whether it is up does not pay for it.
func newSite(baseURL string) func() (*site, error) {
	return sync.OnceValues(func() (*site, error) {
		s, err := assemble(files, baseURL)
		if err != nil {
			return nil, fmt.Errorf("the portal's pages: %w", err)
		}
		return s, nil
	})
}

func assemble(fsys fs.FS, baseURL string) (*site, error) {
	source := map[string][]byte{}
	names, err := fs.Glob(fsys, "page/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		switch path.Ext(name) {
		case ".js":
			text = lean(text)
		case ".css":
			text = leanStyle(text)
		}
		source[path.Base(name)] = text
	}
	texts, err := readTexts(source["texts.js"])
	if err != nil {
		return nil, err
	}
	if source["texts.js"], err = leanTexts(texts); err != nil {
		return nil, err
	}
	s := &site{assets: map[string]*file{}, index: map[string]*file{}, help: map[string]*file{}}
	s.version = version(names, source)
	s.policy = policy(source, baseURL)
	for name, text := range source {
		if kind := kindOf(name); kind != "" && name != earlyName {
			s.assets[name] = newFile(kind, text, http.Header{"Cross-Origin-Resource-Policy": {"same-origin"}})
		}
	}
	return s, s.pages(source, texts)
}

// kindOf is the kind of a file that pages load; of others there is none.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	default:
		return ""
	}
}

// earlyName is the script that stands in the page itself.
const earlyName = "early.js"

// version names all files by what is in them.
func version(names []string, source map[string][]byte) string {
	sum := sha256.New()
	for _, name := range names {
		// Writing to a hash does not fail.
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(source[path.Base(name)]), source[path.Base(name)])
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
}

// policy is the Content-Security-Policy of the pages: scripts are the portal's
// own files and the one in the page, by its hash; styles likewise; a form may be
// posted to phone systems alone, wherever they are; and no text becomes markup,
// whatever a script does with it (Trusted Types).
func policy(source map[string][]byte, baseURL string) string {
	targets := "https:"
	if strings.HasPrefix(baseURL, "http:") { // local use only, phone systems too
		targets = "https: http:"
	}
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self' " + hashSource(source[earlyName]), "style-src 'self' " + hashSource(source["style.css"]),
		"img-src data:", "connect-src 'self'", "form-action " + targets, "frame-ancestors 'none'", "base-uri 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'",
	}, "; ")
}

func hashSource(text []byte) string {
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// pages fills the marks of the pages in.
func (s *site) pages(source map[string][]byte, texts map[string][]string) error {
	header := http.Header{
		"Content-Security-Policy": {s.policy},
		// Opening a console posts to its host, which must see where from.
		"Referrer-Policy":              {"strict-origin"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	for i, language := range Languages() {
		fill := func(name string) (*file, error) {
			text, err := s.fill(string(source[name]), source, func(key string) string {
				if len(texts[key]) <= i {
					return ""
				}
				return texts[key][i]
			})
			return newFile("text/html; charset=utf-8", []byte(text), header), err
		}
		var err error
		if s.index[language], err = fill("index.html"); err != nil {
			return err
		}
		if s.help[language], err = fill("help." + language + ".html"); err != nil {
			return err
		}
	}
	return nil
}

var mark = regexp.MustCompile(`\{\{([a-z_.:]+)\}\}`)

// fill replaces {{style}}, {{early}}, {{assets}}, {{preloads}} and texts by
// their key, such as {{signin.title}}.
func (s *site) fill(page string, source map[string][]byte, text func(key string) string) (string, error) {
	var unknown []string
	assets := "/assets/" + s.version + "/"
	filled := mark.ReplaceAllStringFunc(page, func(found string) string {
		switch key := found[2 : len(found)-2]; key {
		case "style":
			return string(source["style.css"])
		case "early":
			return string(source[earlyName])
		case "assets":
			return assets
		case "preloads":
			return preloads(assets, needed(source, "main.js"))
		default:
			value := text(key)
			if value == "" {
				unknown = append(unknown, key)
			}
			return html.EscapeString(value)
		}
	})
	if page == "" || len(unknown) > 0 {
		return "", fmt.Errorf("a page is missing, or names texts that do not exist: %v", unknown)
	}
	return filled, nil
}

var imported = regexp.MustCompile(`from '\./([a-z0-9-]+\.js)'`)

// needed are the scripts that the first one needs to run, itself included; what
// it loads later, where a view is opened, is not among them.
func needed(source map[string][]byte, first string) []string {
	names := []string{first}
	for i := 0; i < len(names); i++ {
		for _, match := range imported.FindAllSubmatch(source[names[i]], -1) {
			if name := string(match[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// preloads has the browser fetch the scripts at once, not one after the other as
// it learns of them.
func preloads(assets string, names []string) string {
	var links []string
	for _, name := range names {
		links = append(links, `<link rel="modulepreload" href="`+assets+name+`">`)
	}
	return strings.Join(links, "\n")
}

// readTexts reads the texts out of their module, whose object is JSON: by key
// the text in each of Languages.
func readTexts(module []byte) (map[string][]string, error) {
	begin, end := bytes.Index(module, []byte("= {"))+2, bytes.LastIndexByte(module, '}')
	if begin < 2 || end < begin {
		return nil, fmt.Errorf("texts.js holds no object")
	}
	var texts map[string][]string
	err := json.Unmarshal(module[begin:end+1], &texts)
	return texts, err
}

// preferred is the language of ours that an Accept-Language header likes best
// (RFC 9110 section 12.5.4), the first of them where it likes none.
func preferred(header string) string {
	best, quality := Languages()[0], 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, weight, weighted := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if weighted {
			if _, err := fmt.Sscanf(strings.TrimSpace(weight), "q=%g", &q); err != nil {
				continue
			}
		}
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if q > quality && slices.Contains(Languages(), primary) {
			best, quality = primary, q
		}
	}
	return best
}
