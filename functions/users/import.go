package users

import (
	"context"

	"portcullis.example/shared/account"
	"portcullis.example/shared/bulk"
	"portcullis.example/shared/idempotency"
	"portcullis.example/shared/sheet"
	"portcullis.example/shared/web"
)

// peopleFile is what a file of people looks like.
func peopleFile() sheet.Form {
	return sheet.Form{Needed: []string{"email"}, Optional: []string{"name", "administrator", "roles"}, Most: bulk.MostLines}
}

type importPeopleInput struct {
	Once    string `header:"Idempotency-Key" maxLength:"255"`
	Dry     string `query:"dry_run" enum:"false,true" doc:"true: judge in the same way and change nothing"`
	RawBody []byte `contentType:"text/csv"`
}

type importPeopleView struct {
	Body struct {
		web.Import
		Items []importedPerson `json:"items" nullable:"false"`
	}
}

type importedPerson struct {
	Line    int          `json:"line" doc:"of the file, whose header is line 1"`
	Email   string       `json:"email" doc:"as it is kept; empty where it is none"`
	Outcome bulk.Outcome `json:"outcome" enum:"created,unchanged,invited,error,pending"`
	UserID  string       `json:"user_id,omitempty"`
	Message string       `json:"message,omitempty" doc:"why, and what to do"`
}

func (f Function) importPeople(ctx context.Context, in *importPeopleInput) (*importPeopleView, error) {
	caller, dry := web.Identity(ctx).Caller, in.Dry == "true"
	once, err := idempotency.For(caller.UserID, in.Once, "POST "+peoplePath+"/import", in.RawBody)
	if err != nil {
		return nil, err
	}
	file, err := sheet.Read(in.RawBody, peopleFile())
	if err != nil {
		return nil, err
	}
	lines := make([]account.ImportLine, len(file.Rows))
	for i, row := range file.Rows {
		lines[i] = account.ImportLine{
			Line: row.Line, Wrong: row.Wrong, Email: file.Cell(row, "email"), Name: file.Cell(row, "name"),
			Administrator: file.Cell(row, "administrator"), Roles: file.Cell(row, "roles"),
		}
	}
	report, err := f.Directory.Import(ctx, caller, once, lines, dry)
	if err != nil {
		return nil, err
	}
	out := &importPeopleView{}
	out.Body.Import, out.Body.Items = web.ImportOf(report, dry), make([]importedPerson, len(lines))
	for i, result := range report.Results {
		out.Body.Items[i] = importedPerson{Line: lines[i].Line, Outcome: result.Outcome, UserID: result.ID, Message: result.Message}
		if email, err := account.CheckEmail(lines[i].Email); err == nil {
			out.Body.Items[i].Email = email
		}
	}
	return out, nil
}
