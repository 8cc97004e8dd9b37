package artifact_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	localclerk "warble/dev/local/clerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

// ada is one of the local Clerk's people.
const ada = "user_ada00000000000000000000000"

// site is a deployment with the Clerk instance that it trusts.
type site struct {
	*artifact.Deployment
	clerk *localclerk.Clerk
}

// serve starts the artifact on a database. A variable that environment says is
// empty is unset.
func serve(t *testing.T, databaseURL string, environment map[string]string) *site {
	t.Helper()
	// Not the address that is served: a session's origin need only be ours.
	clerk, err := localclerk.New(localclerk.Config{Origin: "https://warble.example"})
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewServer(clerk)
	t.Cleanup(backend.Close)
	env := clerk.Env()
	env["CLERK_API_URL"] = backend.URL
	env["DATABASE_URL"] = databaseURL
	env["POST_INTERVAL"] = "0"
	maps.Copy(env, environment)
	maps.DeleteFunc(env, func(_, value string) bool { return value == "" })
	return &site{artifact.Start(t, env, 1), clerk}
}

// database starts a MariaDB with schema.sql.
func database(t *testing.T) *mariadb.Server {
	t.Helper()
	server := mariadb.Start(t)
	testkit.Database(t, server.URL())
	return server
}

type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any // when it is JSON
}

// call sends a request, signed in as Ada unless the headers, which come in
// pairs, say another Authorization.
func (s *site) call(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.clerk.Token(ada))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		}
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := answer{status: response.StatusCode, header: response.Header, text: string(text)}
	if strings.Contains(response.Header.Get("Content-Type"), "json") && len(text) > 0 {
		if err := json.Unmarshal(text, &got.json); err != nil {
			t.Fatalf("%s %s: body %q: %v", method, path, text, err)
		}
	}
	return got
}

// checkProblem checks an answer that should be a problem of a status.
func checkProblem(t *testing.T, what string, got answer, status int) {
	t.Helper()
	if got.status != status || got.header.Get("Content-Type") != "application/problem+json" || got.json["status"] != float64(status) ||
		got.json["detail"] == nil || got.json["requestId"] != got.header.Get("X-Vercel-Id") {
		t.Errorf("%s = %d %s %s; want a problem of status %d with the request's id", what, got.status, got.header.Get("Content-Type"), got.text, status)
	}
}

