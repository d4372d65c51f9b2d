package totp

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"unicode"

	"github.com/pquerna/otp"
)

// secretBytes is the length of a secret, that of SHA-1's output (RFC 4226 §4).
const secretBytes = 20

// qrSize is the width and height of a QR code in pixels.
const qrSize = 256

// redacted stands for a secret wherever one is printed.
const redacted = "[totp secret]"

var (
	// ErrSecret says that a text is no secret that Base32 gave, or that a zero
	// Secret was used.
	ErrSecret = errors.New("totp: malformed secret")
	// ErrURI says that a text is no otpauth:// URI, or too long for a QR code.
	ErrURI = errors.New("totp: not an otpauth URI")
	// ErrMarshal is what encoding a Secret gives: Base32 is to be asked instead,
	// and its answer sealed.
	ErrMarshal = errors.New("totp: a secret is not marshalled")
)

var secretBase32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// Secret is what an authenticator app and the server share. Its zero value
// matches nothing. It prints as "[totp secret]".
type Secret struct {
	// A function, since fmt prints unexported fields without asking their
	// methods, and looks through pointers when a verb does not fit.
	reveal func() [secretBytes]byte
}

func newSecret(b [secretBytes]byte) Secret {
	return Secret{reveal: func() [secretBytes]byte { return b }}
}

// NewSecret makes a secret from 20 bytes of rand, which must be
// cryptographically secure.
func NewSecret(rand io.Reader) (Secret, error) {
	var b [secretBytes]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return Secret{}, fmt.Errorf("totp: read randomness: %w", err)
	}
	return newSecret(b), nil
}

// ParseSecret reads what Base32 gave, and nothing else, or answers ErrSecret.
func ParseSecret(text string) (Secret, error) {
	raw, err := secretBase32.DecodeString(text)
	// The decoder skips line breaks; encoding again holds the text to the letter.
	if err != nil || len(raw) != secretBytes || secretBase32.EncodeToString(raw) != text {
		return Secret{}, ErrSecret
	}
	return newSecret([secretBytes]byte(raw)), nil
}

// Base32 gives the secret in clear, 32 characters without padding, to type
// into an app and to seal for the store; empty for the zero Secret.
func (s Secret) Base32() string {
	if s.reveal == nil {
		return ""
	}
	b := s.reveal()
	return secretBase32.EncodeToString(b[:])
}

// URI gives the otpauth:// text that apps read (Google's Key URI Format),
// holding the secret in clear. Issuer and account are shown by the app; colons
// and control characters are left out of them, since the format can't carry them.
func (s Secret) URI(issuer, account string) string {
	issuer, account = label(issuer), label(account)
	name := escape(account)
	if issuer != "" {
		name = escape(issuer) + ":" + name
	}
	uri := "otpauth://totp/" + name + "?secret=" + s.Base32()
	if issuer != "" {
		uri += "&issuer=" + escape(issuer)
	}
	return uri + "&algorithm=SHA1&digits=6&period=30"
}

func label(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == ':' || unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// escape writes a space as %20: several apps show the form's + as it stands.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// QR draws an otpauth:// URI as a PNG of 256 by 256 pixels, or answers ErrURI.
func QR(uri string) ([]byte, error) {
	key, err := otp.NewKeyFromURL(uri)
	if err != nil || key.Type() != "totp" || !strings.HasPrefix(uri, "otpauth://") {
		return nil, ErrURI // url's own error would quote the secret
	}
	picture, err := key.Image(qrSize, qrSize)
	if err != nil {
		return nil, fmt.Errorf("%w: it does not fit a QR code", ErrURI)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("totp: draw QR code: %w", err)
	}
	return out.Bytes(), nil
}

// QRDataURI is QR as a data: URI, for an HTML page or JSON.
func QRDataURI(uri string) (string, error) {
	picture, err := QR(uri)
	if err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture), nil
}

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText refuses with ErrMarshal: a redacted secret in the store would
// lock its user out.
func (Secret) MarshalText() ([]byte, error) { return nil, ErrMarshal }
