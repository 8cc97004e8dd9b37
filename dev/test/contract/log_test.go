package contract

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// causes finds the texts with which the functions name a cause in their log: of
// errors.New and fmt.Errorf under api and lib, and the messages of slog.
var causes = regexp.MustCompile(`(?:errors\.New|fmt\.Errorf|\.(?:Log|Warn|Error|Info))\((?:[^")\n][^"\n]*)?("(?:[^"\\]|\\.)*")`)

// notLogged are errors of package post that a handler turns into what callers
// are told, or that are a cause behind another text; "%w" goes on after a text that
// is explained.
var notLogged = regexp.MustCompile(`^(cursor |column is a |%w)`)

// told are what callers are told: package problem and its callers have them.
var told = regexp.MustCompile(`^(The|There|You) `)

// An operator looks up a line of the log in operating.md. A line that is missing
// there cannot be understood; a line that no code writes misleads.
func TestOperatorsFindEveryLineOfTheLogExplained(t *testing.T) {
	t.Parallel()
	var written []string
	for _, folder := range []string{"api", "lib"} {
		for name, source := range files(t, folder, ".go") {
			for _, match := range causes.FindAllStringSubmatch(source, -1) {
				text, err := strconv.Unquote(match[1])
				if err != nil {
					t.Fatal(err)
				}
				if !notLogged.MatchString(text) && !strings.HasSuffix(name, "_test.go") {
					written = append(written, text)
				}
			}
		}
	}
	_, section, _ := strings.Cut(read(t, "dev/docs/operating.md"), "## The log\n")
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
	if len(explained) < 20 || len(written) < 20 {
		t.Fatalf("operating.md's table of the log has %d texts, the functions %d", len(explained), len(written))
	}
	for _, text := range written {
		if !slices.ContainsFunc(explained, func(entry string) bool { return sameText(text, entry) }) {
			t.Errorf("the functions log %q; operating.md's table does not have it", text)
		}
	}
	for _, entry := range explained {
		if !told.MatchString(entry) && !slices.ContainsFunc(written, func(text string) bool { return sameText(text, entry) }) {
			t.Errorf("operating.md's table has %q; no code writes it", entry)
		}
	}
}

// filledIn is what differs from line to line: verbs, and what the table has for them.
var filledIn = regexp.MustCompile(`\s*(%[a-z]|…|<n>|<status>|\n)\s*`)

// sameText tells whether an entry of the table is for a text of the code: the
// parts of either that stand for certain begin alike.
func sameText(text, entry string) bool {
	fixed := func(text string) []string {
		return slices.DeleteFunc(filledIn.Split(text, -1), func(part string) bool { return part == "" })
	}
	a, b := fixed(text), fixed(entry)
	for i := range min(len(a), len(b)) {
		if !strings.HasPrefix(a[i], b[i]) && !strings.HasPrefix(b[i], a[i]) {
			return false
		}
	}
	return len(a) > 0 && len(b) > 0
}