func TestAPostLivesOnTheDeployedFunctions(t *testing.T) {
	s := serve(t, database(t).URL(), nil)
	if got := s.call(t, "GET", "/api/posts", "", "Authorization", ""); got.status != 200 || got.text != `{"posts":[]}` {
		t.Fatalf("the empty feed = %d %s", got.status, got.text)
	}

	const hello = `{"content": "hello, wörld 🐦"}`
	post := s.call(t, "POST", "/api/posts", hello, "Idempotency-Key", "1")
	at := post.header.Get("Location")
	author, _ := post.json["author"].(map[string]any)
	if post.status != 201 || at != fmt.Sprint("/api/posts/", post.json["id"]) || post.json["content"] != "hello, wörld 🐦" || author["name"] != "Ada Lovelace" {
		t.Fatalf("publish = %d, Location %q, %s", post.status, at, post.text)
	}
	if again := s.call(t, "POST", "/api/posts", hello, "Idempotency-Key", "1"); again.status != 200 || again.text != post.text {
		t.Errorf("publish again = %d %s; want 200 and %s", again.status, again.text, post.text)
	}

	read := s.call(t, "GET", at, "", "Authorization", "")
	etag := read.header.Get("ETag")
	if read.status != 200 || read.text != post.text || etag == "" {
		t.Errorf("read = %d, ETag %q, %s; want 200, one, and %s", read.status, etag, read.text, post.text)
	}
	if head := s.call(t, "HEAD", at, "", "Authorization", ""); head.status != 200 || head.text != "" || head.header.Get("ETag") != etag {
		t.Errorf("HEAD = %d, ETag %q, %q; want what GET has, and no body", head.status, head.header.Get("ETag"), head.text)
	}
	if same := s.call(t, "GET", at, "", "Authorization", "", "If-None-Match", etag); same.status != 304 || same.text != "" {
		t.Errorf("read again = %d %q; want 304 and nothing", same.status, same.text)
	}

	if changed := s.call(t, "PATCH", at, `{"content": "changed"}`); changed.status != 200 || changed.json["content"] != "changed" {
		t.Errorf("change = %d %s", changed.status, changed.text)
	}
	if feed := s.call(t, "GET", "/api/posts?limit=1", ""); feed.status != 200 || strings.Count(feed.text, `"id":`) != 2 || !strings.Contains(feed.text, `"changed"`) {
		t.Errorf("the feed = %d %s; want the changed post with its author, once", feed.status, feed.text)
	}
	for path, agent := range map[string]string{"/feed.xml": "", "/u/" + ada + "/feed.xml": "", fmt.Sprint("/p/", post.json["id"]): "Twitterbot/1.0"} {
		if page := s.call(t, "GET", path, "", "Authorization", "", "User-Agent", agent); page.status != 200 || !strings.Contains(page.text, "changed") || !strings.Contains(page.text, "Ada Lovelace") {
			t.Errorf("%s = %d %s; want the changed post", path, page.status, page.text)
		}
	}
	if gone := s.call(t, "DELETE", at, ""); gone.status != 204 || gone.text != "" {
		t.Errorf("delete = %d %q", gone.status, gone.text)
	}
	for _, method := range []string{"GET", "DELETE"} {
		checkProblem(t, method+" of a deleted post", s.call(t, method, at, ""), 404)
	}

	if cleared := s.call(t, "DELETE", "/api/posts?userId="+ada, ""); cleared.status != 200 || cleared.text != `{"deleted":0,"more":false}` {
		t.Errorf("delete all = %d %s", cleared.status, cleared.text)
	}

	for path, function := range s.Functions {
		if pids := function.Pids(); len(pids) != 1 {
			t.Errorf("%s has processes %v; want that all of this came through one", path, pids)
		}
	}
}

func TestTheDeploymentRefusesWhatItShould(t *testing.T) {
	s := serve(t, database(t).URL(), nil)
	for _, test := range []struct {
		method, path, authorization string
		status                      int
		header, value               string
	}{
		{"POST", "/api/posts", "", 401, "WWW-Authenticate", "Bearer"},
		{"POST", "/api/posts", "Bearer a.b.c", 401, "WWW-Authenticate", "Bearer"},
		{"GET", "/api/posts", "Bearer a.b.c", 401, "WWW-Authenticate", "Bearer"},
		{"PATCH", "/api/posts/1", "", 401, "WWW-Authenticate", "Bearer"},
		{"DELETE", "/api/posts/1", "", 401, "WWW-Authenticate", "Bearer"},
		{"PUT", "/api/posts", "", 405, "Allow", "GET, HEAD, POST, DELETE"},
		{"DELETE", "/api/posts?userId=user_1", "", 401, "WWW-Authenticate", "Bearer"},
		{"POST", "/feed.xml", "", 405, "Allow", "GET, HEAD"},
		{"POST", "/api/posts/1", "", 405, "Allow", "GET, HEAD, PATCH, DELETE"},
		{"GET", "/api/posts/1", "", 404, "Cache-Control", "no-store"},
		{"GET", "/api/posts/list", "", 404, "Cache-Control", "no-store"},
		{"GET", "/api/posts/list.go", "", 404, "Cache-Control", "no-store"},
		{"POST", "/api/posts/create", "", 404, "Cache-Control", "no-store"},
		{"GET", "/api/users", "", 404, "Cache-Control", "no-store"},
	} {
		got := s.call(t, test.method, test.path, "", "Authorization", test.authorization)
		what := fmt.Sprintf("%s %s with %q", test.method, test.path, test.authorization)
		checkProblem(t, what, got, test.status)
		if got.header.Get(test.header) != test.value {
			t.Errorf("%s has %s %q; want %q", what, test.header, got.header.Get(test.header), test.value)
		}
	}
}

