package contract

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

// SECURITY.md says of each promise which test holds it. A reader who looks for a
// test that was renamed finds nothing, and believes nothing.
func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	t.Parallel()
	var documents, tests bytes.Buffer
	err := filepath.WalkDir(testkit.Root(), func(file string, entry fs.DirEntry, err error) error {
		into := &documents
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if slices.Contains([]string{"node_modules", ".cache", ".git"}, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(file, "_test.go"):
			into = &tests
		case !strings.HasSuffix(file, ".md"):
			return nil
		}
		text, err := os.ReadFile(file)
		into.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(documents.Bytes(), -1)
	if len(named) < 40 {
		t.Fatalf("the documents name %d tests", len(named))
	}
	for _, name := range named {
		if !bytes.Contains(tests.Bytes(), []byte("func "+string(name[1])+"(")) {
			t.Errorf("a document names %s, which is no test", name[1])
		}
	}
}
