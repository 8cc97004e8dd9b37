package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
)

// browser has the cookies of one person. They are localhost's, whatever the port.
type browser struct {
	t *testing.T
	http.Client
}

func newBrowser(t *testing.T) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, http.Client{Jar: jar}}
}

// ask has the local Clerk answer, whose answer it decodes.
func (b *browser) ask(p *testkit.Product, method, path string, form url.Values, answer any) {
	b.t.Helper()
	request, err := http.NewRequest(method, p.URL+fakeclerk.Prefix+"/v1/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := b.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || json.Unmarshal(text, answer) != nil {
		b.t.Fatalf("%s = %d %s, %v", path, response.StatusCode, text, err)
	}
}

// publish publishes a text as whoever is signed in.
func (b *browser) publish(p *testkit.Product, content string) {
	b.t.Helper()
	var client struct {
		Response struct{ Sessions []struct{ ID string } }
	}
	b.ask(p, "GET", "client", nil, &client)
	if len(client.Response.Sessions) != 1 {
		b.t.Fatalf("the browser has the sessions %v\n%s", client.Response.Sessions, p.Log())
	}
	var token struct{ JWT string }
	b.ask(p, "POST", "client/sessions/"+client.Response.Sessions[0].ID+"/tokens", nil, &token)
	testkit.NewClient(b.t, p.URL, &testkit.Clerk{}).Publish(testkit.Nobody, content, "Authorization", "Bearer "+token.JWT)
}

// signIn signs ada in, with the password.
func signIn(t *testing.T, p *testkit.Product) *browser {
	t.Helper()
	b := newBrowser(t)
	b.ask(p, "POST", "client/sign_ins", url.Values{"strategy": {"password"}, "identifier": {"ada"}, "password": {fakeclerk.Password}}, new(any))
	return b
}

// expect fails the test unless the feed has each text, or lacks one with a ! before it.
func expect(t *testing.T, p *testkit.Product, texts ...string) {
	t.Helper()
	status, feed := fetch(t, p.URL+"/api/posts?limit=100")
	for _, text := range texts {
		text, missing := strings.CutPrefix(text, "!")
		if status != 200 || strings.Contains(feed, text) == missing {
			t.Errorf("feed = %d, has %q: %v\n%s\n%s", status, text, missing, feed, p.Log())
		}
	}
}

// A developer who signs up, publishes and ends make run, or kills it, finds all of it the
// next day, and is signed in.
func TestPostsPeopleAndSessionsOutliveARun(t *testing.T) {
	folder := t.TempDir()
	environment := map[string]string{"WARBLE_DATA": folder, "POST_INTERVAL": "0"}
	p := testkit.Start(t, environment)
	barbara := newBrowser(t)
	barbara.ask(p, "POST", "client/sign_ups", url.Values{"username": {"barbara"}, "password": {"substitution"}, "first_name": {"Barbara"}}, new(any))
	barbara.ask(p, "POST", "me?_method=PATCH", url.Values{"last_name": {"Liskov"}}, new(any))
	barbara.publish(p, "there tomorrow")
	p.Stop()

	p = testkit.Start(t, environment)
	p.WaitFor("posts: 4, kept in " + folder)
	expect(t, p, "there tomorrow", "Barbara Liskov")
	second := testkit.Start(t, environment)
	second.WaitFor("posts: 3, nothing is kept: another run has " + folder)
	signIn(t, second).publish(second, "of the second run")
	second.Stop()
	// Until the first of them is on the disk, texts are published without a pause.
	for i, begun := 0, time.Now(); ; i++ {
		barbara.publish(p, fmt.Sprintf("text %d.", i))
		if dump, _ := os.ReadFile(filepath.Join(folder, "posts.sql")); strings.Contains(string(dump), "text 0.") {
			break
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("texts are published, and not written")
		}
	}
	p.Kill()

	// Damage loses what was damaged, and nothing else.
	if err := os.WriteFile(filepath.Join(folder, "people.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p = testkit.Start(t, environment)
	p.WaitFor("people.json is damaged")
	expect(t, p, "there tomorrow", "text 0.", "!of the second run")
	p.Stop()

	environment["FRESH"] = "1"
	expect(t, testkit.Start(t, environment), "!there tomorrow", "Jacquard")
}

// A change of schema.sql finds the posts, of this run and of kept ones. One that loses
// something is not made without a yes.
func TestAChangedSchemaFindsThePosts(t *testing.T) {
	environment := map[string]string{"WARBLE_DATA": t.TempDir()}
	p, root := startCopy(t, environment)
	signIn(t, p).publish(p, "older than the column")
	replace(t, root, "schema.sql", "  slot BIGINT NULL,", "  slot BIGINT NULL,\n  mood VARCHAR(10) NULL,")
	p.WaitFor("schema.sql was changed. Bring the database to it in another terminal: DATABASE_URL=")
	p.Stop()

	// What make push is made of.
	binary := filepath.Join(t.TempDir(), "push")
	build := exec.Command("go", "build", "-tags=gms_pure_go", "-o", binary, "./push")
	build.Dir = filepath.Join(testkit.Root(), "dev")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	write(t, filepath.Join(root, "dev/run/start.sh"), `[ "$1" = push ] && cd "$(dirname "$0")/.." && exec `+binary)
	p = testkit.StartIn(t, root, environment)
	p.WaitFor("ADD COLUMN `mood`")
	expect(t, p, "older than the column")
	replace(t, root, "schema.sql", "  mood VARCHAR(10) NULL,\n", "")
	p.WaitFor("schema.sql was changed")
	advice := regexp.MustCompile(`another terminal: (DATABASE_URL=\S+) make push`).FindStringSubmatch(p.Log())
	if advice == nil {
		t.Fatalf("the terminal does not name the command:\n%s", p.Log())
	}
	push := exec.Command(binary)
	push.Dir, push.Env = filepath.Join(root, "dev"), append(os.Environ(), advice[1])
	if said, err := push.CombinedOutput(); err == nil || !strings.Contains(string(said), "DROP COLUMN `mood`") {
		t.Errorf("the command: %v\n%s\nwant it to ask", err, said)
	}
	p.Stop()

	for range 2 { // it is asked again each time
		p = testkit.StartIn(t, root, environment)
		for _, want := range []string{"DROP COLUMN `mood`", "not confirmed, nothing was changed", "The kept posts stay as they were"} {
			p.WaitFor(want)
		}
		expect(t, p, "older than the column")
		p.Stop()
	}
}
