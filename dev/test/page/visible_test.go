package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"warble/dev/testkit"
	"warble/dev/testkit/browser"
	"warble/lib/post"
)

// The rules of a post's text stand in Go and in JavaScript, each with tables of
// its own of what Unicode says of a character.
func TestNobodyIsRefusedATextThatThePageTookOrTheOtherWayRound(t *testing.T) {
	t.Parallel()
	public := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(testkit.Root(), "public"))))
	t.Cleanup(public.Close)
	tab := browser.Open(t)
	tab.Go(public.URL + "/openapi.json") // any document of the page's origin: none of its scripts runs
	// For each code point a digit: 1 where it is a post by itself, 2 where it may
	// stand between letters, 4 where it is kept around a letter.
	page := browser.Eval[string](tab, `import('/js/text.js').then(({ tidy, validate }) => {
		let all = '';
		for (let n = 0; n <= 0x10ffff; n++) {
			const c = String.fromCodePoint(n);
			all += (validate(c) === '') + 2 * (validate('a' + c + 'a') === '') + 4 * (tidy(c + 'a' + c) !== 'a');
		}
		return all;
	})`)
	if len(page) != utf8.MaxRune+1 {
		t.Fatalf("%d code points; want all", len(page))
	}
	var different []string
	for r := range rune(utf8.MaxRune + 1) {
		if !utf8.ValidRune(r) {
			continue // half a character: the page sends U+FFFD for it
		}
		var server byte = '0'
		c := string(r)
		if strings.ContainsRune("\v\f\r\u0085", r) {
			c = "\n" // the page sends it for other systems' line ends
		}
		if _, err := post.CheckContent(c); err == nil {
			server++
		}
		if _, err := post.CheckContent("a" + c + "a"); err == nil {
			server += 2
		}
		if kept, err := post.CheckContent(c + "a" + c); err != nil || kept != "a" {
			server += 4
		}
		if page[r] != server {
			different = append(different, fmt.Sprintf("%U: the page says %c, the server %c", r, page[r], server))
		}
	}
	if len(different) > 0 {
		t.Errorf("%d code points differ: %q", len(different), different[:min(20, len(different))])
	}
}
