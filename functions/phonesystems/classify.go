package phonesystems

import (
	"context"
	"net/http"
	"strings"

	"portcullis.example/shared/web"
)

// classifyRoute adds the test call for profiles.
func (f Function) classifyRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodPost, Path: path + "/{id}/classify", ID: "classify-requests", Tag: "Phone systems",
		Summary: "Tell which requests are restricted, and by which rule", Errors: []int{403, 404, 422},
	}, f.classify)
}

type classifyInput struct {
	IDInput
	Body struct {
		Requests []classifyRequest `json:"requests" minItems:"1" maxItems:"500" nullable:"false"`
	}
}

type classifyRequest struct {
	Method string `json:"method,omitempty" maxLength:"64" default:"GET"`
	Path   string `json:"path" maxLength:"8192" doc:"as it stands in a request line: not decoded, with or without a query"`
}

type classifyView struct {
	Body struct {
		Items []classView `json:"items" nullable:"false"`
	}
}

type classView struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Class  string `json:"class" enum:"restricted,unrestricted,ambiguous"`
	Rule   string `json:"rule" doc:"what decided"`
	Judged string `json:"judged_path,omitempty" doc:"the decoded path that was judged; none where the path is ambiguous"`
}

// classify changes nothing and opens nothing: whoever sees a phone system may
// ask what its gate would be told.
func (f Function) classify(ctx context.Context, in *classifyInput) (*classifyView, error) {
	p, _, err := f.Registry.Get(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	matcher, err := p.Matcher()
	if err != nil {
		return nil, err
	}
	out := &classifyView{}
	out.Body.Items = make([]classView, len(in.Body.Requests))
	for i, r := range in.Body.Requests {
		raw, _, _ := strings.Cut(r.Path, "?")
		v := matcher.Judge(r.Method, raw)
		out.Body.Items[i] = classView{Method: r.Method, Path: r.Path, Class: v.Class.String(), Rule: v.Rule, Judged: v.Path}
	}
	return out, nil
}
