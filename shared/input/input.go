// Package input says what is wrong with what people sent, field by field, in
// words that tell what to do. It guarantees that a refused value is never
// repeated in the answer: it may be a secret.
package input

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Field is one thing that is wrong.
type Field struct {
	Location string `json:"location"` // such as "body.policy.max_seconds"
	Message  string `json:"message"`
}

// Error is everything that is wrong with a request: API.md's "invalid".
type Error struct{ Fields []Field }

func (e *Error) Error() string {
	texts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		texts[i] = f.Location + ": " + f.Message
	}
	return strings.Join(texts, "; ")
}

// Errors collects what is wrong. The zero value is ready.
type Errors struct{ fields []Field }

// Require notes a message for a location unless ok.
func (e *Errors) Require(ok bool, location, format string, values ...any) {
	if !ok {
		e.fields = append(e.fields, Field{Location: location, Message: fmt.Sprintf(format, values...)})
	}
}

// Line notes a text that is not one line of at least low and at most high
// printable characters.
func (e *Errors) Line(text, location string, low, high int) {
	n := utf8.RuneCountInString(text)
	printable := utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	e.Require(printable, location, "must be one line of printable characters")
	e.Require(n >= low && n <= high, location, "must be %d to %d characters long", low, high)
}

// Err is an *Error with everything noted, or nil.
func (e *Errors) Err() error {
	if len(e.fields) == 0 {
		return nil
	}
	return &Error{Fields: e.fields}
}

// Invalid is an Error about one field.
func Invalid(location, format string, values ...any) error {
	return &Error{Fields: []Field{{Location: location, Message: fmt.Sprintf(format, values...)}}}
}

// OutOfRangeError is a number outside what is allowed: API.md's "out_of_range".
type OutOfRangeError struct {
	Location string
	Min, Max int64
}

func (e *OutOfRangeError) Error() string {
	if e.Max < e.Min {
		return "nothing more is allowed here: the longest time has been reached"
	}
	return fmt.Sprintf("must be from %d to %d seconds", e.Min, e.Max)
}
