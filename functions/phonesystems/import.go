package phonesystems

import (
	"context"

	"portcullis.example/shared/bulk"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/sheet"
	"portcullis.example/shared/web"
)

// systemsFile is what a file of phone systems looks like.
func systemsFile() sheet.Form {
	return sheet.Form{Needed: []string{"name", "host"}, Optional: []string{"customer", "profile", "restricted_paths"}, Most: bulk.MostLines}
}

type importSystemsInput struct {
	Once    string `header:"Idempotency-Key" maxLength:"255"`
	Dry     string `query:"dry_run" enum:"false,true" doc:"true: judge in the same way and change nothing"`
	RawBody []byte `contentType:"text/csv"`
}

type importSystemsView struct {
	Body struct {
		web.Import
		Items []importedSystem `json:"items" nullable:"false"`
	}
}

type importedSystem struct {
	Line          int          `json:"line" doc:"of the file, whose header is line 1"`
	Host          string       `json:"host" doc:"as it is kept; empty where it is none"`
	Outcome       bulk.Outcome `json:"outcome" enum:"created,unchanged,error,pending"`
	PhoneSystemID string       `json:"phone_system_id,omitempty"`
	Message       string       `json:"message,omitempty" doc:"why, and what to do"`
}

func (f Function) importSystems(ctx context.Context, in *importSystemsInput) (*importSystemsView, error) {
	caller, dry := web.Identity(ctx).Caller, in.Dry == "true"
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+path+"/import", in.RawBody)
	if err != nil {
		return nil, err
	}
	file, err := sheet.Read(in.RawBody, systemsFile())
	if err != nil {
		return nil, err
	}
	lines := make([]phonesystem.ImportLine, len(file.Rows))
	for i, row := range file.Rows {
		lines[i] = phonesystem.ImportLine{
			Line: row.Line, Wrong: row.Wrong, Name: file.Cell(row, "name"), Host: file.Cell(row, "host"), Customer: file.Cell(row, "customer"),
			Profile: file.Cell(row, "profile"), RestrictedPaths: file.Cell(row, "restricted_paths"),
		}
	}
	report, err := f.Registry.Import(ctx, caller, once, lines, dry)
	if err != nil {
		return nil, err
	}
	out := &importSystemsView{}
	out.Body.Import, out.Body.Items = web.ImportOf(report, dry), make([]importedSystem, len(lines))
	for i, result := range report.Results {
		out.Body.Items[i] = importedSystem{Line: lines[i].Line, Outcome: result.Outcome, PhoneSystemID: result.ID, Message: result.Message}
		if host, ok := phonesystem.NormaliseHost(lines[i].Host, phonesystem.PhoneSystem{Host: lines[i].Host}.Scheme()); ok {
			out.Body.Items[i].Host = host
		}
	}
	return out, nil
}
