package mail_test

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portcullis.example/shared/mail"
)

var (
	tag  = regexp.MustCompile(`<[^>]*>`)
	href = regexp.MustCompile(`href="([^"]*)"`)
	link = regexp.MustCompile(`https://portal\.example/[^\s.]*`)
)

// taken is a letter as a courier takes it out.
func taken(t *testing.T, letter mail.Letter) mail.Letter {
	t.Helper()
	o := newOffice(t)
	o.put(letter)
	if n, err := o.deliver(); n != 1 || err != nil {
		t.Fatalf("sent %d (%v)", n, err)
	}
	return o.post.sent[letter.To][0]
}

// body is what a mail program shows of a page.
func body(t *testing.T, page string) string {
	t.Helper()
	_, shown, found := strings.Cut(page, "<body")
	if !found {
		t.Fatalf("there is no body: %s", page)
	}
	return html.UnescapeString(tag.ReplaceAllString("<body"+shown, ""))
}

// links are where a page's links lead.
func links(page string) (found []string) {
	for _, m := range href.FindAllStringSubmatch(page, -1) {
		found = append(found, html.UnescapeString(m[1]))
	}
	return found
}

func TestHTMLSaysWhatTheTextSays(t *testing.T) {
	for name, text := range map[string]string{
		"a link of its own line": "Hello,\n\nopen this:\n\nhttps://portal.example/#accept?token=pci_01A_abc\n\nIt works once.\n",
		"a link in a sentence":   "Go to https://portal.example/ and then to https://portal.example/#x?a=1&b=2.\nDone.",
		"lines that stay lines":  "What we know:\n  When: now\n  From: 192.0.2.1\nand so on",
		"no link":                "1 < 2 & \"so\" 'on' > 0",
		"nothing":                "",
	} {
		got := taken(t, mail.Letter{To: "a@example.com", Subject: "Hello & <goodbye>", Text: text})
		if want, said := strings.Fields(text), strings.Fields(body(t, got.HTML)); !slices.Equal(want, said) {
			t.Errorf("%s: the text says\n%q, the HTML\n%q", name, want, said)
		}
		if want := link.FindAllString(text, -1); !slices.Equal(want, links(got.HTML)) {
			t.Errorf("%s: the text links to %q, the HTML to %q", name, want, links(got.HTML))
		}
		if !strings.Contains(got.HTML, "<title>Hello &amp; &lt;goodbye&gt;</title>") {
			t.Errorf("%s: the title: %s", name, got.HTML)
		}
		if strings.Count(got.HTML, "<br>") != strings.Count(text, "\n  ") {
			t.Errorf("%s: lines flow together: %s", name, got.HTML)
		}
	}
}

// What somebody else wrote stays text, and nothing is fetched by opening a mail.
func TestAttack39HTMLOfLettersIsInert(t *testing.T) {
	got := taken(t, mail.Letter{To: "a@example.com", Subject: "</title><script>alert(1)</script>", Text: `<script>alert(1)</script> <img src=https://evil.example/x.png> ` +
		`https://evil.example/ https://portal.example.evil.example/ https://portal.example@evil.example/ "onmouseover="x javascript:alert(1) ` +
		`https://portal.example/"><script>x</script>`})
	for _, to := range links(got.HTML) {
		if !strings.HasPrefix(to, "https://portal.example/") {
			t.Errorf("it links to %s", to)
		}
	}
	if !slices.Equal(links(got.HTML), []string{"https://portal.example/"}) {
		t.Errorf("links: %q", links(got.HTML))
	}
	for _, of := range tag.FindAllString(got.HTML, -1) {
		if name := strings.Trim(strings.Fields(of)[0], "</>"); !slices.Contains([]string{"!doctype", "html", "head", "meta", "title", "body", "p", "br", "a"}, name) {
			t.Errorf("there is a %s", of)
		}
		if strings.Contains(of, "src") || strings.Contains(of, "url(") || strings.Contains(of, "onmouse") {
			t.Errorf("%s fetches or does something", of)
		}
	}
}

// A subject becomes a header.
func TestAttack39SubjectIsOneLine(t *testing.T) {
	got := taken(t, mail.Letter{To: "a@example.com", Subject: "Hello\r\nBcc: eve@example.com\u2028\x00\xff", Text: "x"})
	if got.Subject != "Hello  Bcc: eve@example.com" {
		t.Errorf("%q", got.Subject)
	}
}
