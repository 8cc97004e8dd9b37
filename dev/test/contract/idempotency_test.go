package contract

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnotherTextUnderAKeyIsRefusedAlsoAfterAnEdit(t *testing.T) {
	eachDatabase(t, func(t *testing.T, a *api) {
		key := []string{"Idempotency-Key", "key 1"}
		post := a.publish(ada, "first", key...)
		if got := a.call(ada, "PATCH", path(post), content("edited")); got.status != 200 {
			t.Fatalf("edit = %d %s", got.status, got.text)
		}
		for text, want := range map[string]int{" first ": 200, "edited": 422, "another": 422} {
			got := a.call(ada, "POST", "/api/posts", content(text), key...)
			if got.status != want || want == 200 && got.json["content"] != "edited" {
				t.Errorf("%q under the key = %d %s; want %d", text, got.status, got.text, want)
			}
		}
		// A row from before the digest has no first text to compare with.
		if _, err := a.db.Exec("UPDATE posts SET idempotency_digest = NULL"); err != nil {
			t.Fatal(err)
		}
		if got := a.call(ada, "POST", "/api/posts", content("first"), key...); got.status != 200 {
			t.Errorf("the key of a post from before the digest = %d; want 200", got.status)
		}
	})
}

func TestAKeyPublishesAgainAfterItsPostIsDeleted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, a *api) {
		key := []string{"Idempotency-Key", "key 1"}
		first := a.publish(ada, "hello", key...)
		a.call(ada, "DELETE", path(first), "")
		if second := a.publish(ada, "other words", key...); second["id"] == first["id"] {
			t.Errorf("published as %v again", first["id"])
		}
	})
}

// Somebody else deletes the post that racing copies of a publication meet: each
// copy publishes it again or gets it, and none is told to wait.
func TestRacingCopiesThatMeetADeletionAreAllServed(t *testing.T) {
	t.Parallel()
	a := onMariaDB(t, nil)
	var answers sync.Map
	for round := range 10 {
		var stop atomic.Bool
		var deleting sync.WaitGroup
		deleting.Go(func() {
			for !stop.Load() {
				if _, err := a.db.Exec("DELETE FROM posts WHERE user_id = ?", string(ada)); err != nil {
					continue // a deadlock: the next one deletes
				}
				time.Sleep(time.Millisecond)
			}
		})
		atOnce(48, func(i int) {
			for range 5 {
				got, err := a.try(ada, "POST", "/api/posts", content("hello"), "Idempotency-Key", fmt.Sprint(round, i%2))
				if err != nil || got.status != http.StatusCreated && got.status != http.StatusOK {
					t.Errorf("%d %s, %v; want 201 or 200", got.status, got.text, err)
				}
				answers.Store(got.status, true)
			}
		})
		stop.Store(true)
		deleting.Wait()
	}
	if _, replayed := answers.Load(http.StatusOK); !replayed {
		t.Error("no copy met another one: the test shows nothing")
	}
}

func TestAMistakeInAStatementIsNotCalledAnOutage(t *testing.T) {
	t.Parallel()
	a := onMariaDB(t, nil)
	a.publish(ada, "hello")
	for _, change := range []string{
		"ALTER TABLE posts MODIFY created_at VARCHAR(40) NOT NULL", // the scan cannot work
		"ALTER TABLE posts DROP COLUMN updated_at",                 // the statement cannot work
	} {
		if _, err := a.db.Exec(change); err != nil {
			t.Fatal(err)
		}
		if got := a.call(nobody, "GET", "/api/posts", ""); got.status != http.StatusInternalServerError || got.header.Get("Retry-After") != "" {
			t.Errorf("after %s: %d %s; want a 500", change, got.status, got.text)
		}
	}
}

// A unique key but PRIMARY refuses no insert here: the ids have run into those of
// posts that are there, as when a sequence is behind.
func TestIDsThatRunIntoExistingOnesAreAnOutageAndNameTheSequence(t *testing.T) {
	t.Parallel()
	a := onMariaDB(t, nil)
	post := a.publish(ada, "hello")
	if _, err := a.db.Exec("CREATE TRIGGER stuck BEFORE INSERT ON posts FOR EACH ROW SET NEW.id = " + fmt.Sprint(post["id"])); err != nil {
		t.Fatal(err)
	}
	got := a.call(ada, "POST", "/api/posts", content("next"))
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s; want a 503", got.status, got.text)
	}
	a.waitForLog(t, "next_id above MAX(id)")
}
