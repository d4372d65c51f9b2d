package localtest

import (
	"crypto/rand"
	"net/http"

	"portcullis.example/infra/local/authenticator"
)

// Passkey has a person enrol a passkey, whose second factor must be fresh.
func (p *Person) Passkey(name string) *authenticator.Key {
	p.w.T.Helper()
	options := p.Must(http.StatusOK, "POST", "/v1/mfa/passkeys/options", nil)
	key, attestation, err := authenticator.Create(rand.Reader, BaseURL, []byte(options.Body))
	if err != nil {
		p.w.T.Fatal(err)
	}
	p.Must(http.StatusCreated, "POST", "/v1/mfa/passkeys", map[string]any{"name": name, "attestation": attestation})
	return key
}

// PasskeyOptions are the request options for a pending sign-in.
func (w *World) PasskeyOptions(login string) []byte {
	w.T.Helper()
	return []byte(w.Must(http.StatusOK, Request{Method: "POST", Path: "/v1/login/passkey-options", Body: map[string]any{"login_token": login}}).Body)
}

// Signed is a request body that shows what a key signs on a page of the portal.
func (w *World) Signed(key *authenticator.Key, options []byte) map[string]any {
	w.T.Helper()
	assertion, err := key.Sign(BaseURL, options)
	if err != nil {
		w.T.Fatal(err)
	}
	return map[string]any{"method": "passkey", "assertion": assertion}
}

// WithPasskey is the last step of a sign-in with what a key signs.
func (w *World) WithPasskey(login string, signed map[string]any) Request {
	signed["login_token"] = login
	return Request{Method: "POST", Path: "/v1/login/mfa", Body: signed}
}
