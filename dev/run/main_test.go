package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestNewcomersFindTheWholeProductWithNothingConfigured(t *testing.T) {
	p := testkit.Start(t, nil)
	for _, want := range []string{p.URL, "embedded MySQL", "local, under /__clerk", "ada, grace, alan, hedy", fakeclerk.Password, "Ctrl-C"} {
		waitForLog(t, p, want, 1) // the banner comes through a pipe
	}
	status, text := fetch(t, p.URL+"/api/posts")
	var feed struct {
		Posts []struct {
			UserID string
			Author struct{ Name, ImageURL string }
		}
	}
	if err := json.Unmarshal([]byte(text), &feed); err != nil || status != 200 {
		t.Fatalf("feed = %d %s", status, text)
	}
	written := map[string]bool{}
	for _, post := range feed.Posts {
		written[post.Author.Name] = true
		if status, picture := fetch(t, post.Author.ImageURL); status != 200 || !strings.Contains(picture, "<svg") {
			t.Errorf("picture of %s = %d", post.Author.Name, status)
		}
	}
	for _, person := range fakeclerk.People[:3] { // hedy moderates, and has not written
		if !written[person.FirstName+" "+person.LastName] {
			t.Errorf("%s has no post: %s", person.FirstName, text)
		}
	}
	for path, want := range map[string]string{
		"/": "<html", "/config.js": "publishableKey", "/__clerk/v1/client": "response",
		"/__clerk/npm/@clerk/clerk-js@6/dist/clerk.browser.js": "clerk", "/__clerk/npm/@clerk/ui@1/dist/ui.browser.js": "clerk",
	} {
		if status, text := fetch(t, p.URL+path); status != 200 || !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
			t.Errorf("%s = %d, without %q", path, status, want)
		}
	}
	// Clerk's pictures are localhost's: the page's policy refuses them on 127.0.0.1.
	response, err := http.Get(strings.Replace(p.URL, "localhost", "127.0.0.1", 1) + "/u/" + fakeclerk.Ada + "?x=1")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got := response.Request.URL.String(); response.StatusCode != 200 || got != p.URL+"/u/"+fakeclerk.Ada+"?x=1" {
		t.Errorf("the page on 127.0.0.1 = %d at %s; want localhost's", response.StatusCode, got)
	}
}

func TestConfiguredDatabaseAndClerkAreUsedAndShown(t *testing.T) {
	server := mariadb.Start(t)
	p := testkit.Start(t, map[string]string{
		"DATABASE_URL":                      server.URL(),
		"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY": "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
		"CLERK_SECRET_KEY":                  "sk_test_hunter2",
	})
	for _, want := range []string{"the one of DATABASE_URL in the environment, at " + server.Addr(), "It has no table posts: make push creates it", "the instance of CLERK_PUBLISHABLE_KEY"} {
		waitForLog(t, p, want, 1) // the banner comes through a pipe
	}
	for _, secret := range []string{"hunter2", "w@rble", "w%40rble"} {
		if strings.Contains(p.Log(), secret) {
			t.Errorf("the banner shows %q:\n%s", secret, p.Log())
		}
	}
	// Nothing of ours is written to a database that somebody else looks after.
	if status, text := fetch(t, p.URL+"/api/posts"); status != 503 || !strings.Contains(p.Log(), "schema.sql") {
		t.Errorf("feed of a database without tables = %d %s; want 503, and the log to name schema.sql", status, text)
	}
	if _, config := fetch(t, p.URL+"/config.js"); !strings.Contains(config, `clerkHost = "clerk.example.com"`) || !strings.Contains(config, `proxyUrl = ""`) {
		t.Errorf("the page is configured as\n%s", config)
	}
	if status, _ := fetch(t, p.URL+"/__clerk/v1/client"); status != 404 {
		t.Errorf("the local Clerk answers %d beside a real one", status)
	}
}

func TestMistakesAtTheStartAreClear(t *testing.T) {
	taken := testkit.Start(t, nil)
	port := taken.URL[strings.LastIndex(taken.URL, ":")+1:]
	folder := t.TempDir()
	for _, test := range []struct {
		name, dir   string
		environment []string
		want        string
	}{
		{"taken port", testkit.Root(), []string{"PORT=" + port}, "port " + port + " is taken"},
		{"no port", testkit.Root(), []string{"PORT=http"}, "PORT must be a number"},
		{"half of Clerk's keys", testkit.Root(), []string{"PORT=0", "CLERK_SECRET_KEY=sk_test_hunter2"}, "set both"},
		{"a key that is none", testkit.Root(), []string{"PORT=0", "CLERK_SECRET_KEY=sk_test_hunter2", "CLERK_PUBLISHABLE_KEY=hunter2"}, "CLERK_PUBLISHABLE_KEY"},
		{"another folder", folder, []string{"PORT=0"}, "run it in the repository"},
	} {
		command := exec.Command(taken.Binary())
		command.Dir = test.dir
		command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "DATABASE_URL=", "CLERK_PUBLISHABLE_KEY=", "WARBLE_DATA=" + folder}, test.environment...)
		output, err := command.CombinedOutput()
		if err == nil || !strings.Contains(string(output), test.want) || strings.Contains(string(output), "hunter2") || strings.Contains(string(output), "goroutine") {
			t.Errorf("%s: %v\n%s\nwant it to fail with %q", test.name, err, output, test.want)
		}
	}
}

func TestEnvLocalIsReadAsVercelWritesIt(t *testing.T) {
	folder := t.TempDir()
	text := "# Created by Vercel CLI\nVERCEL_URL=\"\"\nCLERK_SECRET_KEY=\"sk_test_1\"\nCLERK_PUBLISHABLE_KEY=\"\"\n"
	for name, text := range map[string]string{"vercel.json": "{}", ".env.local": text} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(testkit.Start(t, nil).Binary())
	command.Dir = folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=0"}
	// A secret key without its publishable one: told apart from "nothing set".
	if output, err := command.CombinedOutput(); err == nil || !strings.Contains(string(output), "set both") {
		t.Errorf("%v\n%s\nwant .env.local's secret key to be found", err, output)
	}
}
