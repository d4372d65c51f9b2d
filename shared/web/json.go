package web

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// errText is text that would be read as other text than was sent.
var errText = errors.New("must be JSON in UTF-8: this holds bytes or \\u escapes that stand for no character")

// strictJSON is encoding/json, but for text that is malformed: there it would
// put U+FFFD in its place, so that two different passwords became one; and for
// names, see exact.
func strictJSON() huma.Format {
	return huma.Format{
		Marshal: func(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) },
		Unmarshal: func(data []byte, v any) error {
			if !wellFormed(data) {
				return errText
			}
			if err := json.Unmarshal(data, v); err != nil {
				return err
			}
			return exact(data, v)
		},
	}
}

// wellFormed tells whether every text in a JSON document is one: UTF-8 without
// surrogates that stand alone (RFC 8259 sections 8.1 and 8.2).
func wellFormed(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		switch high, low := escaped(data[i:]), escaped(data[min(i+6, len(data)):]); {
		case 0xD800 <= high && high < 0xDC00:
			if low < 0xDC00 || low > 0xDFFF {
				return false
			}
			i += 11
		case 0xDC00 <= high && high <= 0xDFFF:
			return false
		default:
			i++ // what a backslash escapes begins no escape
		}
	}
	return true
}

// escaped is the code unit of the \u escape that a text begins with, or zero.
func escaped(text []byte) uint64 {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	unit, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return unit
}
