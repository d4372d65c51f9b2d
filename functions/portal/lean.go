package portal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// lean is a script as it travels: without the lines that are nothing but comments,
// and without indentation. Lines stay lines, so that an error's line number is that
// of the source. A text that goes over several lines would lose its own spaces: a
// test holds that there is none.
func lean(script []byte) []byte {
	var out bytes.Buffer
	within := false // a comment of several lines
	for line := range bytes.Lines(script) {
		text := bytes.TrimSpace(line)
		switch {
		case within || bytes.HasPrefix(text, []byte("/**")):
			within = !bytes.HasSuffix(text, []byte("*/"))
		case !bytes.HasPrefix(text, []byte("//")):
			out.Write(text)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// spare is what a style can do without; texts in quotation marks stay as they are.
var spare = regexp.MustCompile(`"[^"]*"|/\*[^*]*\*/\s*|\s*([{};,>])\s*|(:)\s+`)

// leanStyle is a style as it travels: three times, with the page in each language
// and with the guide.
func leanStyle(style []byte) []byte {
	less := spare.ReplaceAllFunc(style, func(found []byte) []byte {
		switch found[0] {
		case '"':
			return found
		case '/':
			return nil
		default:
			return bytes.TrimSpace(found)
		}
	})
	return bytes.ReplaceAll(less, []byte(";}"), []byte("}"))
}

// leanTexts is the texts' module as it travels: first all English texts, then all
// German ones, since a language packs better by itself.
func leanTexts(texts map[string][]string) ([]byte, error) {
	first, second := map[string]string{}, []string{}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if len(texts[key]) != len(Languages()) {
			return nil, fmt.Errorf("the text %s is missing in a language", key)
		}
		first[key] = texts[key][0]
		second = append(second, texts[key][1])
	}
	var out bytes.Buffer
	write := json.NewEncoder(&out)
	write.SetEscapeHTML(false)
	out.WriteString("const first = ")
	if err := write.Encode(first); err != nil {
		return nil, err
	}
	out.WriteString("const second = ")
	if err := write.Encode(second); err != nil {
		return nil, err
	}
	out.WriteString("export const texts = Object.fromEntries(Object.entries(first).map(([key, text], i) => [key, [text, second[i]]]));\n")
	return out.Bytes(), nil
}