func TestTheDatabaseComesBackToTheSameProcess(t *testing.T) {
	server := database(t)
	s := serve(t, server.URL(), nil)
	calls := map[string]string{"GET": "", "POST": `{"content": "hello"}`}
	all := func(when string, want map[string]int) {
		t.Helper()
		for method, body := range calls {
			got := s.call(t, method, "/api/posts", body)
			if got.status != want[method] {
				t.Errorf("%s %s = %d %s; want %d", method, when, got.status, got.text, want[method])
			}
			if got.status == 503 {
				checkProblem(t, method+" "+when, got, 503)
				if got.header.Get("Retry-After") == "" {
					t.Errorf("%s %s does not say when to try again", method, when)
				}
			}
		}
	}
	up, down := map[string]int{"GET": 200, "POST": 201}, map[string]int{"GET": 503, "POST": 503}

	all("with the database", up)
	before := fmt.Sprint(s.Functions["/api/posts/list"].Pids(), s.Functions["/api/posts/create"].Pids())
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	all("without it", down)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	all("with it again", up)
	if after := fmt.Sprint(s.Functions["/api/posts/list"].Pids(), s.Functions["/api/posts/create"].Pids()); after != before {
		t.Errorf("processes were %s and are %s; want the same", before, after)
	}
}

func TestAMissingVariableIsNamedToWhoeverDeploys(t *testing.T) {
	const nowhere = "mysql://warble:secret@127.0.0.1:1/warble"
	for variable, call := range map[string]struct{ method, path string }{
		"DATABASE_URL":          {"GET", "/api/posts"},
		"CLERK_PUBLISHABLE_KEY": {"DELETE", "/api/posts/1"},
	} {
		t.Run(variable, func(t *testing.T) {
			s := serve(t, nowhere, map[string]string{variable: ""})
			got := s.call(t, call.method, call.path, "")
			checkProblem(t, call.method, got, 500)
			if detail := fmt.Sprint(got.json["detail"]); !strings.Contains(detail, variable) || !strings.Contains(s.Log(), variable) {
				t.Errorf("detail %q, log %s; want %s in both", detail, s.Log(), variable)
			}
		})
	}
}

func TestThePageIsServedWithItsSecurityHeaders(t *testing.T) {
	s := serve(t, "", nil)
	static := artifact.Build(t).Static
	for path, want := range map[string]struct {
		file, contentType string
		status            int
	}{
		"/":             {"index.html", "text/html; charset=utf-8", 200},
		"/config.js":    {"config.js", "text/javascript; charset=utf-8", 200},
		"/no/such/page": {"404.html", "text/html; charset=utf-8", 404},
		"/schema.sql":   {"404.html", "text/html; charset=utf-8", 404},
		"/vercel.json":  {"404.html", "text/html; charset=utf-8", 404},
		"/dev/":         {"404.html", "text/html; charset=utf-8", 404},
	} {
		got := s.call(t, "GET", path, "", "Authorization", "")
		file, err := os.ReadFile(filepath.Join(static, want.file))
		if err != nil {
			t.Fatal(err)
		}
		if got.status != want.status || got.text != string(file) || got.header.Get("Content-Type") != want.contentType {
			t.Errorf("%s = %d %s %.60q; want %d and %s", path, got.status, got.header.Get("Content-Type"), got.text, want.status, want.file)
		}
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Strict-Transport-Security"} {
			if got.header.Get(name) == "" {
				t.Errorf("%s comes without %s", path, name)
			}
		}
	}
}
