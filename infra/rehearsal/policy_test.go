//go:build rehearsal

package rehearsal

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
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

// grant is one action on one kind of resource, for one pattern of keys, ids or
// senders.
type grant struct{ function, action, resource, pattern string }

// whole keeps together what one statement allows of one action, since all keys of
// a request must be allowed by one.
type whole struct {
	action, resource string
	patterns         []string // of leading keys, of ids, of senders; none: any
}

// wholes are what a function's role lets it do. What can't be judged here is an
// error: a refusal or a condition passed over would count as a grant.
func (t *transformed) wholes(logical string) (found []whole, err error) {
	if err := t.managed(logical); err != nil {
		return nil, err
	}
	policies, _ := get(t.properties(logical+"Role"), "Policies").([]any)
	for _, p := range policies {
		statements, _ := get(p, "PolicyDocument", "Statement").([]any)
		for _, s := range statements {
			of, err := t.statement(s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", logical, err)
			}
			found = append(found, of...)
		}
	}
	return found, nil
}

// managed holds a role to Amazon's own policies that Lambda itself needs: to
// write logs, and to read the stream where there is one.
func (t *transformed) managed(logical string) error {
	const own = "arn:aws:iam::aws:policy/service-role/AWSLambda"
	wanted := []string{own + "BasicExecutionRole"}
	for _, r := range t.resources {
		alias := fmt.Sprint(get(r, "Properties", "FunctionName", "Ref"))
		if get(r, "Type") == "AWS::Lambda::EventSourceMapping" && alias == logical+"Aliaslive" {
			wanted = append(wanted, own+"DynamoDBExecutionRole")
		}
	}
	if got := strs(get(t.properties(logical+"Role"), "ManagedPolicyArns")); !slices.Equal(got, wanted) {
		return fmt.Errorf("%s: the managed policies are %v, want %v", logical, got, wanted)
	}
	return nil
}

func (t *transformed) statement(s any) (found []whole, err error) {
	parts, _ := s.(map[string]any)
	for name := range parts {
		if !slices.Contains([]string{"Effect", "Action", "Resource", "Condition"}, name) {
			return nil, fmt.Errorf("a statement with %s", name)
		}
	}
	if parts["Effect"] != "Allow" {
		return nil, fmt.Errorf("a statement that does not allow: %v", parts["Effect"])
	}
	resource, err := resourceOf(parts["Resource"])
	if err != nil {
		return nil, err
	}
	for _, action := range strs(parts["Action"]) {
		patterns, err := t.condition(action, parts["Condition"])
		if err != nil {
			return nil, err
		}
		found = append(found, whole{action, resource, patterns})
	}
	return found, nil
}

// condition reads what an action is limited to. Each kind of action has one
// condition here, and must have it.
func (t *transformed) condition(action string, condition any) ([]string, error) {
	operator, name := "", ""
	wanted := map[string]bool{}
	switch service, _, _ := strings.Cut(action, ":"); {
	case service == "dynamodb":
		operator, name = "ForAllValues:StringLike", "dynamodb:LeadingKeys"
		// Where there is no key at all, each of none is like the patterns.
		if get(condition, "Null", name) != "false" {
			return nil, fmt.Errorf("%s holds without keys", action)
		}
		wanted["Null "+name] = true
	case service == "kms":
		operator, name = "StringLike", "kms:EncryptionContext:bound"
	case action == "ses:SendEmail":
		operator, name = "StringEquals", "ses:FromAddress"
	}
	wanted[operator+" "+name] = operator != ""
	operators, _ := condition.(map[string]any)
	for operator, inner := range operators {
		names, _ := inner.(map[string]any)
		for name := range names {
			if !wanted[operator+" "+name] {
				return nil, fmt.Errorf("%s on a condition that nobody here can judge: %s of %s", action, operator, name)
			}
		}
	}
	patterns := strs(get(condition, operator, name))
	if value, ok := get(condition, operator, name).(map[string]any); ok {
		patterns = []string{t.text(value)}
	}
	if operator != "" && len(patterns) == 0 {
		return nil, fmt.Errorf("%s without %s", action, name)
	}
	return patterns, nil
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
		matched, all := w.match(c)
		if all {
			maps.Copy(used, matched)
			return true
		}
	}
	return false
}

// match finds the pattern of each of a call's values: all must have one, and
// there must be some.
func (w whole) match(c call) (matched map[grant]bool, all bool) {
	if len(w.patterns) == 0 {
		return map[grant]bool{{c.function, w.action, w.resource, ""}: true}, true
	}
	matched = map[grant]bool{}
	for _, value := range c.values {
		i := slices.IndexFunc(w.patterns, func(p string) bool { return like(p, value) })
		if i < 0 {
			return nil, false
		}
		matched[grant{c.function, w.action, w.resource, w.patterns[i]}] = true
	}
	return matched, len(c.values) > 0
}

// like is IAM's StringLike. StringEquals is the same for what has no wildcard.
func like(pattern, value string) bool {
	quoted := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`(?s)^` + quoted + `$`).MatchString(value)
}

// all are the grants of a function, taken apart.
func all(function string, wholes []whole) (found []grant) {
	for _, w := range wholes {
		for _, p := range w.patterns {
			found = append(found, grant{function, w.action, w.resource, p})
		}
		if len(w.patterns) == 0 {
			found = append(found, grant{function, w.action, w.resource, ""})
		}
	}
	return found
}
