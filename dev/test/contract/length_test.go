package contract

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"warble/dev/testkit"
	"warble/lib/post"
)

// Whoever changes the length of a post in one place, and forgets another, would
// have a page that promises what the server or the database refuses.
func TestEveryPlaceHasTheSameLengthOfAPost(t *testing.T) {
	t.Parallel()
	for _, place := range []struct{ file, pattern string }{
		{"schema.sql", `content VARCHAR\((\d+)\)`},
		{"public/js/writing.js", `limit = (\d+)`},
		{"public/index.html", `at most (\d+) characters|data-count>0 / (\d+)<`},
		{"public/openapi.json", `"1 to (\d+) Unicode code points[^}]*"maxLength": (\d+)`},
	} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(), place.file))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(place.pattern).FindAllSubmatch(text, -1)
		if len(found) == 0 {
			t.Errorf("%s has no %s any more: tell this test where it has the length of a post", place.file, place.pattern)
		}
		for _, match := range found {
			for _, length := range match[1:] {
				if len(length) > 0 && string(length) != strconv.Itoa(post.MaxLength) {
					t.Errorf("%s has %q; post.MaxLength is %d", place.file, match[0], post.MaxLength)
				}
			}
		}
	}
}
