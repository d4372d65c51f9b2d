package reports

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/evidence"
	"portcullis.example/shared/web"
)

const evidencePath = "/v1/reports/mfa"

// evidenceRoute adds the call for an insurer's questionnaire.
func (f Function) evidenceRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodGet, Path: evidencePath, ID: "report-mfa", Tag: "Audit and evidence", Programs: true,
		Summary: "Evidence: who has access to which phone systems, with which second factors since when", Errors: []int{403, 422},
	}, f.evidence)
}

// EvidenceQuery is what a report is about.
type EvidenceQuery struct {
	Customer string    `query:"customer" maxLength:"200" doc:"narrows the report to the phone systems of one customer"`
	From     time.Time `query:"from" doc:"30 days before to, if left out"`
	To       time.Time `query:"to" doc:"exclusive; now, if left out"`
	Format   string    `query:"format" enum:"json,csv,html" default:"json"`
}

type evidenceInput struct {
	EvidenceQuery
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"200" doc:"how many people at most"`
	Cursor string `query:"cursor" maxLength:"512" doc:"next of the page before"`
}

type evidenceOutput struct {
	ContentType string `header:"Content-Type"`
	Link        string `header:"Link" doc:"the next page, while there is more"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (f Function) evidence(ctx context.Context, in *evidenceInput) (*evidenceOutput, error) {
	after, err := f.API.Cursors.Open(ctx, evidencePath, in.EvidenceQuery, in.Cursor)
	if err != nil {
		return nil, err
	}
	report, next, err := f.Reporter.Report(ctx, web.Identity(ctx).Caller, evidence.Query{Customer: in.Customer, From: in.From, To: in.To}, after, in.Limit)
	if err != nil {
		return nil, err
	}
	view := newEvidenceView(report, f.API.Cursors.Seal(ctx, evidencePath, in.EvidenceQuery, next))
	out := &evidenceOutput{Link: link(evidencePath, view.Next, map[string]string{
		"format": in.Format, "limit": strconv.Itoa(in.Limit), "customer": in.Customer, "from": given(in.From), "to": given(in.To),
	})}
	switch in.Format {
	case "csv":
		out.ContentType, out.Disposition, out.Body = "text/csv; charset=utf-8", `attachment; filename="mfa.csv"`, view.csv()
	case "html":
		// The page has one style of its own and nothing that runs.
		out.ContentType, out.Policy, out.Body = "text/html; charset=utf-8", printPolicy(), view.html()
	default:
		out.ContentType = "application/json"
		out.Body, err = json.Marshal(view)
	}
	return out, err
}

type shareView struct {
	Privileged int    `json:"privileged"`
	WithMFA    int    `json:"with_mfa"`
	Percent    int    `json:"percent"`
	WhyNot     string `json:"why_not,omitempty"`
}

type factorView struct {
	Method string    `json:"method"`
	Name   string    `json:"name,omitempty"`
	Since  time.Time `json:"since"`
}

type accessView struct {
	Role             string              `json:"role"`
	Permissions      []access.Permission `json:"permissions"`
	MaxUnlockSeconds int64               `json:"max_unlock_seconds,omitempty"`
}

type personView struct {
	UserID        string       `json:"user_id"`
	Email         string       `json:"email"`
	Name          string       `json:"name"`
	Administrator bool         `json:"administrator"`
	Privileged    bool         `json:"privileged"`
	Access        []accessView `json:"access"`
	// PhoneSystems are names; "*" stands for all.
	PhoneSystems []string     `json:"phone_systems"`
	Factors      []factorView `json:"factors"`
	JoinedAt     time.Time    `json:"joined_at"`
	LastLoginAt  *time.Time   `json:"last_login_at"`
}

type programView struct {
	ID          string              `json:"id"`
	Name        string              `json:"name"`
	Permissions []access.Permission `json:"permissions"`
	CreatedBy   string              `json:"created_by"`
	CreatedAt   time.Time           `json:"created_at"`
	ExpiresAt   *time.Time          `json:"expires_at"`
	LastUsedAt  *time.Time          `json:"last_used_at"`
}

type systemView struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Host        string `json:"host"`
	Customer    string `json:"customer"`
	Unlocks     int    `json:"unlocks"`
	BadAttempts int    `json:"bad_attempts"`
}

type exceptionView struct {
	Kind evidence.Kind `json:"kind"`
	Name string        `json:"name"`
	Why  string        `json:"why"`
}

type evidenceView struct {
	Partner      string          `json:"partner"`
	MadeAt       time.Time       `json:"made_at"`
	From         time.Time       `json:"from"`
	To           time.Time       `json:"to"`
	MFA          shareView       `json:"mfa"`
	People       []personView    `json:"people"`
	Programs     []programView   `json:"programs"`
	PhoneSystems []systemView    `json:"phone_systems"`
	Exceptions   []exceptionView `json:"exceptions"`
	Missing      []string        `json:"missing"`
	Next         string          `json:"next,omitempty"`
}

func newEvidenceView(r evidence.Report, next string) evidenceView {
	v := evidenceView{
		Partner: r.Partner.Name, MadeAt: r.MadeAt, From: r.From.UTC(), To: r.To.UTC(), Next: next,
		MFA:    shareView{r.Share.Privileged, r.Share.WithMFA, r.Share.Percent(), r.Share.WhyNot()},
		People: []personView{}, Programs: []programView{}, PhoneSystems: []systemView{}, Exceptions: []exceptionView{}, Missing: append([]string{}, r.Missing...),
	}
	for _, p := range r.People {
		v.People = append(v.People, newPersonView(p))
	}
	for _, k := range r.Programs {
		v.Programs = append(v.Programs, programView{k.ID, k.Name, k.Permissions, k.CreatedBy, k.CreatedAt, web.OrNull(k.ExpiresAt), web.OrNull(k.LastUsedAt)})
	}
	for _, s := range r.Systems {
		v.PhoneSystems = append(v.PhoneSystems, systemView{s.ID, s.Name, s.Host, s.Customer, s.Unlocks, s.BadAttempts})
	}
	for _, e := range r.Exceptions {
		v.Exceptions = append(v.Exceptions, exceptionView{e.Kind, e.Name, e.Why})
	}
	return v
}

func newPersonView(p evidence.Person) personView {
	v := personView{
		UserID: p.ID, Email: p.Email, Name: p.Name, Administrator: p.Administrator, Privileged: p.Privileged,
		Access: []accessView{}, PhoneSystems: p.Systems, Factors: []factorView{}, JoinedAt: p.JoinedAt, LastLoginAt: web.OrNull(p.LastLoginAt),
	}
	if v.PhoneSystems == nil {
		v.PhoneSystems = []string{access.EveryPhoneSystem}
	}
	for _, r := range p.Roles {
		v.Access = append(v.Access, accessView{r.Name, r.Permissions, r.MaxUnlockSeconds})
	}
	for _, f := range p.Factors {
		v.Factors = append(v.Factors, factorView(f))
	}
	return v
}
