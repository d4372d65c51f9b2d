//go:build rehearsal

package rehearsal

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// transformed is the template as CloudFormation sees it.
type transformed struct {
	resources  map[string]any
	parameters map[string]string
}

func readTransformed(file string, parameters map[string]string) (*transformed, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w; `make rehearse` makes it", err)
	}
	var root struct {
		Resources  map[string]any
		Parameters map[string]struct{ Default any }
	}
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	t := &transformed{resources: root.Resources, parameters: map[string]string{}}
	for name, p := range root.Parameters {
		if p.Default != nil {
			t.parameters[name] = fmt.Sprint(p.Default)
		}
	}
	maps.Copy(t.parameters, parameters)
	return t, nil
}

// get finds a value by the names on the way.
func get(value any, names ...string) any {
	for _, name := range names {
		m, _ := value.(map[string]any)
		value = m[name]
	}
	return value
}

func (t *transformed) properties(name string) any { return get(t.resources[name], "Properties") }

// functions are the logical names of the functions by what they are called here.
func (t *transformed) functions() map[string]string {
	found := map[string]string{}
	for logical, r := range t.resources {
		if get(r, "Type") == "AWS::Lambda::Function" {
			found[strings.ToLower(strings.TrimSuffix(logical, "Function"))] = logical
		}
	}
	return found
}

// text resolves a value as CloudFormation would, with a domain and in prod.
func (t *transformed) text(value any) string {
	m, ok := value.(map[string]any)
	if !ok {
		return fmt.Sprint(value)
	}
	for kind, inner := range m {
		switch kind {
		case "Ref":
			return t.named(fmt.Sprint(inner))
		case "Fn::If":
			return t.text(inner.([]any)[1]) // IsProd and HasDomain hold
		case "Fn::GetAtt":
			return t.named(fmt.Sprint(inner.([]any)[0]))
		case "Fn::Sub":
			template := fmt.Sprint(inner)
			for name, value := range t.parameters {
				template = strings.ReplaceAll(template, "${"+name+"}", value)
			}
			if strings.HasPrefix(template, "{{resolve:secretsmanager:") {
				return strings.Repeat("rehearsal", 8)
			}
			return template
		}
	}
	return ""
}

func (t *transformed) named(name string) string {
	if value, ok := t.parameters[name]; ok {
		return value
	}
	return map[string]string{"SecretsKey": keyARN}[name]
}

// environment is a function's, as the template has it.
func (t *transformed) environment(logical string) []string {
	var env []string
	variables, _ := get(t.properties(logical), "Environment", "Variables").(map[string]any)
	for name, value := range variables {
		env = append(env, name+"="+t.text(value))
	}
	return env
}

// routes are the route keys and the function that each leads to.
func (t *transformed) routes() map[string]string {
	found := map[string]string{}
	for _, r := range t.resources {
		if get(r, "Type") != "AWS::ApiGatewayV2::Route" {
			continue
		}
		target := fmt.Sprint(get(r, "Properties", "Target", "Fn::Sub"))
		integration := strings.TrimSuffix(strings.TrimPrefix(target, "integrations/${"), "}")
		found[fmt.Sprint(get(r, "Properties", "RouteKey"))] = strings.ToLower(strings.TrimSuffix(integration, "Integration"))
	}
	return found
}

// grant is one action on one kind of resource, for one pattern of keys or ids.
type grant struct{ function, action, resource, pattern string }

// grants are what a function's role lets it do, taken apart; whole keeps together
// what one statement allows of one action, since all keys of a request must be
// allowed by one.
type whole struct {
	action, resource string
	keys, bound      []string
}

func (t *transformed) wholes(logical string) (found []whole, err error) {
	policies, _ := get(t.properties(logical+"Role"), "Policies").([]any)
	for _, p := range policies {
		statements, _ := get(p, "PolicyDocument", "Statement").([]any)
		for _, s := range statements {
			resource, err := resourceOf(get(s, "Resource"))
			if err != nil {
				return nil, err
			}
			for _, action := range strs(get(s, "Action")) {
				w := whole{action: action, resource: resource, keys: strs(get(s, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys")), bound: strs(get(s, "Condition", "StringLike", "kms:EncryptionContext:bound"))}
				if strings.HasPrefix(action, "dynamodb:") && (len(w.keys) == 0 || get(s, "Condition", "Null", "dynamodb:LeadingKeys") != "false") {
					return nil, fmt.Errorf("%s: %s holds without keys", logical, action)
				}
				found = append(found, w)
			}
		}
	}
	return found, nil
}

func strs(value any) (found []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			found = append(found, fmt.Sprint(one))
		}
	}
	return found
}

func resourceOf(value any) (string, error) {
	if value == "*" {
		return "*", nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	switch got := string(text); {
	case got == `{"Fn::GetAtt":["Table","Arn"]}`:
		return "table", nil
	case got == `{"Fn::Sub":"${Table.Arn}/index/due"}`:
		return "table/index/due", nil
	case got == `{"Fn::GetAtt":["SecretsKey","Arn"]}`:
		return "key", nil
	case strings.Contains(got, ":ses:"):
		return "mail", nil
	case got == `{"Fn::GetAtt":["DeadLetters","Arn"]}`:
		return "dead letters", nil // used by Lambda itself, for the stream
	default:
		return "", fmt.Errorf("a resource that nobody here asks for: %s", got)
	}
}

// judge says whether one of the statements allows a call, and notes what it used.
func judge(wholes []whole, c call, used map[grant]bool) bool {
	for _, w := range wholes {
		if w.action != c.action || w.resource != c.resource {
			continue
		}
		patterns, values := w.keys, c.keys
		if strings.HasPrefix(c.action, "kms:") {
			patterns, values = w.bound, []string{c.bound}
		}
		matched := map[grant]bool{}
		all := true
		for _, value := range values {
			i := slices.IndexFunc(patterns, func(p string) bool { return like(p, value) })
			if all = all && i >= 0; i >= 0 {
				matched[grant{c.function, w.action, w.resource, patterns[i]}] = true
			}
		}
		if len(patterns) == 0 {
			matched[grant{c.function, w.action, w.resource, ""}] = true
		}
		if all {
			maps.Copy(used, matched)
			return true
		}
	}
	return false
}

// like is IAM's StringLike for the patterns that the template has.
func like(pattern, value string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok && !strings.ContainsAny(prefix, "*?") {
		return strings.HasPrefix(value, prefix)
	}
	ok, err := path.Match(pattern, value)
	return ok && err == nil
}

// all are the grants of a function, taken apart.
func all(function string, wholes []whole) (found []grant) {
	for _, w := range wholes {
		patterns := append(slices.Clone(w.keys), w.bound...)
		if len(patterns) == 0 {
			patterns = []string{""}
		}
		for _, p := range patterns {
			found = append(found, grant{function, w.action, w.resource, p})
		}
	}
	return found
}
