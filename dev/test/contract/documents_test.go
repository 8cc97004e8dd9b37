package contract

import (
	"io/fs"
	"maps"
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

// read returns a file of the repository.
func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testkit.Root(), file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files returns the files below a folder of the repository whose names end so, by
// their path.
func files(t *testing.T, folder, end string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(testkit.Root()), folder, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && slices.Contains([]string{"node_modules", ".cache", ".git"}, entry.Name()) {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(file, end) {
			found[file] = read(t, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Whoever changes the length of a post in one place, and forgets another, would
// have a page that promises what the server or the database refuses.
func TestEveryPlaceHasTheSameLengthOfAPost(t *testing.T) {
	t.Parallel()
	for file, pattern := range map[string]string{
		"schema.sql":          `content VARCHAR\((\d+)\)`,
		"public/js/text.js":   `limit = (\d+)`,
		"public/index.html":   `at most (\d+) characters|data-count>0 / (\d+)<`,
		"public/openapi.json": `"1 to (\d+) Unicode code points[^}]*"maxLength": (\d+)`,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, file), -1)
		if len(found) == 0 {
			t.Errorf("%s has no %s any more: tell this test where it has the length of a post", file, pattern)
		}
		for _, match := range found {
			for _, length := range match[1:] {
				if length != "" && length != strconv.Itoa(post.MaxLength) {
					t.Errorf("%s has %q; post.MaxLength is %d", file, match[0], post.MaxLength)
				}
			}
		}
	}
}

// SECURITY.md says of each promise which test holds it. A reader who looks for a
// test that was renamed finds nothing, and believes nothing.
func TestEveryTestThatADocumentNamesExists(t *testing.T) {
	t.Parallel()
	all := func(end string) string {
		return strings.Join(slices.Collect(maps.Values(files(t, ".", end))), "\n")
	}
	tests := all("_test.go")
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(all(".md"), -1)
	if len(named) < 40 {
		t.Fatalf("the documents name %d tests", len(named))
	}
	for _, name := range named {
		if !strings.Contains(tests, "func "+name[1]+"(") {
			t.Errorf("a document names %s, which is no test", name[1])
		}
	}
}

// Whoever decides whether to trust this software reads there what it is made of.
func TestSecurityMDListsEveryDependencyWithItsVersion(t *testing.T) {
	t.Parallel()
	list := read(t, ".github/SECURITY.md")
	for _, file := range []string{"go.mod", "dev/go.mod"} {
		parsed, err := modfile.Parse(file, []byte(read(t, file)), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, required := range parsed.Require {
			if required.Mod.Path == "warble" || required.Indirect && file == "dev/go.mod" {
				continue
			}
			name, _, _ := module.SplitPathVersion(required.Mod.Path)
			line := regexp.MustCompile(`(?m)^\| .*` + regexp.QuoteMeta(path.Base(name)) + "(/v[0-9]+)?`.*\\| .*" + regexp.QuoteMeta(required.Mod.Version) + `.*\|`)
			if !line.MatchString(list) {
				t.Errorf("SECURITY.md does not list %s %s of %s", required.Mod.Path, required.Mod.Version, file)
			}
		}
	}
}
