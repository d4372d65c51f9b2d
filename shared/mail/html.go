package mail

import (
	"html"
	"strings"
)

// page is a letter's text as HTML: the same words, nothing that a mail program
// would have to fetch, and links where the text names a page of the control
// portal. Whatever else looks like an address stays text: it may have come from
// somebody else.
func page(letter Letter, base string) string {
	var b strings.Builder
	b.WriteString("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" + html.EscapeString(letter.Subject) + "</title>\n</head>\n")
	b.WriteString("<body style=\"font-family:sans-serif;line-height:1.5;max-width:40em\">\n")
	for paragraph := range strings.SplitSeq(letter.Text, "\n\n") {
		if paragraph = strings.Trim(paragraph, "\n"); paragraph != "" {
			b.WriteString("<p>" + lines(paragraph, base) + "</p>\n")
		}
	}
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

// lines lets a paragraph flow, but for its indented lines: they stay lines.
func lines(paragraph, base string) string {
	var b strings.Builder
	for i, line := range strings.Split(paragraph, "\n") {
		switch {
		case i > 0 && strings.HasPrefix(line, "  "):
			b.WriteString("<br>\n")
		case i > 0:
			b.WriteString("\n")
		}
		b.WriteString(linked(line, base+"/"))
	}
	return b.String()
}

// linked escapes a line and makes links of what begins with the portal's address.
func linked(line, portal string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(line, portal)
		b.WriteString(html.EscapeString(before))
		if !found {
			return b.String()
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune(linkRunes, r) })
		if end < 0 {
			end = len(rest)
		}
		path := strings.TrimRight(rest[:end], ".") // a sentence's end
		address := html.EscapeString(portal + path)
		b.WriteString(`<a href="` + address + `">` + address + `</a>`)
		line = rest[len(path):]
	}
}

// linkRunes are what the links of ours are made of.
const linkRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/?#&=%"
