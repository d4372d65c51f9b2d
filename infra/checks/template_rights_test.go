package checks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// wildcards are grants of any action, or on any resource where there is one.
func wildcards(t *template) (found []string) {
	for _, f := range t.functions() {
		for _, s := range f.statements() {
			actions := texts(s, "Action")
			for _, action := range actions {
				if strings.Contains(action, "*") {
					found = append(found, f.name+" may "+action)
				}
			}
			if at[string](s, "Resource") == "*" && !slices.Equal(actions, []string{"ses:GetAccount"}) {
				found = append(found, fmt.Sprintf("%s may %v anywhere", f.name, actions))
			}
		}
	}
	return found
}

// openKeys are grants on the table that name no keys. ForAllValues holds where
// there is no key at all, so a Null condition must stand beside it.
func openKeys(t *template) (found []string) {
	for _, f := range t.functions() {
		for _, s := range f.statements() {
			if !strings.HasPrefix(strings.Join(texts(s, "Action"), " "), "dynamodb:") {
				continue
			}
			keys := texts(s, "Condition", "ForAllValues:StringLike", "dynamodb:LeadingKeys")
			if len(keys) == 0 || slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, "*") }) {
				found = append(found, fmt.Sprintf("%s: %v on keys %v", f.name, texts(s, "Action"), keys))
			}
			if at[string](s, "Condition", "Null", "dynamodb:LeadingKeys") != "false" {
				found = append(found, fmt.Sprintf("%s: %v without a key is allowed", f.name, texts(s, "Action")))
			}
		}
	}
	return found
}

func openSecrets(t *template) (found []string) {
	for _, f := range t.functions() {
		for _, s := range f.statements() {
			if !strings.HasPrefix(strings.Join(texts(s, "Action"), " "), "kms:") {
				continue
			}
			ids := texts(s, "Condition", "StringLike", "kms:EncryptionContext:bound")
			if len(ids) == 0 || slices.Contains(ids, "*") {
				found = append(found, fmt.Sprintf("%s: %v of any id", f.name, texts(s, "Action")))
			}
		}
	}
	refused := false
	for _, s := range list(t.resources, "SecretsKey", "Properties", "KeyPolicy", "Statement") {
		refused = refused || at[string](s, "Effect") == "Deny" && at[string](s, "Condition", "Null", "kms:EncryptionContext:bound") == "true"
	}
	if !refused {
		found = append(found, "the key seals without an id")
	}
	return found
}

var inSub = regexp.MustCompile(`\$\{([A-Za-z]+)`)

func unusedParameters(t *template) (found []string) {
	used := map[string]bool{}
	walk(t.root, func(value any) {
		if m, ok := value.(map[string]any); ok {
			used[at[string](m, "Ref")], used[at[string](m, "Condition")] = true, true
			if list := list(m, "Fn::If"); len(list) > 0 {
				used[fmt.Sprint(list[0])] = true
			}
		}
		if text, ok := value.(string); ok {
			for _, m := range inSub.FindAllStringSubmatch(text, -1) {
				used[m[1]] = true
			}
		}
	})
	for _, section := range []string{"Parameters", "Conditions"} {
		for name := range at[map[string]any](t.root, section) {
			if !used[name] {
				found = append(found, section+": "+name+" is used nowhere")
			}
		}
	}
	return found
}

func wrongLogs(t *template) (found []string) {
	for _, log := range t.of("AWS::Logs::LogGroup") {
		if at[string](log.properties, "RetentionInDays", "Ref") != "LogRetentionDays" {
			found = append(found, log.name+" never ends")
		}
	}
	for _, f := range t.functions() {
		log := at[string](f.properties, "LoggingConfig", "LogGroup", "Ref")
		if at[string](t.resources, log, "Type") != "AWS::Logs::LogGroup" {
			found = append(found, f.name+" logs nowhere of ours")
		}
	}
	return found
}

func unwatched(t *template) (found []string) {
	watched := map[string]bool{}
	for _, a := range t.of("AWS::CloudWatch::Alarm") {
		for _, d := range list(a.properties, "Dimensions") {
			watched[at[string](a.properties, "MetricName")+" "+at[string](d, "Value", "Fn::Sub")] = true
		}
		if len(list(a.properties, "AlarmActions")) == 0 || at[string](a.properties, "TreatMissingData") != "notBreaching" || at[string](a.properties, "AlarmDescription") == "" {
			found = append(found, a.name+" tells nobody, or tells of silence")
		}
	}
	for _, f := range t.functions() {
		for _, metric := range []string{"Errors", "Throttles"} {
			if !watched[metric+" ${AWS::StackName}-"+f.folder()] {
				found = append(found, fmt.Sprintf("nobody is told of %s of %s", metric, f.name))
			}
		}
	}
	for _, wanted := range []string{"Duration ${AWS::StackName}-gate", "IteratorAge ${AWS::StackName}-courier"} {
		if !watched[wanted] {
			found = append(found, "nobody is told of "+wanted)
		}
	}
	return found
}

