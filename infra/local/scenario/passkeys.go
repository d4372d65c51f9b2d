package scenario

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"

	"portcullis.example/infra/local/authenticator"
)

// passkeys are what people prove besides codes.
func passkeys() map[string]command {
	return map[string]command{
		// Passkeys: passkey NAME (the actor enrols one of this name); attest VARIABLE
		// NAME (makes one for the options in the last answer); assert VARIABLE NAME
		// (signs the options in the last answer); counter NAME N (what it says next).
		"passkey": {1, 1, (*run).passkey},
		"attest":  {2, 2, (*run).attest},
		"assert":  {2, 2, (*run).assert},
		"counter": {2, 2, (*run).counter},
	}
}

func (r *run) passkey(args []string) error {
	if err := r.must("200", http.MethodPost, "/v1/mfa/passkeys/options", ""); err != nil {
		return err
	}
	if err := r.attest([]string{"attestation", args[0]}); err != nil {
		return err
	}
	if err := r.must("201", http.MethodPost, "/v1/mfa/passkeys", `{"name":%q,"attestation":%s}`, args[0], r.vars["attestation"]); err != nil {
		return err
	}
	return r.set([]string{args[0] + ".id", "id"})
}

func (r *run) attest(args []string) error {
	key, attestation, err := authenticator.Create(rand.Reader, r.world.BaseURL(), []byte(r.answer.body))
	r.keys[args[1]], r.vars[args[0]] = key, string(attestation)
	return err
}

func (r *run) assert(args []string) error {
	key, ok := r.keys[args[1]]
	if !ok {
		return fmt.Errorf("%w: there is no passkey %s", ErrScript, args[1])
	}
	assertion, err := key.Sign(r.world.BaseURL(), []byte(r.answer.body))
	r.vars[args[0]] = string(assertion)
	return err
}

func (r *run) counter(args []string) error {
	key, ok := r.keys[args[0]]
	n, err := strconv.ParseUint(args[1], 10, 32)
	if !ok || err != nil {
		return fmt.Errorf("%w: counter NAME N", ErrScript)
	}
	key.Count = uint32(n)
	return nil
}
