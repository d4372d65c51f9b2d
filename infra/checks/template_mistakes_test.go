package checks

// mistake is a small change of the template that must not go unnoticed.
type mistake struct{ name, old, new, rule string }

func mistakes() []mistake {
	return []mistake{
		{"a route is missing", "RouteKey: 'DELETE /v1/session'", "RouteKey: 'PUT /v1/session'", "routes are the handlers'"},
		{"a route leads to another function", "RouteKey: 'POST /v1/phone-systems/{id}/unlocks'\n      Target: !Sub 'integrations/${UnlocksIntegration}'", "RouteKey: 'POST /v1/phone-systems/{id}/unlocks'\n      Target: !Sub 'integrations/${PhoneSystemsIntegration}'", "routes are the handlers'"},
		{"nothing answers the rest", "RouteKey: $default", "RouteKey: 'GET /rest'", "routes are the handlers'"},
		{"an old payload", "PayloadFormatVersion: '2.0'", "PayloadFormatVersion: '1.0'", "routes are the handlers'"},
		{"a function without a build target", "  GateFunction:\n", "  GatesFunction:\n", "functions are built from this tree"},
		{"another processor", "Architectures: [arm64]", "Architectures: [x86_64]", "functions are built from this tree"},
		{"a function without its key", "PORTCULLIS_KEY: !GetAtt SecretsKey.Arn\n      DeploymentPreference", "PORTCULLIS_KEYS: !GetAtt SecretsKey.Arn\n      DeploymentPreference", "functions have what they start on"},
		{"a schedule that never comes", "ScheduleExpression: rate(1 minute)", "ScheduleExpression: rate(1 minutes)", "schedules are sound"},
		{"a schedule that loses what fails", "DeadLetterConfig: { Arn: !GetAtt DeadLetters.Arn }", "State: ENABLED", "schedules are sound"},
		{"a filter that matches nothing", `"NewImage":{"kind":{"S":["mail",`, `"NewImage":{"Kind":{"S":["mail",`, "the stream is bounded and filtered"},
		{"a filter that takes removals of ours", `"userIdentity":{"type":["Service"],"principalId":["dynamodb.amazonaws.com"]},`, "", "the stream is bounded and filtered"},
		{"a batch that fails as a whole", "FunctionResponseTypes: [ReportBatchItemFailures]", "ParallelizationFactor: 1", "the stream is bounded and filtered"},
		{"retries without end", "MaximumRetryAttempts: 5", "MaximumRetryAttempts: -1", "the stream is bounded and filtered"},
		{"a table paid by the hour", "BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED", "the table is as the adapter needs it"},
		{"time-to-live on another attribute", "AttributeName: expires, Enabled", "AttributeName: due, Enabled", "the table is as the adapter needs it"},
		{"a table that goes with the stack", "DeletionPolicy: RetainExceptOnCreate", "DeletionPolicy: Delete", "the table is as the adapter needs it"},
		{"an index without the documents", "ProjectionType: ALL", "ProjectionType: KEYS_ONLY", "the table is as the adapter needs it"},
		{"any action", "Action: [dynamodb:UpdateItem]", "Action: ['dynamodb:*']", "nothing is granted by wildcard"},
		{"any table", "Action: [dynamodb:UpdateItem]\n              Resource: !GetAtt Table.Arn", "Action: [dynamodb:UpdateItem]\n              Resource: '*'", "nothing is granted by wildcard"},
		{"a key condition that holds without a key", "                'Null': { 'dynamodb:LeadingKeys': 'false' }\n", "", "keys of the table are named"},
		{"any key", "'dynamodb:LeadingKeys': ['attempts#*']", "'dynamodb:LeadingKeys': ['*']", "keys of the table are named"},
		{"any sealed value", "'kms:EncryptionContext:bound': ['totp#*']", "'kms:EncryptionContext:bound': ['*']", "sealed values are bound"},
		{"sealing without an id", "Sid: NothingWithoutAnId\n            Effect: Deny", "Sid: NothingWithoutAnId\n            Effect: Allow", "sealed values are bound"},
		{"logs without an end", "RetentionInDays: !Ref LogRetentionDays", "RetentionInDays: 90", "logs are kept and end"},
		{"an unused parameter", "  SessionIdle:\n    Type: String", "  Spare:\n    Type: String\n  SessionIdle:\n    Type: String", "parameters are used"},
		{"an alarm of another function", "Value: !Sub '${AWS::StackName}-login' }]", "Value: !Sub '${AWS::StackName}-logins' }]", "functions are watched"},
		{"an alarm that tells nobody", "      AlarmActions: [!Ref AlarmTopic]\n", "", "functions are watched"},
		{"a deployment without a way back", "Alarms: [!Ref GateErrors, !Ref GateThrottles]", "Alarms: [!Ref GateThrottles]", "deployments are rolled back"},
		{"the API at two names", "DisableExecuteApiEndpoint: !If [HasDomain, true, false]", "DisableExecuteApiEndpoint: !If [HasDomain, false, false]", "the API is fenced"},
		{"tickets in the access log", `"route":"$context.routeKey"`, `"route":"$context.path"`, "the API is fenced"},
		{"requests without a limit", ", ThrottlingBurstLimit: 500, ThrottlingRateLimit: 1000", "", "the API is fenced"},
		{"production without a domain", "!Not [!Equals [!Ref DomainName, '']]\n        Assert", "!Not [!Equals [!Ref MailFrom, '']]\n        Assert", "production has what it needs"},
		{"a gate that others starve", "ReservedConcurrentExecutions: !If [IsProd, !Ref GateConcurrency, !Ref AWS::NoValue]", "EphemeralStorage: { Size: 512 }", "production has what it needs"},
		{"a sandbox that nobody asks about", "PORTCULLIS_PRODUCTION: !If [IsProd, 'true', 'false']", "PORTCULLIS_PRODUCTION: 'false'", "production has what it needs"},
		{"a function that the API may not call", "FunctionName: !Ref ReportsFunction.Alias", "FunctionName: !Ref ReportsFunction", "the API may call its functions"},
		{"a restore that what runs is not told of", " restored ${RestoredAt}'", "'", "parameters reach what is published"},
		{"mail from the address before", " from ${MailFrom}'", "'", "parameters reach what is published"},
		{"a version of nothing new", " restored ${RestoredAt}'", " restored ${RestoredAt} ${AlarmEmail}'", "parameters reach what is published"},
	}
}
