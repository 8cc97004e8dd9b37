// Package contract tests Warble from outside, over HTTP: what callers of the
// API rely on, on each database that it is to run on.
package contract

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/dev/local/embeddedmysql"
	"warble/dev/local/fakeclerk"
	"warble/dev/testkit"
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
	ada    = fakeclerk.Ada
	grace  = fakeclerk.Grace
	hedy   = fakeclerk.Hedy // a moderator
)

// databases are those that the contract holds on: the given one alone, where
// there is one.
func databases() map[string]func(*testing.T) *testkit.Server {
	if testkit.Given != "" {
		return map[string]func(*testing.T) *testkit.Server{"given": startServer}
	}
	return map[string]func(*testing.T) *testkit.Server{"embedded": startEmbedded, "MariaDB": startServer}
}

func startServer(t *testing.T) *testkit.Server { return testkit.StartServer(t) }

func startEmbedded(t *testing.T) *testkit.Server {
	server, err := embeddedmysql.Start("127.0.0.1:0", "", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return &testkit.Server{URL: server.URL(), Name: "embedded"}
}

// eachDatabase runs a check on each database, each with a Warble of its own.
func eachDatabase(t *testing.T, environment map[string]string, check func(t *testing.T, a *api)) {
	for name, start := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			testkit.CountCase(server.Name)
			check(t, open(t, server.URL, environment))
		})
	}
}

// onServers opens several instances of Warble on one database that runs several
// writes at once. The embedded engine runs one statement at a time and has no such
// races.
func onServers(t *testing.T, instances int, environment map[string]string) (all []*api) {
	t.Helper()
	server := testkit.StartServer(t)
	testkit.CountCase(server.Name)
	for range instances {
		all = append(all, open(t, server.URL, environment))
	}
	return all
}

// open starts Warble on the database at a URL, which it brings to schema.sql.
func open(t *testing.T, databaseURL string, environment map[string]string) *api {
	t.Helper()
	clerk := testkit.StartClerk(t, fakeclerk.Config{})
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

func TestMain(m *testing.M) {
	status := m.Run()
	testkit.PrintCases("contract")
	os.Exit(status)
}
