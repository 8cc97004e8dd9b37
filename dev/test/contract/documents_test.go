package contract

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"warble/dev/testkit"
	"warble/lib/post"
)

// Whoever changes the length of a post in one place, and forgets another, would
// have a page that promises what the server or the database refuses.
func TestEveryPlaceHasTheSameLengthOfAPost(t *testing.T) {
	t.Parallel()
	for _, place := range []struct{ file, pattern string }{
		{"schema.sql", `content VARCHAR\((\d+)\)`},
		{"public/js/text.js", `limit = (\d+)`},
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

// Whoever decides whether to trust this software reads there what it is made of.
func TestSecurityMDListsEveryDependencyWithItsVersion(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile(filepath.Join(testkit.Root(), ".github/SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "dev/go.mod"} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(), file))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := modfile.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, required := range parsed.Require {
			if required.Mod.Path == "warble" || required.Indirect && file == "dev/go.mod" {
				continue
			}
			name, _, _ := module.SplitPathVersion(required.Mod.Path)
			line := regexp.MustCompile(`(?m)^\| .*` + regexp.QuoteMeta(path.Base(name)) + "(/v[0-9]+)?`.*\\| .*" + regexp.QuoteMeta(required.Mod.Version) + `.*\|`)
			if !line.Match(list) {
				t.Errorf("SECURITY.md does not list %s %s of %s", required.Mod.Path, required.Mod.Version, file)
			}
		}
	}
}
