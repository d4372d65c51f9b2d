// Command probe is a function that does as it is told, to test the stand-in for
// Lambda with.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

type order struct {
	Do   string
	URL  string // asked first
	Size int
}

func main() {
	if os.Getenv("PROBE_SETTING") == "wrong" {
		fmt.Fprintln(os.Stderr, "probe: PROBE_SETTING makes no sense")
		os.Exit(1)
	}
	if after := os.Getenv("PROBE_AFTER"); after != "" {
		id := register()
		go extend(id, after)
	}
	lambda.Start(obey)
}

func obey(ctx context.Context, o order) (any, error) {
	if o.URL != "" {
		if _, err := ask(http.MethodGet, o.URL, "", nil); err != nil {
			return nil, err
		}
	}
	switch o.Do {
	case "fail":
		return nil, errors.New("probe: as told")
	case "exit":
		fmt.Fprintln(os.Stderr, "probe: gone")
		os.Exit(3)
	case "hang":
		<-make(chan struct{})
	case "large":
		return json.RawMessage(`"` + strings.Repeat("x", o.Size-2) + `"`), nil
	}
	deadline, _ := ctx.Deadline()
	return map[string]any{"pid": os.Getpid(), "deadline": deadline.UnixMilli()}, nil
}

const extensions = "/2020-01-01/extension/"

func register() string {
	header, err := ask(http.MethodPost, api()+"register", `{"events":["INVOKE"]}`, http.Header{"Lambda-Extension-Name": {"probe"}})
	if err != nil {
		panic(err)
	}
	return header.Get("Lambda-Extension-Identifier")
}

// extend asks a URL after each answer.
func extend(id, after string) {
	for {
		if _, err := ask(http.MethodGet, api()+"event/next", "", http.Header{"Lambda-Extension-Identifier": {id}}); err != nil {
			panic(err)
		}
		if _, err := ask(http.MethodGet, after, "", nil); err != nil {
			panic(err)
		}
	}
}

func api() string { return "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + extensions }

func ask(method, url, body string, header http.Header) (http.Header, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = header
	if header == nil {
		r.Header = http.Header{}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	return res.Header, res.Body.Close()
}
