package stack

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"portcullis.example/shared/account"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/config"
	"portcullis.example/shared/mail/ses"
	"portcullis.example/shared/secrets/kms"
)

// Key is the key that second factors and letters are sealed with: the KMS key
// named by PORTCULLIS_KEY.
func Key(s *Stack) error {
	id, err := s.need("PORTCULLIS_KEY")
	if err != nil {
		return err
	}
	at, err := s.at("KMS")
	if err != nil {
		return err
	}
	s.options.Sealer = kms.Sealer{KeyID: id, Client: awskms.New(awskms.Options{Region: at.region, BaseEndpoint: at.endpoint, Credentials: at.credentials})}
	return nil
}

// shortestCursorKey is in characters; the template generates 64.
const shortestCursorKey = 32

// Cursors is the key of lists' cursors, from PORTCULLIS_CURSOR_KEY.
func Cursors(s *Stack) error {
	text, err := s.need("PORTCULLIS_CURSOR_KEY")
	if err != nil {
		return err
	}
	if len(text) < shortestCursorKey {
		return fmt.Errorf("%w: PORTCULLIS_CURSOR_KEY must be at least %d random characters", config.ErrConfig, shortestCursorKey)
	}
	key := sha256.Sum256([]byte(text))
	s.options.CursorKey = key[:]
	return nil
}

// Passwords hashes and judges passwords.
func Passwords(s *Stack) error {
	hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.DefaultParams()})
	s.options.Hasher = hasher
	return err
}

// Mail sends letters through SES, from PORTCULLIS_MAIL_FROM. With
// PORTCULLIS_PRODUCTION=true it must be out of its sandbox to be ready.
func Mail(s *Stack) error {
	from, err := s.need("PORTCULLIS_MAIL_FROM")
	if err != nil {
		return err
	}
	if _, err := account.CheckEmail(from); err != nil {
		return fmt.Errorf("%w: PORTCULLIS_MAIL_FROM must be an e-mail address", config.ErrConfig)
	}
	at, err := s.at("SESV2")
	if err != nil {
		return err
	}
	sender := ses.Sender{From: from, Client: sesv2.New(sesv2.Options{Region: at.region, BaseEndpoint: at.endpoint, Credentials: at.credentials})}
	s.options.Sender = sender
	if production, _ := s.getenv("PORTCULLIS_PRODUCTION"); production == "true" {
		s.options.MailReady = sender.Ready
	}
	return nil
}
