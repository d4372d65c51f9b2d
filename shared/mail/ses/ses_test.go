package ses_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"

	"portcullis.example/shared/mail"
	"portcullis.example/shared/mail/ses"
)

// service keeps what it is handed.
type service struct {
	sent       []*sesv2.SendEmailInput
	production bool
	broken     error
}

func (s *service) SendEmail(_ context.Context, in *sesv2.SendEmailInput, _ ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error) {
	s.sent = append(s.sent, in)
	return &sesv2.SendEmailOutput{}, s.broken
}

func (s *service) GetAccount(context.Context, *sesv2.GetAccountInput, ...func(*sesv2.Options)) (*sesv2.GetAccountOutput, error) {
	return &sesv2.GetAccountOutput{ProductionAccessEnabled: s.production}, s.broken
}

func TestSend(t *testing.T) {
	s := &service{}
	letter := mail.Letter{ID: "LETTER", To: "alice@acme.example", Subject: "Grüße", Text: "https://portal.example/#accept?token=x\n", HTML: "<p>x</p>"}
	if err := (ses.Sender{Client: s, From: "portcullis@example.com"}).Send(t.Context(), letter); err != nil || len(s.sent) != 1 {
		t.Fatalf("%v, %d sent", err, len(s.sent))
	}
	in := s.sent[0]
	message := in.Content.Simple
	if aws.ToString(in.FromEmailAddress) != "portcullis@example.com" || !slices.Equal(in.Destination.ToAddresses, []string{letter.To}) ||
		len(in.Destination.CcAddresses)+len(in.Destination.BccAddresses) > 0 {
		t.Errorf("from %s to %+v", aws.ToString(in.FromEmailAddress), in.Destination)
	}
	if aws.ToString(message.Subject.Data) != letter.Subject || aws.ToString(message.Body.Text.Data) != letter.Text || aws.ToString(message.Body.Text.Charset) != "UTF-8" {
		t.Errorf("message %+v", message)
	}
	if aws.ToString(message.Body.Html.Data) != letter.HTML || aws.ToString(message.Body.Html.Charset) != "UTF-8" {
		t.Errorf("HTML %+v", message.Body.Html)
	}
	if len(message.Headers) != 1 || aws.ToString(message.Headers[0].Value) != letter.ID {
		t.Errorf("a second delivery can't be told: %+v", message.Headers)
	}
}

func TestRefusedIsAnError(t *testing.T) {
	s := &service{broken: &types.MessageRejected{}}
	var rejected *types.MessageRejected
	if err := (ses.Sender{Client: s}).Send(t.Context(), mail.Letter{}); !errors.As(err, &rejected) {
		t.Errorf("got %v", err)
	}
}

func TestReady(t *testing.T) {
	throttled := &types.TooManyRequestsException{}
	for _, c := range []struct {
		service service
		want    error
	}{{service{production: true}, nil}, {service{}, ses.ErrSandbox}, {service{production: true, broken: throttled}, throttled}} {
		if err := (ses.Sender{Client: &c.service}).Ready(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("got %v, want %v", err, c.want)
		}
	}
}
