package checks

import "strings"

// importing is a file that does nothing but import.
func importing(name string, imports ...string) string {
	return "package " + name + "\n" + quoted(imports)
}

func quoted(imports []string) string {
	var b strings.Builder
	for _, imp := range imports {
		b.WriteString("import _ \"" + imp + "\"\n")
	}
	return b.String()
}

// from is a file that imports folders of ours.
func from(name string, dirs ...string) string {
	var imports []string
	for _, dir := range dirs {
		imports = append(imports, own(dir))
	}
	return importing(name, imports...)
}

// importBreaches are about our own packages.
func importBreaches() []breach {
	return []breach{{
		rule: "the domain keeps its order",
		files: map[string]string{
			"shared/account/a.go":      from("account", "shared/access", "shared/session"),
			"shared/audit/a.go":        from("audit", "shared/access", "shared/account/deep"),
			"shared/mfa/m.go":          from("mfa", "shared/account", "shared/web"),
			"shared/phonesystem/p.go":  from("phonesystem", "shared/session"),
			"shared/unlock/deep/u.go":  from("deep", "shared/gatekeeper"),
			"shared/web/w.go":          from("web", "shared/web/deep"),
			"shared/web/deep/w.go":     from("deep", "shared/unlock"),
			"shared/web/deep/w2.go":    from("deep", "shared/web"),
			"shared/session/x_test.go": from("session", "shared/unlock"),
		},
		want: []string{
			"shared/account/a.go:3: account must not reach session (through portcullis.example/shared/session)",
			"shared/audit/a.go:3: audit must not reach account (through portcullis.example/shared/account/deep)",
			"shared/mfa/m.go:3: mfa must not reach unlock (through portcullis.example/shared/web)",
			"shared/phonesystem/p.go:2: phonesystem must not reach session (through portcullis.example/shared/session)",
			"shared/unlock/deep/u.go:2: unlock must not reach gatekeeper (through portcullis.example/shared/gatekeeper)",
		},
	}, {
		rule: "the domain keeps its order",
		files: map[string]string{
			"shared/session/s.go":    from("session", "shared/mfa", "shared/account", "shared/audit", "shared/access", "shared/session/deep"),
			"shared/gatekeeper/g.go": from("gatekeeper", "shared/unlock", "shared/phonesystem", "shared/account", "shared/table"),
			// What a noun imports is that noun's own affair.
			"shared/mfa/m.go":         from("mfa", "shared/web"),
			"shared/web/w.go":         from("web", "shared/access"),
			"functions/unlocks/u.go":  from("unlocks", "shared/session", "shared/gatekeeper"),
			"shared/sessionlike/s.go": from("sessionlike", "shared/unlock"),
		},
	}, {
		rule: "the login function alone links WebAuthn",
		files: map[string]string{
			"functions/login/l.go":             from("login", "shared/mfa/passkey"),
			"shared/mfa/passkey/p_test.go":     from("passkey", "shared/mfa/passkey"),
			"shared/session/s.go":              from("session", "shared/mfa/passkey", "shared/mfa"),
			"functions/gate/bootstrap/main.go": from("main", "shared/mfa/passkey"),
		},
		want: []string{
			"functions/gate/bootstrap/main.go:2: functions/gate/bootstrap must not import portcullis.example/shared/mfa/passkey",
			"shared/session/s.go:2: shared/session must not import portcullis.example/shared/mfa/passkey",
		},
	}, {
		rule: "access imports nothing of ours",
		files: map[string]string{
			"shared/access/a.go":      from("access", "shared/token", "shared/access/deep"),
			"shared/access/deep/a.go": importing("deep", "errors", module+".evil/x", module),
			"shared/access/a_test.go": from("access", "shared/table/tabletest"),
			"shared/accessory/a.go":   from("accessory", "shared/token"),
		},
		want: []string{
			"shared/access/a.go:2: shared/access must not import portcullis.example/shared/token",
			"shared/access/deep/a.go:4: shared/access/deep must not import portcullis.example",
		},
	}, {
		rule: "shared stands alone",
		files: map[string]string{
			"shared/web/w.go":      from("web", "functions/login", "shared/access"),
			"shared/web/w_test.go": from("web", "infra/local"),
			"infra/local/l.go":     from("local", "functions/login"),
		},
		want: []string{
			"shared/web/w.go:2: shared/web must not import portcullis.example/functions/login",
		},
	}, {
		rule: "functions keep apart",
		files: map[string]string{
			"functions/gate/g.go":              from("gate", "functions/gateway", "infra/local", "shared/unlock", "functions/gate/deep"),
			"functions/gate/bootstrap/main.go": from("main", "functions/gate", "functions/login"),
			"functions/gate/g_test.go":         from("gate", "functions/login"),
			"infra/local/l.go":                 from("local", "functions/gate", "functions/login"),
		},
		want: []string{
			"functions/gate/g.go:2: functions/gate must not import portcullis.example/functions/gateway",
			"functions/gate/g.go:3: functions/gate must not import portcullis.example/infra/local",
			"functions/gate/bootstrap/main.go:3: functions/gate/bootstrap must not import portcullis.example/functions/login",
		},
	}}
}

