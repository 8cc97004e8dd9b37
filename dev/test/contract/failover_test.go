package contract

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

// primary forwards new connections to the server that is the primary now, as a
// database's load balancer does. Connections made before a failover stay where
// they are. It returns its address.
func primary(t *testing.T, server *atomic.Pointer[mariadb.Server]) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial("tcp", server.Load().Addr())
			if err != nil {
				client.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
				go func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return listener.Addr().String()
}

func TestPeopleGoOnWritingAfterAFailover(t *testing.T) {
	t.Parallel()
	if testkit.Given != "" {
		testkit.LeaveOut(t, "a failover: it takes a second server, and the right to make the first one read-only")
	}
	testkit.CountCase("MariaDB")
	before, after := mariadb.Start(t), mariadb.Start(t)
	for _, server := range []*mariadb.Server{before, after} {
		// A user who may write on a read-only server would not see the failover.
		if _, err := testkit.Database(t, server.URL()).Exec(
			"GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO app@'127.0.0.1' IDENTIFIED BY 'app'"); err != nil {
			t.Fatal(err)
		}
	}
	var current atomic.Pointer[mariadb.Server]
	current.Store(before)
	address := url.URL{Scheme: "mysql", User: url.UserPassword("app", "app"), Host: primary(t, &current), Path: "warble"}
	a := open(t, before.URL(), map[string]string{"DATABASE_URL": address.String()})
	// As many at once as the pool has connections, all of them used.
	atOnce(8, func(i int) { a.Publish(fmt.Sprint("user_before", i), "before") })

	if _, err := a.db.Exec("SET GLOBAL read_only = 1"); err != nil {
		t.Fatal(err)
	}
	current.Store(after)
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
