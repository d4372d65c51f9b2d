package passkey_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"portcullis.example/infra/local/authenticator"
	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/passkey"
)

const (
	portal = "https://portal.example"
	user   = "01ALICE"
)

var challenge = bytes.Repeat([]byte{7}, 32)

// creation are options to enrol, request those to prove.
const (
	creation = `{"challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","rp":{"id":"portal.example"},"user":{"id":"MDFBTElDRQ"}}`
	request  = `{"challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","rpId":"portal.example"}`
)

// made is a new key and its attestation.
func made(t testing.TB) (*authenticator.Key, []byte) {
	t.Helper()
	key, answer, err := authenticator.Create(rand.Reader, portal, []byte(creation))
	if err != nil {
		t.Fatal(err)
	}
	return key, answer
}

// enrolled is a new key and what is kept of it.
func enrolled(t testing.TB) (*authenticator.Key, mfa.Passkey) {
	t.Helper()
	key, answer := made(t)
	kept, err := passkey.New(portal).Attest(user, challenge, answer)
	if err != nil {
		t.Fatal(err)
	}
	return key, kept
}

func sign(t testing.TB, key *authenticator.Key, origin string) []byte {
	t.Helper()
	answer, err := key.Sign(origin, []byte(request))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestAttestAndAssert(t *testing.T) {
	party := passkey.New(portal)
	key, kept := enrolled(t)
	if !bytes.Equal(kept.Credential, key.Credential) || kept.Count != 0 || kept.Synced || len(kept.Key) == 0 || !slices.Equal(kept.Transports, []string{"internal"}) {
		t.Errorf("kept: %+v", kept)
	}
	_, other := enrolled(t)
	key.Count = 41
	signed, err := party.Assert(user, challenge, []mfa.Passkey{other, kept}, sign(t, key, portal))
	if err != nil || !bytes.Equal(signed.Credential, key.Credential) || signed.Count != 41 {
		t.Errorf("asserted: %+v %v", signed, err)
	}
	if _, err := party.Assert(user, challenge, []mfa.Passkey{other}, sign(t, key, portal)); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("not enrolled: %v", err)
	}
	if _, err := party.Assert(user, challenge, nil, sign(t, key, portal)); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("nothing enrolled: %v", err)
	}
}

// The origin is that of the base URL, its port included; the id is the host
// without.
func TestRelyingPartyOfABaseURL(t *testing.T) {
	for base, id := range map[string]string{
		"https://portal.example": "portal.example", "https://portal.example:8443": "portal.example", "http://localhost:8080": "localhost",
		"http://console.localhost:8080": "console.localhost", "http://127.0.0.1:8080": "", "http://[::1]:8080": "", "https://192.0.2.1": "",
		"https://[2001:db8::1]": "", "": "", "https://": "", "%": "",
	} {
		party := passkey.New(base)
		got, err := party.ID()
		if got != id || (err == nil) != (id != "") || err != nil && !errors.Is(err, mfa.ErrNoRelyingParty) {
			t.Errorf("%q: %q %v", base, got, err)
		}
		key, kept := enrolled(t)
		key.RPID = id
		_, err = party.Assert(user, challenge, []mfa.Passkey{kept}, sign(t, key, base))
		_, attestErr := party.Attest(user, challenge, sign(t, key, base))
		if id == "" && !(errors.Is(err, mfa.ErrNoRelyingParty) && errors.Is(attestErr, mfa.ErrNoRelyingParty)) || id != "" && err != nil {
			t.Errorf("%q: %v, %v", base, err, attestErr)
		}
		if id != "" {
			if _, err := party.Assert(user, challenge, []mfa.Passkey{kept}, sign(t, key, base+"0")); !errors.Is(err, mfa.ErrWrong) {
				t.Errorf("%q: another port or host passes: %v", base, err)
			}
		}
	}
}

// altered is an answer with one member of its response set anew.
func altered(t testing.TB, answer []byte, name string, value any) []byte {
	t.Helper()
	var whole map[string]any
	if err := json.Unmarshal(answer, &whole); err != nil {
		t.Fatal(err)
	}
	whole["response"].(map[string]any)[name] = value
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAttack15ForgedAttestations(t *testing.T) {
	party := passkey.New(portal)
	key, _ := made(t)
	attest := func(origin string, lie func(*authenticator.Key)) []byte {
		liar := *key
		lie(&liar)
		answer, err := liar.Attest(origin, []byte(creation))
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	for name, answer := range map[string][]byte{
		"another origin":          attest("https://evil.example", func(*authenticator.Key) {}),
		"plain http":              attest("http://portal.example", func(*authenticator.Key) {}),
		"another relying party":   attest(portal, func(k *authenticator.Key) { k.RPID = "evil.example" }),
		"no user verification":    attest(portal, func(k *authenticator.Key) { k.Unverified = true }),
		"nobody there":            attest(portal, func(k *authenticator.Key) { k.Absent = true }),
		"a long name":             attest(portal, func(k *authenticator.Key) { k.Credential = make([]byte, 1024) }),
		"no name":                 attest(portal, func(k *authenticator.Key) { k.Credential = nil }),
		"an assertion":            sign(t, key, portal),
		"an algorithm not asked":  attest(portal, func(k *authenticator.Key) { k.Algorithm = -47 }),
		"a statement with a name": attest(portal, func(k *authenticator.Key) { k.Format = "packed" }),
		"a certified statement":   attest(portal, func(k *authenticator.Key) { k.Format = "fido-u2f" }),
		"an unknown statement":    attest(portal, func(k *authenticator.Key) { k.Format = "x" }),
		"nothing":                 nil,
		"null":                    []byte("null"),
	} {
		if kept, err := party.Attest(user, challenge, answer); !errors.Is(err, mfa.ErrAttestation) || kept.Credential != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, answer := made(t)
	for name, other := range map[string][]byte{"another challenge": bytes.Repeat([]byte{8}, 32), "a short challenge": challenge[:15], "no challenge": nil} {
		if _, err := party.Attest(user, other, answer); !errors.Is(err, mfa.ErrAttestation) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a browser says of the transports goes back to it: only what is known.
func TestTransportsAreTheKnownOnes(t *testing.T) {
	_, answer := made(t)
	answer = altered(t, answer, "transports", []string{"usb", "x", "\"><script>", "internal", "usb", "hybrid"})
	kept, err := passkey.New(portal).Attest(user, challenge, answer)
	if err != nil || !slices.Equal(kept.Transports, []string{"usb", "hybrid", "internal"}) {
		t.Errorf("%v %v", kept.Transports, err)
	}
}

// Password managers send extensions that nobody asked for.
func TestExtensionsThatNobodyAskedFor(t *testing.T) {
	with := func(answer []byte) []byte {
		return bytes.Replace(answer, []byte(`"clientExtensionResults":{}`), []byte(`"clientExtensionResults":{"credProps":{"rk":true},"x":[1]}`), 1)
	}
	party := passkey.New(portal)
	key, answer := made(t)
	kept, err := party.Attest(user, challenge, with(answer))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := party.Assert(user, challenge, []mfa.Passkey{kept}, with(sign(t, key, portal))); err != nil {
		t.Error(err)
	}
}
