package checks

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"portcullis.example/functions/gate"
	"portcullis.example/functions/login"
	"portcullis.example/functions/phonesystems"
	"portcullis.example/functions/portal"
	"portcullis.example/functions/reports"
	"portcullis.example/functions/unlocks"
	"portcullis.example/functions/users"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/web"
)

func templateRules() []templateRule {
	return []templateRule{
		{"routes are the handlers'", wrongRoutes}, {"functions are built from this tree", wrongBuilds},
		{"functions have what they start on", wrongEnvironments}, {"schedules are sound", wrongSchedules},
		{"the stream is bounded and filtered", wrongStreams}, {"the table is as the adapter needs it", wrongTables},
		{"nothing is granted by wildcard", wildcards}, {"keys of the table are named", openKeys}, {"sealed values are bound", openSecrets},
		{"parameters are used", unusedParameters}, {"logs are kept and end", wrongLogs}, {"functions are watched", unwatched},
		{"deployments are rolled back", wrongDeployments}, {"the API is fenced", openAPI}, {"production has what it needs", wrongProduction},
		{"the API may call its functions", uncallable}, {"parameters reach what is published", unpublished},
	}
}

// declared are the routes of each function, as its code declares them.
func declared() map[string]string {
	g := ground.New(ground.Options{Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), BaseURL: portal.DocumentURL})
	owners := map[string]string{"$default": "portal"}
	for name, routes := range map[string]func(*web.API){
		"login": func(a *web.API) { login.New(g, a).Routes() }, "phonesystems": func(a *web.API) { phonesystems.New(g, a).Routes() },
		"unlocks": func(a *web.API) { unlocks.New(g, a).Routes() }, "gate": func(a *web.API) { gate.New(g, a, g.Keeper()).Routes() },
		"users": func(a *web.API) { users.New(g, a).Routes() }, "reports": func(a *web.API) { reports.New(g, a).Routes() }, "portal": func(a *web.API) { portal.New(g, a).Routes() },
	} {
		api := g.API()
		routes(api)
		raw, err := api.OpenAPI().MarshalJSON()
		var document struct {
			Paths map[string]map[string]any `json:"paths"`
		}
		if err == nil {
			err = json.Unmarshal(raw, &document)
		}
		if err != nil {
			owners["unreadable: "+err.Error()] = name
		}
		for path, methods := range document.Paths {
			for method := range methods {
				owners[strings.ToUpper(method)+" "+path] = name
			}
		}
	}
	return owners
}

func wrongRoutes(t *template) (found []string) {
	owners := declared()
	for _, r := range t.of("AWS::ApiGatewayV2::Route") {
		key := at[string](r.properties, "RouteKey")
		want, ok := owners[key]
		delete(owners, key)
		target := at[string](r.properties, "Target", "Fn::Sub")
		integration := strings.TrimSuffix(strings.TrimPrefix(target, "integrations/${"), "}")
		uri := list(t.resources, integration, "Properties", "IntegrationUri", "Fn::Sub")
		alias := ""
		if len(uri) == 2 {
			alias = at[string](uri[1], "Alias", "Ref")
		}
		switch {
		case !ok:
			found = append(found, key+" is declared by no function, or is there twice")
		case strings.ToLower(alias) != want+"function.alias":
			found = append(found, fmt.Sprintf("%s goes to %s, not to %s", key, alias, want))
		case at[string](t.resources, integration, "Properties", "PayloadFormatVersion") != "2.0":
			found = append(found, integration+" does not speak payload 2.0")
		}
	}
	for key := range owners {
		found = append(found, key+" has no route")
	}
	return found
}

func wrongBuilds(t *template) (found []string) {
	targets := regexp.MustCompile(`(?m)^build-\w+.*: build-%Function:`).FindString(t.makefile)
	for _, f := range t.functions() {
		if !strings.Contains(targets, "build-"+f.name) || at[string](t.resources, f.name, "Metadata", "BuildMethod") != "makefile" {
			found = append(found, f.name+" has no build target")
		}
		if t.mains[f.folder()] == "" {
			found = append(found, f.name+" has no functions/"+f.folder()+"/bootstrap")
		}
	}
	global := at[map[string]any](t.root, "Globals", "Function")
	if at[string](global, "Runtime") != "provided.al2023" || at[string](global, "Handler") != "bootstrap" || at[string](global, "CodeUri") != "." || !slices.Equal(texts(global, "Architectures"), []string{"arm64"}) {
		found = append(found, "the functions are not arm64 on provided.al2023, built here")
	}
	return found
}

// wrongEnvironments holds variables to the parts that a main names.
func wrongEnvironments(t *template) (found []string) {
	for _, f := range t.functions() {
		needs := map[string]string{"PORTCULLIS_KEY": "key.Part", "PORTCULLIS_CURSOR_KEY": "stack.Cursors", "PORTCULLIS_MAIL_FROM": "post.Part"}
		variables := at[map[string]any](f.properties, "Environment", "Variables")
		for variable, part := range needs {
			if _, set := variables[variable]; set != strings.Contains(t.mains[f.folder()], part) {
				found = append(found, fmt.Sprintf("%s: %s is set: %v", f.name, variable, set))
			}
		}
	}
	global := at[map[string]any](t.root, "Globals", "Function", "Environment", "Variables")
	for _, variable := range []string{"BASE_URL", "TABLE", "SESSION_IDLE", "SESSION_LONGEST", "RESTORED_AT"} {
		if global["PORTCULLIS_"+variable] == nil {
			found = append(found, variable+" is set for nobody")
		}
	}
	return found
}

var rate = regexp.MustCompile(`^rate\(1 minute\)$`)

