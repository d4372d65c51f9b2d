package accesslog

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/phonesystem/profile"
)

func matcher(t testing.TB) *profile.Matcher {
	t.Helper()
	m, err := profile.Compile("3cx-v20", nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const piece = `203.0.113.7 - - [10/Mar/2027:10:00:00 +0100] "GET /webclient/ HTTP/2.0" 200 512 "-" "Mozilla/5.0 (X11)"
203.0.113.7 - - [10/Mar/2027:10:00:01 +0100] "GET /xapi/v1/Users?token=secret HTTP/2.0" 200 512 "https://x/" "Mozilla/5.0 (X11)"
198.51.100.9 - crm [10/Mar/2027:10:00:03 +0100] "GET /xapi/v1/Contacts HTTP/1.1" 200 99 "-" "Acme CRM/2.1"
198.51.100.9 - crm [10/Mar/2027:10:00:02 +0100] "GET /xapi/v1/Contacts HTTP/1.1" 401 99 "-" "Acme CRM/2.1"
198.51.100.9 - crm [10/Mar/2027:10:00:04 +0100] "GET /xapi/v1/Contacts HTTP/1.1" 304 - "-" "Acme CRM/2.1"
::ffff:192.0.2.1 - - [10/Mar/2027:10:00:04 +0100] "GET /.env HTTP/1.1" 404 0 "-" "scan\x22ner \"x\""

192.0.2.1 - - [10/Mar/2027:10:00:05 +0100] "\x16\x03\x01" 400 0 "-" "-"
not a line at all
2001:db8::1 - - [10/Mar/2027:10:00:06 +0100] "GET /webclient/%2e%2e/xapi HTTP/1.1" 400 0 "-" "-"
`

func TestReadTellsWhatWouldHaveBeenDenied(t *testing.T) {
	for _, log := range []string{piece, strings.ReplaceAll(piece, "\n", "\r\n"), strings.TrimSuffix(piece, "\n")} {
		r := Read(log, matcher(t))
		if r.Lines != 9 || r.Allowed != 1 || r.Denied != 6 || r.Served != 3 || r.Unreadable != 2 {
			t.Errorf("%+v", r)
		}
		at := time.Date(2027, 3, 10, 9, 0, 0, 0, time.UTC)
		three := Count{Requests: 3, Served: 2, First: at.Add(2 * time.Second), Last: at.Add(4 * time.Second)}
		if got := r.Paths[0]; got != (Path{"GET", "/xapi/v1/Contacts", "restricted /xapi/", profile.Restricted, three}) {
			t.Errorf("the first path: %+v", got)
		}
		if got := r.Addresses[0]; got != (Source{"198.51.100.9", three}) {
			t.Errorf("the first address: %+v", got)
		}
		if got := r.UserAgents[0]; got != (Source{"Acme CRM/2.1", three}) {
			t.Errorf("the first program: %+v", got)
		}
		if got := r.FirstUnreadable; len(got) != 2 || got[0].Number != 8 || got[1] != (Line{9, "not a line at all"}) {
			t.Errorf("unreadable: %+v", got)
		}
		text := fmt.Sprintf("%+v", r)
		if strings.Contains(text, "secret") || !strings.Contains(text, `scan"ner "x"`) || !strings.Contains(text, "{Name:192.0.2.1 ") || !strings.Contains(text, "ambiguous: ") {
			t.Errorf("%s", text)
		}
	}
}

// line is one of a log with another request.
func line(request string) string {
	return `192.0.2.1 - - [10/Mar/2027:10:00:05 +0100] "` + request + `" 200 0 "-" "agent"`
}

// What a line's request is read as, and what its gate would have said of it.
func TestReadJudgesRequestsAsTheyCame(t *testing.T) {
	for request, want := range map[string]string{
		"GET /webclient/ HTTP/1.1": "",
		"GET /webclient/":          "", // HTTP/0.9
		"GET https://pbx.example.com/webclient/?x=/ HTTP/1.1": "",
		"GET HTTP://pbx.example.com HTTP/1.1":                 "",
		"GET http://pbx.example.com?x HTTP/1.1":               "",
		"GET /xapi/v1/MyUser HTTP/1.1":                        "",
		"POST /api/login":                                     "POST /api/login restricted /api/",
		"GET https://pbx.example.com/api/x HTTP/1.1":          "GET /api/x restricted /api/",
		"GET /%61pi/x HTTP/1.1":                               "GET /%61pi/x restricted /api/",
		"GET /webclient/\\x22 HTTP/1.1":                       "",
		"GET /webclient/\\x5C..\\x5Capi HTTP/1.1":             `GET /webclient/\..\api ambiguous: backslash`,
		"GET /webclient/\\x00 HTTP/1.1":                       "GET /webclient/\x00 ambiguous: control character",
		"GET /webclient/\\n HTTP/1.1":                         "GET /webclient/\n ambiguous: control character",
		"GET /webclient/a b HTTP/1.1":                         "GET /webclient/a b ambiguous: space in the path",
		"OPTIONS * HTTP/1.1":                                  "OPTIONS * ambiguous: path does not begin with a slash",
		"get /webclient/ HTTP/1.1":                            "get /webclient/ ambiguous: malformed method",
		"TRACE / HTTP/1.1":                                    "TRACE / method TRACE",
		"PROPFIND /webclient/ HTTP/1.1":                       "",
	} {
		r := Read(line(request), matcher(t))
		got := ""
		if len(r.Paths) > 0 {
			got = fmt.Sprintf("%s %s %s", r.Paths[0].Method, r.Paths[0].Path, r.Paths[0].Rule)
		}
		if got != want || r.Unreadable != 0 {
			t.Errorf("%q: %q, want %q; %d unreadable", request, got, want, r.Unreadable)
		}
	}
}

// What can't be read is counted and shown, never guessed.
func TestReadGuessesNothing(t *testing.T) {
	for _, text := range []string{
		"x", line(""), line("-"), line("GET"), line("GET "), line(" /"), line("GET /a b"), line(`GET /\q HTTP/1.1`), line(`GET /\x2 HTTP/1.1`), line(`GET /\`),
		strings.Replace(line("GET /"), "192.0.2.1", "pbx.example.com", 1), strings.Replace(line("GET /"), "192.0.2.1", "192.0.2.1.5", 1),
		strings.Replace(line("GET /"), "10/Mar/2027", "40/Mar/2027", 1), strings.Replace(line("GET /"), "+0100]", "]", 1),
		strings.Replace(line("GET /"), " 200 0 ", " 20 0 ", 1), strings.Replace(line("GET /"), " 200 0 ", " 099 0 ", 1), strings.Replace(line("GET /"), " 200 0 ", " 200 ", 1),
		strings.Replace(line("GET /"), " 200 0 ", "200 0 ", 1), strings.Replace(line("GET /"), ` "agent"`, "", 1), strings.Replace(line("GET /"), ` "agent"`, ` agent`, 1),
		line("GET /") + "x", strings.TrimSuffix(line("GET /"), `"`), strings.TrimPrefix(line("GET /"), "192.0.2.1"),
		`{"remote_addr":"192.0.2.1","request":"GET / HTTP/1.1","status":"200"}`,
	} {
		if r := Read(text, matcher(t)); r.Lines != 1 || r.Unreadable != 1 || len(r.FirstUnreadable) != 1 || r.FirstUnreadable[0].Text != text {
			t.Errorf("%q: %+v", text, r)
		}
	}
	if r := Read(line("GET /")+` "203.0.113.9" 0.004`, matcher(t)); r.Allowed != 1 {
		t.Errorf("a longer format: %+v", r)
	}
	// A user's name may look like the rest of a line, but for its quotes.
	forged := strings.Replace(line("GET /api/"), "- - [", `- [10/Mar/2027:10:00:05 +0100] \x22GET / HTTP/1.1\x22 200 0 [`, 1)
	if r := Read(forged, matcher(t)); r.Denied != 1 || r.Unreadable != 0 {
		t.Errorf("a forged name: %+v", r)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	var log strings.Builder
	for i := range 3 * Most {
		fmt.Fprintf(&log, "10.0.%d.%d - - [10/Mar/2027:10:00:05 +0100] \"GET /a%d%s HTTP/1.1\" 404 0 \"-\" \"agent %d %s\"\nx%s\n",
			i/256, i%256, i, strings.Repeat("ä", 5000), i, strings.Repeat("x", 5000), strings.Repeat("\x01\xff", 5000))
	}
	r := Read(log.String(), matcher(t))
	if len(r.Paths) != Most || len(r.Addresses) != Most || len(r.UserAgents) != Most || r.OtherPaths != 2*Most || r.OtherAddresses != 2*Most || r.OtherUserAgents != 2*Most || r.Denied != 3*Most {
		t.Errorf("%d %d %d, others %d %d %d", len(r.Paths), len(r.Addresses), len(r.UserAgents), r.OtherPaths, r.OtherAddresses, r.OtherUserAgents)
	}
	if r.Unreadable != 3*Most || len(r.FirstUnreadable) != Shown || len(fmt.Sprint(r)) > 200_000 {
		t.Errorf("%d unreadable, %d shown; %d bytes", r.Unreadable, len(r.FirstUnreadable), len(fmt.Sprint(r)))
	}
}

// Every line is judged or counted, whatever it is, and what is answered is
// short.
func FuzzRead(f *testing.F) {
	f.Add(piece)
	f.Add(line(`GET /\x22%2f\\ HTTP/1.1`))
	f.Add("1.2.3.4 - ] \"\\x\" \"\n\"\" \\")
	m := matcher(f)
	f.Fuzz(func(t *testing.T, log string) {
		r := Read(log, m)
		if r.Allowed+r.Denied+r.Unreadable != r.Lines || r.Served > r.Denied || len(r.Paths) > Most || len(r.FirstUnreadable) > Shown {
			t.Fatalf("%+v", r)
		}
		listed := r.OtherPaths
		for _, p := range r.Paths {
			listed += p.Requests
			if p.First.After(p.Last) || p.Served > p.Requests || len(p.Path) > maxText+3 || p.Class == profile.Unrestricted {
				t.Fatalf("%+v", p)
			}
		}
		if listed != r.Denied {
			t.Fatalf("%d listed of %d", listed, r.Denied)
		}
	})
}
