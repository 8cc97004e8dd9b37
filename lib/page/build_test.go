package page_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A shared link to the site shows its picture only where the address is whole,
// which Vercel's build alone knows, and readers wait for the style less where it is
// in the page. A build on one's own machine changes no file of the repository.
func TestVercelsBuildWritesThePicturesAddressAndTheStyle(t *testing.T) {
	source, err := os.ReadFile("../../public/index.html")
	if err != nil {
		t.Fatal(err)
	}
	style, err := os.ReadFile("../../public/app.css")
	if err != nil {
		t.Fatal(err)
	}
	const relative, link = `<meta property="og:image" content="/og.png">`, `<link rel="stylesheet" href="/app.css">`
	for _, line := range []string{relative, link} {
		if !strings.Contains(string(source), line+"\n") {
			t.Fatalf("public/index.html has no line %s", line)
		}
	}
	built := strings.NewReplacer("/og.png", "https://warble.example/og.png", link, "<style>\n"+string(style)+"</style>").Replace(string(source))
	for _, tt := range []struct{ variables, want string }{
		{"CI=1 VERCEL_PROJECT_PRODUCTION_URL=warble.example", built},
		{"VERCEL_PROJECT_PRODUCTION_URL=warble.example", string(source)},
		{"CI=1", string(source)},
	} {
		folder := t.TempDir()
		page := filepath.Join(folder, "index.html")
		for name, content := range map[string][]byte{page: source, filepath.Join(folder, "app.css"): style} {
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.Command("sh", "build.sh", filepath.Join(folder, "config.js"))
		build.Env = append(strings.Fields(tt.variables), "PATH="+os.Getenv("PATH"), "DATABASE_URL=x", "CLERK_SECRET_KEY=x", "CLERK_PUBLISHABLE_KEY=pk_test_Y2xlcmsud2FyYmxlLnRlc3Qk")
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", tt.variables, err, output)
		}
		if got, err := os.ReadFile(page); err != nil || string(got) != tt.want {
			t.Errorf("%s: the page is (%v)\n%.900s", tt.variables, err, got)
		}
	}
}
