package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
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
		p.WaitFor(want)
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
		p.WaitFor(want)
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

// It may come up later: what is said now ends nothing.
func TestADatabaseThatCannotBeReachedIsToldAtTheStart(t *testing.T) {
	nobody := listenSomewhere(t)
	nobody.Close()
	t.Setenv("DATABASE_URL", fmt.Sprintf("mysql://warble:hunter2@%s/warble", nobody.Addr()))
	d, err := startDatabase(t.Context(), t.TempDir(), 0, nil, false)
	if err != nil || !strings.Contains(d.what, "It cannot be reached") || !strings.Contains(d.what, "Correct DATABASE_URL in the environment") || strings.Contains(d.what, "hunter2") {
		t.Errorf("the banner says %s, %v", d.what, err)
	}
}

func listenSomewhere(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// Mistakes that everybody makes, in .env.local and elsewhere, are told at the start in
// one line, in terms of that file; nobody is sent to a dashboard to deploy again.
func TestMistakesAtTheStartAreNamed(t *testing.T) {
	example, err := os.ReadFile(filepath.Join(testkit.Root(), ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	_, taken, _ := net.SplitHostPort(listenSomewhere(t).Addr().String())
	const secret = "CLERK_SECRET_KEY=sk_test_hunter2\n"
	for name, test := range map[string]struct{ file, variable, want string }{
		"the example, unchanged":       {string(example), "", ".env.local has the values of .env.example for CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY, DATABASE_URL"},
		"secrets that Vercel keeps":    {"DATABASE_URL=\"[SENSITIVE]\"\nCLERK_SECRET_KEY=\"[SENSITIVE]\"\n", "", ".env.local has [SENSITIVE] for CLERK_SECRET_KEY, DATABASE_URL"},
		"half of Clerk's keys":         {"# Created by Vercel CLI\nVERCEL_URL=\"\"\nCLERK_PUBLISHABLE_KEY=\"\"\n" + secret, "", "CLERK_SECRET_KEY is set in .env.local, CLERK_PUBLISHABLE_KEY is not: set both"},
		"the other half":               {"NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_hunter2\n", "", "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY is set in .env.local, CLERK_SECRET_KEY is not: set both"},
		"half in the environment":      {"", secret, "CLERK_SECRET_KEY is set in the environment, CLERK_PUBLISHABLE_KEY is not: set both"},
		"a damaged key":                {secret + "CLERK_PUBLISHABLE_KEY=pk_test_hunter2\n", "", "CLERK_PUBLISHABLE_KEY in .env.local is damaged"},
		"two keys exchanged":           {"CLERK_SECRET_KEY=pk_test_hunter2\nCLERK_PUBLISHABLE_KEY=sk_test_hunter2\n", "", "CLERK_PUBLISHABLE_KEY in .env.local is a secret key"},
		"another database's address":   {"DATABASE_URL=postgres://warble:hunter2@h/w\n", "", "DATABASE_URL in .env.local is a PostgreSQL address; Warble needs MySQL (Vitess)"},
		"a name in the value":          {"DATABASE_URL=\"DATABASE_URL=mysql://warble:hunter2@h/w\"\n", "", "DATABASE_URL in .env.local begins with DATABASE_URL="},
		"a line that is no assignment": {"hunter2\n", "", "read .env.local"},
		"a taken port":                 {"", "PORT=" + taken, "port " + taken + " is taken"},
		"no port":                      {"", "PORT=http", "PORT must be a number"},
		"another folder":               {"-", "", "run it in the repository"},
	} {
		folder := t.TempDir()
		if test.file != "-" {
			for file, text := range map[string]string{"vercel.json": "{}", ".env.example": string(example), ".env.local": test.file} {
				write(t, filepath.Join(folder, file), text)
			}
			linkClerkJS(t, folder) // for the cases that get so far
		}
		command := exec.Command(testkit.Binary(t))
		command.Dir = folder
		command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=0", strings.TrimSpace(test.variable)}
		output, err := command.CombinedOutput()
		said := string(output)
		if err == nil || !strings.Contains(said, test.want) || strings.Contains(said, "hunter2") || strings.Contains(said, "deploy again") || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: %v\n%s\nwant one line with %q", name, err, said, test.want)
		}
	}
}