// edgeBreaches are about the modules of others, and the adapters that hide them.
func edgeBreaches() []breach {
	const sdk, lambda, proxy = "github.com/aws/aws-sdk-go-v2", "github.com/aws/aws-lambda-go", "github.com/awslabs/aws-lambda-go-api-proxy"
	return []breach{{
		rule: "AWS stays at the edge",
		files: map[string]string{
			"shared/table/t.go":                     importing("table", sdk+"/service/dynamodb"),
			"shared/secrets/s.go":                   importing("secrets", sdk),
			"functions/gate/g.go":                   importing("gate", lambda+"/lambda"),
			"functions/gate/bootstrap/deep/d.go":    importing("deep", lambda),
			"shared/table/dynamo/d.go":              importing("dynamo", sdk),
			"shared/secrets/kms/k.go":               importing("kms", sdk),
			"shared/stack/s.go":                     importing("stack", sdk),
			"shared/mail/ses/s.go":                  importing("ses", sdk),
			"shared/lambdahttp/l.go":                importing("lambdahttp", lambda),
			"functions/gate/bootstrap/main.go":      importing("main", lambda),
			"functions/gate/bootstrap/main_test.go": importing("main", sdk),
			"shared/token/t.go":                     importing("token", "github.com/awsome/x"),
		},
		want: []string{
			"shared/table/t.go:2: shared/table must not import " + sdk + "/service/dynamodb",
			"shared/secrets/s.go:2: shared/secrets must not import " + sdk,
			"functions/gate/g.go:2: functions/gate must not import " + lambda + "/lambda",
			"functions/gate/bootstrap/deep/d.go:2: functions/gate/bootstrap/deep must not import " + lambda,
		},
	}, {
		rule: "WebAuthn stays behind its adapter",
		files: map[string]string{
			"shared/mfa/passkey/p.go":   importing("passkey", "github.com/go-webauthn/webauthn/webauthn"),
			"shared/mfa/m.go":           importing("mfa", "github.com/go-webauthn/webauthn/protocol"),
			"functions/login/l_test.go": importing("login", "github.com/go-webauthn/webauthn/protocol"),
		},
		want: []string{
			"functions/login/l_test.go:2: functions/login must not import github.com/go-webauthn/webauthn/protocol",
			"shared/mfa/m.go:2: shared/mfa must not import github.com/go-webauthn/webauthn/protocol",
		},
	}, {
		rule: "the API proxy stays in lambdahttp",
		files: map[string]string{
			"shared/web/w_test.go":             importing("web", proxy),
			"shared/secrets/kms/k.go":          importing("kms", proxy+"/core"),
			"shared/mail/ses/s.go":             importing("ses", proxy),
			"functions/gate/bootstrap/main.go": importing("main", proxy+"/httpadapter"),
			"shared/lambdahttp/l.go":           importing("lambdahttp", proxy+"/httpadapter"),
		},
		want: []string{
			"shared/web/w_test.go:2: shared/web must not import " + proxy,
			"shared/secrets/kms/k.go:2: shared/secrets/kms must not import " + proxy + "/core",
			"shared/mail/ses/s.go:2: shared/mail/ses must not import " + proxy,
			"functions/gate/bootstrap/main.go:2: functions/gate/bootstrap must not import " + proxy + "/httpadapter",
		},
	}, {
		rule: "bolt is for one machine",
		files: map[string]string{
			"shared/unlock/u.go":             from("unlock", "shared/table/bolt"),
			"functions/gate/g.go":            from("gate", "shared/table/bolt/deep"),
			"infra/gate/g.go":                from("gate", "shared/table/bolt"),
			"infra/local/portcullis/main.go": from("main", "shared/table/bolt"),
			"shared/unlock/u_test.go":        from("unlock", "shared/table/bolt"),
			"shared/table/bolt/b.go":         from("bolt", "shared/table/bolt/deep"),
		},
		want: []string{
			"shared/unlock/u.go:2: shared/unlock must not import portcullis.example/shared/table/bolt",
			"functions/gate/g.go:2: functions/gate must not import portcullis.example/shared/table/bolt/deep",
			"infra/gate/g.go:2: infra/gate must not import portcullis.example/shared/table/bolt",
		},
	}, {
		rule: "bbolt stays behind its adapter",
		files: map[string]string{
			"infra/local/l.go":       importing("local", "go.etcd.io/bbolt"),
			"shared/table/t.go":      importing("table", "go.etcd.io/bbolt/errors"),
			"shared/table/bolt/b.go": importing("bolt", "go.etcd.io/bbolt"),
			"infra/local/l_test.go":  importing("local", "go.etcd.io/bbolt"),
		},
		want: []string{
			"infra/local/l.go:2: infra/local must not import go.etcd.io/bbolt",
			"shared/table/t.go:2: shared/table must not import go.etcd.io/bbolt/errors",
		},
	}, {
		rule: "tools of tests stay in tests",
		files: map[string]string{
			"shared/unlock/u.go": importing("unlock", "testing/fstest", "net/http/httptest", "pgregory.net/rapid",
				"github.com/anishathalye/porcupine", own("shared/table/tabletest")),
			"shared/unlock/u_test.go":       importing("unlock", "testing", "pgregory.net/rapid", own("shared/table/tabletest")),
			"shared/table/tabletest/t.go":   importing("tabletest", "pgregory.net/rapid"),
			"shared/table/tabletest/t2.go":  from("tabletest", "shared/account/accounttest"),
			"shared/table/testingground.go": importing("table", "testingground"),
		},
		want: []string{
			"shared/unlock/u.go:2: shared/unlock must not import testing/fstest",
			"shared/unlock/u.go:3: shared/unlock must not import net/http/httptest",
			"shared/unlock/u.go:4: shared/unlock must not import pgregory.net/rapid",
			"shared/unlock/u.go:5: shared/unlock must not import github.com/anishathalye/porcupine",
			"shared/unlock/u.go:6: shared/unlock must not import portcullis.example/shared/table/tabletest",
		},
	}}
}
