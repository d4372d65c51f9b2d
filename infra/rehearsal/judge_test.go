//go:build rehearsal

package rehearsal

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

func TestJudge(t *testing.T) {
	wholes := []whole{
		{"dynamodb:GetItem", "table", []string{"user#*", "email#*"}},
		{"dynamodb:GetItem", "table", []string{"roles#*"}},
		{"kms:Decrypt", "key", []string{"totp#*"}},
		{"ses:SendEmail", "mail", []string{"portcullis@example.com"}},
		{"ses:GetAccount", "*", nil},
	}
	read := func(action, resource string, values ...string) call {
		return call{"login", action, resource, values}
	}
	for what, one := range map[string]struct {
		call    call
		allowed bool
	}{
		"a key":                       {read("dynamodb:GetItem", "table", "user#1"), true},
		"keys of one statement":       {read("dynamodb:GetItem", "table", "user#1", "email#a"), true},
		"keys of two statements":      {read("dynamodb:GetItem", "table", "user#1", "roles#1"), false},
		"no key":                      {read("dynamodb:GetItem", "table"), false},
		"an empty key":                {read("dynamodb:GetItem", "table", ""), false},
		"another's key":               {read("dynamodb:GetItem", "table", "mail#1"), false},
		"a key that only ends so":     {read("dynamodb:GetItem", "table", "x-user#1"), false},
		"another action":              {read("dynamodb:PutItem", "table", "user#1"), false},
		"the index":                   {read("dynamodb:GetItem", "table/index/due", "user#1"), false},
		"an id":                       {read("kms:Decrypt", "key", "totp#1"), true},
		"an id of another kind":       {read("kms:Decrypt", "key", "mail#1"), false},
		"no id":                       {read("kms:Decrypt", "key", ""), false},
		"the sender":                  {read("ses:SendEmail", "mail", "portcullis@example.com"), true},
		"another sender":              {read("ses:SendEmail", "mail", "somebody@example.com"), false},
		"what has no values to limit": {read("ses:GetAccount", "*"), true},
	} {
		used := map[grant]bool{}
		if got := judge(wholes, one.call, used); got != one.allowed || got != (len(used) > 0) {
			t.Errorf("%s: allowed is %t, used %v", what, got, used)
		}
	}
	used := map[grant]bool{}
	judge(wholes, read("dynamodb:GetItem", "table", "email#a"), used)
	if want := (grant{"login", "dynamodb:GetItem", "table", "email#*"}); !maps.Equal(used, map[grant]bool{want: true}) {
		t.Errorf("used is %v", used)
	}
}

func TestLike(t *testing.T) {
	for _, one := range []struct {
		pattern, value string
		want           bool
	}{
		{"user#*", "user#a/b", true}, {"user#*", "user#", true}, {"user#*", "users#1", false}, {"a*c*", "abbc", true}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"[a]", "a", false}, {"[a]", "[a]", true}, {"a.c", "abc", false}, {"*", "a\nb", true}, {"due", "due ", false},
	} {
		if like(one.pattern, one.value) != one.want {
			t.Errorf("%q like %q is %t", one.value, one.pattern, !one.want)
		}
	}
}

// What can't be judged is an error, never a grant.
func TestJudgesAllOfARole(t *testing.T) {
	const keys = `"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["user#*"]}`
	const some = `"Null":{"dynamodb:LeadingKeys":"false"}`
	const table = `"Resource":{"Fn::GetAtt":["Table","Arn"]}`
	const key = `"Resource":{"Fn::GetAtt":["SecretsKey","Arn"]}`
	role := &transformed{parameters: map[string]string{"MailFrom": "portcullis@example.com"}}
	for what, one := range map[string]struct {
		statement string
		sound     bool
	}{
		"keys":               {`{"Effect":"Allow","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `,` + some + `}}`, true},
		"a refusal":          {`{"Effect":"Deny","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `,` + some + `}}`, false},
		"no effect":          {`{"Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `,` + some + `}}`, false},
		"all but an action":  {`{"Effect":"Allow","NotAction":["dynamodb:GetItem"],` + table + `}`, false},
		"keys or none":       {`{"Effect":"Allow","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `}}`, false},
		"no keys":            {`{"Effect":"Allow","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + some + `}}`, false},
		"a condition more":   {`{"Effect":"Allow","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `,` + some + `,"StringEquals":{"aws:RequestedRegion":"x"}}}`, false},
		"a key more":         {`{"Effect":"Allow","Action":["dynamodb:GetItem"],` + table + `,"Condition":{` + keys + `,"Null":{"dynamodb:LeadingKeys":"false","dynamodb:Select":"true"}}}`, false},
		"another's table":    {`{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":"arn:aws:dynamodb:*:*:table/*","Condition":{` + keys + `,` + some + `}}`, false},
		"an id":              {`{"Effect":"Allow","Action":"kms:Decrypt",` + key + `,"Condition":{"StringLike":{"kms:EncryptionContext:bound":"totp#*"}}}`, true},
		"any id":             {`{"Effect":"Allow","Action":"kms:Decrypt",` + key + `}`, false},
		"all but an id":      {`{"Effect":"Allow","Action":"kms:Decrypt",` + key + `,"Condition":{"StringNotLike":{"kms:EncryptionContext:bound":"totp#*"}}}`, false},
		"a sender":           {`{"Effect":"Allow","Action":"ses:SendEmail","Resource":{"Fn::Sub":"arn:aws:ses:x:y:identity/*"},"Condition":{"StringEquals":{"ses:FromAddress":{"Ref":"MailFrom"}}}}`, true},
		"any sender":         {`{"Effect":"Allow","Action":"ses:SendEmail","Resource":{"Fn::Sub":"arn:aws:ses:x:y:identity/*"}}`, false},
		"a sender of no one": {`{"Effect":"Allow","Action":"ses:SendEmail","Resource":{"Fn::Sub":"arn:aws:ses:x:y:identity/*"},"Condition":{"StringEquals":{"ses:FromAddress":[]}}}`, false},
	} {
		var statement any
		if err := json.Unmarshal([]byte(one.statement), &statement); err != nil {
			t.Fatal(err)
		}
		if found, err := role.statement(statement); one.sound != (err == nil) || one.sound != (len(found) == 1) {
			t.Errorf("%s: %v, %v", what, found, err)
		}
	}
}

// A role with a policy of Amazon's that Lambda does not need is not judged.
func TestJudgesManagedPolicies(t *testing.T) {
	template, err := readTransformed(filepath.Join("..", "..", ".aws-sam", "transformed.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	gate := template.properties("GateFunctionRole").(map[string]any)
	if _, err := template.wholes("GateFunction"); err != nil {
		t.Fatal(err)
	}
	gate["ManagedPolicyArns"] = append(slices.Clone(gate["ManagedPolicyArns"].([]any)), "arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess")
	if _, err := template.wholes("GateFunction"); err == nil {
		t.Error("a policy that lets the gate do everything is passed over")
	}
}
