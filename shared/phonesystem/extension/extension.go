// Package extension reads the list of extensions that a 3CX phone system exports,
// and tells who of them has access to its admin console. It guarantees that of a
// file no more is taken than number, name, address and what gives access (it has
// passwords too), and that what says access in a way that is not known is taken
// for access.
package extension

import (
	"slices"
	"strings"

	"portcullis.example/shared/input"
	"portcullis.example/shared/sheet"
)

// MostLines is how many extensions a file has at most.
const MostLines = 5000

// longestCell is how many bytes of a cell are taken at most.
const longestCell = 200

// The columns, as 3CX names them: Role since v20, the others up to v18.
const (
	number     = "Number"
	firstName  = "FirstName"
	lastName   = "LastName"
	email      = "EmailAddress"
	disabled   = "Disabled"
	role       = "Role"
	management = "ManagementAccess"
)

// older are the columns of v18 and before that give access to the console or to
// parts of it.
func older() []string { return []string{management, "SysAdmin", "VoipAdmin", "PhoneSysAdmin"} }

// Extension is one line of an export.
type Extension struct {
	// Line is where it stands in the file, whose header is line 1.
	Line int
	// Wrong says why the line can't be read; then nothing else is known of it.
	Wrong               string
	Number, Name, Email string
	// Admin tells whether it has access to the admin console.
	Admin bool
	// Access is what gives it, or would if the extension were not disabled; empty:
	// nothing.
	Access string
	// Disabled extensions sign in to nothing.
	Disabled bool
}

// Read reads an export. Errors: *input.Error.
func Read(file []byte) ([]Extension, error) {
	s, err := sheet.Read(file, sheet.Form{
		Needed: []string{number}, Optional: append([]string{firstName, lastName, email, disabled, role}, older()...), Others: true, Most: MostLines,
	})
	if err != nil {
		return nil, err
	}
	if !s.Has(role) && !s.Has(management) {
		return nil, input.Invalid("body", "this export does not say who has access to the admin console: it must have the column %s (3CX v20) or %s (3CX v18), as a whole export of the users has", role, management)
	}
	extensions := make([]Extension, len(s.Rows))
	for i, row := range s.Rows {
		extensions[i] = read(s, row)
	}
	return extensions, nil
}

func read(s *sheet.Sheet, row sheet.Row) Extension {
	e := Extension{Line: row.Line, Wrong: row.Wrong}
	if e.Wrong != "" {
		return e
	}
	cell := func(column string) string { return cut(s.Cell(row, column)) }
	e.Number, e.Email = cell(number), cell(email)
	e.Name = cut(strings.TrimSpace(cell(firstName) + " " + cell(lastName)))
	e.Disabled = set(cell(disabled))
	var gives []string
	for _, name := range roles(s.Cell(row, role)) {
		if !ordinary(name) {
			gives = append(gives, name)
		}
	}
	for _, column := range older() {
		if set(cell(column)) {
			gives = append(gives, column)
		}
	}
	e.Access = cut(strings.Join(gives, ", "))
	e.Admin = e.Access != "" && !e.Disabled
	return e
}

// cut is the beginning of a text, in whole characters.
func cut(text string) string {
	if len(text) <= longestCell {
		return text
	}
	return strings.ToValidUTF8(text[:longestCell], "")
}

// set tells whether a cell says yes: anything but what says no.
func set(cell string) bool {
	return !slices.Contains([]string{"", "0", "false", "no"}, strings.ToLower(cell))
}

// roles are the names in a cell of v20: XML elements with a name, one for each
// department, or names with something between them.
func roles(cell string) []string {
	var names []string
	if !strings.Contains(cell, "<") {
		for name := range strings.FieldsFuncSeq(cell, func(r rune) bool { return strings.ContainsRune(",;|\n", r) }) {
			names = append(names, strings.TrimSpace(name))
		}
		return slices.DeleteFunc(names, func(name string) bool { return name == "" })
	}
	for element := range strings.SplitSeq(cell, "<") {
		if !strings.HasPrefix(strings.ToLower(element), "role") || strings.HasPrefix(strings.ToLower(element), "roles") {
			continue
		}
		_, value, _ := strings.Cut(element, "name=")
		if len(value) > 0 {
			value, _, _ = strings.Cut(value[1:], value[:1])
		}
		if value = strings.TrimSpace(value); value == "" {
			value = unreadable
		}
		names = append(names, value)
	}
	if len(names) == 0 {
		return []string{unreadable}
	}
	return names
}

// unreadable stands for a role whose name can't be read.
const unreadable = "an unreadable role"

// ordinary tells whether a role gives no access to the admin console. It goes by
// the names of the roles in the phone system and on its pages.
func ordinary(name string) bool {
	return slices.Contains([]string{"users", "user", "receptionists", "receptionist"}, strings.ToLower(name))
}
