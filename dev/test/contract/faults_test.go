package contract

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
)

// behindFaults opens Warble on a MariaDB that it reaches through a proxy.
func behindFaults(t *testing.T) (*api, *faults.Proxy) {
	t.Helper()
	count("MariaDB")
	server := mariadb.Start(t)
	proxy := faults.New(t, server.Addr())
	u, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	testkit.Database(t, server.URL()) // schema.sql, past the proxy
	u.Host = proxy.Addr()
	return open(t, u.String(), nil), proxy
}

func TestAWarmRequestCostsOneCommand(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.publish(ada, "hello", "Idempotency-Key", "k") // warm, and Ada's profile known
	other := a.publish(ada, "to delete")
	for _, test := range []struct {
		name               string
		who                user
		method, path, body string
		header             []string
		status             int
		commands           int64
	}{
		{"list", nobody, "GET", "/api/posts", "", nil, 200, 1},
		{"list with a session", ada, "GET", "/api/posts?limit=1", "", nil, 200, 1},
		{"one author's", nobody, "GET", "/api/posts?userId=" + string(ada), "", nil, 200, 1},
		{"get", nobody, "GET", path(post), "", nil, 200, 1},
		{"create", ada, "POST", "/api/posts", content("x"), nil, 201, 1},
		{"create with a key", ada, "POST", "/api/posts", content("x"), []string{"Idempotency-Key", "k2"}, 201, 1},
		{"the same key again", ada, "POST", "/api/posts", content("x"), []string{"Idempotency-Key", "k2"}, 200, 2},
		{"update", ada, "PATCH", path(post), content("y"), nil, 200, 1},
		{"delete", ada, "DELETE", path(other), "", nil, 204, 1},
		{"bad token", nobody, "GET", "/api/posts", "", []string{"Authorization", "Bearer x.y.z"}, 401, 0},
		{"bad content", ada, "POST", "/api/posts", content(""), nil, 422, 0},
		{"bad query", nobody, "GET", "/api/posts?limit=0", "", nil, 400, 0},
		{"no route", nobody, "GET", "/api/posts/list", "", nil, 404, 0},
	} {
		before := proxy.Commands()
		got := a.call(test.who, test.method, test.path, test.body, test.header...)
		if n := proxy.Commands() - before; got.status != test.status || n != test.commands {
			t.Errorf("%s = %d with %d commands (%q); want %d with %d", test.name, got.status, n, proxy.LastCommands(), test.status, test.commands)
		}
	}
	// Requests one after another, as an instance has them, share a connection.
	if n := proxy.Connections(); n > 3 { // the test's own is one
		t.Errorf("%d connections", n)
	}
}

// eventually is for what is to happen soon, on a machine that may be busy.
const eventually = 30 * time.Second

// check503 calls once and wants a 503 within the deadline of a request.
func check503(t *testing.T, a *api, who user, method, at, body string, headers ...string) {
	t.Helper()
	begun := time.Now()
	got := a.call(who, method, at, body, headers...)
	if got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("%s %s = %d %s; want 503 with Retry-After", method, at, got.status, got.text)
	}
	if took := time.Since(begun); took > eventually {
		t.Errorf("%s %s took %v; a request has 5 s", method, at, took)
	}
	checkProblem(t, got)
}

func TestConnectionsThatDiedInTheMeantimeCostNoFailedRequest(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.publish(ada, "hello")
	for i := range 10 {
		proxy.Cut() // as a frozen instance finds its connections
		for _, call := range []struct {
			who                user
			method, path, body string
			status             int
		}{{nobody, "GET", "/api/posts", "", 200}, {ada, "POST", "/api/posts", content("x"), 201}, {ada, "PATCH", path(post), content(fmt.Sprint(i)), 200}, {ada, "DELETE", "/api/posts/99999", "", 404}} {
			if got := a.call(call.who, call.method, call.path, call.body); got.status != call.status {
				t.Errorf("%s %s = %d %s; want %d", call.method, call.path, got.status, got.text, call.status)
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
	post := a.publish(ada, "hello")
	for range 3 {
		proxy.Down()
		check503(t, a, nobody, "GET", "/api/posts", "")
		check503(t, a, nobody, "GET", path(post), "")
		check503(t, a, ada, "POST", "/api/posts", content("x"))
		check503(t, a, ada, "PATCH", path(post), content("x"))
		check503(t, a, ada, "DELETE", path(post), "")
		proxy.Up()
		if got := a.call(nobody, "GET", "/api/posts", ""); got.status != 200 || len(got.posts()) != 1 {
			t.Errorf("the first request once it is back = %d %s; want 200 and the post", got.status, got.text)
		}
	}
	if strings.Contains(a.Log(), "hello") {
		t.Error("the log quotes a post")
	}
}

func TestDatabaseThatHangsIsA503ByTheDeadline(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	post := a.publish(ada, "hello")
	proxy.Hang()
	atOnce(8, func(i int) { // more than the pool holds: some wait for a connection
		begun := time.Now()
		got, err := a.try(nobody, "GET", path(post), "")
		if err != nil || got.status != 503 || time.Since(begun) > eventually {
			t.Errorf("caller %d = %d, %v after %v; want 503", i, got.status, err, time.Since(begun))
		}
	})
	proxy.Resume()
	if got := a.call(nobody, "GET", path(post), ""); got.status != 200 {
		t.Errorf("the first request once it goes on = %d %s; want 200", got.status, got.text)
	}
}

func TestAWriteWhoseAnswerIsLostIsNeverRepeatedByUs(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t)
	a.publish(grace, "warm")
	proxy.SwallowAnswer("INSERT")
	check503(t, a, ada, "POST", "/api/posts", content("once"), "Idempotency-Key", "k")
	var rows int
	for begun := time.Now(); rows == 0 && time.Since(begun) < eventually; time.Sleep(10 * time.Millisecond) {
		if err := a.db.Get(&rows, "SELECT COUNT(*) FROM posts WHERE user_id = ?", string(ada)); err != nil {
			t.Fatal(err)
		}
	}
	if rows != 1 {
		t.Errorf("%d rows after one insert whose answer was lost; want 1", rows)
	}
	// The caller knows by the key: sent again, it is the post that is there.
	if again := a.call(ada, "POST", "/api/posts", content("once"), "Idempotency-Key", "k"); again.status != 200 {
		t.Errorf("again = %d %s; want 200", again.status, again.text)
	}
	if got := a.call(nobody, "GET", "/api/posts?userId="+string(ada), ""); len(got.posts()) != 1 {
		t.Errorf("stored: %s; want one post", got.text)
	}
}
