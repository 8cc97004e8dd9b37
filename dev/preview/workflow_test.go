package preview

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const workflows = "../../.github/workflows/"

// An action's tag can be moved to other code, which would get the tokens.
func TestActionsOfTheWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(workflows + "*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("workflows: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "uses:") && !regexp.MustCompile(`uses: [\w./-]+@[0-9a-f]{40} # v\d`).MatchString(line) {
				t.Errorf("%s: %s; want a commit, and its version in a comment", filepath.Base(file), strings.TrimSpace(line))
			}
		}
	}
}

// Who can open a pull request could otherwise run code with the tokens of Vercel
// and PlanetScale, or share the database of another fork's branch.
func TestThePreviewWorkflowTakesOnlyTheSchemaOfAPullRequest(t *testing.T) {
	text, err := os.ReadFile(workflows + "preview.yml")
	if err != nil {
		t.Fatal(err)
	}
	workflow := regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(string(text), "")
	for _, want := range []string{
		"ref: ${{ github.event.pull_request.base.sha }}",
		"/contents/schema.sql?ref=$COMMIT\" >schema.sql",
		"persist-credentials: false",
		"name: preview-database",
		"group: preview-${{ github.event.pull_request.head.repo.full_name }}-${{ github.head_ref }}",
		"unset GH_TOKEN",
	} {
		if !strings.Contains(workflow, want) {
			t.Errorf("preview.yml has no %s", want)
		}
	}
	if strings.Contains(workflow, "pull_request_target") || strings.Count(workflow, "actions/checkout@") != 1 {
		t.Error("preview.yml checks out more than the base's code, or gives forks the secrets")
	}
	_, script, _ := strings.Cut(workflow, "run: |")
	for line := range strings.Lines(script) {
		if strings.Contains(line, "${{") && !regexp.MustCompile(`^ +(\w+|ref|if|group): `).MatchString(line) {
			t.Errorf("a value that others choose is in a script's text: %s", line)
		}
	}
}
