package contract

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"warble/dev/testkit"
)

// atOnce runs f as n callers at the same time.
func atOnce(n int, f func(i int)) {
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			f(i)
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
}

func TestWritersAtOnceLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	a := onServer(t, nil)
	const writers, each = 32, 20
	atOnce(writers, func(i int) {
		who := fmt.Sprint("user_writer", i)
		for n := range each {
			text := fmt.Sprint("post ", n, " of ", who)
			got, err := a.Try(who, "POST", "/api/posts", testkit.Content(text), "Idempotency-Key", fmt.Sprint(n))
			if err != nil || got.Status != 201 {
				t.Errorf("%s = %d %s, %v; want 201", text, got.Status, got.Text, err)
			}
		}
	})
	seen, _ := a.Walk(nobody, "?limit=100")
	times := map[any]int{}
	for _, post := range seen {
		times[post.Content]++
		if !strings.HasSuffix(post.Content, " of "+post.UserID) {
			t.Errorf("%v is another author's", post)
		}
	}
	if len(seen) != writers*each || len(times) != writers*each {
		t.Errorf("%d posts, %d different ones; want %d, each once", len(seen), len(times), writers*each)
	}
}

func TestRacingCopiesOfOnePostPublishItOnce(t *testing.T) {
	for name, interval := range map[string]string{"no limit": "0", "limit": "86400"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := onServer(t, map[string]string{"POST_INTERVAL": interval})
			for round := range 20 {
				who := fmt.Sprint("user_round", round)
				var created atomic.Int64
				var ids sync.Map
				atOnce(16, func(int) {
					got, err := a.Try(who, "POST", "/api/posts", testkit.Content("hello"), "Idempotency-Key", "one")
					if err != nil || got.Status != 201 && got.Status != 200 {
						t.Errorf("%d %s, %v; want 201 or 200", got.Status, got.Text, err)
						return
					}
					if got.Status == 201 {
						created.Add(1)
					}
					ids.Store(fmt.Sprint(got.ID), true)
				})
				n := 0
				ids.Range(func(any, any) bool { n++; return true })
				var rows int
				if err := a.db.Get(&rows, "SELECT COUNT(*) FROM posts WHERE user_id = ?", who); err != nil {
					t.Fatal(err)
				}
				if created.Load() != 1 || n != 1 || rows != 1 {
					t.Errorf("%d times 201, %d ids, %d rows; want one of each", created.Load(), n, rows)
				}
			}
		})
	}
}

func TestRacingPostsOfOneUserTakeOneSlotAndFailNobodyElse(t *testing.T) {
	t.Parallel()
	// Several instances: one has few connections, and too few for a deadlock.
	instances := onServers(t, 4, map[string]string{"POST_INTERVAL": "86400"})
	for round := range 30 {
		who := fmt.Sprint("user_round", round)
		instances[0].Publish(who, "first")
		atOnce(32, func(i int) {
			a := instances[i%len(instances)]
			got, err := a.Try(who, "POST", "/api/posts", testkit.Content("second"), "Idempotency-Key", "k")
			if err != nil || got.Status != 429 {
				t.Errorf("%d %s, %v; want 429", got.Status, got.Text, err)
			}
		})
	}
	if posts, _ := instances[0].Walk(nobody, "?limit=100"); len(posts) != 30 {
		t.Errorf("%d posts of 30 users; want one each", len(posts))
	}
}

func TestReaderWhoPagesWhilePostsArriveSeesEachOnce(t *testing.T) {
	t.Parallel()
	a := onServer(t, nil)
	for i := range 100 {
		a.Publish(ada, fmt.Sprint("old ", i))
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				got, err := a.Try(fmt.Sprint("user_new", i), "POST", "/api/posts", testkit.Content(fmt.Sprint("new ", n)))
				if err != nil || got.Status != 201 {
					t.Errorf("publish = %d %s, %v", got.Status, got.Text, err)
					return
				}
			}
		})
	}
	for range 5 {
		seen, old := map[string]bool{}, 0
		posts, _ := a.Walk(nobody, "?limit=7")
		for _, post := range posts {
			id := fmt.Sprint(post.ID)
			if seen[id] {
				t.Errorf("post %s is seen twice", id)
			}
			seen[id] = true
			if strings.HasPrefix(post.Content, "old") {
				old++
			}
		}
		if old != 100 {
			t.Errorf("%d of the 100 posts that were there are seen", old)
		}
	}
	close(stop)
	writers.Wait()
}
