package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
)

// keeping is what runs have in common that keep in one folder.
func keeping(t *testing.T) map[string]string {
	return map[string]string{"WARBLE_DATA": t.TempDir(), "POST_INTERVAL": "0"}
}

// has tells whether the feed has a text.
func has(t *testing.T, p *testkit.Product, text string) bool {
	t.Helper()
	status, feed := fetch(t, p.URL+"/api/posts?limit=100")
	if status != 200 {
		t.Fatalf("feed = %d %s\n%s", status, feed, p.Log())
	}
	return strings.Contains(feed, text)
}

// A developer who signs up, publishes and ends make run finds all of it the next day,
// and is signed in.
func TestPostsPeopleAndSessionsOutliveARun(t *testing.T) {
	environment := keeping(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(p *testkit.Product, method, path string, form url.Values) string {
		t.Helper()
		request, err := http.NewRequest(method, p.URL+fakeclerk.Prefix+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 {
			t.Fatalf("%s = %d %s, %v", path, response.StatusCode, text, err)
		}
		return string(text)
	}
	session := func(p *testkit.Product) string {
		t.Helper()
		var client struct {
			Response struct{ Sessions []struct{ ID string } }
		}
		text := ask(p, "GET", "/v1/client", nil)
		if err := json.Unmarshal([]byte(text), &client); err != nil || len(client.Response.Sessions) != 1 || !strings.Contains(text, "Liskov") {
			t.Fatalf("the browser is not signed in as Barbara Liskov: %s, %v", text, err)
		}
		return client.Response.Sessions[0].ID
	}

	p := testkit.Start(t, environment)
	ask(p, "POST", "/v1/client/sign_ups", url.Values{"username": {"barbara"}, "password": {"substitution"}, "first_name": {"Barbara"}})
	ask(p, "POST", "/v1/me?_method=PATCH", url.Values{"last_name": {"Liskov"}})
	say := func(p *testkit.Product, text string) {
		t.Helper()
		var token struct{ JWT string }
		if err := json.Unmarshal([]byte(ask(p, "POST", "/v1/client/sessions/"+session(p)+"/tokens", nil)), &token); err != nil {
			t.Fatal(err)
		}
		if status := publish(t, p, token.JWT, text); status != 201 {
			t.Fatalf("publish = %d\n%s", status, p.Log())
		}
	}
	say(p, "there tomorrow")
	p.Stop()

	p = testkit.Start(t, environment)
	waitForLog(t, p, "posts: 4, kept in "+environment["WARBLE_DATA"], 1)
	session(p)
	if !has(t, p, "there tomorrow") || !has(t, p, "Barbara Liskov") {
		t.Error("the post or its author's name is gone")
	}
	say(p, "with the session of yesterday")

	// Another run in the same checkout.
	second := testkit.Start(t, environment)
	waitForLog(t, second, "posts: 3, nothing is kept: another run has", 1)
	if status := publish(t, second, signIn(t, second), "of the second"); status != 201 {
		t.Errorf("publish in the second run = %d", status)
	}
	second.Stop()
	p.Stop()
	p = testkit.Start(t, environment)
	if !has(t, p, "with the session of yesterday") || has(t, p, "of the second") {
		t.Error("the second run wrote to the first one's file")
	}
	p.Stop()

	// Damage loses what was damaged, and nothing else.
	if err := os.WriteFile(filepath.Join(environment["WARBLE_DATA"], "people.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = testkit.Start(t, environment)
	waitForLog(t, p, "people.json is damaged", 1)
	if !has(t, p, "there tomorrow") {
		t.Error("the posts are gone with the people")
	}
	p.Stop()

	environment["FRESH"] = "1"
	if p = testkit.Start(t, environment); has(t, p, "there tomorrow") || !has(t, p, "Jacquard") {
		t.Error("FRESH=1 does not begin anew")
	}
}

// kill -9, or a power cut, costs at most the last second.
func TestKilledRunsKeepWhatWasWrittenASecondAgo(t *testing.T) {
	environment := keeping(t)
	written := map[string]time.Time{}
	for round := range 3 {
		p := testkit.Start(t, environment)
		for text := range written {
			if !has(t, p, text) {
				t.Fatalf("round %d: %q is lost", round, text)
			}
		}
		token := signIn(t, p)
		for i, begun := 0, time.Now(); time.Since(begun) < 2*time.Second; i++ {
			text := fmt.Sprintf("post %d of round %d.", i, round)
			if status := publish(t, p, token, text); status != 201 {
				t.Fatalf("publish = %d\n%s", status, p.Log())
			}
			written[text] = time.Now()
			time.Sleep(100 * time.Millisecond)
		}
		killed := time.Now()
		p.Kill()
		for text, at := range written {
			if killed.Sub(at) < time.Second {
				delete(written, text)
			}
		}
	}
	if len(written) == 0 {
		t.Error("nothing was written")
	}
}

// A change of schema.sql finds the kept posts. One that loses something is not made
// without a yes.
func TestAChangedSchemaFindsTheKeptPosts(t *testing.T) {
	environment := keeping(t)
	p, root := startCopy(t, environment)
	if status := publish(t, p, signIn(t, p), "older than the column"); status != 201 {
		t.Fatalf("publish = %d", status)
	}
	p.Stop()
	for _, name := range []string{"local", "push", "run"} {
		if err := os.CopyFS(filepath.Join(root, "dev", name), os.DirFS(filepath.Join(testkit.Root(), "dev", name))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dev/go.mod", "dev/go.sum"} {
		text, err := os.ReadFile(filepath.Join(testkit.Root(), name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), string(text))
	}
	replace(t, root, "schema.sql", "  slot BIGINT NULL,", "  slot BIGINT NULL,\n  mood VARCHAR(10) NULL,")
	p = testkit.StartIn(t, root, environment)
	waitForLog(t, p, "ADD COLUMN `mood`", 1)
	if !has(t, p, "older than the column") {
		t.Error("the posts are gone")
	}
	p.Stop()
	replace(t, root, "schema.sql", "  mood VARCHAR(10) NULL,\n", "")
	p = testkit.StartIn(t, root, environment)
	waitForLog(t, p, "DROP COLUMN `mood`", 1)
	waitForLog(t, p, "not confirmed, nothing was changed", 1)
	waitForLog(t, p, "The kept posts stay as they were", 1)
	if !has(t, p, "older than the column") {
		t.Error("the posts are gone")
	}
}
