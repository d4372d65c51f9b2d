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
	// Options is what a part adds to.
	Options ground.Options
	config  config.Config
	getenv  func(string) (string, bool)
}

// Part is something that not every function uses: Cursors and Passwords here, the
// key and the mail in packages of their own, since linking a service of AWS costs
// a start milliseconds.
type Part func(*Stack) error

// Open puts a function's ground together from its environment. Errors:
// config.ErrConfig.
func Open(getenv func(string) (string, bool), log *slog.Logger, parts ...Part) (*ground.Ground, error) {
	s := &Stack{getenv: getenv}
	if _, err := s.Need("PORTCULLIS_BASE_URL"); err != nil {
		return nil, err
	}
	var err error
	if s.config, err = config.Read(nil, getenv, io.Discard); err != nil {
		return nil, err
	}
	s.Options = ground.Options{
		Now: now, Random: rand.Reader, Log: log, BaseURL: s.config.BaseURL, Sessions: s.config.Sessions, RestoredAt: s.config.RestoredAt, GateWithin: gateWithin(),
	}
	for _, part := range append([]Part{data}, parts...) {
		if err := part(s); err != nil {
			return nil, err
		}
	}
	return ground.New(s.Options), nil
}

// Need reads a setting that must be there. Errors: config.ErrConfig.
func (s *Stack) Need(name string) (string, error) {
	value, _ := s.getenv(name)
	if value == "" {
		return "", fmt.Errorf("%w: %s is not set", config.ErrConfig, name)
	}
	return value, nil
}

// data is the table, which every function has.
func data(s *Stack) error {
	name, err := s.Need("PORTCULLIS_TABLE")
	if err != nil {
		return err
	}
	at, err := s.At("DYNAMODB")
	if err != nil {
		return err
	}
	client := dynamodb.New(dynamodb.Options{Region: at.Region, BaseEndpoint: at.Endpoint, Credentials: at.Credentials})
	s.Options.Table = dynamo.New(dynamo.Options{Client: client, Table: name, Now: now, Random: rand.Reader, Wait: dynamo.Wait})
	return nil
}

// Service is where and as whom a service of AWS is asked.
type Service struct {
	Region      string
	Endpoint    *string // nil: AWS's own
	Credentials aws.CredentialsProvider
}

// Says tells whether a setting has a value.
func (s *Stack) Says(name, value string) bool {
	found, _ := s.getenv(name)
	return found == value
}

// At reads, for a service by its name in AWS_ENDPOINT_URL_…, what Lambda sets. The SDK's own configuration would look for profiles
// and metadata, which are not there, and takes longer than all else at a start.
func (s *Stack) At(name string) (at Service, err error) {
	keys := aws.Credentials{Source: "the function's environment"}
	for variable, value := range map[string]*string{
		"AWS_REGION": &at.Region, "AWS_ACCESS_KEY_ID": &keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY": &keys.SecretAccessKey,
	} {
		if *value, err = s.Need(variable); err != nil {
			return at, err
		}
	}
	keys.SessionToken, _ = s.getenv("AWS_SESSION_TOKEN")
	if endpoint, ok := s.getenv("AWS_ENDPOINT_URL_" + name); ok {
		at.Endpoint = &endpoint
	}
	at.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	return at, nil
}

// Serve starts a function that answers API Gateway. It does not return.
func Serve(routes func(*ground.Ground, *web.API), parts ...Part) {
	g := opened(parts)
	api := g.API()
	routes(g, api)
	lambda.Start(lambdahttp.New(api).Handle)
}

// ServeThen is Serve for a function that has something to do after answers have
// gone out.
func ServeThen(routes func(*ground.Ground, *web.API) After, parts ...Part) {
	g := opened(parts)
	api := g.API()
	x := newExtension(os.Getenv("AWS_LAMBDA_RUNTIME_API"), routes(g, api), now, g.Log)
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
