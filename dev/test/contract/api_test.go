// Package contract tests Warble from outside, over HTTP: what callers of the
// API rely on, on each database that it is to run on.
package contract

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	localclerk "warble/dev/local/clerk"
	localmysql "warble/dev/local/mysql"
	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

// api is a running Warble, a client of it, and what it stands on.
type api struct {
	*testkit.Product
	*testkit.Client
	clerk *testkit.Clerk
	db    *sqlx.DB // past the functions
}

const (
	nobody = testkit.Nobody
	ada    = localclerk.Ada
	grace  = localclerk.Grace
	hedy   = localclerk.Hedy // a moderator
)

// databases are those that the contract holds on.
var databases = map[string]func(*testing.T) string{
	"embedded": func(t *testing.T) string {
		server, err := localmysql.Start("127.0.0.1:0", io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		return server.URL()
	},
	"MariaDB": func(t *testing.T) string { return mariadb.Start(t).URL() },
}

// eachDatabase runs a check on each database, each with a Warble of its own.
func eachDatabase(t *testing.T, environment map[string]string, check func(t *testing.T, a *api)) {
	for name, start := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count(name)
			check(t, open(t, start(t), environment))
		})
	}
}

// open starts Warble on the database at a URL, which it brings to schema.sql.
func open(t *testing.T, databaseURL string, environment map[string]string) *api {
	t.Helper()
	clerk := testkit.StartClerk(t, localclerk.Config{})
	db := testkit.Database(t, databaseURL)
	product := testkit.Start(t, clerk.Environment(databaseURL, environment))
	return &api{product, testkit.NewClient(t, product.URL, clerk), clerk, db}
}

// waitForLog waits until the log has a text.
func (a *api) waitForLog(t *testing.T, want string) {
	t.Helper()
	for begun := time.Now(); !strings.Contains(a.Log(), want); time.Sleep(20 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			t.Fatalf("the log has no %q:\n%s", want, a.Log())
		}
	}
}

// cases counts the cases that ran, by database.
var cases struct {
	sync.Mutex
	ran map[string]int
}

func count(database string) {
	cases.Lock()
	defer cases.Unlock()
	if cases.ran == nil {
		cases.ran = map[string]int{}
	}
	cases.ran[database]++
}

func TestMain(m *testing.M) {
	status := m.Run()
	for name := range databases {
		fmt.Printf("contract: %d cases on %s\n", cases.ran[name], name)
	}
	os.Exit(status)
}
