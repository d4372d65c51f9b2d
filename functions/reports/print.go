package reports

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"portcullis.example/shared/access"
)

// rows are the report as lines of text: what kind, whom or what, and the rest.
func (v evidenceView) rows() [][]string {
	rows := [][]string{{"kind", "name", "email", "phone_systems", "access", "second_factors", "privileged", "last_used_at", "details"}}
	for _, p := range v.People {
		rows = append(rows, []string{"person", p.Name, p.Email, strings.Join(p.PhoneSystems, ", "), p.access(), p.factors(), strconv.FormatBool(p.Privileged), stamp(p.LastLoginAt), ""})
	}
	for _, k := range v.Programs {
		rows = append(rows, []string{"program", k.Name, "", access.EveryPhoneSystem, listed(k.Permissions), "", "false", stamp(k.LastUsedAt), k.until()})
	}
	for _, s := range v.PhoneSystems {
		rows = append(rows, []string{"phone_system", s.Name, "", s.Host, s.Customer, "", "", "", fmt.Sprintf("%d unlocks, %d bad attempts", s.Unlocks, s.BadAttempts)})
	}
	for _, e := range v.Exceptions {
		rows = append(rows, []string{"exception", e.Name, "", "", string(e.Kind), "", "", "", e.Why})
	}
	for _, m := range v.Missing {
		rows = append(rows, []string{"missing", m, "", "", "", "", "", "", ""})
	}
	return append(rows, []string{"share", v.MFA.text(), "", "", "", "", "", "", v.MFA.WhyNot})
}

func (s shareView) text() string {
	return fmt.Sprintf("%d of %d privileged people have a second factor: %d %%", s.WithMFA, s.Privileged, s.Percent)
}

func (p personView) access() string {
	if p.Administrator {
		return "administrator"
	}
	var all []string
	for _, a := range p.Access {
		all = append(all, a.Role+" ("+listed(a.Permissions)+")")
	}
	return strings.Join(all, "; ")
}

func (p personView) factors() string {
	var all []string
	for _, f := range p.Factors {
		all = append(all, strings.TrimSpace(f.Method+" "+f.Name)+" since "+f.Since.Format(time.RFC3339))
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, "; ")
}

func (k programView) until() string {
	if k.ExpiresAt == nil {
		return "no end"
	}
	return "until " + stamp(k.ExpiresAt)
}

func listed(permissions []access.Permission) string {
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = string(p)
	}
	return strings.Join(texts, ", ")
}

func stamp(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(time.RFC3339)
}

// csv is the report for spreadsheets (RFC 4180).
func (v evidenceView) csv() []byte {
	var out []byte
	for _, row := range v.rows() {
		out = append(out, csvLine(row...)...)
	}
	return out
}

// inert keeps spreadsheets from taking a text for a formula: an apostrophe before
// what would begin one (OWASP, CSV injection). Where the semicolon parts cells, as
// in a German Excel, it does within a text as well, whatever quotation marks there
// are: what stands behind it begins a cell.
func inert(cell string) string {
	parts := strings.SplitAfter(cell, ";")
	for i, part := range parts {
		if beginsFormula(part) {
			parts[i] = "'" + part
		}
	}
	return strings.Join(parts, "")
}

// beginsFormula looks behind what spreadsheets leave out, and at the full-width
// signs too, which East Asian ones read as the others.
func beginsFormula(text string) bool {
	if strings.HasPrefix(text, "\t") || strings.HasPrefix(text, "\r") || strings.HasPrefix(text, "\n") {
		return true
	}
	sign, _ := utf8.DecodeRuneInString(strings.TrimLeft(text, ` "`))
	return strings.ContainsRune("=+-@＝＋－＠", sign)
}

const printStyle = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:75rem;color:#111;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{width:100%;border-collapse:collapse;font-size:.875rem}th,td{padding:.4rem .6rem;border-bottom:1px solid #ccc;text-align:left;vertical-align:top;overflow-wrap:anywhere}.big{font-size:1.25rem;font-weight:600}@media print{body{margin:0}}`

func printPolicy() string {
	sum := sha256.Sum256([]byte(printStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// printed is a page being written: everything but its own marks is escaped.
type printed struct{ bytes.Buffer }

func (p *printed) tag(name, text string) {
	fmt.Fprintf(p, "<%s>%s</%s>\n", name, html.EscapeString(text), name)
}

func (p *printed) table(title string, head []string, rows [][]string) {
	p.tag("h2", title)
	if len(rows) == 0 {
		p.tag("p", "None.")
		return
	}
	p.WriteString("<table><thead><tr>")
	for _, cell := range head {
		p.tag("th", cell)
	}
	p.WriteString("</tr></thead><tbody>")
	for _, row := range rows {
		p.WriteString("<tr>")
		for _, cell := range row {
			p.tag("td", cell)
		}
		p.WriteString("</tr>\n")
	}
	p.WriteString("</tbody></table>\n")
}

// html is the report as a page to print.
func (v evidenceView) html() []byte {
	p := &printed{}
	p.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Second factors and access</title><style>` + printStyle + "</style></head><body>\n")
	p.tag("h1", "Second factors and access: "+v.Partner)
	p.tag("p", fmt.Sprintf("Made by Portcullis on %s, about the time from %s to %s. Every console is locked; it opens for a person with a password and a second factor, for a time.", v.MadeAt.Format(time.RFC3339), v.From.Format(time.RFC3339), v.To.Format(time.RFC3339)))
	p.WriteString(`<p class="big">` + html.EscapeString(v.MFA.text()) + "</p>\n")
	if v.MFA.WhyNot != "" {
		p.tag("p", v.MFA.WhyNot)
	}
	of := func(kind string, columns ...int) (rows [][]string) {
		for _, row := range v.rows() {
			if row[0] == kind {
				var cells []string
				for _, c := range columns {
					cells = append(cells, row[c])
				}
				rows = append(rows, cells)
			}
		}
		return rows
	}
	p.table("People", []string{"Name", "E-mail", "Phone systems", "Access", "Second factors", "Last sign-in"}, of("person", 1, 2, 3, 4, 5, 7))
	p.table("Programs", []string{"API key", "May", "Last used", "End"}, of("program", 1, 4, 7, 8))
	p.table("Phone systems", []string{"Name", "Host", "Customer", "In this time"}, of("phone_system", 1, 3, 4, 8))
	p.table("Exceptions", []string{"Name", "Kind", "Why"}, of("exception", 1, 4, 8))
	p.table("Not in this report", []string{"What"}, of("missing", 1))
	if v.Next != "" {
		p.tag("p", "There are more people: the next page goes on.")
	}
	p.WriteString("</body></html>\n")
	return p.Bytes()
}
