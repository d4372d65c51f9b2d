package gate

import (
	"strings"
	"testing"
)

// without takes lines that contain a text out of a configuration.
func without(text string) func(string) string {
	return func(config string) string {
		var kept strings.Builder
		for line := range strings.Lines(config) {
			if !strings.Contains(line, text) {
				kept.WriteString(line)
			}
		}
		return kept.String()
	}
}

// Each defence of the files is needed: what it holds off gets through as soon as
// it is taken out.
func TestDefencesAreNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		proxy string
		edit  func(string) string
		more  string
		// through tells whether the attack got through.
		through func(s *scene) bool
	}{
		"nginx asks": {"nginx", without("auth_request /"), "", func(s *scene) bool {
			// It then knows of no yes, so it goes nowhere.
			a := s.do("GET", "/xapi/v1/Users", "")
			return a.status == 502 && len(s.pbx.seen()) == 0
		}},
		"nginx asks, and goes on without a yes": {"nginx", func(config string) string {
			return strings.Replace(without("auth_request /")(config), "_nowhere;\n    \"~^0", "_pbx;\n    \"~^0", 1)
		}, "", func(s *scene) bool {
			s.do("GET", "/xapi/v1/Users", "")
			return len(s.pbx.seen()) == 1
		}},
		"nginx strips cookies": {"nginx", without("proxy_set_header Cookie $gate"), "", ownCookieSeen},
		"nginx refuses upgrades": {"nginx", without(`"~^1:." 1;`), "", func(s *scene) bool {
			cookie, _ := s.pass(s.alice)
			s.do("GET", "/xapi/v1/live", "", "Cookie: "+cookie, "Upgrade: websocket")
			return len(s.pbx.seen()) == 1
		}},
		"Caddy asks": {"caddy", func(config string) string {
			return strings.Replace(config, "reverse_proxy @ask", "reverse_proxy /nowhere", 1)
		}, "", func(s *scene) bool {
			s.do("GET", "/xapi/v1/Users", "")
			return len(s.pbx.seen()) == 1
		}},
		"Caddy strips cookies": {"caddy", without("request_header Cookie \"(?i)"), "", ownCookieSeen},
		"Caddy refuses upgrades": {"caddy", without("respond @upgrade"), "", func(s *scene) bool {
			cookie, _ := s.pass(s.alice)
			s.do("GET", "/xapi/v1/live", "", "Cookie: "+cookie, "Connection: Upgrade", "Upgrade: websocket")
			return len(s.pbx.seen()) == 1
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if s := newScene(t, c.proxy, setting{edit: c.edit, more: c.more}); !c.through(s) {
				t.Error("nothing got through")
			}
		})
	}
}

func ownCookieSeen(s *scene) bool {
	s.do("GET", "/webclient/", "", "Cookie: portcullis-pass=x")
	return s.sawHeader("portcullis-pass=x")
}

// sawHeader tells whether a value reached the phone system.
func (s *scene) sawHeader(value string) bool {
	for _, r := range s.pbx.seen() {
		for _, values := range r.Header {
			if strings.Contains(strings.Join(values, " "), value) {
				return true
			}
		}
	}
	return false
}
