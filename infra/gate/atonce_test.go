package gate

import (
	"net/http"
	"testing"
	"time"
)

// With no cache of decisions, an unlock in the portal's API counts at the very
// next request through the proxy, and so does every end of a window. The clock
// stands still all the while: nothing here waits for anything.
func TestUnlockAndCloseCountAtTheNextRequest(t *testing.T) {
	each(t, setting{}, func(s *scene) {
		system := "/v1/phone-systems/" + s.gate.ID
		if seconds := s.alice.Must(200, "GET", system, nil).Number("policy.decision_cache_seconds"); seconds != 0 {
			s.t.Fatalf("decisions are kept for %v seconds", seconds)
		}
		start := s.Clock.Now()
		status := func(cookie string) int { return s.do("GET", "/xapi/v1/SystemStatus", "", "Cookie: "+cookie).status }
		const through = http.StatusUnauthorized // the phone system's own: nobody has signed in there
		for range 10 {
			for what, end := range map[string]func(unlock string){
				"closed": func(unlock string) { s.alice.Must(200, "DELETE", "/v1/unlocks/"+unlock, nil) },
				"locked": func(string) { s.alice.Must(200, "POST", system+"/lock", nil) },
			} {
				if got := status("x=1"); got != http.StatusForbidden {
					s.t.Errorf("before: %d", got)
				}
				cookie, unlock := s.pass(s.alice)
				first := status(cookie)
				end(unlock.Text("id"))
				if next := status(cookie); first != through || next != http.StatusForbidden {
					s.t.Errorf("unlocked: %d, %s: %d", first, what, next)
				}
			}
		}
		if !s.Clock.Now().Equal(start) {
			s.t.Error("the clock moved")
		}
		cookie, unlock := s.pass(s.alice)
		ends, err := time.Parse(time.RFC3339, unlock.Text("expires_at"))
		if err != nil {
			s.t.Fatal(err)
		}
		s.Clock.Add(ends.Sub(s.Clock.Now()) - time.Nanosecond)
		last := status(cookie)
		s.Clock.Add(time.Nanosecond)
		if next := status(cookie); last != through || next != http.StatusForbidden {
			s.t.Errorf("in its last moment: %d, at its end: %d", last, next)
		}
	})
}
