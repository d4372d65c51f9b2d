package phonesystems

import (
	"context"
	"net/http"
	"time"

	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem/accesslog"
	"portcullis.example/shared/web"
)

// MaxLog is the largest piece of an access log in bytes.
const MaxLog = 1 << 20

// rehearseRoute adds the call that tries a profile out.
func (f Function) rehearseRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodPost, Path: path + "/{id}/rehearse", ID: "rehearse-gate", Tag: "Phone systems",
		Summary: "Tell what the gate would have denied, from the phone system's own access log", Errors: []int{403, 404, 413, 415, 422},
		Takes: "text/plain", MaxBody: MaxLog,
	}, f.rehearse)
}

type rehearseInput struct {
	IDInput
	RawBody []byte `contentType:"text/plain"`
}

type rehearseView struct {
	Body struct {
		Lines      int `json:"lines" doc:"that are not empty; each is allowed, denied or unreadable"`
		Allowed    int `json:"allowed" doc:"would have passed without a window"`
		Denied     int `json:"denied" doc:"would have been denied without a window"`
		Served     int `json:"served" doc:"of the denied, those that the phone system answered with success or a redirect"`
		Unreadable int `json:"unreadable"`

		UnreadableLines []lineView  `json:"unreadable_lines" nullable:"false" doc:"the first 5"`
		Paths           []pathView  `json:"paths" nullable:"false" doc:"of the denied, at most 100, those that were served most first"`
		Addresses       []addrView  `json:"addresses" nullable:"false"`
		UserAgents      []agentView `json:"user_agents" nullable:"false"`

		OtherPaths      int `json:"other_paths" doc:"denied requests whose path is not listed"`
		OtherAddresses  int `json:"other_addresses"`
		OtherUserAgents int `json:"other_user_agents"`
	}
}

type lineView struct {
	Line int    `json:"line" doc:"its number, from 1"`
	Text string `json:"text" doc:"at most 300 bytes of it"`
}

// CountView is how many requests, and from when to when.
type CountView struct {
	Requests int       `json:"requests"`
	Served   int       `json:"served"`
	FirstAt  time.Time `json:"first_at"`
	LastAt   time.Time `json:"last_at"`
}

type pathView struct {
	Method string `json:"method"`
	Path   string `json:"path" doc:"without its query, at most 300 bytes of it"`
	Class  string `json:"class" enum:"restricted,ambiguous"`
	Rule   string `json:"rule" doc:"what decided, as classify says it"`
	CountView
}

type addrView struct {
	Address string `json:"address"`
	CountView
}

type agentView struct {
	UserAgent string `json:"user_agent"`
	CountView
}

// rehearse opens nothing and keeps nothing: whoever sees a phone system may ask
// what its gate would have done.
func (f Function) rehearse(ctx context.Context, in *rehearseInput) (*rehearseView, error) {
	p, _, err := f.Registry.Get(ctx, web.Identity(ctx).Caller, in.ID)
	if err != nil {
		return nil, err
	}
	if len(in.RawBody) == 0 {
		return nil, input.Invalid("body", "must be a piece of the phone system's access log in nginx's combined format, such as the last lines of /var/log/nginx/access.log")
	}
	matcher, err := p.Matcher()
	if err != nil {
		return nil, err
	}
	return newRehearseView(accesslog.Read(string(in.RawBody), matcher)), nil
}

func newRehearseView(r accesslog.Report) *rehearseView {
	out := &rehearseView{}
	b := &out.Body
	b.Lines, b.Allowed, b.Denied, b.Served, b.Unreadable = r.Lines, r.Allowed, r.Denied, r.Served, r.Unreadable
	b.OtherPaths, b.OtherAddresses, b.OtherUserAgents = r.OtherPaths, r.OtherAddresses, r.OtherUserAgents
	b.UnreadableLines, b.Paths, b.Addresses, b.UserAgents = []lineView{}, []pathView{}, []addrView{}, []agentView{}
	for _, l := range r.FirstUnreadable {
		b.UnreadableLines = append(b.UnreadableLines, lineView{l.Number, l.Text})
	}
	for _, p := range r.Paths {
		b.Paths = append(b.Paths, pathView{p.Method, p.Path, p.Class.String(), p.Rule, countOf(p.Count)})
	}
	for _, s := range r.Addresses {
		b.Addresses = append(b.Addresses, addrView{s.Name, countOf(s.Count)})
	}
	for _, s := range r.UserAgents {
		b.UserAgents = append(b.UserAgents, agentView{s.Name, countOf(s.Count)})
	}
	return out
}

func countOf(c accesslog.Count) CountView {
	return CountView{Requests: c.Requests, Served: c.Served, FirstAt: c.First, LastAt: c.Last}
}
