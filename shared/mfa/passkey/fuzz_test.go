package passkey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/passkey"
)

// recorded are answers that a key once gave, so that every process of a fuzzer
// knows the same key.
func recorded(t testing.TB) (attestation, assertion []byte, kept mfa.Passkey) {
	t.Helper()
	for name, to := range map[string]*[]byte{"attestation": &attestation, "assertion": &assertion} {
		text, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		*to = bytes.TrimSpace(text)
	}
	kept, err := passkey.New(portal).Attest(user, challenge, attestation)
	if err != nil {
		t.Fatal(err)
	}
	return attestation, assertion, kept
}

func TestRecordedAnswersPass(t *testing.T) {
	_, assertion, kept := recorded(t)
	if _, err := passkey.New(portal).Assert(user, challenge, []mfa.Passkey{kept}, assertion); err != nil {
		t.Error(err)
	}
}

// response is a member of an answer's response, decoded.
func response(t testing.TB, answer []byte, name string) []byte {
	t.Helper()
	var whole struct {
		Response map[string]any `json:"response"`
	}
	if err := json.Unmarshal(answer, &whole); err != nil {
		t.Fatal(err)
	}
	text, _ := whole.Response[name].(string)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Whatever comes as an assertion is wrong, unless it is what the key signed; it
// never ends in a panic or an error that is our fault.
func FuzzAssertion(f *testing.F) {
	_, answer, kept := recorded(f)
	f.Add(answer)
	for _, text := range []string{"", "null", "[]", `{}`, `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, `{"id":"` + "\r\n" + `"}`} {
		f.Add([]byte(text))
	}
	party := passkey.New(portal)
	client, data := response(f, answer, "clientDataJSON"), response(f, answer, "authenticatorData")
	f.Fuzz(func(t *testing.T, text []byte) {
		signed, err := party.Assert(user, challenge, []mfa.Passkey{kept}, text)
		switch {
		case err != nil && !errors.Is(err, mfa.ErrWrong):
			t.Fatalf("%v", err)
		case err == nil && !(bytes.Equal(response(t, text, "clientDataJSON"), client) && bytes.Equal(response(t, text, "authenticatorData"), data)):
			t.Fatalf("this passes as signed by %x: %s", signed.Credential, text)
		}
	})
}

// The same from within: the parts of an assertion, each as it likes.
func FuzzAssertedParts(f *testing.F) {
	_, answer, kept := recorded(f)
	client, data := response(f, answer, "clientDataJSON"), response(f, answer, "authenticatorData")
	f.Add(kept.Credential, client, data, response(f, answer, "signature"), []byte(user))
	f.Add([]byte{}, []byte("{}"), data[:37], []byte{0x30, 0}, []byte{})
	party := passkey.New(portal)
	f.Fuzz(func(t *testing.T, credential, clientData, authenticatorData, signature, handle []byte) {
		text, err := json.Marshal(map[string]any{
			"id": url64(credential), "rawId": url64(credential), "type": "public-key",
			"response": map[string]any{"clientDataJSON": url64(clientData), "authenticatorData": url64(authenticatorData), "signature": url64(signature), "userHandle": url64(handle)},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = party.Assert(user, challenge, []mfa.Passkey{kept}, text)
		switch {
		case err != nil && !errors.Is(err, mfa.ErrWrong):
			t.Fatalf("%v", err)
		case err == nil && !(bytes.Equal(clientData, client) && bytes.Equal(authenticatorData, data)):
			t.Fatalf("this passes: %q %x", clientData, authenticatorData)
		}
	})
}

// Whatever comes as an attestation enrols nothing, or a key that can be proved
// and is small enough to be kept.
func FuzzAttestation(f *testing.F) {
	answer, _, _ := recorded(f)
	client := response(f, answer, "clientDataJSON")
	f.Add(answer, client, response(f, answer, "attestationObject"))
	f.Add([]byte("null"), []byte("{}"), []byte{0xa0})
	party := passkey.New(portal)
	f.Fuzz(func(t *testing.T, text, clientData, object []byte) {
		parts := altered(t, altered(t, answer, "clientDataJSON", url64(clientData)), "attestationObject", url64(object))
		for _, text := range [][]byte{text, parts} {
			kept, err := party.Attest(user, challenge, text)
			switch {
			case err != nil && !errors.Is(err, mfa.ErrAttestation):
				t.Fatalf("%v", err)
			case err == nil && (len(kept.Credential) == 0 || len(kept.Credential) > 1023 || len(kept.Key) == 0 || len(kept.Key) > 1024):
				t.Fatalf("this is kept: %+v", kept)
			}
			if err == nil {
				// A key that is kept must not end a later sign-in in anything but a refusal.
				if _, err := party.Assert(user, challenge, []mfa.Passkey{kept}, parts); !errors.Is(err, mfa.ErrWrong) {
					t.Fatalf("%v", err)
				}
			}
		}
	})
}

func url64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
