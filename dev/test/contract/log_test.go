package contract

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"warble/dev/testkit"
)

// notLogged are errors of package post that a handler turns into what callers
// are told, or that are a cause behind another text; "%w" goes on after a text that
// is explained.
var notLogged = []string{"cursor ", "column is a ", "%w"}

// causes are the texts with which the functions name a cause in their log: each
// text of errors.New and fmt.Errorf under api and lib, and each message of slog.
func causes(t *testing.T) (texts []string) {
	t.Helper()
	for _, folder := range []string{"api", "lib"} {
		err := filepath.WalkDir(filepath.Join(testkit.Root(), folder), func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok {
					return true
				}
				selector, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains([]string{"New", "Errorf", "Log", "Warn", "Error", "Info"}, selector.Sel.Name) {
					return true
				}
				if of, ok := selector.X.(*ast.Ident); ok && of.Name == "problem" {
					return true // what callers are told
				}
				for _, argument := range call.Args {
					if literal, ok := argument.(*ast.BasicLit); ok && literal.Kind == token.STRING {
						text, _ := strconv.Unquote(literal.Value)
						texts = append(texts, text)
						break
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}

// fixed is what stands in a text for certain: without its verbs and ellipses.
func fixed(text string) (parts []string) {
	for _, part := range regexp.MustCompile(`%[a-z]|…|<n>|<status>|\n`).Split(text, -1) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// An operator looks up a line of the log in operating.md. A line that is missing
// there cannot be understood; a line that no code writes misleads.
func TestOperatorsFindEveryLineOfTheLogExplained(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join(testkit.Root(), "dev/docs/operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(manual), "## The log\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var explained []string
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1]+cells[3], -1) {
			explained = append(explained, quoted[1])
		}
	}
	if len(explained) < 20 {
		t.Fatalf("operating.md's table of the log has %d texts", len(explained))
	}
	written := causes(t)
	for _, text := range written {
		if slices.ContainsFunc(notLogged, func(start string) bool { return strings.HasPrefix(text, start) }) {
			continue
		}
		if !slices.ContainsFunc(explained, func(entry string) bool { return sameText(text, entry) }) {
			t.Errorf("the functions log %q; operating.md's table does not have it", text)
		}
	}
	for _, entry := range explained {
		// What callers are told stands in package problem and at its callers.
		if strings.HasPrefix(entry, "The ") || strings.HasPrefix(entry, "There ") || strings.HasPrefix(entry, "You ") {
			continue
		}
		if !slices.ContainsFunc(written, func(text string) bool { return sameText(text, entry) }) {
			t.Errorf("operating.md's table has %q; no code writes it", entry)
		}
	}
}

// sameText tells whether an entry of the table is for a text of the code: the
// parts of either that stand for certain begin alike.
func sameText(text, entry string) bool {
	a, b := fixed(text), fixed(entry)
	for i := range min(len(a), len(b)) {
		if !strings.HasPrefix(a[i], b[i]) && !strings.HasPrefix(b[i], a[i]) {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}
