package contract

import (
	"fmt"
	"sync"
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
