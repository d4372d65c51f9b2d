package web_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// publicBodies are what the calls without a session take.
func publicBodies() map[string]any {
	return map[string]any{
		"POST /v1/login":                 map[string]any{"email": "alice@acme.example", "password": "not the password", "delivery": "bearer"},
		"POST /v1/login/mfa":             map[string]any{"login_token": "pcl_X_x", "method": "recovery_code", "code": "aaaa-aaaa"},
		"POST /v1/login/passkey-options": map[string]any{"login_token": "pcl_X_x"},
		"POST /v1/login/enroll":          map[string]any{"login_token": "pcl_X_x", "enrollment_code": "aaaa"},
		"POST /v1/login/enroll/confirm":  map[string]any{"login_token": "pcl_X_x", "code": "123456"},
		"POST /v1/invitations/accept":    map[string]any{"token": "pci_X_x", "password": "seven lazy herons whisper", "name": "Bob"},
		"POST /v1/password/forgot":       map[string]any{"email": "alice@acme.example"},
		"POST /v1/password/reset":        map[string]any{"token": "pcr_X_x", "new_password": "seven lazy herons whisper"},
	}
}

// endless are the calls that a fuzzer may make again and again: all but those that
// end the session it makes them in.
func endless(t testing.TB, w *localtest.World) []route {
	t.Helper()
	found := slices.DeleteFunc(routes(t, w), func(r route) bool { return r.method == http.MethodDelete && strings.HasPrefix(r.path, "/v1/session") })
	slices.SortFunc(found, func(a, b route) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return found
}

// FuzzRequest sends any body, query, id, cookie, device and Idempotency-Key to every
// call that there is, by whoever may make it: each is answered as documented, never
// by a fault of ours.
func FuzzRequest(f *testing.F) {
	w, alice, gate, ids, _ := open(f, bolt)
	calls, bodies := endless(f, w), bodies()
	maps.Copy(bodies, publicBodies())
	for i, call := range calls {
		body, err := json.Marshal(bodies[call.method+" "+call.path])
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint16(i), body, "limit=3&cursor=AAAA", "", "", "", "")
		f.Add(uint16(i), body, "from=2027-03-01T09:00:00Z&to=x&state=open&q=%ff&active=true", "no/such\x00id", "__Host-portcullis=x", "pcd_X_x", "once")
	}
	f.Fuzz(func(t *testing.T, at uint16, body []byte, query, id, cookie, device, once string) {
		w.T = t
		call := calls[int(at)%len(calls)]
		r := httptest.NewRequest(call.method, localtest.BaseURL+"/", strings.NewReader(string(body)))
		r.URL.Path, r.URL.RawQuery, r.RemoteAddr = filled(call.path, ids, id), query, "192.0.2.1:4000"
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + alice.Token}, "Idempotency-Key": {once}, "Portcullis-Device": {device}, "Cookie": {cookie}}
		if call.gate {
			r.Header["Authorization"] = []string{"Bearer " + gate.Key}
			r.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
		}
		recorder := httptest.NewRecorder()
		w.API.ServeHTTP(recorder, r)
		if recorder.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", call.method, call.path, recorder.Code, recorder.Body)
		}
		var problem struct {
			Status int
			Code   string
		}
		if kind := recorder.Header().Get("Content-Type"); recorder.Code >= 400 && kind == "application/problem+json" {
			if err := json.Unmarshal(recorder.Body.Bytes(), &problem); err != nil || problem.Status != recorder.Code || problem.Code == "" {
				t.Errorf("%s %s: no whole problem: %s", call.method, call.path, recorder.Body)
			}
		} else if recorder.Code >= 400 && !call.gate {
			t.Errorf("%s %s: %d as %q: %s", call.method, call.path, recorder.Code, kind, recorder.Body)
		}
	})
}

// filled is a path with the id of an object that there is, or another.
func filled(path string, ids map[string]string, id string) string {
	for prefix, known := range ids {
		if id == "" && strings.HasPrefix(path, prefix) {
			id = known
		}
	}
	return strings.NewReplacer("{id}", id, "{version}", id, "{name}", id).Replace(path)
}

// FuzzCredentials sends any credential with a request: none is somebody's but the
// two that were given out, each the way it was given out.
func FuzzCredentials(f *testing.F) {
	w, alice, gate, _, _ := open(f, bolt)
	bearer := alice.Token
	cookie := cookieOf(w, alice)
	for _, text := range []string{bearer, alice.Device, gate.Key, alice.Login(), "pck_X_" + strings.Repeat("a", 52)} {
		f.Add("Bearer "+text, "__Host-portcullis="+text)
		f.Add("bearer "+text, "portcullis="+text+"; a=b")
	}
	f.Add("", cookie)
	f.Add("", cookie+"; "+cookie)
	f.Add("Basic eDp5", cookie[:len(cookie)-1])
	f.Fuzz(func(t *testing.T, authorization, cookies string) {
		w.T = t
		header := http.Header{"Cookie": {cookies}, "Origin": {localtest.BaseURL}}
		if authorization != "" {
			header["Authorization"] = []string{authorization}
		}
		a := w.Send(localtest.Request{Method: "GET", Path: "/v1/session", Header: header})
		byToken, byCookie := authorization == "Bearer "+bearer, authorization == "" && strings.Contains(cookies, cookie)
		if a.Status != http.StatusUnauthorized && (a.Status != http.StatusOK || !byToken && !byCookie) {
			t.Errorf("%q, %q: %d %s", authorization, cookies, a.Status, a.Body)
		}
		if byToken && a.Status != http.StatusOK {
			t.Errorf("the session is refused beside %q: %s", cookies, a.Body)
		}
	})
}

// FuzzCursor sends any cursor: none is taken but one that was issued.
func FuzzCursor(f *testing.F) {
	w, alice, _, _, _ := open(f, bolt)
	issued := alice.Must(http.StatusOK, "GET", "/v1/audit?limit=1", nil).Text("next")
	if issued == "" {
		f.Fatal("there is one page")
	}
	for _, cursor := range []string{issued, issued + "=", issued[:len(issued)-1], strings.ToUpper(issued), "", "AAAA", strings.Repeat("A", 600)} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		w.T = t
		r := httptest.NewRequest(http.MethodGet, localtest.BaseURL+"/v1/audit", nil)
		query := r.URL.Query()
		query.Set("limit", "1")
		query.Set("cursor", cursor)
		a := alice.Do("GET", "/v1/audit?"+query.Encode(), nil)
		want := http.StatusUnprocessableEntity
		if cursor == issued || cursor == "" {
			want = http.StatusOK
		}
		if a.Status != want {
			t.Errorf("%q: %d %s", cursor, a.Status, a.Body)
		}
	})
}
