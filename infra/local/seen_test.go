package local_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"portcullis.example/infra/local"
	"portcullis.example/shared/access"
	"portcullis.example/shared/config"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/session"
)

// Whoever installs a gate sees with the next tick that it asks; what it asks from
// then on waits for the minute.
func TestAGateShowsAtOnce(t *testing.T) {
	ctx := context.Background()
	s, _, err := local.Start(ctx, config.Config{
		Addr: "127.0.0.1:0", BaseURL: "https://portal.example", Data: t.TempDir(), OperatorEmail: "operator@example.com",
		Sessions: session.Lifetimes{Idle: time.Minute, Longest: time.Hour},
	}, time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin := access.Caller{UserID: "U", PartnerID: "P", Administrator: true, MFAAt: time.Now().Truncate(time.Second)}
	made, err := s.Registry.Create(ctx, admin, idempotency.Key{}, phonesystem.PhoneSystem{Name: "PBX", Host: "pbx.acme.example", Profile: "3cx-v20", Policy: phonesystem.DefaultPolicy()})
	if err != nil {
		t.Fatal(err)
	}
	for _, asks := range []int{1, 3} {
		for range asks {
			r := httptest.NewRequest("GET", "/v1/gate/decision", nil)
			for name, value := range map[string]string{
				"Authorization": "Bearer " + made.GateKey, "Portcullis-Method": "GET", "Portcullis-Url": "https://pbx.acme.example/webclient/", "Portcullis-Client": "198.51.100.7",
			} {
				r.Header.Set(name, value)
			}
			answer := httptest.NewRecorder()
			for tries := 0; answer.Code != http.StatusNoContent; tries++ { // a busy machine may take its time
				if tries == 20 {
					t.Fatalf("%d %s", answer.Code, answer.Body)
				}
				answer = httptest.NewRecorder()
				s.API.ServeHTTP(answer, r)
			}
		}
		s.Tick(ctx)
		reports, err := gatekeeper.Reports(ctx, s.Table, made.PhoneSystem)
		if r := reports[made.PhoneSystem.ID]; err != nil || r.LastSeenAt.IsZero() || r.Allowed != 1 {
			t.Errorf("after %d more: %v %+v", asks, err, r)
		}
	}
}
