package reports

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"portcullis.example/shared/audit"
	"portcullis.example/shared/web"
)

const (
	exportPath = path + "/export"
	// mostExported is how large one answer is at most, in bytes: API.md's 5 MB. They
	// are counted as Lambda carries them, as a text of JSON, of which it takes 6 MiB.
	mostExported = 5_000_000
	// exportedAtOnce entries are read in one go, and so often at most: whoever sees
	// few of many entries gets a small answer and a link, not a long wait.
	exportedAtOnce, exportReads = 200, 50
)

// exportRoute adds the call that hands the audit over to other programs.
func (f Function) exportRoute() {
	web.Register(f.API, web.Route{
		Method: http.MethodGet, Path: exportPath, ID: "export-audit", Tag: "Audit and evidence", Programs: true,
		Summary: "The audit as a file, newest first, at most 5 MB at a time", Errors: []int{403, 422},
	}, f.export)
}

// ExportQuery is what an export is about.
type ExportQuery struct {
	From   time.Time `query:"from"`
	To     time.Time `query:"to" doc:"exclusive"`
	Format string    `query:"format" enum:"csv,ndjson" default:"csv"`
}

type exportInput struct {
	ExportQuery
	Cursor string `query:"cursor" maxLength:"512" doc:"from the link of the answer before"`
}

type exportOutput struct {
	ContentType string `header:"Content-Type"`
	Link        string `header:"Link" doc:"what comes next, while there is more"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (f Function) export(ctx context.Context, in *exportInput) (*exportOutput, error) {
	after, err := f.API.Cursors.Open(ctx, exportPath, in.ExportQuery, in.Cursor)
	if err != nil {
		return nil, err
	}
	out := &exportOutput{ContentType: "application/x-ndjson", Disposition: `attachment; filename="audit.ndjson"`}
	line := entryView.ndjson
	if in.Format == "csv" {
		out.ContentType, out.Disposition, line = "text/csv; charset=utf-8", `attachment; filename="audit.csv"`, entryView.csv
		out.Body = csvLine("id", "at", "action", "actor", "subject", "phone_system_id", "client_ip", "outcome", "details")
	}
	size := len(out.Body)
	next, err := f.fill(ctx, audit.Filter{From: in.From, To: in.To}, after, func(e entryView) (fits bool, err error) {
		written, err := line(e)
		if err != nil {
			return false, err
		}
		carried, err := json.Marshal(string(written))
		if size += len(carried); size <= mostExported {
			out.Body = append(out.Body, written...)
		}
		return size <= mostExported, err
	})
	out.Link = link(exportPath, f.API.Cursors.Seal(ctx, exportPath, in.ExportQuery, next), map[string]string{
		"format": in.Format, "from": given(in.From), "to": given(in.To),
	})
	return out, err
}

// fill hands entries on until one does not fit; next is where to go on, empty at
// the end.
func (f Function) fill(ctx context.Context, filter audit.Filter, after string, take func(entryView) (fits bool, err error)) (next string, err error) {
	for range exportReads {
		page, next, err := f.Journal.List(ctx, web.Identity(ctx).Caller, filter, after, exportedAtOnce)
		if err != nil {
			return "", err
		}
		for _, e := range page {
			if fits, err := take(newEntryView(e)); !fits || err != nil {
				return after, err
			}
			after = e.ID
		}
		if next == "" {
			return "", nil
		}
		after = next
	}
	return after, nil
}

// ndjson is an entry as a line of JSON.
func (e entryView) ndjson() ([]byte, error) {
	line, err := json.Marshal(e)
	return append(line, '\n'), err
}

// csv is an entry for spreadsheets, its details as JSON.
func (e entryView) csv() ([]byte, error) {
	details, err := json.Marshal(e.Details)
	return csvLine(e.ID, e.At.Format(time.RFC3339), string(e.Action), e.Actor, e.Subject, e.PhoneSystemID, e.ClientIP, e.Outcome, string(details)), err
}

// csvLine is a line of a file (RFC 4180) without a formula in it.
func csvLine(cells ...string) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	for i, cell := range cells {
		cells[i] = inert(cell)
	}
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	return out.Bytes()
}

// link is the Link header (RFC 8288) to what comes next; empty where nothing does.
func link(path, next string, query map[string]string) string {
	if next == "" {
		return ""
	}
	values := url.Values{"cursor": {next}}
	for name, value := range query {
		if value != "" {
			values.Set(name, value)
		}
	}
	return "<" + path + "?" + values.Encode() + `>; rel="next"`
}

// given is a time of a query; empty where it was left out.
func given(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format(time.RFC3339Nano)
}
