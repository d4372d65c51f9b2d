package gate

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"portcullis.example/infra/local/demo"
	"portcullis.example/infra/local/localtest"
)

// Users of the stand-ins' own.
var (
	administrator = demo.Credentials{Name: "admin", Password: "right admin password"}
	extension     = demo.Credentials{Name: "100", Password: "right user password"}
)

// console is a stand-in for a phone system's web server, with the log-in that
// its product documents, and the memory of what reached it.
type console struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

// newConsole stands in for the product of a profile, over TLS.
func newConsole(t testing.TB, profile string, cert tls.Certificate) *console {
	t.Helper()
	c := &console{}
	mux := http.NewServeMux()
	switch profile {
	case "3cx-v20":
		stopped := func() time.Time { return localtest.Start } // or a slow machine's tokens would end
		system, err := demo.NewPhoneSystem(demo.PhoneSystemOptions{Administrator: administrator, Extension: extension, Now: stopped, Random: rand.Reader})
		if err != nil {
			t.Fatal(err)
		}
		mux.Handle("/", system)
	case "3cx-v18":
		version18(mux)
	}
	mux.Handle("/ws/webclient", websocket.Server{Handler: func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }})
	mux.Handle("/xapi/v1/live", websocket.Server{Handler: func(ws *websocket.Conn) { _, _ = io.Copy(ws, ws) }})
	mux.HandleFunc("POST /webclient/upload", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	mux.HandleFunc("GET /webclient/elsewhere", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Accel-Redirect", "/.portcullis/denied")
		fmt.Fprint(w, "as it is")
	})
	mux.HandleFunc("POST /xapi/v1/Backups", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.requests = append(c.requests, r.Clone(r.Context()))
		c.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	c.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	c.StartTLS()
	t.Cleanup(c.CloseClientConnections)
	t.Cleanup(c.Close)
	return c
}

// version18 answers POST /api/login with a body that says AuthSuccess and a
// session cookie; an ended session gets 401.
func version18(mux *http.ServeMux) {
	sessions := map[string]demo.Credentials{"session-of-admin": administrator, "session-of-100": extension}
	who := func(r *http.Request) (demo.Credentials, bool) {
		cookie, err := r.Cookie("ASP.NET_SessionId")
		if err != nil {
			return demo.Credentials{}, false
		}
		user, ok := sessions[cookie.Value]
		return user, ok
	}
	login := func(user demo.Credentials) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body struct{ Username, Password string }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Username != user.Name || body.Password != user.Password {
				http.Error(w, "AuthFailed", http.StatusUnauthorized)
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "ASP.NET_SessionId", Value: "session-of-" + user.Name, Path: "/"})
			fmt.Fprint(w, "AuthSuccess")
		}
	}
	mux.HandleFunc("POST /api/login", login(administrator))
	mux.HandleFunc("POST /webclient/api/Login/GetAccessToken", login(extension))
	mux.HandleFunc("GET /api/SystemStatus", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := who(r); !ok || user != administrator {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"Version":"18.0 (stand-in)"}`)
	})
	mux.HandleFunc("GET /myphone/session", func(w http.ResponseWriter, r *http.Request) {
		if _, ok := who(r); !ok {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
}

// seen are the requests that reached it since the last time.
func (c *console) seen() []*http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := slices.Clone(c.requests)
	c.requests = nil
	return seen
}
