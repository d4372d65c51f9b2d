package passkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"

	"portcullis.example/shared/mfa"
	"portcullis.example/shared/mfa/passkey"
)

// certified makes an answer whose statement is signed with a certificate that
// anybody can make, as WebAuthn section 8.2.1 wants one to look.
func certified(t *testing.T, answer []byte) []byte {
	t.Helper()
	var said struct {
		Response struct{ AttestationObject, ClientDataJSON string }
	}
	must(t, json.Unmarshal(answer, &said))
	object := map[string]any{}
	raw, err := base64.RawURLEncoding.DecodeString(said.Response.AttestationObject)
	must(t, errors.Join(err, webauthncbor.Unmarshal(raw, &object)))
	client, err := base64.RawURLEncoding.DecodeString(said.Response.ClientDataJSON)
	must(t, err)
	maker, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		Subject: pkix.Name{Country: []string{"DE"}, Organization: []string{"Anybody"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Anybody"},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &maker.PublicKey, maker)
	must(t, err)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(append(append([]byte{}, object["authData"].([]byte)...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, maker, signed[:])
	must(t, err)
	object["fmt"], object["attStmt"] = "packed", map[string]any{"alg": -7, "sig": signature, "x5c": []any{certificate}}
	raw, err = webauthncbor.Marshal(object)
	must(t, err)
	whole := map[string]any{}
	must(t, json.Unmarshal(answer, &whole))
	whole["response"].(map[string]any)["attestationObject"] = base64.RawURLEncoding.EncodeToString(raw)
	answer, err = json.Marshal(whole)
	must(t, err)
	return answer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A statement with certificates is refused unread: nobody checks whose they are.
func TestAttack15CertifiedStatementsAreRefused(t *testing.T) {
	_, answer := made(t)
	if _, err := passkey.New(portal).Attest(user, challenge, answer); err != nil {
		t.Fatalf("as it was made: %v", err)
	}
	if _, err := passkey.New(portal).Attest(user, challenge, certified(t, answer)); !errors.Is(err, mfa.ErrAttestation) {
		t.Errorf("with a certificate: %v", err)
	}
}
