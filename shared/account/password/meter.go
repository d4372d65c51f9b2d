package password

import (
	"math"
	"strings"
	"unicode"
)

// The meter finds the cheapest way to say a password in common words, runs on
// the keyboard, repetitions, years and single characters, in bits, in the
// manner of zxcvbn (Wheeler, USENIX Security 2016). What costs less than
// tooCheap bits counts as being on the list of common passwords: no list of
// whole passwords would hold all decorations of its entries.
const (
	tooCheap = 24.0
	// Costs in bits, of what is no word.
	runBits    = 6.0 // which run, and where it starts
	againBits  = 2.0 // what was just said, once more or many times
	copyBits   = 6.0 // something said earlier
	yearBits   = 7.0 // 1900 to 2099
	digitBits  = 3.3
	letterBits = 4.7
	signBits   = 4.0 // signs mostly end or part words
	otherBits  = 8.0 // all other scripts and emoji
	bareBits   = 3.0 // that there are signs, where they only part words
	// Shortest and longest words of the list; the shortest run.
	minWord, maxWord = 2, 24
	minRun           = 3
	// maxDecoration is how many digits and signs around one common word leave
	// it common, whichever they are.
	maxDecoration = 6
)

// keyRuns are the rows and columns of keyboards and the alphabet; runs count
// in both directions. A line break parts them, which no password contains.
const keyRuns = "abcdefghijklmnopqrstuvwxyzabc\n01234567890123456789\n" +
	"`1234567890-=\nqwertyuiop[]\\\nasdfghjkl;'\nzxcvbnm,./\nqwertyuiopasdfghjklzxcvbnm\n" +
	"qwertzuiopasdfghjklyxcvbnm\nazertyuiopqsdfghjklmwxcvbn\n!@#$%^&*()_+\n!\"§$%&/()=\n" +
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/\n147258369\nqazwsxedcrfvtgbyhnujm\n" +
	"ицукенгшщзхъ\nфывапролджэ\nячсмитьбю" // folded, as passwords are

// The two readings of the digits and signs that stand for letters.
const (
	leetI = "0o1i3e4a5s7t8b@a$s!i|i"
	leetL = "0o1l3e4a5s7t8b@a$s!l|l"
)

// guessable tells whether a folded password is to be refused as common.
func (w wordList) guessable(password []rune) bool {
	// Folding may lengthen rare characters; more is never needed to reach the limit.
	password = password[:min(len(password), MaxLength)]
	if w.decorated(password) || w.bits(password) < tooCheap {
		return true
	}
	bare := keep(password, noSign)
	return len(bare) < len(password) && w.bits(bare)+bareBits < tooCheap
}

// noSign leaves out what parts words, not the other scripts' signs and emoji.
func noSign(r rune) bool { return alphanumeric(r) || r > unicode.MaxASCII }

// decorated tells whether a password is one common word with a few digits and
// signs before and after it.
func (w wordList) decorated(password []rune) bool {
	text := string(password)
	core := strings.TrimFunc(text, func(r rune) bool { return !unicode.IsLetter(r) })
	if len(password)-len([]rune(core)) > maxDecoration {
		return false
	}
	_, known := w.cost(core, leet(core, leetI), leet(core, leetL))
	return known
}

// cost is the cheapest of one word's readings.
func (w wordList) cost(readings ...string) (bits float64, known bool) {
	bits = math.Inf(1)
	for _, reading := range readings {
		if b, ok := w[reading]; ok {
			bits, known = min(bits, float64(b)), true
		}
	}
	return bits, known
}

// bits is the cost of the cheapest way to say text.
func (w wordList) bits(text []rune) float64 {
	best := make([]float64, len(text)+1)
	for i := range best[1:] {
		best[i+1] = math.Inf(1)
	}
	for at := range text {
		reach := func(length int, bits float64) {
			best[at+length] = min(best[at+length], best[at]+bits)
		}
		reach(1, single(text[at]))
		w.sayWords(text[at:], reach)
		sayRuns(text[at:], reach)
		sayCopies(text, at, reach)
		if isYear(text[at:]) {
			reach(4, yearBits)
		}
	}
	return best[len(text)]
}

func single(r rune) float64 {
	switch {
	case r >= '0' && r <= '9':
		return digitBits
	case r >= 'a' && r <= 'z':
		return letterBits
	case r <= unicode.MaxASCII:
		return signBits
	}
	return otherBits
}

func (w wordList) sayWords(rest []rune, reach func(int, float64)) {
	for length := minWord; length <= min(maxWord, len(rest)); length++ {
		word := string(rest[:length])
		if bits, known := w.cost(word); known {
			reach(length, bits)
		} else if bits, known := w.cost(leet(word, leetI), leet(word, leetL)); known {
			reach(length, bits+1)
		}
	}
}

func sayRuns(rest []rune, reach func(int, float64)) {
	for length := minRun; length <= len(rest); length++ {
		run := string(rest[:length])
		if !strings.Contains(keyRuns, run) && !strings.Contains(keyRuns, reversed(rest[:length])) {
			return
		}
		reach(length, runBits)
	}
}

// sayCopies offers what stands at a place and began somewhere before it as
// well, overlapping included: that makes one character in a row a copy.
func sayCopies(text []rune, at int, reach func(int, float64)) {
	for distance := 1; distance <= at; distance++ {
		length := 0
		for at+length < len(text) && text[at+length] == text[at+length-distance] {
			length++
			switch {
			case length%distance == 0:
				reach(length, againBits)
			case length >= minRun:
				reach(length, copyBits)
			}
		}
	}
}

func isYear(rest []rune) bool {
	if len(rest) < 4 {
		return false
	}
	century := string(rest[:2])
	return (century == "19" || century == "20") && isDigit(rest[2]) && isDigit(rest[3])
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// leet reads digits and signs as the letters they stand for.
func leet(word, table string) string {
	return strings.Map(func(r rune) rune {
		if i := strings.IndexRune(table, r); i >= 0 && i%2 == 0 {
			return rune(table[i+1])
		}
		return r
	}, word)
}

func leetRunes(text []rune, table string) []rune { return []rune(leet(string(text), table)) }

func reversed(text []rune) string {
	var out strings.Builder
	for i := len(text) - 1; i >= 0; i-- {
		out.WriteRune(text[i])
	}
	return out.String()
}
