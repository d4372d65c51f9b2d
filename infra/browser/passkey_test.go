package browser

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
)

// ceremonies is a page that does what the portal's must do with passkeys: the
// options go to the browser as they are, and its answer comes back as it is.
const ceremonies = `<!doctype html><title>Passkeys</title><script>
const call = async (method, path, body, token) => {
	const headers = {...(body && {'Content-Type': 'application/json'}), ...(token && {Authorization: 'Bearer ' + token})};
	const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
	const text = await answer.text();
	if (!answer.ok) throw new Error(answer.status + ' ' + text);
	return text ? JSON.parse(text) : null;
};
const create = async options => (await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON();
const prove = async options => (await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON();
const enrol = async (token, name) => {
	const attestation = await create(await call('POST', '/v1/mfa/passkeys/options', null, token));
	return (await call('POST', '/v1/mfa/passkeys', {name, attestation}, token)).id;
};
const signIn = async (email, password) => {
	const {login_token} = await call('POST', '/v1/login', {email, password});
	const assertion = await prove(await call('POST', '/v1/login/passkey-options', {login_token}));
	return (await call('POST', '/v1/login/mfa', {login_token, method: 'passkey', assertion})).token;
};
const stepUp = async token => {
	const assertion = await prove(await call('POST', '/v1/session/step-up/options', null, token));
	return (await call('POST', '/v1/session/step-up', {method: 'passkey', assertion}, token)).token;
};
</script>`

// prover is somebody at the page, with a passkey provider in the browser.
type prover struct {
	*page
	alice    *localtest.Person
	provider webauthn.AuthenticatorID
}

// newProver has everything on http://localhost, as on one machine.
func newProver(t *testing.T) *prover {
	t.Helper()
	w := localtest.New(t)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ceremonies" {
			_, _ = rw.Write([]byte(ceremonies)) // a browser that went away says so itself
			return
		}
		w.API.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + port
	w.Under(base)
	s := &stage{World: w, t: t}
	s.browser = s.launch(server.Listener.Addr(), server.Listener.Addr())
	p := &prover{page: s.tab(), alice: w.Administrator("acme", "alice@acme.example")}
	p.do(chromedp.Navigate(base + "/ceremonies"))
	called(p, webauthn.Enable, webauthn.EnableParams{})
	p.provider = called(p, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}).AuthenticatorID
	return p
}

// called calls a command of the DevTools protocol.
func called[P, R any](p *prover, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	return get(p.page, func(ctx context.Context, _ *chromedp.Target) (R, error) { return chromedp.Call(ctx, command, params) })
}

// run awaits what the page's script answers, or what it throws.
func (p *prover) run(script string) string {
	p.t.Helper()
	caught := fmt.Sprintf(`(async () => { try { return String(await (%s)) } catch (e) { return 'thrown: ' + e.name + ' ' + e.message } })()`, script)
	return get(p.page, chromedp.Evaluate[string](caught, chromedp.EvalAwaitPromise))
}

// must is run that throws nothing.
func (p *prover) must(script string) string {
	p.t.Helper()
	answer := p.run(script)
	if strings.HasPrefix(answer, "thrown: ") {
		p.t.Fatalf("%s: %s", script, answer)
	}
	return answer
}

func (p *prover) signIn() string {
	return fmt.Sprintf("signIn(%s, %s)", strconv.Quote(p.alice.Email), strconv.Quote(localtest.Password))
}

// Enrol, sign in, step up and remove, with what a browser itself makes of the
// options.
func TestPasskeysInChromium(t *testing.T) {
	p := newProver(t)
	id := p.must(fmt.Sprintf("enrol('%s', 'Chromium')", p.alice.Token))
	if again := p.run(fmt.Sprintf("enrol('%s', 'Again')", p.alice.Token)); !strings.Contains(again, "InvalidStateError") {
		t.Errorf("the same provider is enrolled twice: %s", again)
	}
	p.must(p.signIn())
	p.alice.Token = p.must(p.signIn()) // its counter rises
	p.Clock.Add(access.FreshFor)
	p.alice.Must(http.StatusForbidden, "DELETE", "/v1/mfa/passkeys/"+id, nil)
	p.alice.Token = p.must(fmt.Sprintf("stepUp('%s')", p.alice.Token))
	p.alice.Must(http.StatusNoContent, "DELETE", "/v1/mfa/passkeys/"+id, nil)
	if gone := p.run(p.signIn()); !strings.Contains(gone, "409") {
		t.Errorf("signed in with a passkey that was removed: %s", gone)
	}
}

// What a browser's provider gets wrong is refused by us, not by the browser.
func TestAttack15FlawedProviderInChromium(t *testing.T) {
	p := newProver(t)
	p.must(fmt.Sprintf("enrol('%s', 'Chromium')", p.alice.Token))
	yes := true
	for name, flaw := range map[string]webauthn.SetResponseOverrideBitsParams{
		"a wrong signature":    {IsBogusSignature: &yes},
		"no user verification": {IsBadUV: &yes},
		"nobody there":         {IsBadUP: &yes},
	} {
		flaw.AuthenticatorID = p.provider
		called(p, webauthn.SetResponseOverrideBits, flaw)
		if answer := p.run(p.signIn()); !strings.Contains(answer, "401") || !strings.Contains(answer, "bad_attempt") {
			t.Errorf("%s: %s", name, answer)
		}
	}
	called(p, webauthn.SetResponseOverrideBits, webauthn.SetResponseOverrideBitsParams{AuthenticatorID: p.provider})
	p.must(p.signIn())
}
