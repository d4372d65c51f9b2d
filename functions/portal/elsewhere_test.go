package portal_test

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portcullis.example/functions/portal"
	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/ground"
)

// Where each function answers for itself, the portal refuses what is left just
// as the one process does.
func TestElsewhereIsRefusedAlike(t *testing.T) {
	whole := localtest.New(t)
	g := ground.New(ground.Options{Now: whole.Clock.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler), BaseURL: localtest.BaseURL})
	alone := g.API()
	f := portal.New(g, alone)
	f.Routes()
	f.Elsewhere()
	paths := []string{"/nothing", "/v1", "/v1/", "/v1//login", "/v1/x/../login", "/V1/login", "/v1/unlocks/a/b"}
	document := whole.Must(http.StatusOK, localtest.Request{Method: "GET", Path: "/openapi.json"}).JSON["paths"].(map[string]any)
	for path := range document {
		paths = append(paths, strings.ReplaceAll(path, "{id}", "X"))
	}
	asked := 0
	for _, path := range paths {
		for _, method := range []string{"PUT", "OPTIONS", "TRACE"} {
			want := whole.Send(localtest.Request{Method: method, Path: path})
			recorder := httptest.NewRecorder()
			alone.ServeHTTP(recorder, httptest.NewRequest(method, localtest.BaseURL+path, nil))
			var got map[string]any
			if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
				t.Fatalf("%s %s: %s", method, path, recorder.Body)
			}
			if recorder.Code != want.Status || recorder.Header().Get("Allow") != want.Header.Get("Allow") || got["code"] != want.Text("code") || got["detail"] != want.Text("detail") {
				t.Errorf("%s %s: %d %v, want %d %s", method, path, recorder.Code, got, want.Status, want.Body)
			}
			asked++
		}
	}
	if asked < 60 {
		t.Errorf("only %d were asked", asked)
	}
}
