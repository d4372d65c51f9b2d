package checks

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strings"
)

// codeRules keep state and names where a reader finds them, and tests honest.
func codeRules() []rule {
	return []rule{
		{"packages are nouns of the domain", vagueNames},
		{"packages are called as their folders", strayNames},
		{"no init functions", initFunctions},
		{"package variables never change", changedVariables},
		inTests("tests are not skipped", func(p *pkg, call *ast.SelectorExpr) bool {
			return strings.HasPrefix(call.Sel.Name, "Skip") && p.imported(call.X) == "" &&
				slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, call.Sel.Name)
		}),
		inTests("tests do not sleep", func(p *pkg, call *ast.SelectorExpr) bool {
			return call.Sel.Name == "Sleep" && p.imported(call.X) == "time"
		}),
	}
}

func vagueNames(t *tree) []string {
	vague := []string{"utils", "util", "types", "helpers", "helper", "common", "misc", "base", "lib"}
	var found []string
	for _, f := range t.sources() {
		for _, name := range append(strings.Split(f.dir(), "/"), strings.TrimSuffix(f.syntax.Name.Name, "_test")) {
			if slices.Contains(vague, name) {
				found = append(found, f.at(f.syntax.Name.Pos(), "%q says nothing about what the package is", name))
			}
		}
	}
	return found
}

// strayNames also keeps gremlins honest: it finds a package's tests by the name.
func strayNames(t *tree) []string {
	var found []string
	for _, f := range t.sources() {
		name := strings.TrimSuffix(f.syntax.Name.Name, "_test")
		if name != "main" && f.dir() != "." && name != path.Base(f.dir()) {
			found = append(found, f.at(f.syntax.Name.Pos(), "package %s stands in the folder %s", name, f.dir()))
		}
	}
	return found
}

func initFunctions(t *tree) []string {
	var found []string
	for _, f := range t.sources() {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, f.at(fn.Pos(), "init runs unasked: let main call a function"))
			}
		}
	}
	return found
}

// inTests makes a rule against mentioning a method or function in tests.
func inTests(name string, forbidden func(p *pkg, call *ast.SelectorExpr) bool) rule {
	return rule{name, func(t *tree) []string {
		var found []string
		for p, f := range t.eachFile() {
			if !f.test() {
				continue
			}
			for n := range ast.Preorder(f.syntax) {
				if call, ok := n.(*ast.SelectorExpr); ok && forbidden(p, call) {
					found = append(found, f.at(call.Pos(), "%s.%s", types.ExprString(call.X), call.Sel.Name))
				}
			}
		}
		return found
	}}
}

// eachFile walks the sources with the packages they belong to.
func (t *tree) eachFile() func(yield func(*pkg, *file) bool) {
	return func(yield func(*pkg, *file) bool) {
		for _, p := range t.packages {
			for _, f := range p.files {
				if !yield(p, f) {
					return
				}
			}
		}
	}
}

// imported is the path of the package that an expression names, or nothing.
func (p *pkg) imported(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		if name, ok := p.info.Uses[id].(*types.PkgName); ok {
			return name.Imported().Path()
		}
	}
	return ""
}

// changedVariables finds what is assigned to, or whose address is taken, after
// the declaration, and what is made for changing (sync and atomic values). It
// does not follow a map or slice that a function was handed.
func changedVariables(t *tree) []string {
	var found []string
	for p, f := range t.eachFile() {
		for n := range ast.Preorder(f.syntax) {
			for _, e := range changedBy(n) {
				if name := p.packageVariable(e); name != "" {
					found = append(found, f.at(e.Pos(), "package variable %s can change here", name))
				}
			}
		}
		for _, v := range lockables(p, f) {
			found = append(found, f.at(v.Pos(), "package variable %s is made to change", v.Name))
		}
	}
	return found
}

// changedBy are the expressions that a node writes to.
func changedBy(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		if fn, ok := n.Fun.(*ast.Ident); ok && slices.Contains([]string{"delete", "clear", "copy"}, fn.Name) && len(n.Args) > 0 {
			return n.Args[:1]
		}
	}
	return nil
}

// packageVariable is the name of the package-level variable, of this package or
// another, that an expression is a part of; or nothing.
func (p *pkg) packageVariable(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		if v, ok := p.info.Uses[e].(*types.Var); ok && v.Parent() == p.vars {
			return e.Name
		}
	case *ast.SelectorExpr:
		if p.imported(e.X) != "" {
			return types.ExprString(e)
		}
		return p.packageVariable(e.X)
	case *ast.ParenExpr:
		return p.packageVariable(e.X)
	case *ast.StarExpr:
		return p.packageVariable(e.X)
	case *ast.IndexExpr:
		return p.packageVariable(e.X)
	case *ast.SliceExpr:
		return p.packageVariable(e.X)
	}
	return ""
}

// lockables are the file's package-level variables of a type of package sync
// or sync/atomic. What sync.OnceValue returns is a constant that came late.
func lockables(p *pkg, f *file) []*ast.Ident {
	var found []*ast.Ident
	for _, decl := range f.syntax.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			if slices.ContainsFunc(append(value.Values, value.Type), p.lockable) {
				found = append(found, value.Names...)
			}
		}
	}
	return found
}

func (p *pkg) lockable(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		from := p.imported(e.X)
		return from == "sync" || from == "sync/atomic"
	case *ast.CompositeLit:
		return p.lockable(e.Type)
	case *ast.UnaryExpr:
		return p.lockable(e.X)
	case *ast.StarExpr:
		return p.lockable(e.X)
	case *ast.IndexExpr:
		return p.lockable(e.X)
	case *ast.CallExpr:
		return len(e.Args) == 1 && types.ExprString(e.Fun) == "new" && p.lockable(e.Args[0])
	}
	return false
}

// sizeRules keep what must be read at once small enough to be.
func sizeRules() []rule {
	return []rule{{"files stay within 400 lines", longFiles}, {"functions stay within 60 lines", longFunctions}}
}

const fileLimit, functionLimit = 400, 60

func longFiles(t *tree) []string {
	var found []string
	for _, f := range t.sources() {
		lines := strings.Count(strings.TrimSuffix(string(f.text), "\n"), "\n") + 1
		if lines > fileLimit && !f.generated() {
			found = append(found, fmt.Sprintf("%s:%d: the file has %d lines, at most %d", f.path, fileLimit+1, lines, fileLimit))
		}
	}
	return found
}

// longFunctions does not count the tables of tests: they are data.
func longFunctions(t *tree) []string {
	var found []string
	for _, f := range t.sources() {
		for n := range ast.Preorder(f.syntax) {
			name := "function literal"
			switch n := n.(type) {
			case *ast.FuncDecl:
				name = n.Name.Name
			case *ast.FuncLit:
			default:
				continue
			}
			lines := f.lines(n) + 1
			if f.test() {
				lines -= f.tables(n)
			}
			if lines > functionLimit && !f.generated() {
				found = append(found, f.at(n.Pos(), "%s has %d lines, at most %d", name, lines, functionLimit))
			}
		}
	}
	return found
}

// lines is how many lines further a node ends than it begins.
func (f *file) lines(n ast.Node) int {
	return f.fset.Position(n.End()).Line - f.fset.Position(n.Pos()).Line
}

// tables is how many lines the composite literals within a node add to it.
// What a function literal in one of them does is judged by itself.
func (f *file) tables(n ast.Node) int {
	sum := 0
	ast.Inspect(n, func(n ast.Node) bool {
		table, ok := n.(*ast.CompositeLit)
		if ok {
			sum += f.lines(table)
		}
		return !ok
	})
	return sum
}
