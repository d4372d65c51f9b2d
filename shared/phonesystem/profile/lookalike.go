package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// lookAlikes are signs that fonts, or the code page conversions of Windows and
// the like, take for one of . / \ % ; ? # and that NFKC leaves as they are
// (after the Unicode confusables, UTS 39). Letters and ideographs of living
// scripts that look so are not among them.
const lookAlikes = "" +
	"\u2044\u2215\u2571\u27cb\u29f8\u1735\u2041\u3033\u31d3\u2cc6\U0001d23a" + // /
	"\u2216\u2572\u27cd\u29f5\u29f9\u31d4\u00a5\u20a9\U0001d20f\U0001d23b" + // \
	"\u3002\u0701\u0702\ua60e\ua4f8\u06d4\U00010a50\U0001d16d" + // .
	"\u066a\u2052" + // %
	"\u061b\u204f\u2e35" + // ;
	"\u061f\u2e2e\u0294\u2047\u2048\u2049" // ?

// doubtInUnicode judges the characters beyond ASCII.
func doubtInUnicode(path string) doubt {
	if !utf8.ValidString(path) {
		return doubtUTF8
	}
	buffer := make([]byte, 0, 64) // for the loop, not for each character
	for i, r := range path {
		if r < utf8.RuneSelf {
			continue
		}
		if invisible(r) || readAsASCII(r) || composesASCII(buffer, path[i:i+utf8.RuneLen(r)]) {
			return doubtLookLike
		}
	}
	return ""
}

// invisible tells whether a program might drop r, so that what stands around
// it joins: controls, spaces, format characters, private and unassigned ones,
// and those that are ignorable by default.
func invisible(r rune) bool {
	return !unicode.IsPrint(r) ||
		unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// readAsASCII tells whether r looks like a separator, or whether its simple
// or full case mapping is ASCII (ß is SS in capitals).
func readAsASCII(r rune) bool {
	return strings.ContainsRune(lookAlikes, r) || r == 'ß' || r == 'ẞ' ||
		unicode.ToLower(r) < utf8.RuneSelf || unicode.ToUpper(r) < utf8.RuneSelf
}

// composesASCII tells whether the compatibility form (NFKC) of one character
// has ASCII in it, as that of U+2100 has a slash. The character stands alone:
// together with its neighbours a u and an umlaut's dots would change too.
func composesASCII(buffer []byte, character string) bool {
	for _, c := range norm.NFKC.AppendString(buffer, character) {
		if c < utf8.RuneSelf {
			return true
		}
	}
	return false
}
