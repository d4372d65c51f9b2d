package web

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWellFormed(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":"b"}`: true, `"\u00e9"`: true, `"\ud83d\ude00"`: true, `"\uD83D\uDE00"`: true, `"\\ud83d"`: true, `"\\\\ud83d"`: true,
		`"\"\ud83d\ude00\""`: true, `"�"`: true, `"\ufffd"`: true, "": true, `"\ud7ff\ue000"`: true,
		`"\ud83d"`: false, `"\ud83d\ud83d"`: false, `"\ude00"`: false, `"\ude00\ud83d"`: false, `"\ud83dx"`: false, `"\ud83d\\ude00"`: false,
		`"\\\ud83d"`: false, `"\uDBFF"`: false, `"\uDFFF"`: false, `"\ud83d\ue000"`: false, `"\ud83d\ude00\ude00"`: false, `"\ud800\udbff"`: false,
		"\"\xff\"": false, "\"\xed\xa0\x80\"": false, "\"\xc0\x80\"": false,
	} {
		if got := wellFormed([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzWellFormed holds it to what it is for: what encoding/json would put
// U+FFFD in place of is refused, and nothing else.
func FuzzWellFormed(f *testing.F) {
	for _, seed := range []string{`"\ud83d\ude00"`, `"\ud83d"`, `"\\ud83d"`, "\"\xff\"", `{"\ude00":["\u0061"]}`, `"\ufffd"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var value any
		if json.Unmarshal(data, &value) != nil {
			return
		}
		text := string(data)
		if strings.ContainsRune(text, utf8.RuneError) && utf8.ValidString(text) || strings.Contains(strings.ToLower(text), `\ufffd`) {
			return // it stands there by itself
		}
		if got, lossy := wellFormed(data), hasReplacement(value); got == lossy {
			t.Errorf("%q: well formed %v, replaced %v", text, got, lossy)
		}
	})
}

func hasReplacement(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.ContainsRune(v, utf8.RuneError)
	case []any:
		for _, one := range v {
			if hasReplacement(one) {
				return true
			}
		}
	case map[string]any:
		for name, one := range v {
			if hasReplacement(name) || hasReplacement(one) {
				return true
			}
		}
	}
	return false
}