func wrongDeployments(t *template) (found []string) {
	if at[string](t.root, "Globals", "Function", "AutoPublishAlias") != "live" {
		found = append(found, "no alias is published")
	}
	for _, f := range t.functions() {
		alarms := list(f.properties, "DeploymentPreference", "Alarms")
		own := strings.TrimSuffix(f.name, "Function") + "Errors"
		if !slices.ContainsFunc(alarms, func(a any) bool { return at[string](a, "Ref") == own }) {
			found = append(found, f.name+" is not rolled back by its alarms")
		}
	}
	return found
}

// unpublished are parameters in a function's environment whose change would leave
// the alias at the version before; and those whose change would publish a version
// of nothing new, which Lambda refuses.
func unpublished(t *template) (found []string) {
	for _, f := range t.functions() {
		set := map[string]bool{}
		t.parameters(at[any](t.root, "Globals", "Function", "Environment"), set)
		t.parameters(at[any](f.properties, "Environment"), set)
		named := map[string]bool{}
		t.parameters(at[any](f.properties, "VersionDescription"), named)
		if !maps.Equal(set, named) {
			found = append(found, fmt.Sprintf("%s: its environment is made of %v, its version is named by %v",
				f.name, slices.Sorted(maps.Keys(set)), slices.Sorted(maps.Keys(named))))
		}
	}
	return found
}

// parameters adds those that a value depends on, through conditions too.
func (t *template) parameters(value any, found map[string]bool) {
	declared := at[map[string]any](t.root, "Parameters")
	walk(value, func(value any) {
		names := []string{at[string](value, "Ref")}
		if text, ok := value.(string); ok {
			for _, m := range inSub.FindAllStringSubmatch(text, -1) {
				names = append(names, m[1])
			}
		}
		for _, name := range names {
			if declared[name] != nil {
				found[name] = true
			}
		}
		condition := at[string](value, "Condition")
		if parts := list(value, "Fn::If"); len(parts) > 0 {
			condition = fmt.Sprint(parts[0])
		}
		if condition != "" {
			t.parameters(at[any](t.root, "Conditions", condition), found)
		}
	})
}

// openAPI also keeps what lets somebody in out of the access log.
func openAPI(t *template) (found []string) {
	disabled := list(t.resources, "Api", "Properties", "DisableExecuteApiEndpoint", "Fn::If")
	if len(disabled) != 3 || disabled[0] != "HasDomain" || disabled[1] != "true" {
		found = append(found, "with a domain the API still answers at its other name")
	}
	stage := at[map[string]any](t.resources, "ApiStage", "Properties")
	if at[string](stage, "DefaultRouteSettings", "ThrottlingRateLimit") == "" || at[string](stage, "DefaultRouteSettings", "ThrottlingBurstLimit") == "" {
		found = append(found, "requests are not limited")
	}
	format := at[string](stage, "AccessLogSettings", "Format")
	if format == "" || regexp.MustCompile(`(?i)header|query|cookie|\.path|authorizer`).MatchString(format) {
		found = append(found, "the access log is missing, or holds what lets somebody in: "+format)
	}
	return found
}

func wrongProduction(t *template) (found []string) {
	asserted := fmt.Sprint(at[any](t.root, "Rules", "ProdNeedsADomain"))
	if !strings.Contains(asserted, "[Ref:DomainName]") || !strings.Contains(asserted, "[Ref:CertificateArn]") || !strings.Contains(asserted, "prod") {
		found = append(found, "production goes without a domain")
	}
	reserved := list(t.resources, "GateFunction", "Properties", "ReservedConcurrentExecutions", "Fn::If")
	if len(reserved) != 3 || at[string](reserved[1], "Ref") != "GateConcurrency" {
		found = append(found, "the gate shares its concurrency with everybody")
	}
	checked := list(t.resources, "InstallerFunction", "Properties", "Environment", "Variables", "PORTCULLIS_PRODUCTION", "Fn::If")
	if len(checked) != 3 || checked[0] != "IsProd" || checked[1] != "true" {
		found = append(found, "SES's sandbox is not asked about")
	}
	return found
}

func uncallable(t *template) (found []string) {
	allowed := map[string]bool{}
	for _, p := range t.of("AWS::Lambda::Permission") {
		if strings.Contains(at[string](p.properties, "SourceArn", "Fn::Sub"), ":${Api}/*") {
			allowed[at[string](p.properties, "FunctionName", "Ref")] = true
		}
	}
	for _, i := range t.of("AWS::ApiGatewayV2::Integration") {
		parts := list(i.properties, "IntegrationUri", "Fn::Sub")
		if len(parts) != 2 || !allowed[at[string](parts[1], "Alias", "Ref")] {
			found = append(found, i.name+" may not be called by this API")
		}
	}
	return found
}
