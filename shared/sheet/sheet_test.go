package sheet_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"portcullis.example/shared/input"
	"portcullis.example/shared/sheet"
)

func people() sheet.Form {
	return sheet.Form{Needed: []string{"email"}, Optional: []string{"name", "roles"}, Most: 3}
}

// What spreadsheets write is read as it was meant.
func TestRead(t *testing.T) {
	for name, file := range map[string]string{
		"plain":                   "email,name\na@x.example,Ann\nb@x.example,Bob\n",
		"no last line end":        "email,name\na@x.example,Ann\nb@x.example,Bob",
		"CRLF":                    "email,name\r\na@x.example,Ann\r\nb@x.example,Bob\r\n",
		"CR":                      "email,name\ra@x.example,Ann\rb@x.example,Bob\r",
		"a mark":                  "\xef\xbb\xbfemail,name\na@x.example,Ann\nb@x.example,Bob\n",
		"semicolons":              "email;name\na@x.example;Ann\nb@x.example;Bob\n",
		"tabs":                    "email\tname\na@x.example\tAnn\nb@x.example\tBob\n",
		"Excel's hint":            "sep=;\r\nemail;name\r\na@x.example;Ann\r\nb@x.example;Bob\r\n",
		"quoted":                  `"email","name"` + "\n" + `"a@x.example","Ann"` + "\n" + `b@x.example,"Bob"` + "\n",
		"another order and case":  "NAME,E-Mail\nAnn,a@x.example\n",
		"spaces":                  " Email , Name\n  a@x.example ,Ann \nb@x.example,  Bob\n",
		"empty lines":             "\nemail,name\n\na@x.example,Ann\n,\n\nb@x.example,Bob\n,,,\n\n",
		"separators at the end":   "email,name\na@x.example,Ann,\nb@x.example,Bob,,,\n",
		"separators within names": "email,name,roles\n" + `a@x.example,"Ann",";;;"` + "\nb@x.example,Bob,x\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := sheet.Read([]byte(file), people())
			if name == "another order and case" {
				if err == nil {
					t.Error("E-Mail is no column of ours")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range s.Rows {
				got = append(got, s.Cell(row, "email")+" "+s.Cell(row, "NAME"))
			}
			if want := []string{"a@x.example Ann", "b@x.example Bob"}; !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			if s.Has("name") == s.Has("Roles") && name != "separators within names" {
				t.Error("it has columns that the file has not, or lacks some")
			}
		})
	}
}

// Lines are those of the file, whatever stands above or within.
func TestLines(t *testing.T) {
	s, err := sheet.Read([]byte("sep=,\nemail,name\na@x.example,\"Ann\nof two lines\"\n\nb@x.example,Bob,more\nc@x.example\n"), people())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 6, 7} {
		if row := s.Rows[i]; row.Line != want || (row.Wrong == "") != (i == 0) {
			t.Errorf("line %d, want %d: %q", row.Line, want, row.Wrong)
		}
	}
	if got := s.Cell(s.Rows[1], "email"); got != "" {
		t.Errorf("a cell of a line that can't be told apart: %q", got)
	}
}

// What can't be read whole is refused whole, in words that say what to do and
// repeat nothing of it.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"nothing":              {"", "empty"},
		"empty lines":          {"\n\n,,\n", "empty"},
		"a header alone":       {"email,name\n", "no line below"},
		"Latin-1":              {"email,name\na@x.example,J\xf6rg\n", "UTF-8"},
		"UTF-16":               {"\xff\xfee\x00m\x00a\x00i\x00l\x00\n\x00", "UTF-8"},
		"NUL":                  {"email\na\x00@x.example\n", "UTF-8"},
		"no header":            {"secret@x.example,Ann\n", "column 1 is not known"},
		"an unknown column":    {"email,secret\na@x.example,x\n", "column 2 is not known"},
		"a column twice":       {"email,name,Email\na@x.example,x,y\n", "email twice"},
		"a column missing":     {"name\nAnn\n", "must name the column email"},
		"an empty column":      {"email,\na@x.example,\n", "column 2"},
		"too many lines":       {"email\na\nb\nc\nsecret\n", "more than 3 lines"},
		"too many columns":     {"email" + strings.Repeat(",secret", 600) + "\na\n", "more than 500"},
		"an open quote":        {"email,name\na@x.example,\"secret\n", "line 2"},
		"a quote in a cell":    {"email,name\na@x.example,Ann\nb@x.example,Bob \"secret\" B\n", "line 3"},
		"a quote below a hint": {"sep=,\nemail,name\na@x.example,a\"secret\n", "line 3"},
	} {
		_, err := sheet.Read([]byte(c.file), people())
		var invalid *input.Error
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Location != "body" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: repeated: %v", name, err)
		}
	}
}

