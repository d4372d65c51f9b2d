package phonesystems

import (
	"context"
	"net/http"

	"portcullis.example/shared/gateconfig"
	"portcullis.example/shared/web"
)

// gateConfigRoute adds the call for what an administrator installs.
func (f Function) gateConfigRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodGet, Path: path + "/{id}/gate-config", ID: "get-gate-config", Tag: "Phone systems",
		Summary: "The gate's configuration, to be installed as it is", Errors: []int{403, 404, 422}, Programs: true,
	}, f.gateConfig)
}

type gateConfigInput struct {
	IDInput
	Proxy    string `query:"proxy" enum:"nginx,caddy" default:"nginx"`
	Upstream string `query:"upstream" maxLength:"300" doc:"the phone system's own web server, such as https://127.0.0.1:5001; left out, where its product listens by itself"`
}

type gateConfigView struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// gateConfig shows no secret: the gate key has a file of its own.
func (f Function) gateConfig(ctx context.Context, in *gateConfigInput) (*gateConfigView, error) {
	p, _, err := f.Registry.Get(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	text, err := gateconfig.New(in.Proxy, gateconfig.Options{System: p, BaseURL: f.BaseURL, Upstream: in.Upstream})
	return &gateConfigView{ContentType: "text/plain; charset=utf-8", Body: []byte(text)}, err
}
