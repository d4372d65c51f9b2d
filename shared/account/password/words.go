package password

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"math"
	"strings"
)

//go:embed words.txt.gz
var packedWords []byte

// wordList gives for a common password, word or first name how many bits it
// costs a guesser: the logarithm of its rank.
type wordList map[string]float32

func decodeWords() (wordList, error) {
	zip, err := gzip.NewReader(bytes.NewReader(packedWords))
	if err != nil {
		return nil, fmt.Errorf("password: word list: %w", err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		return nil, fmt.Errorf("password: word list: %w", err)
	}
	words := make(wordList, bytes.Count(text, []byte("\n"))+1)
	rank := 1.0
	for word := range strings.SplitSeq(string(text), "\n") {
		words[word] = float32(math.Log2(rank + 1))
		rank++
	}
	return words, nil
}
