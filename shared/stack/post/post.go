// Package post is the stack's mail: a part for the functions that send letters.
// It guarantees that nothing is asked of SES before there is a letter.
package post

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"

	"portcullis.example/shared/account"
	"portcullis.example/shared/config"
	"portcullis.example/shared/mail/ses"
	"portcullis.example/shared/stack"
)

// Part sends letters through SES, from PORTCULLIS_MAIL_FROM. With
// PORTCULLIS_PRODUCTION=true it must be out of its sandbox to be ready.
func Part(s *stack.Stack) error {
	from, err := s.Need("PORTCULLIS_MAIL_FROM")
	if err != nil {
		return err
	}
	if _, err := account.CheckEmail(from); err != nil {
		return fmt.Errorf("%w: PORTCULLIS_MAIL_FROM must be an e-mail address", config.ErrConfig)
	}
	at, err := s.At("SESV2")
	if err != nil {
		return err
	}
	sender := ses.Sender{From: from, Client: sesv2.New(sesv2.Options{Region: at.Region, BaseEndpoint: at.Endpoint, Credentials: at.Credentials})}
	s.Options.Sender = sender
	if s.Says("PORTCULLIS_PRODUCTION", "true") {
		s.Options.MailReady = sender.Ready
	}
	return nil
}
