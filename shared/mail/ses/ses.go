// Package ses delivers letters through AWS SES. It guarantees that a letter goes
// to the one address it is for, as plain text and as HTML, that both deliveries
// of a repeated letter carry its id, and that what SES refuses or can't do now is
// an error, so that the outbox tries again.
package ses

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"portcullis.example/shared/mail"
)

// ErrSandbox says that the account may still only write to addresses that it
// has verified: invitations would not arrive. It is a mail.ErrNotReady.
var ErrSandbox = fmt.Errorf("%w: SES is still in its sandbox, so mail reaches verified addresses only; request production access in the SES console of this region", mail.ErrNotReady)

// Client is what is used of *sesv2.Client.
type Client interface {
	// SendEmail hands one mail over.
	SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
	// GetAccount tells what the account may do.
	GetAccount(context.Context, *sesv2.GetAccountInput, ...func(*sesv2.Options)) (*sesv2.GetAccountOutput, error)
}

// Sender is a mail.Sender. Its methods may be called concurrently and retried.
type Sender struct {
	Client Client
	// From is a verified address.
	From string
}

var _ mail.Sender = Sender{}

// idHeader tells a second delivery of a letter: SES sets the Message-ID itself.
const idHeader = "X-Portcullis-Letter"

// Send hands one letter to SES.
func (s Sender) Send(ctx context.Context, letter mail.Letter) error {
	content := func(text string) *types.Content {
		return &types.Content{Data: aws.String(text), Charset: aws.String("UTF-8")}
	}
	_, err := s.Client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: &s.From,
		Destination:      &types.Destination{ToAddresses: []string{letter.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(letter.Subject), Body: &types.Body{Text: content(letter.Text), Html: content(letter.HTML)},
			Headers: []types.MessageHeader{{Name: aws.String(idHeader), Value: &letter.ID}},
		}},
	})
	if err != nil {
		return fmt.Errorf("ses: %w", err)
	}
	return nil
}

// Ready is nil if mail reaches everybody. Errors: ErrSandbox, or that SES did
// not answer.
func (s Sender) Ready(ctx context.Context) error {
	account, err := s.Client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return fmt.Errorf("ses: %w", err)
	}
	if !account.ProductionAccessEnabled {
		return ErrSandbox
	}
	return nil
}
