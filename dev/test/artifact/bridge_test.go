package artifact_test

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vercel/go-bridge/go/bridge"

	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
	"warble/dev/testkit/artifact"
	"warble/dev/testkit/mariadb"
)

// What the bridge in a function cannot parse ends the function's process, before
// any code of ours. Whoever sends such a path reaches no function. In a query
// vercel.json can only ask for a parameter by its name; such a request fails, and
// the next one is answered by a new process.
func TestRequestsThatTheBridgeCannotParseFailNobodyElse(t *testing.T) {
	server := mariadb.Start(t)
	testkit.Database(t, server.URL())
	s := artifact.Start(t, testkit.StartClerk(t, fakeclerk.Config{}).Environment(server.URL(), nil), 1)
	// Past net/http, which refuses or escapes some of this before our server sees it.
	ask := func(method, path, query string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", nil)
		r.URL = &url.URL{Opaque: path, RawQuery: query}
		r.Header.Set("User-Agent", "Twitterbot/1.0") // shared links are for robots
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		return w
	}
	good := map[string]string{
		"/api/posts/list": "GET /api/posts", "/api/posts/create": "POST /api/posts", "/api/posts/clear": "DELETE /api/posts",
		"/api/posts/get": "GET /api/posts/1", "/api/posts/update": "PATCH /api/posts/1", "/api/posts/delete": "DELETE /api/posts/1",
		"/api/posts/feed": "GET /u/user_1/feed.xml", "/api/posts/share": "GET /p/1",
	}

	for name, function := range s.Functions {
		method, path, ok := strings.Cut(good[name], " ")
		if !ok {
			t.Fatalf("%s is a function that this test does not know: add it", name)
		}
		if got := ask(method, path, ""); got.Code >= 500 {
			t.Fatalf("%s = %d %s", good[name], got.Code, got.Body)
		}
		before := function.Pids()
		if len(before) != 1 {
			t.Fatalf("%s leads to no process of %s", good[name], name)
		}

		_, err := function.Invoke(t.Context(), &bridge.Request{Method: method, Path: path + "%zz"})
		if err == nil || !strings.Contains(err.Error(), "nil pointer") {
			t.Fatalf("the bridge of %s takes a path with a bad escape: %v", name, err)
		}
		for _, query := range []string{"x=\x7f", "\x00", "limit=1#%zz"} {
			if got := ask(method, path, query); got.Code != 500 || !strings.Contains(got.Body.String(), "FUNCTION_INVOCATION_FAILED") {
				t.Errorf("%s?%q = %d %s: the bridge parses it now; operating.md says that it ends the process", good[name], query, got.Code, got.Body)
			}
			if got := ask(method, path, "x=%zz&y=%7f&z=%"); got.Code >= 500 {
				t.Errorf("the next request, %s with a query that is only odd = %d %s", good[name], got.Code, got.Body)
			}
		}
		if after := function.Pids(); slices.Equal(after, before) {
			t.Errorf("%s has the same process %v as before", name, after)
		}
	}

	for _, call := range good {
		method, path, _ := strings.Cut(call, " ")
		for _, bad := range []string{"%zz", "%", "%4", "\x7f", "\x00", "\x1f", "#%zz"} {
			for _, path := range []string{path + bad, path + "/" + bad, strings.Replace(path, "/", "/"+bad, 1), path[:len(path)-1] + bad + path[len(path)-1:]} {
				if got := ask(method, path, ""); got.Code != 404 && got.Code != 405 {
					t.Errorf("%s %q = %d %s; want that no function is asked", method, path, got.Code, got.Body)
				}
			}
		}
	}
}
