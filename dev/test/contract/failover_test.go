package contract

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/faults"
	"warble/dev/testkit/mariadb"
	"warble/dev/testkit/teston"
)

func TestPeopleGoOnWritingAfterAFailover(t *testing.T) {
	t.Parallel()
	if teston.Given != "" {
		teston.LeaveOut(t, "a failover: it takes a second server, and the right to make the first one read-only")
	}
	before, after := mariadb.Start(t), mariadb.Start(t)
	for _, server := range []*mariadb.Server{before, after} {
		// A user who may write on a read-only server would not see the failover.
		if _, err := testkit.Database(t, server.URL()).Exec(
			"GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO app@'127.0.0.1' IDENTIFIED BY 'app'"); err != nil {
			t.Fatal(err)
		}
	}
	primary := faults.New(t, "mysql://app:app@"+before.Addr()+"/warble")
	a := open(t, &teston.Server{URL: before.URL()}, map[string]string{"DATABASE_URL": primary.URL()})
	atOnce := func(n int, f func(i int)) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { f(i) })
		}
		all.Wait()
	}
	// More at once than the pool has connections: all of them are used.
	atOnce(8, func(i int) { a.Publish(fmt.Sprint("user_before", i), "before") })

	if _, err := a.db.Exec("SET GLOBAL read_only = 1"); err != nil {
		t.Fatal(err)
	}
	primary.FailOver(after.Addr())
	atOnce(16, func(i int) {
		got, err := a.Try(fmt.Sprint("user_after", i), "POST", "/api/posts", testkit.Content("after"))
		if err != nil || got.Status != 201 {
			t.Errorf("the first post after the failover = %d %s, %v; want 201", got.Status, got.Text, err)
		}
	})
	if feed := a.Call(nobody, "GET", "/api/posts", ""); !strings.Contains(feed.Text, "after") {
		t.Errorf("read after the failover: %s", feed.Text)
	}
}
