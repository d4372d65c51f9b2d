package scenario

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// password is what everybody chooses.
const password = "quiet otter paints lanterns"

// must sends a request that has to be answered so.
func (r *run) must(status, method, path, format string, values ...any) error {
	body := ""
	if format != "" {
		body = fmt.Sprintf(format, values...)
	}
	if err := r.send(method, path, body); err != nil {
		return err
	}
	return r.status([]string{status})
}

func (r *run) invite(args []string) error {
	var roles []string
	if len(args) == 3 {
		roles = strings.Fields(args[2])
	}
	return r.world.Invite(args[0], args[1], roles)
}

// join accepts the invitation in the newest letter and enrols a second factor.
func (r *run) join(args []string) error {
	user := args[0]
	r.actor = nobody
	if err := r.mail([]string{"invitation", args[1]}); err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/invitations/accept", `{"token":%q,"password":%q}`, r.vars["invitation"], password); err != nil {
		return err
	}
	login, err := r.answer.text("login_token")
	if err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/login/enroll", `{"login_token":%q}`, login); err != nil {
		return err
	}
	if err := r.set([]string{user + ".secret", "secret"}); err != nil {
		return err
	}
	if err := r.code([]string{"code", user}); err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/login/enroll/confirm", `{"login_token":%q,"code":%q}`, login, r.vars["code"]); err != nil {
		return err
	}
	return r.signedIn(user)
}

func (r *run) signedIn(user string) error {
	r.actor = user
	if err := r.set([]string{user + ".id", "user.id"}); err != nil {
		return err
	}
	return r.set([]string{user + ".token", "token"})
}

// nextCode waits for a code that has not been used.
func (r *run) nextCode(user string) error {
	if err := r.world.Advance(30 * time.Second); err != nil {
		return err
	}
	return r.code([]string{"code", user})
}

// signIn signs in anew; the clock moves on to the next code.
func (r *run) signIn(args []string) error {
	user := args[0]
	r.actor = nobody
	if err := r.nextCode(user); err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/login", `{"email":%q,"password":%q}`, args[1], password); err != nil {
		return err
	}
	login, err := r.answer.text("login_token")
	if err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/login/mfa", `{"login_token":%q,"method":"totp","code":%q}`, login, r.vars["code"]); err != nil {
		return err
	}
	return r.signedIn(user)
}

// stepUp makes the actor's second factor fresh; the clock moves on to the next
// code.
func (r *run) stepUp([]string) error {
	if err := r.nextCode(r.actor); err != nil {
		return err
	}
	if err := r.must("200", http.MethodPost, "/v1/session/step-up", `{"method":"totp","code":%q}`, r.vars["code"]); err != nil {
		return err
	}
	if token, err := r.answer.text("token"); err == nil {
		r.vars[r.actor+".token"] = token
	}
	return nil
}

// register has the actor register a phone system and chooses it.
func (r *run) register(args []string) error {
	policy := "{}"
	if len(args) == 3 {
		policy = args[2]
	}
	if err := r.must("201", http.MethodPost, "/v1/phone-systems", `{"name":%q,"host":%q,"policy":%s}`, args[0], args[1], policy); err != nil {
		return err
	}
	r.gate, r.vars[args[0]+".host"] = args[0], args[1]
	if err := r.set([]string{args[0] + ".id", "id"}); err != nil {
		return err
	}
	return r.set([]string{args[0] + ".key", "gate_key"})
}

// audited counts the actor's partner's entries of an action.
func (r *run) audited(args []string) error {
	if err := r.must("200", http.MethodGet, "/v1/audit?action="+args[0], ""); err != nil {
		return err
	}
	return r.count([]string{"items", args[1]})
}
