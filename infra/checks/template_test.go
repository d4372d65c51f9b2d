package checks

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// template is template.yaml with CloudFormation's short forms written out.
type template struct {
	root      map[string]any
	resources map[string]any
	// makefile and mains are what the template's functions are built from.
	makefile string
	mains    map[string]string // by the folder's name
}

func readTemplate(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parseTemplate(t *testing.T, text string) *template {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	root, ok := plain(node.Content[0]).(map[string]any)
	if !ok {
		t.Fatal("the template is no mapping")
	}
	made := &template{root: root, resources: at[map[string]any](root, "Resources"), mains: map[string]string{}}
	makefile, err := os.ReadFile(filepath.Join(top, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	made.makefile = string(makefile)
	found, err := filepath.Glob(filepath.Join(top, "functions/*/bootstrap/main.go"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	for _, file := range found {
		main, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		made.mains[filepath.Base(filepath.Dir(filepath.Dir(file)))] = string(main)
	}
	return made
}

// plain is a node as JSON would have it: !Ref x is {"Ref": "x"}.
func plain(n *yaml.Node) any {
	var value any
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		value = m
	case yaml.SequenceNode:
		list := []any{}
		for _, one := range n.Content {
			list = append(list, plain(one))
		}
		value = list
	default:
		value = n.Value
	}
	switch short := strings.TrimPrefix(n.Tag, "!"); {
	case strings.HasPrefix(n.Tag, "!!") || n.Tag == "":
		return value
	case short == "Ref" || short == "Condition":
		return map[string]any{short: value}
	case short == "GetAtt":
		name, attribute, _ := strings.Cut(n.Value, ".")
		return map[string]any{"Fn::GetAtt": []any{name, attribute}}
	default:
		return map[string]any{"Fn::" + short: value}
	}
}

// at finds a value by the names on the way; the zero value where there is none.
func at[T any](value any, path ...string) T {
	for _, name := range path {
		m, _ := value.(map[string]any)
		value = m[name]
	}
	found, _ := value.(T)
	return found
}

// list is a list at a path, or the one value there.
func list(value any, path ...string) []any {
	switch found := at[any](value, path...).(type) {
	case nil:
		return nil
	case []any:
		return found
	default:
		return []any{found}
	}
}

// texts are the texts of a list.
func texts(value any, path ...string) (found []string) {
	for _, one := range list(value, path...) {
		found = append(found, fmt.Sprint(one))
	}
	return found
}

// of yields the properties of the resources of a type, by name, in order.
func (t *template) of(kind string) []resource {
	var found []resource
	for _, name := range slices.Sorted(maps.Keys(t.resources)) {
		if at[string](t.resources, name, "Type") == kind {
			found = append(found, resource{name, at[map[string]any](t.resources, name, "Properties")})
		}
	}
	return found
}

type resource struct {
	name       string
	properties map[string]any
}

// folder is where a function's main is: LoginFunction is functions/login.
func (r resource) folder() string { return strings.ToLower(strings.TrimSuffix(r.name, "Function")) }

func (t *template) functions() []resource { return t.of("AWS::Serverless::Function") }

// statements are what a function may do.
func (r resource) statements() (found []any) {
	for _, policy := range list(r.properties, "Policies") {
		found = append(found, list(policy, "Statement")...)
	}
	return found
}

// walk calls visit with every value.
func walk(value any, visit func(any)) {
	visit(value)
	switch v := value.(type) {
	case map[string]any:
		for _, one := range v {
			walk(one, visit)
		}
	case []any:
		for _, one := range v {
			walk(one, visit)
		}
	}
}

// templateRule is one thing that the linters do not see.
type templateRule struct {
	name string
	find func(*template) []string
}

func TestTemplateHolds(t *testing.T) {
	here := parseTemplate(t, readTemplate(t))
	if len(here.functions()) != len(here.mains) || len(here.mains) < 9 {
		t.Errorf("%d functions in the template, %d in the tree", len(here.functions()), len(here.mains))
	}
	for _, r := range templateRules() {
		for _, found := range r.find(here) {
			t.Errorf("%s: %s", r.name, found)
		}
	}
}

// Each of these mistakes is one that sam validate and cfn-lint let pass, or that
// would be found only by a deployment; each is caught by the rule named.
func TestTemplateMistakesAreCaught(t *testing.T) {
	text := readTemplate(t)
	caught := map[string]bool{}
	for _, m := range mistakes() {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			if !strings.Contains(text, m.old) {
				t.Fatalf("the template has no %q to get wrong", m.old)
			}
			wrong := parseTemplate(t, strings.Replace(text, m.old, m.new, 1))
			for _, r := range templateRules() {
				if r.name == m.rule && len(r.find(wrong)) == 0 {
					t.Errorf("the rule %q does not notice", m.rule)
				}
			}
			caught[m.rule] = true
		})
	}
	for _, r := range templateRules() {
		if !caught[r.name] {
			t.Errorf("no mistake shows that the rule %q can fail", r.name)
		}
	}
}
