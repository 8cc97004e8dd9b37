package artifact_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

const (
	nobody = testkit.Nobody
	ada    = fakeclerk.Ada
)

// site is a deployment and a client of it.
type site struct {
	*artifact.Deployment
	*testkit.Client
}

// serve starts the artifact on a database. A variable that environment says is
// empty is unset.
func serve(t *testing.T, databaseURL string, environment map[string]string) *site {
	t.Helper()
	clerk := testkit.StartClerk(t, fakeclerk.Config{})
	deployment := artifact.Start(t, clerk.Environment(databaseURL, environment), 1)
	return &site{deployment, testkit.NewClient(t, deployment.URL, clerk)}
}

// database starts a MariaDB with schema.sql.
func database(t *testing.T) *mariadb.Server {
	t.Helper()
	server := mariadb.Start(t)
	testkit.Database(t, server.URL())
	return server
}

func TestAPostLivesOnTheDeployedFunctions(t *testing.T) {
	s := serve(t, database(t).URL(), nil)
	if got := s.Call(nobody, "GET", "/api/posts", ""); got.Status != 200 || got.Text != `{"posts":[]}` {
		t.Fatalf("the empty feed = %d %s", got.Status, got.Text)
	}

	const hello = `{"content": "hello, wörld 🐦"}`
	post := s.Call(ada, "POST", "/api/posts", hello, "Idempotency-Key", "1")
	at := post.Header.Get("Location")
	if post.Status != 201 || at != post.Path() || post.Content != "hello, wörld 🐦" || post.Author.Name != "Ada Lovelace" {
		t.Fatalf("publish = %d, Location %q, %s", post.Status, at, post.Text)
	}
	if again := s.Call(ada, "POST", "/api/posts", hello, "Idempotency-Key", "1"); again.Status != 200 || again.Text != post.Text {
		t.Errorf("publish again = %d %s; want 200 and %s", again.Status, again.Text, post.Text)
	}

	read := s.Call(nobody, "GET", at, "")
	etag := read.Header.Get("ETag")
	if read.Status != 200 || read.Text != post.Text || etag == "" {
		t.Errorf("read = %d, ETag %q, %s; want 200, one, and %s", read.Status, etag, read.Text, post.Text)
	}
	if head := s.Call(nobody, "HEAD", at, ""); head.Status != 200 || head.Text != "" || head.Header.Get("ETag") != etag {
		t.Errorf("HEAD = %d, ETag %q, %q; want what GET has, and no body", head.Status, head.Header.Get("ETag"), head.Text)
	}
	if same := s.Call(nobody, "GET", at, "", "If-None-Match", etag); same.Status != 304 || same.Text != "" {
		t.Errorf("read again = %d %q; want 304 and nothing", same.Status, same.Text)
	}

	if changed := s.Call(ada, "PATCH", at, `{"content": "changed"}`); changed.Status != 200 || changed.Content != "changed" {
		t.Errorf("change = %d %s", changed.Status, changed.Text)
	}
	if feed := s.Call(ada, "GET", "/api/posts?limit=1", ""); feed.Status != 200 || strings.Count(feed.Text, `"id":`) != 2 || !strings.Contains(feed.Text, `"changed"`) {
		t.Errorf("the feed = %d %s; want the changed post with its author, once", feed.Status, feed.Text)
	}
	for path, agent := range map[string]string{"/feed.xml": "", "/u/" + ada + "/feed.xml": "", fmt.Sprint("/p/", post.ID): "Twitterbot/1.0"} {
		if page := s.Call(nobody, "GET", path, "", "User-Agent", agent); page.Status != 200 || !strings.Contains(page.Text, "changed") || !strings.Contains(page.Text, "Ada Lovelace") {
			t.Errorf("%s = %d %s; want the changed post", path, page.Status, page.Text)
		}
	}
	if gone := s.Call(ada, "DELETE", at, ""); gone.Status != 204 || gone.Text != "" {
		t.Errorf("delete = %d %q", gone.Status, gone.Text)
	}
	for _, method := range []string{"GET", "DELETE"} {
		s.Call(ada, method, at, "").WantProblem(t, method+" of a deleted post", 404)
	}

	if cleared := s.Call(ada, "DELETE", "/api/posts?userId="+ada, ""); cleared.Status != 200 || cleared.Text != `{"deleted":0,"more":false}` {
		t.Errorf("delete all = %d %s", cleared.Status, cleared.Text)
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
		var headers []string
		if test.authorization != "" {
			headers = []string{"Authorization", test.authorization}
		}
		got := s.Call(nobody, test.method, test.path, "", headers...)
		what := fmt.Sprintf("%s %s with %q", test.method, test.path, test.authorization)
		got.WantProblem(t, what, test.status)
		if got.Header.Get(test.header) != test.value {
			t.Errorf("%s has %s %q; want %q", what, test.header, got.Header.Get(test.header), test.value)
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
			got := s.Call(ada, method, "/api/posts", body)
			if got.Status != want[method] {
				t.Errorf("%s %s = %d %s; want %d", method, when, got.Status, got.Text, want[method])
			}
			if got.Status == 503 {
				got.WantProblem(t, method+" "+when, 503)
				if got.Header.Get("Retry-After") == "" {
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
			got := s.Call(ada, call.method, call.path, "")
			got.WantProblem(t, call.method, 500)
			if detail := got.Problem.Detail; !strings.Contains(detail, variable) || !strings.Contains(s.Log(), variable) {
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
		got := s.Call(nobody, "GET", path, "")
		file, err := os.ReadFile(filepath.Join(static, want.file))
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != want.status || got.Text != string(file) || got.Header.Get("Content-Type") != want.contentType {
			t.Errorf("%s = %d %s %.60q; want %d and %s", path, got.Status, got.Header.Get("Content-Type"), got.Text, want.status, want.file)
		}
		for _, name := range []string{"X-Content-Type-Options", "Referrer-Policy", "Permissions-Policy", "Strict-Transport-Security"} {
			if got.Header.Get(name) == "" {
				t.Errorf("%s comes without %s", path, name)
			}
		}
	}
}

func TestSharedLinksShowRobotsThePostAndPeopleThePage(t *testing.T) {
	s := serve(t, database(t).URL(), nil)
	post := s.Publish(ada, "hello")
	for what, agents := range map[string][]string{`property="og:description" content="hello"`: testkit.Robots, "modulepreload": testkit.People} {
		for _, agent := range agents {
			if got := s.Call(nobody, "GET", fmt.Sprint("/p/", post.ID), "", "User-Agent", agent); got.Status != 200 || !strings.Contains(got.Text, what) {
				t.Errorf("%q gets %d %.100s; want %s", agent, got.Status, got.Text, what)
			}
		}
	}
}

// Vercel's CDN takes these headers for itself, so that only the functions show them.
func TestTheCDNKeepsAnswersForAsLongAsReadersMayWait(t *testing.T) {
	s := serve(t, database(t).URL(), nil)
	post := s.Publish(ada, "hello")
	const seconds = "public, max-age=0, s-maxage=%d, stale-while-revalidate=10"
	for path, test := range map[string]struct {
		function string
		seconds  int
	}{
		"/api/posts": {"list", 1}, post.Path(): {"get", 1}, "/feed.xml": {"feed", 60}, "/u/" + ada + "/feed.xml": {"feed", 60}, fmt.Sprint("/p/", post.ID): {"share", 60},
	} {
		ask := func(header, value string) map[string][]string {
			t.Helper()
			got, err := s.Functions["/api/posts/"+test.function].Invoke(t.Context(), &bridge.Request{Host: "warble.example", Method: "GET", Path: path,
				Headers: map[string]bridge.ReqHeaderValues{"host": {"warble.example"}, header: {value}}})
			if err != nil || got.StatusCode != 200 && got.StatusCode != 304 {
				t.Fatalf("%s: %d, %v", path, got.StatusCode, err)
			}
			return got.Headers
		}
		anonymous := ask("accept", "*/*")
		want := []string{fmt.Sprintf(seconds, test.seconds)}
		if got := anonymous["Cache-Control"]; !slices.Equal(got, want) {
			t.Errorf("%s: Cache-Control %q; want %q", path, got, want)
		}
		if got := ask("if-none-match", anonymous["Etag"][0])["Cache-Control"]; !slices.Equal(got, want) {
			t.Errorf("%s, unchanged: Cache-Control %q; want %q", path, got, want)
		}
		if got := ask("authorization", "Bearer "+s.Token(ada))["Cache-Control"]; !slices.Equal(got, []string{"private, no-store"}) {
			t.Errorf("%s with a session: Cache-Control %q; want private, no-store", path, got)
		}
	}
}

// Otherwise people who follow a feed would get all its entries again as new ones.
func TestAFeedsIdsAreTheSameOnEveryDomain(t *testing.T) {
	s := serve(t, database(t).URL(), map[string]string{"VERCEL_PROJECT_PRODUCTION_URL": "warble.example"})
	s.Publish(ada, "hello")
	ids := func(host string) [][]byte {
		t.Helper()
		got, err := s.Functions["/api/posts/feed"].Invoke(t.Context(), &bridge.Request{Host: host, Method: "GET", Path: "/feed.xml",
			Headers: map[string]bridge.ReqHeaderValues{"host": {host}}})
		if err != nil || got.StatusCode != 200 {
			t.Fatalf("%d, %v", got.StatusCode, err)
		}
		feed, err := base64.StdEncoding.DecodeString(got.Body)
		if err != nil || !bytes.Contains(feed, []byte("https://"+host+"/p/")) {
			t.Fatalf("%v, %s; want links to %s", err, feed, host)
		}
		return regexp.MustCompile(`<id>[^<]*</id>`).FindAll(feed, -1)
	}
	one, other := ids("warble.example"), ids("www.warble.example")
	if len(one) != 2 || fmt.Sprintf("%s", one) != fmt.Sprintf("%s", other) {
		t.Errorf("ids %s and %s; want the same two", one, other)
	}
}
