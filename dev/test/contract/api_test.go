// Package contract tests Warble from outside, over HTTP: what callers of the
// API rely on, on each database that it is to run on.
package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	localclerk "warble/dev/local/clerk"
	localmysql "warble/dev/local/mysql"
	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

// api is a running Warble with a database and a Clerk instance that the test
// holds in its hands.
type api struct {
	*testkit.Product
	t     *testing.T
	clerk *localclerk.Clerk
	db    *sqlx.DB // behind its back
}

// databases are those that the contract holds on.
var databases = map[string]func(*testing.T) string{
	"embedded": func(t *testing.T) string {
		server, err := localmysql.Start("127.0.0.1:0", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		return server.URL()
	},
	"MariaDB": func(t *testing.T) string { return mariadb.Start(t).URL() },
}

// open starts Warble on the database at a URL, which it brings to schema.sql.
func open(t *testing.T, databaseURL string, environment map[string]string) *api {
	t.Helper()
	return openWith(t, databaseURL, databaseURL, environment)
}

// openWith is open where Warble's way to the database is another than the test's.
func openWith(t *testing.T, databaseURL, directURL string, environment map[string]string) *api {
	t.Helper()
	port := testkit.FreePort(t)
	clerk, err := localclerk.New(localclerk.Config{Origin: fmt.Sprintf("http://localhost:%d", port)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(clerk)
	t.Cleanup(server.Close)
	all := clerk.Env()
	all["CLERK_API_URL"] = server.URL
	all["DATABASE_URL"] = databaseURL
	all["POST_INTERVAL"] = "0"
	for name, value := range environment {
		all[name] = value
	}
	return &api{testkit.StartOn(t, port, all), t, clerk, testkit.Database(t, directURL)}
}

// waitForLog waits until the log has a text.
func (a *api) waitForLog(t *testing.T, want string) {
	t.Helper()
	for begun := time.Now(); !strings.Contains(a.Log(), want); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the log has no %q:\n%s", want, a.Log())
		}
	}
}

// user is somebody who is signed in, or nobody: "".
type user string

const (
	nobody user = ""
	ada    user = "user_ada00000000000000000000000"
	grace  user = "user_grace000000000000000000000"
)

// answer is an answer over HTTP.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// call sends a request. Headers come in pairs; a body is sent as JSON unless
// they say otherwise.
func (a *api) call(who user, method, path, body string, headers ...string) answer {
	a.t.Helper()
	got, err := a.try(who, method, path, body, headers...)
	if err != nil {
		a.t.Fatalf("%s %s: %v\n%s", method, path, err, a.Log())
	}
	return got
}

func (a *api) try(who user, method, path, body string, headers ...string) (answer, error) {
	request, err := http.NewRequest(method, a.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if who != nobody {
		request.Header.Set("Authorization", "Bearer "+a.clerk.Token(string(who)))
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header[http.CanonicalHeaderKey(headers[i])] = []string{headers[i+1]}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(text) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&got.json); err != nil {
			return answer{}, fmt.Errorf("body %q: %w", text, err)
		}
	}
	checkDescribed(a.t, request, got)
	return got, nil
}

// content is a body that says content.
func content(text string) string {
	body, _ := json.Marshal(map[string]string{"content": text})
	return string(body)
}

// publish makes a post, and returns it.
func (a *api) publish(who user, text string, headers ...string) map[string]any {
	a.t.Helper()
	got := a.call(who, "POST", "/api/posts", content(text), headers...)
	if got.status != 201 {
		a.t.Fatalf("publish %.40q = %d %s; want 201", text, got.status, got.text)
	}
	return got.json
}

// path is where a post is.
func path(post map[string]any) string { return fmt.Sprint("/api/posts/", post["id"]) }

// posts are those of an answer with a list.
func (got answer) posts() []map[string]any {
	var posts []map[string]any
	list, _ := got.json["posts"].([]any)
	for _, post := range list {
		posts = append(posts, post.(map[string]any))
	}
	return posts
}

// cases counts the cases that ran, by database.
var cases struct {
	sync.Mutex
	ran map[string]int
}

func count(database string) {
	cases.Lock()
	defer cases.Unlock()
	if cases.ran == nil {
		cases.ran = map[string]int{}
	}
	cases.ran[database]++
}

func TestMain(m *testing.M) {
	status := m.Run()
	for name := range databases {
		fmt.Printf("contract: %d cases on %s\n", cases.ran[name], name)
	}
	os.Exit(status)
}
