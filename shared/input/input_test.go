package input_test

import (
	"strings"
	"testing"

	"portcullis.example/shared/input"
)

func TestLine(t *testing.T) {
	for text, ok := range map[string]bool{
		"ab": true, "abcde": true, "äöüß€": true, "a b": true, "=1+1": true, "<b>": true, "a": false, "abcdef": false, "äöüß€x": false, "": false,
		"a\nb": false, "a\rb": false, "a\tb": false, "a\x00b": false, "a\x7fb": false, "a\u2028b": false, "a\u202eb": false, "a\xffb": false,
	} {
		var e input.Errors
		e.Line(text, "body.x", 2, 5)
		if err := e.Err(); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Everything that is wrong is told at once, and no refused value is repeated.
func TestErrorsNameFieldsAndNoValues(t *testing.T) {
	var e input.Errors
	if e.Err() != nil {
		t.Error("nothing noted, and an error")
	}
	e.Line("secret\n", "body.a", 0, 3)
	e.Require(false, "body.b", "must be %d", 7)
	e.Require(true, "body.c", "must not be told")
	text := e.Err().Error()
	for _, want := range []string{"body.a: must be one line", "body.a: must be 0 to 3", "body.b: must be 7"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "body.c") {
		t.Error(text)
	}
	if got := input.Invalid("body.x", "must be %s", "y").Error(); got != "body.x: must be y" {
		t.Error(got)
	}
}

func TestOutOfRangeSaysWhatIsAllowed(t *testing.T) {
	if got := (&input.OutOfRangeError{Min: 60, Max: 600}).Error(); got != "must be from 60 to 600 seconds" {
		t.Error(got)
	}
	if got := (&input.OutOfRangeError{Min: 1, Max: 0}).Error(); !strings.Contains(got, "nothing more is allowed") {
		t.Error(got)
	}
}
