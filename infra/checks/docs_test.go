package checks

import (
	"bytes"
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// docRules demand that what others use says what it promises.
func docRules() []rule {
	return []rule{
		{"packages say what they guarantee", undocumentedPackages},
		{"exported names are documented", undocumentedNames},
	}
}

// sentence is text up to a full stop.
var sentence = regexp.MustCompile(`(?s)\w.*[.!?](\s|$)`)

func undocumentedPackages(t *tree) []string {
	var found []string
	for _, p := range t.packages {
		files := slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return strings.HasSuffix(f.path, "_test.go") })
		if len(files) > 0 && !slices.ContainsFunc(files, documented) {
			found = append(found, files[0].at(files[0].syntax.Name.Pos(),
				"package %s has no doc comment of a full sentence that begins as godoc wants it", p.name))
		}
	}
	return found
}

// documented tells whether a file carries its package's doc. A command's may
// begin as it likes.
func documented(f *file) bool {
	doc, name := f.syntax.Doc.Text(), f.syntax.Name.Name
	return sentence.MatchString(doc) && (name == "main" || strings.HasPrefix(doc, "Package "+name+" "))
}

func undocumentedNames(t *tree) []string {
	var found []string
	for _, f := range t.sources() {
		api := under(f.path, "shared") || under(f.path, "functions")
		if !api || f.syntax.Name.Name == "main" || strings.HasSuffix(f.path, "_test.go") || f.generated() {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for _, name := range undocumented(decl) {
				found = append(found, f.at(name.Pos(), "%s has no doc comment", name.Name))
			}
		}
	}
	return found
}

// undocumented are a declaration's exported names without a comment of their
// own or of their group. Methods of types that are not exported are exempt, and
// those of errors, which say the same everywhere.
func undocumented(decl ast.Decl) []*ast.Ident {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Doc.Text() == "" && d.Name.IsExported() && exportedReceiver(d) && !errorMethod(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		var found []*ast.Ident
		for _, spec := range d.Specs {
			found = append(found, undocumentedSpec(spec, d)...)
		}
		return slices.DeleteFunc(found, func(n *ast.Ident) bool { return !n.IsExported() })
	}
	return nil
}

func undocumentedSpec(spec ast.Spec, group *ast.GenDecl) []*ast.Ident {
	switch s := spec.(type) {
	case *ast.TypeSpec:
		// A group's comment tells several constants; types differ.
		if s.Doc.Text() == "" && s.Comment.Text() == "" && (group.Lparen.IsValid() || group.Doc.Text() == "") {
			return []*ast.Ident{s.Name}
		}
		return undocumentedMethods(s)
	case *ast.ValueSpec:
		if s.Doc.Text() == "" && s.Comment.Text() == "" && group.Doc.Text() == "" {
			return s.Names
		}
	}
	return nil
}

// undocumentedMethods looks into interfaces of more than one method: a single
// one is what the type's own comment is about.
func undocumentedMethods(s *ast.TypeSpec) []*ast.Ident {
	iface, ok := s.Type.(*ast.InterfaceType)
	if !ok || !s.Name.IsExported() || iface.Methods.NumFields() < 2 {
		return nil
	}
	var found []*ast.Ident
	for _, m := range iface.Methods.List {
		if m.Doc.Text() == "" && m.Comment.Text() == "" {
			found = append(found, m.Names...)
		}
	}
	return found
}

func errorMethod(d *ast.FuncDecl) bool {
	return d.Recv != nil && slices.Contains([]string{"Error", "Unwrap"}, d.Name.Name)
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	for n := range ast.Preorder(d.Recv.List[0].Type) {
		if id, ok := n.(*ast.Ident); ok {
			return id.IsExported()
		}
	}
	return false
}

// textRules look at every committed text file, whatever its kind.
func textRules() []rule {
	return []rule{{"nothing names one machine", machinePaths}}
}

// machinePath matches folders that exist where somebody works, and nowhere
// else. It is put together from pieces so as not to match itself.
var machinePath = regexp.MustCompile(`(^|[^\w.$}/-])(` + strings.Join([]string{
	"/ro" + "ot/",
	"/wo" + "rk/(main|shared)",
	"/tm" + "p/(brief|bash_jobs|i[0-9])",
	"/ho" + "me/[a-z][a-z0-9_-]*/(go|src|code|work|projects)/",
	"/Us" + "ers/[a-z][a-z0-9_-]*/",
}, "|") + `)|/go/pk` + `g/mod/`)

func machinePaths(t *tree) []string {
	var found []string
	for _, f := range t.files {
		if bytes.IndexByte(f.text, 0) >= 0 {
			continue // not text
		}
		for i, line := range strings.Split(string(f.text), "\n") {
			if machinePath.MatchString(line) {
				found = append(found, fmt.Sprintf("%s:%d: names a folder of one machine: %s", f.path, i+1, strings.TrimSpace(line)))
			}
		}
	}
	return found
}
