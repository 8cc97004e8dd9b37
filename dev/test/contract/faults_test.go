package contract

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/teston"
)

func TestAWarmRequestCostsOneCommand(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t, teston.Start(t))
	post := a.Publish(ada, "hello", "Idempotency-Key", "k") // warm, and Ada's profile known
	other := a.Publish(ada, "to delete")
	for _, test := range []struct {
		name               string
		who                string
		method, path, body string
		header             []string
		status             int
		commands           int
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
		before := len(proxy.Commands())
		got := a.Call(test.who, test.method, test.path, test.body, test.header...)
		if sent := proxy.Commands()[before:]; got.Status != test.status || len(sent) != test.commands {
			t.Errorf("%s = %d with the commands %q; want %d with %d", test.name, got.Status, sent, test.status, test.commands)
		}
	}
	// Requests one after another, as an instance has them, share a connection.
	if n := proxy.Connections(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

// calls are one of each statement, and what it is answered when all is well.
func calls(post testkit.Post) []call {
	return []call{
		{nobody, "GET", "/api/posts", "", 200}, {nobody, "GET", post.Path(), "", 200}, {ada, "POST", "/api/posts", testkit.Content("x"), 201},
		{ada, "PATCH", post.Path(), testkit.Content("y"), 200}, {ada, "DELETE", "/api/posts/99999", "", 404},
	}
}

type call struct {
	who, method, path, body string
	status                  int
}

func TestConnectionsThatDiedInTheMeantimeCostNoFailedRequest(t *testing.T) {
	t.Parallel()
	a, proxy := behindFaults(t, teston.Start(t))
	for _, call := range slices.Repeat(calls(a.Publish(ada, "hello")), 10) {
		proxy.Cut() // as a frozen instance finds its connections
		if got := a.Call(call.who, call.method, call.path, call.body); got.Status != call.status {
			t.Errorf("%s %s = %d %s; want %d", call.method, call.path, got.Status, got.Text, call.status)
		}
	}
	if n := proxy.Connections(); n < 50 {
		t.Errorf("%d connections: the proxy has not cut one before each of the 50 requests", n)
	}
}

// A unique key but PRIMARY refuses no insert here: the ids have run into those of
// posts that are there, as when a sequence is behind.
func TestIDsThatRunIntoExistingOnesAreAnOutageAndNameTheSequence(t *testing.T) {
	t.Parallel()
	server := teston.Start(t)
	if len(server.Shards) == 1 {
		teston.LeaveOut(t, "ids that run into existing ones: Vitess refuses triggers, and without shards no sequence gives the ids")
	}
	a := open(t, server, map[string]string{"POST_INTERVAL": "86400"})
	post := a.Publish(grace, "hello") // who takes no slot of Ada's
	statement := fmt.Sprint("CREATE TRIGGER stuck BEFORE INSERT ON posts FOR EACH ROW SET NEW.id = ", post.ID)
	if server.Sharded() { // the sequence is behind by more ids than a request tries before its deadline
		statement = "INSERT INTO posts (id, user_id, content, created_at, updated_at) VALUES " +
			strings.TrimSuffix(strings.Repeat("(?, ?, '', NOW(3), NOW(3)),", 200), ",")
	}
	var args []any
	for i := range int64(strings.Count(statement, "?") / 2) {
		args = append(args, post.ID+1+i, ada)
	}
	if _, err := a.db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
	// A slow machine's deadline may come while a statement runs: then the log says that alone.
	for begun := time.Now(); !strings.Contains(a.Log(), "next_id above MAX(id)"); {
		a.Call(ada, "POST", "/api/posts", testkit.Content("next")).WantProblem(t, "a post without an id", 503)
		if time.Since(begun) > time.Minute {
			t.Fatalf("the log does not name the sequence:\n%s", a.Log())
		}
	}
}
