package post

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTitlesEndWithAWordWhereOneEndsNear(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"short", "short"},
		{"two\n\nlines\tof  it", "two lines of it"},
		{strings.Repeat("a", 20), strings.Repeat("a", 20)},
		{strings.Repeat("a", 21), strings.Repeat("a", 20) + "…"},
		{"a word that is cut in two", "a word that is cut…"},
		{"a word that ends here, and more", "a word that ends…"},
		{"one two three four, five", "one two three four,…"},
		{"twenty characters 1 2 3", "twenty characters 1…"},
		{"far " + strings.Repeat("a", 30), "far " + strings.Repeat("a", 16) + "…"},
		{"nears " + strings.Repeat("a", 30), "nears…"},
		{"日本語の文には空白がないので、どこででも切れる", "日本語の文には空白がないので、どこででも…"},
		{strings.Repeat("e\u0301", 11), strings.Repeat("e\u0301", 10) + "…"},
		{strings.Repeat("e\u0301\u0302", 9), strings.Repeat("e\u0301\u0302", 6) + "…"},
		{strings.Repeat("🇩🇪", 11), strings.Repeat("🇩🇪", 10) + "…"},
		{"a" + strings.Repeat("🇩🇪", 11), "a" + strings.Repeat("🇩🇪", 9) + "…"},
		{"e" + strings.Repeat("\u0301", 30), "e" + strings.Repeat("\u0301", 30)},
		{"e" + strings.Repeat("\u0301", 30) + "x", "e" + strings.Repeat("\u0301", 30) + "…"},
		{strings.Repeat("a", 20) + " \u0301bc", strings.Repeat("a", 20) + "…"},
	} {
		if got := excerpt(test.text, 20); got != test.want {
			t.Errorf("excerpt(%q) = %q; want %q", test.text, got, test.want)
		}
	}
	if got := (Post{Content: strings.Repeat("a", 61)}).Title(); got != strings.Repeat("a", 60)+"…" {
		t.Errorf("Title = %q; want 60 characters", got)
	}
}

// characters are such as readers see one, of several code points each.
var characters = []string{
	"a", " ", "語", "한", "ß", "👍🏻", "👍🏽", "👍🏿", "👨‍👩‍👧‍👦", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🏳️‍🌈", "❤️", "1️⃣", "🇩🇪", "🇯🇵",
	"e\u0301", "q\u0307\u0323", "ด้", "น้ำ", "ກຳ", "क्ष", "क्षि", "നി", "\u0d4eക", "\u1112\u1161\u11ab", "\u1100\u1100\u1161", "\u115f가", "\ua960가", "\ua97c가", "가\u11a8", "가\u1160", "가\u11ff", "가\ud7b0", "가\ud7fb", "ｶﾞ",
	"\u0600\u0661", "שָׁ", "ᠠ\u180b", "葛\U000e0100",
}

// Half a flag or half a family in a title is a box, or another picture.
func TestTitlesEndBetweenCharactersAsReadersSeeThem(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 5_000 {
		var text string
		ends := map[string]bool{"": true} // where a text may end
		for range 1 + random.IntN(40) {
			text += characters[random.IntN(len(characters))]
			ends[strings.Join(strings.Fields(text), " ")] = true
		}
		n := 1 + random.IntN(60)
		got, whole := excerpt(text, n), strings.Join(strings.Fields(text), " ")
		cut, isCut := strings.CutSuffix(got, "…")
		switch {
		case !ends[cut]:
			t.Fatalf("seed %d: excerpt(%+q, %d) = %+q ends inside a character", seed, text, n, got)
		case !isCut && got != whole, isCut && cut == "":
			t.Fatalf("seed %d: excerpt(%+q, %d) = %+q; want it whole, or a mark that it is not", seed, text, n, got)
		case utf8.RuneCountInString(cut) > max(n, 16):
			t.Fatalf("seed %d: excerpt(%+q, %d) = %+q is longer than that and than any character", seed, text, n, got)
		}
	}
}
