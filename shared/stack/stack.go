// Package stack is what a deployed function stands on: the table, the key and
// the mail of its CloudFormation stack, as its environment names them. It
// guarantees that starting asks nothing of the network, so that a start is over
// in milliseconds, and that a setting which is missing or malformed ends the
// start with one line that names it.
package stack

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"portcullis.example/shared/config"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/lambdahttp"
	"portcullis.example/shared/table/dynamo"
	"portcullis.example/shared/web"
)

// Stack is what parts are made from while a function starts.
type Stack struct {
	config.Config
	options ground.Options
	getenv  func(string) (string, bool)
}

// Part is something that not every function uses: Key, Cursors, Passwords, Mail.
// What a function does not name is not linked into it.
type Part func(*Stack) error

// Open puts a function's ground together from its environment. Errors:
// config.ErrConfig.
func Open(getenv func(string) (string, bool), log *slog.Logger, parts ...Part) (*ground.Ground, error) {
	s := &Stack{getenv: getenv}
	if _, err := s.need("PORTCULLIS_BASE_URL"); err != nil {
		return nil, err
	}
	var err error
	if s.Config, err = config.Read(nil, getenv, io.Discard); err != nil {
		return nil, err
	}
	s.options = ground.Options{
		Now: now, Random: rand.Reader, Log: log, BaseURL: s.BaseURL, Sessions: s.Config.Sessions, RestoredAt: s.Config.RestoredAt,
	}
	for _, part := range append([]Part{data}, parts...) {
		if err := part(s); err != nil {
			return nil, err
		}
	}
	return ground.New(s.options), nil
}

// need reads a setting that must be there.
func (s *Stack) need(name string) (string, error) {
	value, _ := s.getenv(name)
	if value == "" {
		return "", fmt.Errorf("%w: %s is not set", config.ErrConfig, name)
	}
	return value, nil
}

// data is the table, which every function has.
func data(s *Stack) error {
	name, err := s.need("PORTCULLIS_TABLE")
	if err != nil {
		return err
	}
	at, err := s.at("DYNAMODB")
	if err != nil {
		return err
	}
	client := dynamodb.New(dynamodb.Options{Region: at.region, BaseEndpoint: at.endpoint, Credentials: at.credentials})
	s.options.Table = dynamo.New(dynamo.Options{Client: client, Table: name, Now: now, Random: rand.Reader, Wait: dynamo.Wait})
	return nil
}

// service is where and as whom a service of AWS is asked.
type service struct {
	region      string
	endpoint    *string // nil: AWS's own
	credentials aws.CredentialsProvider
}

// at reads what Lambda sets. The SDK's own configuration would look for profiles
// and metadata, which are not there, and takes longer than all else at a start.
func (s *Stack) at(name string) (at service, err error) {
	keys := aws.Credentials{Source: "the function's environment"}
	for variable, value := range map[string]*string{
		"AWS_REGION": &at.region, "AWS_ACCESS_KEY_ID": &keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": &keys.SecretAccessKey,
	} {
		if *value, err = s.need(variable); err != nil {
			return at, err
		}
	}
	keys.SessionToken, _ = s.getenv("AWS_SESSION_TOKEN")
	if endpoint, ok := s.getenv("AWS_ENDPOINT_URL_" + name); ok {
		at.endpoint = &endpoint
	}
	at.credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	return at, nil
}

// Serve starts a function that answers API Gateway. It does not return.
func Serve(routes func(*ground.Ground, *web.API) error, parts ...Part) {
	g := opened(parts)
	api := g.API()
	if err := routes(g, api); err != nil {
		end(err)
	}
	lambda.Start(lambdahttp.New(api).Handle)
}

// ServeThen is Serve for a function that has something to do after answers have
// gone out.
func ServeThen(routes func(*ground.Ground, *web.API) (After, error), parts ...Part) {
	g := opened(parts)
	api := g.API()
	after, err := routes(g, api)
	if err != nil {
		end(err)
	}
	x := newExtension(os.Getenv("AWS_LAMBDA_RUNTIME_API"), after, now, g.Log)
	ctx := context.Background()
	id, err := x.register(ctx)
	if err != nil {
		end(err)
	}
	go func() { end(x.run(ctx, id)) }() // the Runtime API is gone, and the function with it
	adapter := lambdahttp.New(api)
	lambda.Start(func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		defer x.done()
		return adapter.Handle(ctx, event)
	})
}

// Run starts a function that takes other events, by whatever lambda.Start takes
// as a handler. It does not return.
func Run(handler func(*ground.Ground) any, parts ...Part) { lambda.Start(handler(opened(parts))) }

// opened ends the process with one line where the function can't start.
func opened(parts []Part) *ground.Ground {
	g, err := Open(os.LookupEnv, slog.New(slog.NewJSONHandler(os.Stderr, nil)), parts...)
	if err != nil {
		end(err)
	}
	return g
}

func end(err error) {
	fmt.Fprintln(os.Stderr, "portcullis:", err)
	os.Exit(1)
}
