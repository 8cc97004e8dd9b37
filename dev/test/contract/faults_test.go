package contract

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/faults"
)

// behindFaults opens Warble on a server that it reaches through a proxy.
func behindFaults(t *testing.T) (*api, *faults.Proxy) {
	t.Helper()
	server := testkit.StartServer(t)
	testkit.CountCase(server.Name)
	proxy := faults.New(t, server.URL)
	return open(t, server.URL, map[string]string{"DATABASE_URL": proxy.URL()}), proxy
}

func TestAWarmRequestCostsOneCommand(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.Publish(ada, "hello", "Idempotency-Key", "k") // warm, and Ada's profile known
	other := a.Publish(ada, "to delete")
	for _, test := range []struct {
		name               string
		who                string
		method, path, body string
		header             []string
		status             int
		commands           int64
	}{
		{"list", nobody, "GET", "/api/posts", "", nil, 200, 1},
		{"list with a session", ada, "GET", "/api/posts?limit=1", "", nil, 200, 1},
		{"one author's", nobody, "GET", "/api/posts?userId=" + ada, "", nil, 200, 1},
		{"get", nobody, "GET", post.Path(), "", nil, 200, 1},
		{"create", ada, "POST", "/api/posts", testkit.Content("x"), nil, 201, 1},
		{"create with a key", ada, "POST", "/api/posts", testkit.Content("x"), []string{"Idempotency-Key", "k2"}, 201, 1},
		{"the same key again", ada, "POST", "/api/posts", testkit.Content("x"), []string{"Idempotency-Key", "k2"}, 200, 2},
		{"update", ada, "PATCH", post.Path(), testkit.Content("y"), nil, 200, 1},
		{"delete", ada, "DELETE", other.Path(), "", nil, 204, 1},
		{"bad token", nobody, "GET", "/api/posts", "", []string{"Authorization", "Bearer x.y.z"}, 401, 0},
		{"bad content", ada, "POST", "/api/posts", testkit.Content(""), nil, 422, 0},
		{"bad query", nobody, "GET", "/api/posts?limit=0", "", nil, 400, 0},
		{"no route", nobody, "GET", "/api/posts/list", "", nil, 404, 0},
	} {
		before := proxy.Commands()
		got := a.Call(test.who, test.method, test.path, test.body, test.header...)
		if n := proxy.Commands() - before; got.Status != test.status || n != test.commands {
			t.Errorf("%s = %d with %d commands (%q); want %d with %d", test.name, got.Status, n, proxy.LastCommands(), test.status, test.commands)
		}
	}
	// Requests one after another, as an instance has them, share a connection.
	if n := proxy.Connections(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

func TestConnectionsThatDiedInTheMeantimeCostNoFailedRequest(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.Publish(ada, "hello")
	for i := range 10 {
		proxy.Cut() // as a frozen instance finds its connections
		for _, call := range []struct {
			who                string
			method, path, body string
			status             int
		}{{nobody, "GET", "/api/posts", "", 200}, {ada, "POST", "/api/posts", testkit.Content("x"), 201}, {ada, "PATCH", post.Path(), testkit.Content(fmt.Sprint(i)), 200}, {ada, "DELETE", "/api/posts/99999", "", 404}} {
			if got := a.Call(call.who, call.method, call.path, call.body); got.Status != call.status {
				t.Errorf("%s %s = %d %s; want %d", call.method, call.path, got.Status, got.Text, call.status)
			}
			proxy.Cut()
		}
	}
	if strings.Contains(a.Log(), `"status":5`) {
		t.Errorf("requests failed:\n%s", a.Log())
	}
}

func TestDatabaseDownIsA503AndBackIsAnAnswerWithoutARestart(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.Publish(ada, "hello")
	for range 3 {
		proxy.Down()
		a.Call(nobody, "GET", "/api/posts", "").WantProblem(t, "GET", 503)
		a.Call(nobody, "GET", post.Path(), "").WantProblem(t, "GET", 503)
		a.Call(ada, "POST", "/api/posts", testkit.Content("x")).WantProblem(t, "POST", 503)
		a.Call(ada, "PATCH", post.Path(), testkit.Content("x")).WantProblem(t, "PATCH", 503)
		a.Call(ada, "DELETE", post.Path(), "").WantProblem(t, "DELETE", 503)
		proxy.Up()
		if got := a.Call(nobody, "GET", "/api/posts", ""); got.Status != 200 || len(got.Posts) != 1 {
			t.Errorf("the first request once it is back = %d %s; want 200 and the post", got.Status, got.Text)
		}
	}
	if strings.Contains(a.Log(), "hello") {
		t.Error("the log quotes a post")
	}
}

func TestAWriteWhoseAnswerIsLostIsNeverRepeatedByUs(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	a.Publish(grace, "warm")
	proxy.SwallowAnswer("INSERT")
	a.Call(ada, "POST", "/api/posts", testkit.Content("once"), "Idempotency-Key", "k").WantProblem(t, "POST", 503)
	var rows int
	for begun := time.Now(); rows == 0 && time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if err := a.db.Get(&rows, "SELECT COUNT(*) FROM posts WHERE user_id = ?", ada); err != nil {
			t.Fatal(err)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows after one insert whose answer was lost; want 1", rows)
	}
	// The caller knows by the key: sent again, it is the post that is there.
	if again := a.Call(ada, "POST", "/api/posts", testkit.Content("once"), "Idempotency-Key", "k"); again.Status != 200 {
		t.Errorf("again = %d %s; want 200", again.Status, again.Text)
	}
	if got := a.Call(nobody, "GET", "/api/posts?userId="+ada, ""); len(got.Posts) != 1 {
		t.Errorf("stored: %s; want one post", got.Text)
	}
}
