package page_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Without npm the deployed page works, and says in the build's log that it is not as
// small as it could be. A shared link shows its picture only where the address is
// whole, which Vercel's build alone knows. A build on one's own machine changes no
// file of the repository. The artifact's tests have the build with npm.
func TestABuildWithoutNPMDeploysTheSources(t *testing.T) {
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
	programs := t.TempDir()
	if err := os.WriteFile(filepath.Join(programs, "npm"), []byte("#!/bin/sh\necho npm error code ENOTFOUND\necho more\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	const said = "build.sh: warning: esbuild cannot be had from npm (npm error code ENOTFOUND): the sources of the page are deployed as they are\n"
	built := strings.NewReplacer("/og.png", "https://warble.example/og.png", link, "<style>\n"+string(style)+"</style>").
		Replace(regexp.MustCompile(`(?s)<!--.*?-->\n`).ReplaceAllString(string(source), ""))
	for _, tt := range []struct{ variables, want, says string }{
		{"CI=1 VERCEL_PROJECT_PRODUCTION_URL=warble.example", built, said},
		{"VERCEL_PROJECT_PRODUCTION_URL=warble.example", string(source), ""},
		{"CI=1", string(source), ""},
	} {
		folder := t.TempDir()
		page := filepath.Join(folder, "index.html")
		for name, content := range map[string][]byte{page: source, filepath.Join(folder, "app.css"): style} {
			if err := os.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.Command("sh", "build.sh", filepath.Join(folder, "config.js"))
		build.Env = append(strings.Fields(tt.variables), "PATH="+programs+":"+os.Getenv("PATH"), "DATABASE_URL=mysql://u:p@db.example/warble", "CLERK_SECRET_KEY=sk_test_x", "CLERK_PUBLISHABLE_KEY=pk_test_Y2xlcmsud2FyYmxlLnRlc3Qk")
		if output, err := build.CombinedOutput(); err != nil || string(output) != tt.says {
			t.Fatalf("%s: %v: %s", tt.variables, err, output)
		}
		if got, err := os.ReadFile(page); err != nil || string(got) != tt.want {
			t.Errorf("%s: the page is (%v)\n%.900s", tt.variables, err, got)
		}
	}
}

// A page without usable keys signs nobody in. What else can be wrong with a variable
// is in package env's tests.
func TestABuildTellsTheKindsOfKeysApart(t *testing.T) {
	const testKey, liveKey = "pk_test_Y2xlcmsud2FyYmxlLnRlc3Qk", "pk_live_Y2xlcmsud2FyYmxlLnRlc3Qk"
	for name, test := range map[string]struct {
		variables string
		fails     bool
		said      string // in the one line; "" for none
	}{
		"test key on preview":      {"VERCEL=1 VERCEL_ENV=preview CLERK_PUBLISHABLE_KEY=" + testKey, false, ""},
		"live key on preview":      {"VERCEL=1 VERCEL_ENV=preview CLERK_PUBLISHABLE_KEY=" + liveKey, true, "which Clerk does not allow on *.vercel.app"},
		"test key in production":   {"VERCEL=1 VERCEL_ENV=production CLERK_PUBLISHABLE_KEY=" + testKey, false, "warning: production uses a development instance"},
		"live key in production":   {"VERCEL=1 VERCEL_ENV=production CLERK_PUBLISHABLE_KEY=" + liveKey, false, ""},
		"the local product's path": {"CLERK_PROXY_URL=/__clerk CLERK_PUBLISHABLE_KEY=" + testKey, false, ""},
		"that path, deployed":      {"VERCEL=1 CLERK_PROXY_URL=/__clerk CLERK_PUBLISHABLE_KEY=" + testKey, true, "CLERK_PROXY_URL is no https:// address"},
	} {
		build := exec.Command("sh", "build.sh", filepath.Join(t.TempDir(), "config.js"))
		build.Env = append(strings.Fields(test.variables), "PATH="+os.Getenv("PATH"), "DATABASE_URL=mysql://u:hunter2@db.example/warble", "CLERK_SECRET_KEY=sk_test_hunter2")
		output, err := build.CombinedOutput()
		if said := string(output); (err != nil) != test.fails || !strings.Contains(said, test.said) || (said == "") != (test.said == "") || strings.Count(said, "\n") > 1 || strings.Contains(said, "hunter2") {
			t.Errorf("%s: %v, said %q; want a failure: %t, one line with %q", name, err, said, test.fails, test.said)
		}
	}
}
