package checks

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// module is what our own import paths begin with.
const module = "portcullis.example"

// top is where the repository begins, seen from this package's folder.
const top = "../.."

// tree is the repository as the rules see it.
type tree struct {
	fset     *token.FileSet
	files    []*file
	packages []*pkg
}

// file is one committed file. syntax is nil unless it is Go outside testdata.
type file struct {
	path   string // from the top, with slashes
	text   []byte
	syntax *ast.File
	fset   *token.FileSet
}

// pkg is what one folder holds under one package name; tests of package x_test
// are a pkg of their own. info knows each identifier's object, but nothing of
// what imported packages hold.
type pkg struct {
	dir   string
	name  string
	files []*file
	info  *types.Info
	vars  *types.Scope // what it declares at its top
}

// load reads the files that keep admits. A Go file that does not parse is an
// error: rules must not pass over what they can't read.
func load(fsys fs.FS, keep func(path string) bool) (*tree, error) {
	t := &tree{fset: token.NewFileSet()}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && passedOver(p):
			return fs.SkipDir
		case !d.Type().IsRegular() || !keep(p):
			return nil
		}
		return t.read(fsys, p)
	})
	if err != nil {
		return nil, fmt.Errorf("loading the sources: %w", err)
	}
	t.group()
	return t, nil
}

// passedOver names the folders that hold nothing committed, as .gitignore does:
// they can be large, and without git nothing else tells.
func passedOver(p string) bool {
	return slices.Contains([]string{".git", ".portcullis", ".tools", "bin"}, p) || path.Base(p) == "node_modules"
}

func (t *tree) read(fsys fs.FS, p string) error {
	text, err := fs.ReadFile(fsys, p)
	if err != nil {
		return err
	}
	f := &file{path: p, text: text, fset: t.fset}
	t.files = append(t.files, f)
	if path.Ext(p) != ".go" || strings.Contains("/"+p, "/testdata/") {
		return nil
	}
	f.syntax, err = parser.ParseFile(f.fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
	return err
}

// group sorts the Go files into packages and resolves their identifiers.
func (t *tree) group() {
	byName := map[string]*pkg{}
	for _, f := range t.sources() {
		id := f.dir() + " " + f.syntax.Name.Name
		p := byName[id]
		if p == nil {
			p = &pkg{dir: f.dir(), name: f.syntax.Name.Name}
			byName[id] = p
			t.packages = append(t.packages, p)
		}
		p.files = append(p.files, f)
	}
	for _, p := range t.packages {
		p.resolve(t.fset)
	}
}

// resolve finds what each identifier means. Errors are expected and dropped:
// imports are hollow, and files for several platforms lie side by side.
func (p *pkg) resolve(fset *token.FileSet) {
	p.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	var syntax []*ast.File
	for _, f := range p.files {
		syntax = append(syntax, f.syntax)
	}
	conf := types.Config{
		Importer:                 hollow{},
		DisableUnusedImportCheck: true,
		Error:                    func(error) {},
	}
	checked, _ := conf.Check(p.dir, fset, syntax, p.info)
	p.vars = checked.Scope()
}

// hollow imports every package as an empty one.
type hollow struct{}

func (hollow) Import(p string) (*types.Package, error) {
	if p == "unsafe" {
		return types.Unsafe, nil
	}
	empty := types.NewPackage(p, path.Base(p))
	empty.MarkComplete()
	return empty, nil
}

// sources are the files with syntax.
func (t *tree) sources() []*file {
	return slices.DeleteFunc(slices.Clone(t.files), func(f *file) bool { return f.syntax == nil })
}

func (f *file) dir() string { return path.Dir(f.path) }

// test tells whether a file is for tests only: by its name, or because it
// stands in a package made for tests, such as tabletest.
func (f *file) test() bool {
	return strings.HasSuffix(f.path, "_test.go") || testPackage(f.dir())
}

func testPackage(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

func (f *file) generated() bool { return ast.IsGenerated(f.syntax) }

// at is a finding: the place, and what is wrong there.
func (f *file) at(pos token.Pos, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", f.path, f.fset.Position(pos).Line, fmt.Sprintf(format, args...))
}

// imports maps each import path of the file to its place.
func (f *file) imports() map[string]token.Pos {
	found := map[string]token.Pos{}
	for _, spec := range f.syntax.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			found[p] = spec.Pos()
		}
	}
	return found
}

// committed tells which files under root are, or are about to be, committed:
// what git does not ignore; all of them where there is no git or no checkout.
func committed(root string) (func(string) bool, error) {
	all := func(string) bool { return true }
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		return all, nil
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return all, nil
	}
	cmd := exec.Command(git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	// Run from a git hook, git's own variables would name another repository.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking git for the committed files: %w", err)
	}
	known := map[string]bool{}
	for name := range bytes.SplitSeq(out, []byte{0}) {
		known[string(name)] = true
	}
	return func(p string) bool { return known[p] }, nil
}
