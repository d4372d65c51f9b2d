//go:build ignore

// Command words_build makes words.txt.gz out of the word lists of a module
// that `go mod download` fetched; its argument is that module's data folder:
//
//	go run words_build.go <module cache>/github.com/ccojocar/zxcvbn-go@v1.0.4/data/data
//
// The licence of the lists stands in words.LICENSE.
package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ranks := map[string]int{}
	// The cuts keep the file small: rarer words cost a guesser enough already.
	for list, cut := range map[string]int{"Passwords": 8000, "English": 16000, "FemaleNames": 1500, "MaleNames": 1500} {
		if err := collect(ranks, filepath.Join(os.Args[1], list+".json"), cut); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile("words.txt.gz", pack(sorted(ranks)), 0o644); err != nil {
		log.Fatal(err)
	}
}

// collect keeps each word's best rank in any list.
func collect(ranks map[string]int, path string, cut int) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var list struct{ List []string }
	if err := json.Unmarshal(body, &list); err != nil {
		return err
	}
	for i, word := range list.List[:min(cut, len(list.List))] {
		word = strings.ToLower(word)
		if best, ok := ranks[word]; keeps(word) && (!ok || i < best) {
			ranks[word] = i
		}
	}
	return nil
}

func keeps(word string) bool {
	return len(word) >= 3 && len(word) <= 20 &&
		strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789'") == ""
}

func sorted(ranks map[string]int) []string {
	words := make([]string, 0, len(ranks))
	for word := range ranks {
		words = append(words, word)
	}
	slices.SortFunc(words, func(a, b string) int {
		return cmp.Or(cmp.Compare(ranks[a], ranks[b]), cmp.Compare(a, b))
	})
	return words
}

func pack(words []string) []byte {
	var out bytes.Buffer
	zip, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := zip.Write([]byte(strings.Join(words, "\n"))); err != nil {
		log.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		log.Fatal(err)
	}
	return out.Bytes()
}
