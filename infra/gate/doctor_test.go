package gate

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"portcullis.example/infra/gate/doctor"
	"portcullis.example/infra/gate/proxytest"
)

// The doctor's questions, by a word of each.
const (
	answers   = "gate answer"
	notice    = "get the notice"
	users     = "extension users"
	spoofed   = "spoofed"
	beside    = "beside"
	unchanged = "unchanged"
	keyFile   = "gate key"
	truly     = "true address"
)

// logged is a phone system that logs who asked: the address that the gate says,
// or that of the gate itself where nobody told it to listen to gates.
func logged(t *testing.T, name string, listens bool) *httptest.Server {
	t.Helper()
	inner := newConsole(t, "3cx-v20", proxytest.NewAuthority(t).Certify("pbx.example.com")).Config.Handler
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		if listens {
			client = r.Header.Get("X-Forwarded-For")
		}
		mu.Lock()
		file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = fmt.Fprintf(file, "%s - - [01/Mar/2027:09:00:00 +0000] \"%s %s HTTP/1.1\" 404 0 \"-\" \"-\"\n", client, r.Method, r.URL.Path)
			err = errors.Join(err, file.Close())
		}
		mu.Unlock()
		if err != nil {
			t.Error(err)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

// patient is an installation and what the doctor is told of it.
type patient struct {
	*scene
	doctor.Options
	upstream string // host:port
}

// clinic is how an installation is broken before it starts.
type clinic struct {
	edit     map[string]func(string) string
	deaf     bool // the phone system does not listen to X-Forwarded-For
	upstream string
}

func newPatient(t *testing.T, proxy string, c clinic) *patient {
	t.Helper()
	log := filepath.Join(t.TempDir(), "access.log")
	upstream := c.upstream
	if upstream == "" {
		upstream = strings.TrimPrefix(logged(t, log, !c.deaf).URL, "http://")
	}
	s := newScene(t, proxy, setting{edit: c.edit[proxy], upstream: "http://" + upstream})
	generated := filepath.Join(s.folder, "generated")
	if err := os.WriteFile(generated, []byte("# fetched today\n"+s.generated), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return &patient{s, doctor.Options{
		URL: u, Gate: "127.0.0.1", From: netip.MustParseAddr("127.0.0.2"), Roots: s.ca.Trust(), Profile: "3cx-v20", Portal: "https://portal.example",
		PBX: []string{"127.0.0.3"}, Ports: []int{port}, // the gate's own: the notice there is none of the console
		Installed: filepath.Join(s.folder, "gate.conf"), Generated: generated, AccessLog: log, Wait: time.Minute, Random: rand.Reader,
	}, upstream}
}

// examine demands that the named checks fail or can't be told, and the others
// are well; all say what to do.
func (p *patient) examine(failed, unknown []string) {
	p.t.Helper()
	checks, err := doctor.Examine(p.t.Context(), p.Options)
	if err != nil {
		p.t.Fatal(err)
	}
	var text strings.Builder
	if err := doctor.Write(&text, checks); err != nil {
		p.t.Fatal(err)
	}
	for _, c := range checks {
		want := doctor.OK
		for outcome, words := range map[doctor.Outcome][]string{doctor.Failed: failed, doctor.Unknown: unknown} {
			for _, word := range words {
				if strings.Contains(c.Name, word) {
					want = outcome
				}
			}
		}
		if c.Outcome != want || c.Found == "" || (c.Advice == "") != (want == doctor.OK) {
			p.t.Errorf("%q is %s, want %s:\n%s", c.Name, c.Outcome, want, text.String())
		}
	}
}

func eachPatient(t *testing.T, c clinic, test func(p *patient)) {
	t.Helper()
	for _, proxy := range proxytest.Names() {
		t.Run(proxy, func(t *testing.T) { test(newPatient(t, proxy, c)) })
	}
}

func TestDoctorFindsASoundInstallationWell(t *testing.T) {
	eachPatient(t, clinic{}, func(p *patient) {
		p.examine(nil, nil)
		// While a window is open the notice says otherwise, and all is well as before.
		p.pass(p.alice)
		p.examine(nil, nil)
		p.Installed, p.AccessLog, p.PBX = "", "", nil
		p.examine(nil, []string{unchanged, keyFile, truly, beside})
	})
}

func TestDoctorFindsTheConsoleBesideTheGate(t *testing.T) {
	eachPatient(t, clinic{}, func(p *patient) {
		host, port, err := net.SplitHostPort(p.upstream)
		if err != nil {
			p.t.Fatal(err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			p.t.Fatal(err)
		}
		p.PBX, p.Ports = append(p.PBX, host), append(p.Ports, number)
		p.examine([]string{beside}, nil)
		p.Ports = []int{p.pbx.Listener.Addr().(*net.TCPAddr).Port} // with TLS
		p.examine([]string{beside}, nil)
		mute, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { _ = mute.Close() })
		go func() {
			for {
				connection, err := mute.Accept()
				if err != nil {
					return
				}
				_ = connection.Close()
			}
		}()
		p.Ports = []int{mute.Addr().(*net.TCPAddr).Port}
		p.examine(nil, []string{beside})
	})
}

func TestDoctorFindsNoGate(t *testing.T) {
	eachPatient(t, clinic{}, func(p *patient) {
		gate := p.Gate
		p.Gate = "127.0.0.1:" + proxytest.FreePort(p.t)
		rest := []string{notice, users, spoofed, truly}
		p.examine([]string{answers}, rest)
		p.Gate, p.Roots = gate, x509.NewCertPool()
		p.examine([]string{answers}, rest)
		// The phone system itself, with a certificate that is to be believed.
		p.Gate, p.Roots = p.pbx.Listener.Addr().String(), p.ca.Trust()
		p.Wait = 0
		p.examine([]string{answers, notice}, []string{spoofed, truly})
	})
}

// Beside the gate it looks at the gate's own port, too, which is as open.
func TestDoctorFindsAGateThatDoesNotAsk(t *testing.T) {
	eachPatient(t, clinic{edit: map[string]func(string) string{
		"nginx": func(config string) string {
			return strings.Replace(without("auth_request /")(config), "_nowhere;\n    \"~^0", "_pbx;\n    \"~^0", 1)
		},
		"caddy": func(config string) string {
			return strings.Replace(config, "reverse_proxy @ask", "reverse_proxy /nowhere", 1)
		},
	}}, func(p *patient) { p.examine([]string{notice, unchanged, beside}, []string{spoofed}) })
}

func TestDoctorFindsAGateThatListensToClients(t *testing.T) {
	eachPatient(t, clinic{edit: map[string]func(string) string{
		"nginx": func(config string) string {
			return strings.Replace(config, "proxy_set_header Portcullis-Url https://$http_host$request_uri", "proxy_set_header Portcullis-Url $http_portcullis_url", 1)
		},
		"caddy": func(config string) string {
			return without("header_up Portcullis-Url")(without("request_header -Portcullis")(config))
		},
	}}, func(p *patient) { p.examine([]string{spoofed, unchanged}, nil) })
}

func TestDoctorFindsAPortalThatDoesNotAnswer(t *testing.T) {
	eachPatient(t, clinic{}, func(p *patient) {
		p.Portal = "https://other.example"
		p.examine([]string{notice}, nil)
		p.Portal = "https://portal.example"
		p.alice.Must(200, "POST", "/v1/phone-systems/"+p.gate.ID+"/gate-key", map[string]any{"revoke_previous": true})
		p.examine([]string{answers, notice}, []string{spoofed})
		p.stopPortal()
		p.examine([]string{answers, notice}, []string{spoofed})
	})
}

func TestDoctorFindsAPhoneSystemThatIsNotThere(t *testing.T) {
	eachPatient(t, clinic{upstream: "127.0.0.1:" + proxytest.FreePort(t)}, func(p *patient) {
		p.AccessLog = ""
		p.examine([]string{users}, []string{truly})
		p.AccessLog = filepath.Join(p.folder, "nowhere")
		p.examine([]string{users}, []string{truly})
	})
}

func TestDoctorFindsChangedFilesAndOpenKeys(t *testing.T) {
	eachPatient(t, clinic{edit: map[string]func(string) string{
		"nginx": without("proxy_set_header Remote-Email"), "caddy": without("request_header Cookie"),
	}}, func(p *patient) {
		p.examine([]string{unchanged}, nil)
		key := filepath.Join(p.folder, "gate-key."+p.proxy)
		if err := os.Chmod(key, 0o644); err != nil {
			p.t.Fatal(err)
		}
		p.examine([]string{unchanged, keyFile}, nil)
		if err := os.Remove(key); err != nil {
			p.t.Fatal(err)
		}
		p.examine([]string{unchanged, keyFile}, nil)
	})
}

func TestDoctorFindsAPhoneSystemThatSeesTheGateAlone(t *testing.T) {
	eachPatient(t, clinic{deaf: true}, func(p *patient) {
		p.examine([]string{truly}, nil)
		p.Client = "127.0.0.1" // where that is who asked, all is well
		p.examine(nil, nil)
	})
}
