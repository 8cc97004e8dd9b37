package post

import (
	"strings"
	"unicode"
)

const (
	// titleLength is the most characters of a post in a title.
	titleLength = 60
	// nearWord is how many of them a title gives up to end with a whole word.
	nearWord = 15
)

// Title returns the content on one line, cut for titles.
func (p Post) Title() string { return excerpt(p.Content, titleLength) }

// excerpt returns text on one line, cut to n code points: after a word where one
// ends near, else between two characters as readers see them. A first character
// of more code points than n stays whole.
func excerpt(text string, n int) string {
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) <= n {
		return string(line)
	}
	for end := n; end >= max(n-nearWord, 1); end-- {
		if line[end] == ' ' && !joined(line, end+1) {
			return string(line[:end]) + "…"
		}
	}
	end := n
	for joined(line, end) {
		end--
	}
	if end == 0 {
		for end = n; joined(line, end); end++ {
		}
		if end == len(line) {
			return string(line)
		}
	}
	return string(line[:end]) + "…"
}

// joined tells whether readers may see line[at-1] and line[at] as one character; at
// either end of the line they do not. It holds for all that Unicode's grapheme
// clusters (UAX #29) join. Where its tables are not in package unicode, it holds for
// more.
func joined(line []rune, at int) bool {
	if at <= 0 || at >= len(line) {
		return false
	}
	before, after := line[at-1], line[at]
	switch {
	case unicode.In(after, unicode.M, unicode.Cf, unicode.Other_Grapheme_Extend), // accents, variation selectors, joiners, tags of flags
		after >= 0x1F3FB && after <= 0x1F3FF, // skin tones
		after == 0x0E33 || after == 0x0EB3,   // AM of Thai and Lao, which is a letter to Unicode
		before == '\u200d',                   // what a joiner joins
		unicode.Is(unicode.Prepended_Concatenation_Mark, before),
		strings.ContainsRune(prefixes, before),
		strings.ContainsRune(linkers, before) && unicode.Is(unicode.Lo, after),
		isLeading(before) && unicode.Is(unicode.Hangul, after), // Korean syllables in parts
		unicode.Is(unicode.Hangul, before) && isFollowing(after):
		return true
	case unicode.Is(unicode.Regional_Indicator, before) && unicode.Is(unicode.Regional_Indicator, after):
		first := at - 1 // of the row of flags, each of two letters
		for first > 0 && unicode.Is(unicode.Regional_Indicator, line[first-1]) {
			first--
		}
		return (at-first)%2 == 1
	}
	return false
}

// linkers are the signs of Indic scripts that join two consonants to one character,
// and prefixes the letters that belong to the letter after them (Unicode 17's
// properties Indic_Conjunct_Break and Indic_Syllabic_Category, which package
// unicode has not).
const linkers = "\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d\u1039\u17d2\u1a60\u1bab\ua9c0\uaaf6\U00010a3f\U00011133\U000113d0\U0001193e\U00011a47\U00011a99\U00011f42"
const prefixes = "\u0d4e\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"

// isLeading tells whether r is a consonant that begins a Korean syllable.
func isLeading(r rune) bool { return r >= 0x1100 && r <= 0x115F || r >= 0xA960 && r <= 0xA97C }

// isFollowing tells whether r is a vowel or a consonant after it.
func isFollowing(r rune) bool { return r >= 0x1160 && r <= 0x11FF || r >= 0xD7B0 && r <= 0xD7FB }
