package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed words.txt.gz
var packedWords []byte

// wordList gives for a common password, word or name how many bits it costs a
// guesser: the logarithm of its rank.
type wordList map[string]float32

// decodeWords reads what words_build.go wrote: costs parted by empty lines, and
// for each word how much of the one before it begins with.
func decodeWords() (wordList, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packedWords))
	if err != nil {
		return nil, fmt.Errorf("password: word list: %w", err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		return nil, fmt.Errorf("password: word list: %w", err)
	}
	words := make(wordList, bytes.Count(text, []byte("\n")))
	bits, before := float32(0), ""
	for line := range strings.SplitSeq(strings.TrimRight(string(text), "\n"), "\n") {
		if line == "" {
			bits, before = bits+1, ""
			continue
		}
		before = before[:line[0]-'0'] + line[1:]
		words[before] = bits
	}
	return words, nil
}
