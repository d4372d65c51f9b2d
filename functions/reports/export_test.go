package reports_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/audit"
)

// exported reads an export to its end, by its links, and answers each answer.
func exported(s scene, who *localtest.Person, query string) (answers []localtest.Answer) {
	s.T.Helper()
	for next := "/v1/audit/export?" + query; next != ""; {
		a := who.Must(200, "GET", next, nil)
		answers = append(answers, a)
		if next = a.Header.Get("Link"); next != "" {
			var related bool
			if next, related = strings.CutSuffix(strings.TrimPrefix(next, "<"), `>; rel="next"`); !related {
				s.T.Fatalf("Link: %s", next)
			}
		}
	}
	return answers
}

// lines are the entries of answers of NDJSON.
func lines(t *testing.T, answers []localtest.Answer) (entries []map[string]any) {
	t.Helper()
	for _, a := range answers {
		for line := range strings.Lines(a.Body) {
			var entry map[string]any
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("%.100q: %v", line, err)
			}
			entries = append(entries, entry)
		}
	}
	return entries
}

// An export is what the list is, in the same order, whole and within its times.
func TestExportIsTheList(t *testing.T) {
	s := newScene(t)
	var listed []string
	for query := (url.Values{"limit": {"200"}}); ; {
		page := s.list(s.alice, query)
		listed = append(listed, ids(page.Items())...)
		if page.Text("next") == "" {
			break
		}
		query.Set("cursor", page.Text("next"))
	}
	var found []string
	for _, entry := range lines(t, exported(s, s.alice, "format=ndjson")) {
		found = append(found, entry["id"].(string))
	}
	if !slices.Equal(found, listed) {
		t.Errorf("%d entries are exported, %d listed", len(found), len(listed))
	}
	from, to := s.Clock.Now().Add(-30*time.Minute), s.Clock.Now().Add(-10*time.Minute)
	for _, entry := range lines(t, exported(s, s.alice, url.Values{"format": {"ndjson"}, "from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}.Encode())) {
		if at, err := time.Parse(time.RFC3339, entry["at"].(string)); err != nil || at.Before(from) || !at.Before(to) {
			t.Errorf("%v is exported", entry["at"])
		}
	}
}

// No answer is larger than 5 MB; the link goes on with the next entry, and is
// whoever's it was given to.
func TestExportIsDivided(t *testing.T) {
	s := newScene(t)
	before := len(lines(t, exported(s, s.alice, "format=ndjson")))
	const more = 30
	for range more {
		entry := audit.Entry{Action: audit.UnlockOpened, Actor: s.alice.ID, PartnerID: s.alice.PartnerID, Outcome: audit.Success}.With("reason", strings.Repeat(`"<x>`, 12_500))
		if err := s.Journal.Commit(context.Background(), nil, entry); err != nil {
			t.Fatal(err)
		}
	}
	for _, format := range []string{"ndjson", "csv"} {
		answers := exported(s, s.alice, "format="+format)
		carried, err := json.Marshal(answers[0].Body)
		if err != nil || len(answers) < 2 || len(carried) > 5_000_000 || len(carried) < 4_300_000 {
			t.Errorf("%d answers, the first of %d bytes, in JSON %d: %v", len(answers), len(answers[0].Body), len(carried), err)
		}
		if format == "ndjson" && len(lines(t, answers)) != before+more {
			t.Errorf("%d entries, want %d", len(lines(t, answers)), before+more)
		}
		carol := s.User(s.alice, format+"@acme.example", access.Auditor)
		next, _, _ := strings.Cut(strings.TrimPrefix(answers[0].Header.Get("Link"), "<"), ">")
		carol.Must(422, "GET", next, nil)
		// The link is of one export: with other times or another format it is none.
		s.alice.Must(422, "GET", next+"&from=2020-01-01T00:00:00Z", nil)
		s.alice.Must(422, "GET", strings.Replace(next, "format="+format, "format="+map[string]string{"csv": "ndjson", "ndjson": "csv"}[format], 1), nil)
	}
}

// A line of a spreadsheet has no formula, and who sees one phone system's entries
// gets no others.
func TestAttack39ExportsHaveNoFormulas(t *testing.T) {
	s := newScene(t)
	entry := audit.Entry{Action: audit.UnlockOpened, Actor: "=1+1", Subject: "@SUM(A1)", PartnerID: s.alice.PartnerID, PhoneSystemID: s.two.ID, ClientIP: "\tx", Outcome: audit.Success}.With("=reason", "a\n=b")
	if err := s.Journal.Commit(context.Background(), nil, entry); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(exported(s, s.alice, "")[0].Body)).ReadAll()
	if err != nil || len(rows) < 2 || strings.Join(rows[0], " ") != "id at action actor subject phone_system_id client_ip outcome details" {
		t.Fatalf("%v: %v", err, rows[0])
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r\n") {
				t.Errorf("a cell begins a formula: %q", cell)
			}
		}
	}
	s.role([]access.Permission{access.ViewAudit}, s.one.ID)
	for _, entry := range lines(t, exported(s, s.bob, "format=ndjson")) {
		if entry["phone_system_id"] != s.one.ID {
			t.Errorf("%v is exported to who sees one phone system", entry)
		}
	}
	s.role([]access.Permission{access.Unlock}, "*")
	s.bob.Must(403, "GET", "/v1/audit/export", nil)
}
