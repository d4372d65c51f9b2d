package checks

import (
	"path"
	"slices"
	"strings"
)

// chains are the import order of the domain: each noun may reach those before
// it in a chain of its own, nothing after it and nothing in another chain.
func chains() [][]string {
	return [][]string{
		{"access", "audit", "account", "mfa", "session"},
		{"access", "audit", "account", "phonesystem", "unlock", "gatekeeper"},
		{"access", "audit", "apikey"},
	}
}

// importRules are the rules of DESIGN.md section 3. All but the order look at
// one import at a time.
func importRules() []rule {
	return []rule{
		{"the domain keeps its order", outOfOrder},
		each("access imports nothing of ours", func(from place, imp string) bool {
			return !from.test && under(from.dir, "shared/access") && ours(imp) && !under(imp, own("shared/access"))
		}),
		// Tests set their scene with a whole Portcullis.
		each("shared stands alone", func(from place, imp string) bool {
			return !from.test && under(from.dir, "shared") && (under(imp, own("functions")) || under(imp, own("infra")))
		}),
		each("functions keep apart", func(from place, imp string) bool {
			if from.test || !under(from.dir, "functions") {
				return false
			}
			return under(imp, own("infra")) ||
				under(imp, own("functions")) && !under(imp, own(function(from.dir)))
		}),
		each("AWS stays at the edge", func(from place, imp string) bool {
			return under(imp, "github.com/aws") && !from.awsEdge()
		}),
		each("the API proxy stays in lambdahttp", func(from place, imp string) bool {
			return under(imp, "github.com/awslabs") && !under(from.dir, "shared/lambdahttp")
		}),
		each("bolt is for one machine", func(from place, imp string) bool {
			return under(imp, own("shared/table/bolt")) && !from.test && !under(from.dir, "infra/local") &&
				!under(from.dir, "shared/table/bolt")
		}),
		each("bbolt stays behind its adapter", func(from place, imp string) bool {
			return under(imp, "go.etcd.io/bbolt") && !from.test && !under(from.dir, "shared/table/bolt")
		}),
		each("WebAuthn stays behind its adapter", func(from place, imp string) bool {
			return under(imp, "github.com/go-webauthn") && !under(from.dir, "shared/mfa/passkey")
		}),
		// Linking it costs every start and every binary; one function asks it.
		each("the login function alone links WebAuthn", func(from place, imp string) bool {
			return under(imp, own("shared/mfa/passkey")) && !from.test && !under(from.dir, "functions/login")
		}),
		each("tools of tests stay in tests", func(from place, imp string) bool {
			return forTests(imp) && !from.test
		}),
	}
}

// place is where an import stands.
type place struct {
	dir  string
	test bool
}

// awsEdge are the adapters that know AWS, and the Lambdas' mains.
func (p place) awsEdge() bool {
	bootstrap, _ := path.Match("functions/*/bootstrap", p.dir)
	return bootstrap || slices.ContainsFunc(
		[]string{"shared/lambdahttp", "shared/table/dynamo", "shared/secrets/kms", "shared/mail/ses", "shared/stack", "infra/rehearsal"},
		func(edge string) bool { return under(p.dir, edge) })
}

// forTests are the imports that have no business in what is deployed.
func forTests(imp string) bool {
	return ours(imp) && testPackage(imp) || slices.ContainsFunc(
		[]string{"testing", "net/http/httptest", "pgregory.net/rapid", "github.com/anishathalye/porcupine", "github.com/chromedp"},
		func(tool string) bool { return under(imp, tool) })
}

// each makes a rule out of a question about single imports.
func each(name string, breaks func(from place, imp string) bool) rule {
	return rule{name, func(t *tree) []string {
		var found []string
		for _, f := range t.sources() {
			for imp, pos := range f.imports() {
				if breaks(place{f.dir(), f.test()}, imp) {
					found = append(found, f.at(pos, "%s must not import %s", f.dir(), imp))
				}
			}
		}
		return found
	}}
}

// outOfOrder follows imports through packages that are no noun of the domain,
// so that the order can't be got round by way of one of them. Tests may set a
// scene with whatever they need.
func outOfOrder(t *tree) []string {
	graph := t.graph()
	var found []string
	for _, f := range t.sources() {
		from := noun(f.dir())
		if from == "" || f.test() {
			continue
		}
		for imp, pos := range f.imports() {
			for _, to := range nounsBehind(graph, imp) {
				if !mayReach(from, to) {
					found = append(found, f.at(pos, "%s must not reach %s (through %s)", from, to, imp))
				}
			}
		}
	}
	return found
}

// graph is what each of our packages imports outside its tests.
func (t *tree) graph() map[string][]string {
	graph := map[string][]string{}
	for _, f := range t.sources() {
		if f.test() {
			continue
		}
		for imp := range f.imports() {
			graph[own(f.dir())] = append(graph[own(f.dir())], imp)
		}
	}
	return graph
}

// nounsBehind are the nouns that an import leads to; it stops at each, since
// that noun answers for what it imports itself.
func nounsBehind(graph map[string][]string, imp string) []string {
	var nouns []string
	seen := map[string]bool{}
	for queue := []string{imp}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if seen[at] || !ours(at) {
			continue
		}
		seen[at] = true
		if n := noun(strings.TrimPrefix(at, module+"/")); n != "" {
			nouns = append(nouns, n)
			continue
		}
		queue = append(queue, graph[at]...)
	}
	return nouns
}

// noun is the domain's package a folder belongs to, or nothing.
func noun(dir string) string {
	rest, ok := strings.CutPrefix(dir, "shared/")
	first, _, _ := strings.Cut(rest, "/")
	if ok && slices.ContainsFunc(chains(), func(c []string) bool { return slices.Contains(c, first) }) {
		return first
	}
	return ""
}

func mayReach(from, to string) bool {
	return slices.ContainsFunc(chains(), func(c []string) bool {
		i, j := slices.Index(c, from), slices.Index(c, to)
		return i >= 0 && j >= 0 && j <= i
	})
}

// own is the import path of a folder of ours.
func own(dir string) string { return module + "/" + dir }

func ours(imp string) bool { return under(imp, module) }

// under tells whether a path is the other or lies below it.
func under(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

// function is the folder of the function that a folder belongs to.
func function(dir string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(dir, "functions/"), "/")
	return "functions/" + name
}
