package totp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/pquerna/otp"
	"pgregory.net/rapid"
)

func TestNewSecret(t *testing.T) {
	secret, err := NewSecret(strings.NewReader("12345678901234567890 and more"))
	if err != nil || secret.Base32() != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" {
		t.Errorf("NewSecret = %q, %v", secret.Base32(), err)
	}
	if secret, err := NewSecret(strings.NewReader("too short")); !errors.Is(err, io.ErrUnexpectedEOF) || secret.Base32() != "" {
		t.Errorf("NewSecret = %q, %v", secret.Base32(), err)
	}
}

func TestParseSecret(t *testing.T) {
	text := rfcSecret().Base32()
	if secret, err := ParseSecret(text); err != nil || secret.Base32() != text {
		t.Errorf("ParseSecret = %q, %v", secret.Base32(), err)
	}
	for _, bad := range []string{"", text[:31], text + "A", text[:16], strings.ToLower(text), text + "\n", text[:8] + "\n" + text[8:], " " + text, text + "====", "[totp secret]"} {
		if _, err := ParseSecret(bad); !errors.Is(err, ErrSecret) {
			t.Errorf("ParseSecret(%q) = %v, want ErrSecret", bad, err)
		}
	}
}

func TestSecretDoesNotLeak(t *testing.T) {
	secret := rfcSecret()
	type inner struct{ hidden Secret }
	holder := struct {
		Open   Secret
		hidden Secret
		deep   inner
		list   []Secret
	}{secret, secret, inner{secret}, []Secret{secret}}
	var out bytes.Buffer
	for _, v := range []any{secret, &secret, holder, &holder, []Secret{secret}, map[string]Secret{"s": secret}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "s", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "s", v)
	}
	out.WriteString(secret.String() + secret.GoString())
	raw := []byte("12345678901234567890")
	for _, leak := range []string{secret.Base32(), string(raw), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), fmt.Sprint(raw[:4])[1:12], base64.StdEncoding.EncodeToString(raw), "0x31, 0x32", "U+0031 U+0032"} {
		if strings.Contains(out.String(), leak) {
			at := strings.Index(out.String(), leak)
			t.Errorf("%q leaks: %q", leak, out.String()[max(0, at-150):at+40])
		}
	}
	for _, form := range []string{redacted + "\n", `msg=text s="` + redacted + `"`, `"msg":"json","s":"` + redacted + `"`} {
		if !strings.Contains(out.String(), form) {
			t.Errorf("nothing reads %q", form)
		}
	}
}

func TestSecretIsNotMarshalled(t *testing.T) {
	if body, err := json.Marshal(rfcSecret()); !errors.Is(err, ErrMarshal) {
		t.Errorf("Marshal = %s, %v, want ErrMarshal", body, err)
	}
}

func TestURI(t *testing.T) {
	const tail = "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	const end = "&algorithm=SHA1&digits=6&period=30"
	for _, c := range []struct{ issuer, account, want string }{
		{"Portcullis", "jane@acme.example", "otpauth://totp/Portcullis:jane%40acme.example" + tail + "&issuer=Portcullis" + end},
		{"Acme & Sons", "a b+c@d", "otpauth://totp/Acme%20%26%20Sons:a%20b%2Bc%40d" + tail + "&issuer=Acme%20%26%20Sons" + end},
		{"A:B/C?d#e", "x&secret=Y", "otpauth://totp/AB%2FC%3Fd%23e:x%26secret%3DY" + tail + "&issuer=AB%2FC%3Fd%23e" + end},
		{"", "jane", "otpauth://totp/jane" + tail + end},
		{"Zürich\n", "jane\x00", "otpauth://totp/Z%C3%BCrich:jane" + tail + "&issuer=Z%C3%BCrich" + end},
	} {
		if got := rfcSecret().URI(c.issuer, c.account); got != c.want {
			t.Errorf("URI(%q, %q) =\n%s, want\n%s", c.issuer, c.account, got, c.want)
		}
	}
}

// Whatever the names, an app reads back them and the one secret.
func TestURIReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		issuer, account := rapid.String().Draw(t, "issuer"), rapid.String().Draw(t, "account")
		uri := rfcSecret().URI(issuer, account)
		key, err := otp.NewKeyFromURL(uri)
		if err != nil {
			t.Fatal(err)
		}
		if key.Type() != "totp" || key.Secret() != rfcSecret().Base32() || key.Issuer() != label(issuer) || key.AccountName() != label(account) {
			t.Fatalf("%s reads as %q of %q", uri, key.AccountName(), key.Issuer())
		}
		parsed, err := url.Parse(uri)
		if err != nil || len(parsed.Query()["secret"]) != 1 || parsed.Fragment != "" {
			t.Fatalf("%s: %v", uri, err)
		}
	})
}

func TestQR(t *testing.T) {
	text, err := QRDataURI(rfcSecret().URI("Portcullis", "jane@acme.example"))
	if err != nil {
		t.Fatal(err)
	}
	encoded, found := strings.CutPrefix(text, "data:image/png;base64,")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !found {
		t.Fatalf("%.40s: %v", text, err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil || picture.Bounds().Dx() != qrSize || picture.Bounds().Dy() != qrSize {
		t.Errorf("%v, %v", picture.Bounds(), err)
	}
}

func TestQRRefuses(t *testing.T) {
	secret := rfcSecret().Base32()
	for _, uri := range []string{"", "https://evil.example/?secret=" + secret, "otpauth://hotp/x?secret=" + secret, "otpauth://totp/%zz?secret=" + secret, " " + rfcSecret().URI("a", "b"), rfcSecret().URI("a", strings.Repeat("b", 5000))} {
		_, err := QR(uri)
		if !errors.Is(err, ErrURI) || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("QR(%.30q) = %v, want ErrURI without the secret", uri, err)
		}
	}
}