func wrongSchedules(t *template) (found []string) {
	scheduled := map[string]bool{}
	for _, f := range t.functions() {
		for name, event := range at[map[string]any](f.properties, "Events") {
			if at[string](event, "Type") != "ScheduleV2" {
				continue
			}
			scheduled[f.folder()] = true
			p := at[map[string]any](event, "Properties")
			if !rate.MatchString(at[string](p, "ScheduleExpression")) {
				found = append(found, fmt.Sprintf("%s.%s: %q is not each minute", f.name, name, at[string](p, "ScheduleExpression")))
			}
			if at[any](p, "DeadLetterConfig", "Arn") == nil || at[string](p, "RetryPolicy", "MaximumRetryAttempts") == "" {
				found = append(found, fmt.Sprintf("%s.%s: what fails is lost or tried for ever", f.name, name))
			}
		}
	}
	for _, folder := range []string{"auditor", "courier"} {
		if !scheduled[folder] {
			found = append(found, folder+" runs on no schedule")
		}
	}
	return found
}

func wrongStreams(t *template) (found []string) {
	for _, f := range t.functions() {
		stream := at[map[string]any](f.properties, "Events", "Stream", "Properties")
		if stream == nil {
			if f.folder() == "courier" {
				found = append(found, "the courier has no stream")
			}
			continue
		}
		for name, want := range map[string]string{"StartingPosition": "TRIM_HORIZON", "BisectBatchOnFunctionError": "true", "MaximumRetryAttempts": "5", "MaximumRecordAgeInSeconds": "3600"} {
			if at[string](stream, name) != want {
				found = append(found, name+" is not "+want)
			}
		}
		if !slices.Equal(texts(stream, "FunctionResponseTypes"), []string{"ReportBatchItemFailures"}) || at[any](stream, "DestinationConfig", "OnFailure", "Destination") == nil {
			found = append(found, "a record that fails takes others along, or is lost")
		}
		found = append(found, wrongFilters(list(stream, "FilterCriteria", "Filters"))...)
	}
	return found
}

// wrongFilters tries the patterns on records, by the rules for patterns of plain
// values: each name that a pattern has must be there with one of its values.
func wrongFilters(filters []any) (found []string) {
	const ttl = `,"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}`
	for record, want := range map[string]bool{
		`{"eventName":"INSERT","dynamodb":{"NewImage":{"kind":{"S":"mail"}}}}`:             true,
		`{"eventName":"INSERT","dynamodb":{"NewImage":{"kind":{"S":"recovery.notice"}}}}`:  true,
		`{"eventName":"INSERT","dynamodb":{"NewImage":{"kind":{"S":"user"}}}}`:             false,
		`{"eventName":"MODIFY","dynamodb":{"NewImage":{"kind":{"S":"mail"}}}}`:             false,
		`{"eventName":"REMOVE","dynamodb":{"OldImage":{"kind":{"S":"lease"}}}` + ttl + `}`: true,
		`{"eventName":"REMOVE","dynamodb":{"OldImage":{"kind":{"S":"lease"}}}}`:            false,
		`{"eventName":"REMOVE","dynamodb":{"OldImage":{"kind":{"S":"login"}}}` + ttl + `}`: false,
	} {
		var event any
		if err := json.Unmarshal([]byte(record), &event); err != nil {
			return []string{err.Error()}
		}
		passes := false
		for _, filter := range filters {
			var pattern any
			if err := json.Unmarshal([]byte(at[string](filter, "Pattern")), &pattern); err != nil {
				return append(found, "a filter is no JSON: "+err.Error())
			}
			passes = passes || matches(pattern, event)
		}
		if passes != want {
			found = append(found, fmt.Sprintf("%s passes: %v", record, passes))
		}
	}
	return found
}

func matches(pattern, value any) bool {
	if values, ok := pattern.([]any); ok {
		return slices.Contains(values, value)
	}
	names, _ := pattern.(map[string]any)
	held, _ := value.(map[string]any)
	for name, inner := range names {
		if !matches(inner, held[name]) {
			return false
		}
	}
	return len(names) > 0
}

func wrongTables(t *template) (found []string) {
	p := at[map[string]any](t.resources, "Table", "Properties")
	for path, want := range map[string]string{
		"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": "true", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": "true",
		"SSESpecification.SSEType": "KMS", "SSESpecification.SSEEnabled": "true", "StreamSpecification.StreamViewType": "NEW_AND_OLD_IMAGES",
		"TimeToLiveSpecification.AttributeName": "expires", "TimeToLiveSpecification.Enabled": "true",
	} {
		if got := at[string](p, strings.Split(path, ".")...); got != want {
			found = append(found, fmt.Sprintf("%s is %q", path, got))
		}
	}
	if keys := keyText(p); keys != "partition/HASH sort/RANGE" {
		found = append(found, "the keys are "+keys)
	}
	indexes := list(p, "GlobalSecondaryIndexes")
	if len(indexes) != 1 || at[string](indexes[0], "IndexName") != "due" || keyText(indexes[0]) != "kind/HASH due/RANGE" || at[string](indexes[0], "Projection", "ProjectionType") != "ALL" {
		found = append(found, "the index is not kind and due, with everything")
	}
	for _, name := range []string{"Table", "SecretsKey"} {
		if at[string](t.resources, name, "DeletionPolicy") != "RetainExceptOnCreate" || at[string](t.resources, name, "UpdateReplacePolicy") != "Retain" {
			found = append(found, name+" goes with the stack")
		}
	}
	return found
}

func keyText(of any) string {
	var keys []string
	for _, key := range list(of, "KeySchema") {
		keys = append(keys, at[string](key, "AttributeName")+"/"+at[string](key, "KeyType"))
	}
	return strings.Join(keys, " ")
}
