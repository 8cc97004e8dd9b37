package contract

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"warble/dev/testkit"
)

func TestAnotherTextUnderAKeyIsRefusedAlsoAfterAnEdit(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		key := []string{"Idempotency-Key", "key 1"}
		post := a.Publish(ada, "first", key...)
		a.Must(200, ada, "PATCH", post.Path(), testkit.Content("edited"))
		for text, want := range map[string]int{" first ": 200, "edited": 422, "another": 422} {
			got := a.Call(ada, "POST", "/api/posts", testkit.Content(text), key...)
			if got.Status != want || want == 200 && got.Content != "edited" {
				t.Errorf("%q under the key = %d %s; want %d", text, got.Status, got.Text, want)
			}
		}
		// A row from before the digest has no first text to compare with.
		if _, err := a.db.Exec("UPDATE posts SET idempotency_digest = NULL"); err != nil {
			t.Fatal(err)
		}
		if got := a.Call(ada, "POST", "/api/posts", testkit.Content("first"), key...); got.Status != 200 {
			t.Errorf("the key of a post from before the digest = %d; want 200", got.Status)
		}
	})
}

func TestAKeyPublishesAgainAfterItsPostIsDeleted(t *testing.T) {
	eachDatabase(t, nil, func(t *testing.T, a *api) {
		key := []string{"Idempotency-Key", "key 1"}
		first := a.Publish(ada, "hello", key...)
		a.Call(ada, "DELETE", first.Path(), "")
		if second := a.Publish(ada, "other words", key...); second.ID == first.ID {
			t.Errorf("published as %v again", first.ID)
		}
	})
}

func TestAMistakeInAStatementIsNotCalledAnOutage(t *testing.T) {
	t.Parallel()
	server := testkit.StartServer(t)
	testkit.CountCase(server.Name)
	a := open(t, server.URL, nil)
	post := a.Publish(ada, "hello")
	for _, test := range []struct{ change, method, body string }{
		{"ALTER TABLE posts ADD COLUMN extra INT NOT NULL", "POST", testkit.Content("x")}, // a column that no insert has
		{"ALTER TABLE posts MODIFY created_at VARCHAR(40) NOT NULL", "GET", ""},           // the scan cannot work
		{"ALTER TABLE posts DROP COLUMN updated_at", "GET", ""},                           // the statement cannot work
		{"CREATE TRIGGER never BEFORE DELETE ON posts FOR EACH ROW SIGNAL SQLSTATE '45000'", "DELETE", ""},
	} {
		if server.Shards != nil && strings.HasPrefix(test.change, "CREATE TRIGGER") {
			continue // Vitess has none
		}
		if _, err := a.db.Exec(test.change); err != nil {
			t.Fatal(err)
		}
		path := "/api/posts"
		if test.method == "DELETE" {
			path = post.Path()
		}
		if got := a.Call(ada, test.method, path, test.body); got.Status != http.StatusInternalServerError || got.Header.Get("Retry-After") != "" {
			t.Errorf("after %s: %s = %d %s; want a 500", test.change, test.method, got.Status, got.Text)
		}
	}
	a.waitForLog(t, `"level":"ERROR","msg":"request failed","status":500`)
}

// A unique key but PRIMARY refuses no insert here: the ids have run into those of
// posts that are there, as when a sequence is behind.
func TestIDsThatRunIntoExistingOnesAreAnOutageAndNameTheSequence(t *testing.T) {
	t.Parallel()
	server := testkit.StartServer(t)
	if len(server.Shards) == 1 {
		testkit.LeaveOut(t, "ids that run into existing ones: Vitess refuses triggers, and without shards no sequence gives the ids")
	}
	testkit.CountCase(server.Name)
	a := open(t, server.URL, nil)
	post := a.Publish(ada, "hello")
	if server.Sharded() { // the sequence is behind by more ids than a request tries before its deadline
		for id := post.ID + 1; id <= post.ID+200; id++ {
			if _, err := a.db.Exec("INSERT INTO posts (id, user_id, content, created_at, updated_at) VALUES (?, ?, '', NOW(3), NOW(3))", id, ada); err != nil {
				t.Fatal(err)
			}
		}
	} else if _, err := a.db.Exec("CREATE TRIGGER stuck BEFORE INSERT ON posts FOR EACH ROW SET NEW.id = " + fmt.Sprint(post.ID)); err != nil {
		t.Fatal(err)
	}
	got := a.Call(ada, "POST", "/api/posts", testkit.Content("next"))
	if got.Status != http.StatusServiceUnavailable {
		t.Errorf("%d %s; want a 503", got.Status, got.Text)
	}
	a.waitForLog(t, "next_id above MAX(id)")
}
