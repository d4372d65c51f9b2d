//go:build ignore

// Command words_build makes words.txt.gz out of the frequency lists of a module
// that `go mod download github.com/trustelem/zxcvbn@v1.0.1` fetched; its argument
// is that module's data folder:
//
//	go run words_build.go <module cache>/github.com/trustelem/zxcvbn@v1.0.1/data
//
// The licences of the lists stand in words.LICENSE.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// cuts keep the file small: rarer words cost a guesser enough already.
var cuts = map[string]int{
	"passwords.txt": 20000, "english_wikipedia.txt": 12000, "us_tv_and_film.txt": 8000,
	"female_names.txt": 2000, "male_names.txt": 983, "surnames.txt": 3000,
}

// wholeFrom is from how many characters on a password of the list is kept however
// rare it is: these can be chosen as they are, or nearly so.
const wholeFrom = 10

func main() {
	ranks := map[string]int{}
	for list, cut := range cuts {
		if err := collect(ranks, filepath.Join(os.Args[1], list), cut); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile("words.txt.gz", pack(lines(ranks)), 0o644); err != nil {
		log.Fatal(err)
	}
}

// collect keeps each word's best rank in any list.
func collect(ranks map[string]int, path string, cut int) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rank := 0
	for line := range strings.Lines(string(body)) {
		word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(line)), " ")
		rank++
		whole := strings.HasSuffix(path, "passwords.txt") && len(word) >= wholeFrom
		if best, ok := ranks[word]; keeps(word) && (rank <= cut || whole) && (!ok || rank < best) {
			ranks[word] = rank
		}
	}
	return nil
}

func keeps(word string) bool {
	return len(word) >= 2 && len(word) <= 24 &&
		strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789'") == ""
}

// lines are the words by their cost in whole bits: the costs parted by empty
// lines, from 0 on, each word as how many characters (0 to 9) it shares with the
// one before, and the rest. That takes a third less than the words by rank.
func lines(ranks map[string]int) string {
	var byBits [32][]string
	highest := 0
	for word, rank := range ranks {
		bits := int(math.Round(math.Log2(float64(rank + 1))))
		byBits[bits], highest = append(byBits[bits], word), max(highest, bits)
	}
	var out strings.Builder
	for _, words := range byBits[:highest+1] {
		slices.SortFunc(words, cmp.Compare[string])
		before := ""
		for _, word := range words {
			n := shared(before, word)
			fmt.Fprintf(&out, "%d%s\n", n, word[n:])
			before = word
		}
		out.WriteString("\n")
	}
	return out.String()
}

func shared(a, b string) (n int) {
	for n < min(len(a), len(b), 9) && a[n] == b[n] {
		n++
	}
	return n
}

func pack(text string) []byte {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := zip.Write([]byte(text)); err != nil {
		log.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		log.Fatal(err)
	}
	return out.Bytes()
}
