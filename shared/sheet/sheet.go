// Package sheet reads the CSV files that people bring, from spreadsheets and from
// phone systems. It guarantees that a cell arrives under the column that the
// header names and with the line of the file that it stands on, that a file which
// can't be read whole is refused whole, with what to do about it, that no text of
// a refused file is repeated, and that a cell is text and nothing else, whatever
// it begins with.
package sheet

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"portcullis.example/shared/input"
)

// MaxSize is the largest file in bytes.
const MaxSize = 1 << 20

// mostColumns is how many columns a header names at most: phone systems export
// about a hundred.
const mostColumns = 500

// Form is what a file must look like.
type Form struct {
	// Needed are the columns that must be there, Optional those that may.
	Needed, Optional []string
	// Others lets the file have columns that are not known; they are left out.
	Others bool
	// Most is how many lines there may be below the header.
	Most int
}

// Sheet is a file as read.
type Sheet struct {
	columns map[string]int
	Rows    []Row
}

// Row is one line below the header.
type Row struct {
	// Line is where it begins in the file: the header is line 1.
	Line int
	// Wrong says why its cells can't be told apart; empty: they can.
	Wrong string
	cells []string
}

// Has tells whether the header names a column, whatever its case.
func (s *Sheet) Has(column string) bool {
	_, ok := s.columns[strings.ToLower(column)]
	return ok
}

// Cell is the text under a column, without space around it; empty where there is
// no such column.
func (s *Sheet) Cell(r Row, column string) string {
	if i, ok := s.columns[strings.ToLower(column)]; ok && i < len(r.cells) {
		return r.cells[i]
	}
	return ""
}

// Read reads a file: UTF-8, its cells separated by commas, semicolons or tabs, as
// its first line has them, and quoted where they hold one. Errors: *input.Error.
func Read(file []byte, form Form) (*Sheet, error) {
	text, err := plain(file)
	if err != nil {
		return nil, err
	}
	separator, rest := separated(text)
	lines := &reader{csv.NewReader(strings.NewReader(rest)), strings.Count(text[:len(text)-len(rest)], "\n")}
	lines.Comma, lines.FieldsPerRecord = separator, -1
	header, _, err := lines.next()
	if errors.Is(err, io.EOF) {
		return nil, refuse("the file is empty; it begins with a line that names its columns: %s", form.named())
	}
	if err != nil {
		return nil, err
	}
	s := &Sheet{}
	if s.columns, err = form.columns(header); err != nil {
		return nil, err
	}
	if err = s.read(lines, len(header), form.Most); err != nil {
		return nil, err
	}
	return s, nil
}

func refuse(format string, values ...any) error { return input.Invalid("body", format, values...) }

// plain is the file's text, without a mark of its encoding and with line feeds
// at the ends of its lines.
func plain(file []byte) (string, error) {
	file = bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(file) || bytes.IndexByte(file, 0) >= 0 {
		return "", refuse("the file must be text in UTF-8; in Excel save it as “CSV UTF-8”")
	}
	if !bytes.Contains(file, []byte("\n")) {
		return strings.ReplaceAll(string(file), "\r", "\n"), nil
	}
	return string(file), nil
}

// separated finds out what separates the cells, and answers the text from the
// header on: Excel may write "sep=;" above it.
func separated(text string) (separator rune, rest string) {
	first, below, _ := strings.Cut(text, "\n")
	if said, ok := strings.CutPrefix(strings.ToLower(strings.TrimRight(first, "\r")), "sep="); ok && len(said) == 1 && strings.Contains(",;\t", said) {
		return rune(said[0]), below
	}
	separator = ','
	for _, other := range ";\t" {
		if count(first, other) > count(first, separator) {
			separator = other
		}
	}
	return separator, text
}

// count counts a separator outside quotation marks.
func count(line string, separator rune) (n int) {
	quoted := false
	for _, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == separator && !quoted:
			n++
		}
	}
	return n
}

// reader reads lines with their places in the file.
type reader struct {
	*csv.Reader
	above int // lines above what it reads
}

// next is the next line that is not empty, without space around its cells and
// with line feeds for the line breaks in them.
// Errors: io.EOF, *input.Error.
func (r *reader) next() (cells []string, line int, err error) {
	for {
		cells, err = r.Read()
		var malformed *csv.ParseError
		switch {
		case errors.As(err, &malformed):
			return nil, 0, refuse("line %d: a quotation mark is missing or too many; a cell with a separator, a line break or a quotation mark in it stands in quotation marks, and those within it are doubled",
				malformed.StartLine+r.above)
		case err != nil:
			return nil, 0, err
		}
		line, _ = r.FieldPos(0)
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(cells[i], "\r\n", "\n"), "\r", "\n"))
		}
		if slices.ContainsFunc(cells, func(cell string) bool { return cell != "" }) {
			return cells, line + r.above, nil
		}
	}
}

func (f Form) named() string {
	text := strings.Join(append(slices.Clone(f.Needed), f.Optional...), ", ")
	if len(f.Optional) > 0 && len(f.Needed) > 0 {
		text += " (needed: " + strings.Join(f.Needed, ", ") + ")"
	}
	return text
}

// columns are the header's columns by name.
func (f Form) columns(header []string) (map[string]int, error) {
	if len(header) > mostColumns {
		return nil, refuse("line 1 names more than %d columns; it must name %s", mostColumns, f.named())
	}
	known := append(slices.Clone(f.Needed), f.Optional...)
	columns := map[string]int{}
	for i, name := range header {
		at := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
		if at < 0 && f.Others {
			continue
		}
		if at < 0 {
			return nil, refuse("the header's column %d is not known; the columns are %s", i+1, f.named())
		}
		key := strings.ToLower(known[at])
		if _, twice := columns[key]; twice {
			return nil, refuse("the header names the column %s twice", known[at])
		}
		columns[key] = i
	}
	for _, name := range f.Needed {
		if _, ok := columns[strings.ToLower(name)]; !ok {
			return nil, refuse("the header must name the column %s; the columns are %s", name, f.named())
		}
	}
	return columns, nil
}

func (s *Sheet) read(lines *reader, wide, most int) error {
	for {
		cells, line, err := lines.next()
		switch {
		case errors.Is(err, io.EOF) && len(s.Rows) == 0:
			return refuse("the file has no line below its header")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(s.Rows) == most:
			return refuse("the file has more than %d lines below its header; send it in several parts, each with the header", most)
		}
		for len(cells) > wide && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1] // separators at the end of a line part nothing
		}
		row := Row{Line: line, cells: cells}
		if len(cells) != wide {
			row.cells, row.Wrong = nil, fmt.Sprintf("this line has %d cells and the header %d; a cell with a separator in it stands in quotation marks", len(cells), wide)
		}
		s.Rows = append(s.Rows, row)
	}
}