// Others leaves out what is not known.
func TestOthers(t *testing.T) {
	form := people()
	form.Others = true
	s, err := sheet.Read([]byte("AuthPassword,Email,,Email2\nsecret,a@x.example,,\n"), form)
	if err != nil || s.Cell(s.Rows[0], "email") != "a@x.example" || s.Has("AuthPassword") || s.Cell(s.Rows[0], "AuthPassword") != "" {
		t.Errorf("%+v, %v", s, err)
	}
}

// A cell is text, whatever a spreadsheet would make of it.
func TestAttack39CellsAreText(t *testing.T) {
	for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"https://evil.example\";\"x\")", "=cmd|' /C calc'!A0", "<script>x</script>", "'=1", "a\r\nb: c"} {
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		if err := w.WriteAll([][]string{{"email", "name"}, {"a@x.example", cell}}); err != nil {
			t.Fatal(err)
		}
		s, err := sheet.Read(file.Bytes(), people())
		if err != nil || s.Cell(s.Rows[0], "name") != strings.ReplaceAll(cell, "\r\n", "\n") {
			t.Errorf("%q: %v", cell, err)
		}
	}
}

// Whatever is sent: a sheet that keeps to its form, or a refusal; and what is
// written as CSV is read as it was.
func FuzzRead(f *testing.F) {
	for _, file := range []string{
		"email,name\na@x.example,Ann\n", "\xef\xbb\xbfsep=;\r\nemail;name\r\n\"a\";\"b\"\"c\"\r\n", "email\tname\ra\tb\r", "email,name\n\"a\nb\",c\n\n,\n", "email\n\"", "name\n",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		form := people()
		s, err := sheet.Read(file, form)
		var invalid *input.Error
		if err != nil {
			if !errors.As(err, &invalid) || s != nil {
				t.Fatalf("%v, %v", s, err)
			}
			return
		}
		if len(s.Rows) == 0 || len(s.Rows) > form.Most {
			t.Fatalf("%d lines", len(s.Rows))
		}
		again := [][]string{{"email", "name", "roles"}}
		last := 1
		for _, row := range s.Rows {
			if row.Line <= last || row.Line > bytes.Count(file, []byte("\n"))+bytes.Count(file, []byte("\r"))+1 {
				t.Fatalf("line %d after %d", row.Line, last)
			}
			last = row.Line
			cells := []string{s.Cell(row, "email"), s.Cell(row, "name"), s.Cell(row, "roles")}
			if slices.ContainsFunc(cells, func(c string) bool { return c != "" }) {
				again = append(again, cells)
			}
		}
		if len(again) > 1 {
			roundTrip(t, again)
		}
	})
}

func roundTrip(t *testing.T, lines [][]string) {
	t.Helper()
	var file bytes.Buffer
	if err := csv.NewWriter(&file).WriteAll(lines); err != nil {
		t.Fatal(err)
	}
	s, err := sheet.Read(file.Bytes(), people())
	if err != nil || len(s.Rows) != len(lines)-1 {
		t.Fatalf("%q: %v", file.String(), err)
	}
	for i, row := range s.Rows {
		if got := []string{s.Cell(row, "email"), s.Cell(row, "name"), s.Cell(row, "roles")}; !slices.Equal(got, lines[i+1]) {
			t.Fatalf("%q is read as %q", lines[i+1], got)
		}
	}
}
