package password

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// minTerm is from how many characters on a part of a name counts when it
// stands inside a password.
const minTerm = 4

// fold gives what a guesser would take for the same: lower case, without
// accents, in compatibility form (full-width letters become plain ones).
func fold(text string) []rune {
	var out []rune
	for _, r := range norm.NFKD.String(text) {
		if !unicode.Is(unicode.Mn, r) {
			out = append(out, unicode.ToLower(r))
		}
	}
	return out
}

// personal tells whether a folded password is near what is known of a person:
// the same but for digits and signs, or for the larger part made of it.
func personal(password []rune, about []string) bool {
	var terms [][]rune
	for _, a := range about {
		terms = append(terms, termsOf(a)...)
	}
	plain, letters := keep(password, alphanumeric), string(keep(password, unicode.IsLetter))
	covered := make([]bool, len(plain))
	for _, term := range terms {
		if bare := string(keep(term, unicode.IsLetter)); bare != "" && bare == letters {
			return true
		}
		if len(term) >= minTerm {
			cover(covered, plain, term)
		}
	}
	return 2*count(covered) > len(password)
}

// termsOf takes a name or an e-mail address apart: the whole, the local part,
// the domain and each word of them, bare of signs.
func termsOf(about string) [][]rune {
	folded := string(fold(strings.TrimSpace(about)))
	parts := []string{folded}
	if local, domain, found := strings.Cut(folded, "@"); found {
		// The top-level domain says nothing about the person.
		if dot := strings.LastIndexByte(domain, '.'); dot > 0 {
			domain = domain[:dot]
		}
		parts = []string{local, domain, local + domain}
	}
	terms := [][]rune{keep([]rune(folded), alphanumeric)}
	for _, part := range parts {
		terms = append(terms, keep([]rune(part), alphanumeric))
		for word := range strings.FieldsFuncSeq(part, func(r rune) bool { return !alphanumeric(r) }) {
			terms = append(terms, []rune(word))
		}
	}
	return terms
}

func alphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func keep(text []rune, wanted func(rune) bool) []rune {
	var out []rune
	for _, r := range text {
		if wanted(r) {
			out = append(out, r)
		}
	}
	return out
}

// cover marks every place where term stands in text.
func cover(covered []bool, text, term []rune) {
	for i := 0; i+len(term) <= len(text); i++ {
		if string(text[i:i+len(term)]) != string(term) {
			continue
		}
		for j := range term {
			covered[i+j] = true
		}
	}
}

func count(marks []bool) (n int) {
	for _, marked := range marks {
		if marked {
			n++
		}
	}
	return n
}
