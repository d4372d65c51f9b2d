package users_test

import (
	"net/http"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
)

// What a file's cells begin with and hold stays text: in the list, in the audit, in mail, in
// the log. What is no line of text is refused, and not repeated.
func TestAttack39ImportedTextIsInert(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		names := []string{"=1+1", "+1", "-1", "@SUM(A1)", `=HYPERLINK("https://evil.example","x")`, "<script>alert(1)</script>", "'=1", "a, b; c"}
		bad := []string{"a\nb: c", "a\tb", "a\x01b", "a\u2028b", "a\u202eb"}
		var file strings.Builder
		file.WriteString("email,name\n")
		for i, name := range append(names, bad...) {
			file.WriteString(string(rune('a'+i)) + `@x.example,"` + strings.ReplaceAll(name, `"`, `""`) + "\"\n")
		}
		file.WriteString(`"=cmd|' /C calc'!A0",x` + "\n")
		a := alice.Must(http.StatusOK, "POST", importPath, localtest.CSV(file.String()))
		if a.Number("counts.created") != float64(len(names)) || a.Number("counts.error") != float64(len(bad)+1) || strings.Contains(a.Body, "calc") || strings.Contains(a.Body, "\u202e") {
			t.Errorf("%s", a.Body)
		}
		for i, name := range names {
			user := alice.Must(http.StatusOK, "GET", "/v1/users/"+a.Items()[i].Text("user_id"), nil)
			if user.Text("name") != name || strings.Contains(user.Body, "<script>") || user.Header.Get("Content-Type") != "application/json" || user.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%q is %s", name, user.Body)
			}
		}
		w.Tick()
		for _, letter := range w.Mail.To("f@x.example") {
			if strings.Contains(letter.HTML, "<script>alert") || strings.ContainsAny(letter.Subject, "\r\n") {
				t.Errorf("a letter: %s", letter.HTML)
			}
		}
		if strings.Contains(w.Log.String(), "calc") {
			t.Error("the log has a refused cell")
		}
	})
}
